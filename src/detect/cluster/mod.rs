//! Families by clustering, then one parent each.

mod centroid_rule;
mod clusterer;
mod distances;
mod expected;
mod k_means;

pub use clusterer::{CentroidClusterer, Clusterer, Clustering, Points, PreferMember};
pub use expected::ExpectedFamilies;
pub use k_means::KMeans;
