//! Families by clustering, then one parent each.

mod clusterer;

pub use clusterer::{CentroidClusterer, Clusterer, Clustering, Points, PreferMember};
