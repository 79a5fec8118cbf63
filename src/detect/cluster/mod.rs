//! Families by clustering, then one parent each.

mod clusterer;
mod detector;
mod edges;
mod expected;

pub use clusterer::{CentroidClusterer, Clusterer, Clustering, Points, PreferMember};
pub use detector::{CentroidDetector, ClusterDetector};
pub use expected::ExpectedFamilies;
