//! Families by clustering, then one parent each.

mod centroid_rule;
mod clusterer;
mod dbscan;
mod detector;
mod distances;
mod edges;
mod expected;
mod gaussian_mixture;
mod k_means;
mod mean_shift;
mod radius;
mod settings;

pub use clusterer::{CentroidClusterer, Clusterer, Clustering, Points, PreferMember};
pub use dbscan::{Dbscan, Radius};
pub use detector::{CentroidDetector, ClusterDetector};
pub use expected::ExpectedFamilies;
pub use gaussian_mixture::GaussianMixture;
pub use k_means::KMeans;
pub use mean_shift::{Bandwidth, MeanShift};
