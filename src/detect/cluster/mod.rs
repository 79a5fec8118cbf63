//! Detection by clustering: clusters are families, and each gets one parent.

mod center;
mod centroid_rule;
mod clusterer;
mod dbscan;
mod detector;
mod distances;
pub(super) mod edges;
mod expected;
mod gaussian_mixture;
mod k_means;
mod linfa;
mod mean_shift;
mod pointers;
mod radius;
mod settings;
mod sweep;

use super::NamedDetector;

/// Detectors around the clusterers of this room, by name.
pub(super) const NAMED: [NamedDetector; 5] =
    [expected::NAMED, k_means::NAMED, mean_shift::NAMED, dbscan::NAMED, gaussian_mixture::NAMED];

pub use self::linfa::{ByFit, ByTransform, Labels, Linfa, LinfaClusterer, LinfaWith};
pub use centroid_rule::Alpha;
pub use clusterer::{CentroidClusterer, Clusterer, Clustering, MemberScores, Points};
pub use dbscan::{Dbscan, Radius};
pub use detector::{CentroidDetector, ClusterDetector};
pub use expected::ExpectedFamilies;
pub use gaussian_mixture::GaussianMixture;
pub use k_means::{KMeans, Seeding};
pub use mean_shift::{Bandwidth, MeanShift};
