//! Which neural-network checkpoints were fine-tuned from which?

mod detect;
mod error;
mod model_set;
mod phylogeny;
mod source;
#[cfg(feature = "testing")]
pub mod testing;

pub use crate::detect::cluster::{
    Bandwidth, CentroidClusterer, Clusterer, Clustering, Dbscan, ExpectedFamilies, GaussianMixture, KMeans, MeanShift,
    Points, PreferMember, Radius,
};
pub use crate::error::{Error, SourceError};
pub use crate::model_set::{ModelId, Skipped};
pub use crate::phylogeny::{Edge, Family, Phylogeny, Relation, Remark};
pub use crate::source::{Dtype, InMemory, ParameterInfo, ParameterSource, check_range};
