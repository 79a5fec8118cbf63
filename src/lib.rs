//! Which neural-network checkpoints were fine-tuned from which?

mod detect;
mod error;
mod model_set;
mod phylogeny;
mod source;
#[cfg(feature = "testing")]
pub mod testing;

pub use crate::detect::cluster::{CentroidClusterer, Clusterer, Clustering, Points, PreferMember};
pub use crate::error::{Error, SourceError};
pub use crate::model_set::{ModelId, Skipped};
pub use crate::phylogeny::{Edge, Family, Phylogeny, Relation, Remark};
pub use crate::source::{
    Discovered, DiscoveredModel, Discovery, Dtype, Ignored, InMemory, Layout, ParameterInfo, ParameterSource,
    PeftAdapter, SafetensorsFile, SafetensorsShards, Unreadable, check_range,
};
