//! Which neural-network checkpoints were fine-tuned from which?

mod detect;
mod error;
mod evaluate;
mod export;
mod geometry;
mod model_set;
mod parent;
mod phylogeny;
mod pipeline;
mod report;
mod source;
#[cfg(feature = "testing")]
pub mod testing;

pub use crate::detect::cluster::{
    Bandwidth, CentroidClusterer, CentroidDetector, ClusterDetector, Clusterer, Clustering, Dbscan, ExpectedFamilies,
    GaussianMixture, KMeans, MeanShift, Points, PreferMember, Radius,
};
pub use crate::detect::{Families, PhylogenyDetector};
pub use crate::error::{Error, SourceError};
pub use crate::evaluate::{Evaluation, FamilyAgreement, Ratio, Retrieval, Truth, WeightErrors, evaluate};
#[cfg(feature = "serde")]
pub use crate::export::{read_json, write_json};
pub use crate::export::{write_dot, write_newick};
pub use crate::geometry::{
    Comparison, Coordinates, Geometry, GeometrySettings, Independence, Initialization, Moments, ParameterView,
    Progress, Scope,
};
pub use crate::model_set::{
    Kind, LayoutGroup, ModelId, ModelSet, ModelSetBuilder, OnUnreadable, Role, SharedParameter, Skipped,
};
pub use crate::parent::{Choice, LogDistanceMedoid, Medoid, NearestToInitialization, ParentSelector, SmallestNorm};
pub use crate::phylogeny::{Edge, Family, Phylogeny, Relation, Remark};
pub use crate::pipeline::{Config, detect_phylogeny};
pub use crate::report::write_table;
pub use crate::source::{
    Discovered, DiscoveredModel, Discovery, Dtype, Entries, Ignored, InMemory, Layout, ParameterInfo, ParameterSource,
    PeftAdapter, RandomSource, SafetensorsFile, SafetensorsShards, Unreadable, check_range,
};
