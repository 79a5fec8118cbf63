//! Which neural-network checkpoints were fine-tuned from which? Families, parents and directions, from the weights alone.
//!
//! Reads each model's parameters once, in bounded memory, reduces any number of checkpoints to their distances, tells families
//! apart by a test of independence, and finds who came from whom.
//!
//! ```
//! use neural_phylogeny::{Config, ModelSet, detect_phylogeny};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let models = ModelSet::discover("tests/data/zoo/diffusion")?;
//! let phylogeny = detect_phylogeny(&models, Config::default())?;
//!
//! // d0 ─┬─ d0_c0
//! //     ├─ d0_c1
//! //     └─ d0_c2
//! let root = phylogeny.id("d0").ok_or("no model d0")?;
//! assert_eq!(phylogeny.roots().collect::<Vec<_>>(), [root]);
//! assert_eq!(phylogeny.children(root).count(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! # Overview
//!
//! In the order in which data flows:
//!
//! - [`ParameterSource`]: where one model's parameters come from. [`Discovery`] finds safetensors, transformers, diffusers and
//!   peft checkpoints in folders; [`InMemory`] holds what a caller loaded.
//! - [`ModelSet`]: named models, and which of them can be compared on what.
//! - [`Geometry`]: distances, norms, moments; the [`Independence`] test; [`Coordinates`]; on demand [`PairEvidence`] and [`Lines`],
//!   which read the models in question once more.
//! - [`PhylogenyDetector`]: [`LineageDetector`], the default; [`ClusterDetector`] and [`CentroidDetector`] around a [`Clusterer`];
//!   [`Arborescence`] and [`NeighborJoining`].
//! - [`ParentSelector`]: which member of a family is the parent.
//! - [`Phylogeny`]: the result, written by [`write_table`], [`write_dot`], [`write_newick`] and, with feature `serde`, as JSON;
//!   [`write_explanation`] tells why one model has the parents it has.
//! - [`evaluate()`]: a result against known [`Truth`].
//! - [`SketchStore`]: sketches of models, kept; [`query()`]: what one more model is derived from among them.
//!
//! [`detect_phylogeny`] strings them together by a [`Config`].
//!
//! # Choosing a detector
//!
//! [`LineageDetector`], the default, finds any depth, merges and copies with nothing to set; it assumes independent
//! initializations, costs n² T + n³ and some reading, and is unsure where siblings were trained on the same data.
//!
//! One generation, by the paper's scheme of families first and one parent each:
//!
//! | detector around | assumes | needs | cost | fails when |
//! |---|---|---|---|---|
//! | [`ExpectedFamilies`] | independent initializations | nothing | n² T | initializations are shared, matrices are tiny |
//! | [`KMeans`] | families as compact balls of one size | K, estimated | n² K per iteration | a child moved farther than families are apart |
//! | [`MeanShift`] | families of one radius | a bandwidth, estimated | n³ | families differ in spread |
//! | [`Dbscan`] | dense families | eps, estimated | n² | families differ in density |
//! | [`GaussianMixture`] | ellipsoids, many models each | K, estimated | n K r² per iteration | families are few models |
//!
//! Published tree methods, detectors of their own, over the families of the independence test:
//!
//! | detector | assumes | needs | cost | fails when |
//! |---|---|---|---|---|
//! | [`Arborescence`] | kurtosis changes one way from parent to child | that way, and λ | n² (T + log n) | it does not, or the way is unknown |
//! | [`NeighborJoining`] | uncorrelated increments; the selector knows the root | nothing | n³ | siblings drifted alike |
//!
//! # Plugging in your own
//!
//! Sources, clusterers, detectors and selectors are small traits with a written contract; the module `testing` (feature
//! `testing`) checks an implementation, and `examples/own_*.rs` shows each.
//!
//! # Limits
//!
//! Whether a family's root is in the set cannot always be told, nor which of two siblings trained on the same data came first;
//! confidences say so. Merges are found when all their parents are in the set, TIES and DARE in F32 alone. `docs/method.md` derives each step with its failure cases,
//! `docs/evaluation.md` measures them.
//!
//! # Features
//!
//! - `serde` (default): JSON of results and truth.
//! - `cli`: the command `neural-phylogeny`.
//! - `testing`: conformance checks.
//! - `openblas-system`, `netlib-static`: eigendecomposition through LAPACK by ndarray-linalg.
//!
//! # References
//!
//! Yu & Wang, *Neural Phylogeny: Fine-Tuning Relationship Detection among Neural Networks*, ICLR 2025,
//! <https://openreview.net/forum?id=jv2zHOalpL>.

mod detect;
mod error;
mod evaluate;
mod export;
mod geometry;
mod kernel;
mod model_set;
mod parent;
mod phylogeny;
mod pipeline;
mod query;
mod report;
mod source;
#[cfg(feature = "testing")]
pub mod testing;

pub use crate::detect::cluster::{
    Alpha, Bandwidth, CentroidClusterer, CentroidDetector, ClusterDetector, Clusterer, Clustering, Dbscan,
    ExpectedFamilies, GaussianMixture, KMeans, MeanShift, MemberScores, Points, Radius, Seeding,
};
pub use crate::detect::{
    Arborescence, Branch, Families, Kurtosis, LineageDetector, NeighborJoining, PhylogenyDetector, TreeNode,
    UnrootedTree, Weights, weights, witness,
};
pub use crate::error::{Error, SourceError};
pub use crate::evaluate::{
    Coverage, Evaluation, FamilyAgreement, Ratio, Reliability, ReliabilityBin, Retrieval, Truth, WeightErrors, evaluate,
};
#[cfg(feature = "serde")]
pub use crate::export::{read_json, write_answer_json, write_explanation_json, write_json};
pub use crate::export::{write_dot, write_newick, write_newick_unrooted};
pub use crate::geometry::{
    Added, Comparison, Coordinates, Factor, Geometry, GeometrySettings, Grid, GridSpan, Independence, Initialization,
    LineState, Lines, Moments, Nearest, Neighbor, PairEvidence, ParameterDistances, ParameterEvidence, ParameterView,
    Progress, Quantity, Scope, Sketch, SketchSet, SketchSettings, SketchStore, StoreEntry, StoreProblem,
};
pub use crate::model_set::{
    Kind, LayoutGroup, ModelId, ModelSet, ModelSetBuilder, OnUnreadable, Role, SharedParameter, Skipped,
};
pub use crate::parent::{
    Choice, LogDistanceMedoid, Medoid, NearestToInitialization, ParentSelector, Precedence, PrecedenceWeights,
    SmallestNorm,
};
pub use crate::phylogeny::{Candidate, Edge, Evidence, Family, Movement, Phylogeny, Relation, Remark, Signal, Stage};
pub use crate::pipeline::{Config, detect_phylogeny, detect_phylogeny_from_sketches};
pub use crate::query::{Answer, query};
pub use crate::report::{write_answer, write_explanation, write_table};
pub use crate::source::{
    Discovered, DiscoveredModel, Discovery, Dtype, Entries, Ignored, InMemory, Layout, ParameterInfo, ParameterSource,
    PeftAdapter, RandomSource, SafetensorsFile, SafetensorsShards, Unreadable, check_range,
};

/// The examples of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
