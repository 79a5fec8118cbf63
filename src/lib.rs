//! Which neural-network checkpoints were fine-tuned from which? Families, parents and directions, from the weights alone.
//!
//! Models are read in bounded memory and reduced to their distances. A test of independence tells families apart. The lines,
//! angles and norms of what training moved show who came from whom. Each edge says how sure it is.
//!
//! ```
//! use neural_phylogeny::{Config, InMemory, ModelSet, detect_phylogeny};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use neural_phylogeny::rand::{Rng, SeedableRng};
//! # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
//! # let base = trained(&[0.0; 4096], 1.0);
//! # let (chat, code) = (trained(&base, 0.1), trained(&base, 0.1));
//! # let stranger = trained(&[0.0; 4096], 1.0);
//! let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
//! let models = ModelSet::from_models([
//!     ("base", model(base)?),
//!     ("chat", model(chat)?),
//!     ("code", model(code)?),
//!     ("stranger", model(stranger)?),
//! ])?;
//! let phylogeny = detect_phylogeny(&models, Config::default())?;
//!
//! // base ─┬─ chat
//! //       └─ code        stranger
//! let base = phylogeny.id("base").ok_or("no model base")?;
//! assert_eq!(phylogeny.children(base).count(), 2);
//! assert_eq!(phylogeny.families().len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! **Run it in release, or optimize dependencies.** Without optimization the same work takes about a hundred times as long: 17
//! s in place of 0.2 s. Profiles are those of your own `Cargo.toml`:
//!
//! ```toml
//! [profile.dev.package."*"]
//! opt-level = 3
//! ```
//!
//! # I have a folder of checkpoints
//!
//! [`ModelSet::discover`] finds them and names each by its path. [`Discovery`](discover::Discovery) has options: bases of
//! adapters, parts of pipelines.
//!
//! ```
//! use neural_phylogeny::{Config, ModelSet, detect_phylogeny};
//! use neural_phylogeny::write::write_table;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use neural_phylogeny::rand::{Rng, SeedableRng};
//! # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
//! # let folder = tempfile::tempdir()?;
//! # let write = |name: &str, weights: &[f32]| {
//! #     let header = r#"{"fc.weight":{"dtype":"F32","shape":[64,64],"data_offsets":[0,16384]}}"#;
//! #     let bytes = weights.iter().flat_map(|w| w.to_le_bytes());
//! #     let file: Vec<u8> = (header.len() as u64).to_le_bytes().into_iter().chain(header.bytes()).chain(bytes).collect();
//! #     std::fs::write(folder.path().join(name), file)
//! # };
//! # let base = trained(&[0.0; 4096], 1.0);
//! # write("base.safetensors", &base)?;
//! # write("chat.safetensors", &trained(&base, 0.1))?;
//! # let path = folder.path();
//! let models = ModelSet::discover(path)?;
//! let phylogeny = detect_phylogeny(&models, Config::default())?;
//! write_table(&phylogeny, std::io::stdout())?;
//! assert_eq!(models.names().collect::<Vec<_>>(), ["base", "chat"]);
//! # Ok(())
//! # }
//! ```
//!
//! # I have my own loader
//!
//! [`InMemory`] takes what you loaded. A [`ParameterSource`] reads on demand, so that a model never needs to fit into memory.
//! It has two methods, `parameters` and `read`.
//!
//! ```
//! use neural_phylogeny::{ModelSet, ParameterSource, SourceError};
//! use neural_phylogeny::format::{Dtype, ParameterInfo, check_range};
//!
//! /// One matrix whose values are computed.
//! #[derive(Debug)]
//! struct Computed(fn(usize) -> f32);
//!
//! impl ParameterSource for Computed {
//!     fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
//!         Ok(vec![ParameterInfo::new("fc.weight", [8, 8], Dtype::F32)])
//!     }
//!
//!     fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
//!         if name != "fc.weight" {
//!             return Err(SourceError::UnknownParameter { parameter: name.into() });
//!         }
//!         check_range(name, 64, offset, out.len())?;
//!         out.iter_mut().enumerate().for_each(|(at, value)| *value = (self.0)(offset + at));
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let models = ModelSet::from_models([("sine", Computed(|i| (i as f32).sin())), ("cosine", Computed(|i| (i as f32).cos()))])?;
//! assert_eq!(models.groups().len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # I have a registry that grows
//!
//! A [`SketchStore`](store::SketchStore) keeps a small sketch of each model. A [`Query`](query::Query) says what one more model
//! is derived from, and opens the sketches of its nearest kin alone.
//! [`detect_phylogeny_from_sketches`](config::detect_phylogeny_from_sketches) finds the lineage of all of them. No model is
//! read twice.
//!
//! ```
//! use neural_phylogeny::InMemory;
//! use neural_phylogeny::query::Query;
//! use neural_phylogeny::sketch::{Sketch, SketchSettings};
//! use neural_phylogeny::store::SketchStore;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use neural_phylogeny::rand::{Rng, SeedableRng};
//! # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
//! # let base = trained(&[0.0; 10_000], 1.0);
//! # let (chat, code, found) = (trained(&base, 0.1), trained(&base, 0.1), trained(&base, 0.1));
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("sketches");
//! let store = SketchStore::open_or_create(path, &SketchSettings::new())?;
//! let sketch = |weights| -> Result<Sketch, Box<dyn std::error::Error>> {
//!     let model = InMemory::new().with_parameter("w", [100, 100], weights)?;
//!     Ok(Sketch::compute(&model, &store.settings())?)
//! };
//! for (name, weights) in [("base", base), ("chat", chat), ("code", code)] {
//!     store.add(name, &sketch(weights)?)?;
//! }
//! let answer = Query::new(&store).run("unknown", &sketch(found)?)?;
//! let parents: Vec<&str> = answer.parents().iter().map(|e| answer.phylogeny.name(e.parent)).collect();
//! assert_eq!(parents, ["base"]);
//! # Ok(())
//! # }
//! ```
//!
//! # I want the paper's method
//!
//! A [`ParentSelector`] alone gives families by the independence test and one parent in each.
//! [`CentroidDetector`](detect::cluster::CentroidDetector) follows the α rule, *identify along clustering*.
//! [`Alpha::Sweep`](detect::cluster::Alpha::Sweep) chooses α.
//!
//! ```
//! use neural_phylogeny::{Config, InMemory, ModelSet, detect_phylogeny};
//! use neural_phylogeny::detect::cluster::{CentroidDetector, KMeans};
//! use neural_phylogeny::parent::SmallestNorm;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use neural_phylogeny::rand::{Rng, SeedableRng};
//! # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
//! # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
//! # let base = trained(&[0.0; 4096], 1.0);
//! # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
//! # let models = ModelSet::from_models([("chat", model(trained(&base, 0.3))?), ("base", model(base)?)])?;
//! let after = Config::new().with_selector(SmallestNorm);
//! let along = after.clone().with_detector(CentroidDetector::new(KMeans::new()).with_alpha(0.5));
//! for config in [after, along] {
//!     let phylogeny = detect_phylogeny(&models, config)?;
//!     assert_eq!(phylogeny.name(phylogeny.edges()[0].parent), "base");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # I have my own detector, clusterer or selector
//!
//! Each is a small trait with a written contract and an example on its page: [`PhylogenyDetector`], [`Clusterer`],
//! [`ParentSelector`]. The module `testing` (feature `testing`) checks an implementation. [`Linfa`](detect::cluster::Linfa)
//! makes linfa's clusterers clusterers of this crate. [`detect_phylogeny_in`](config::detect_phylogeny_in) runs several
//! detectors over one pass.
//!
//! ```
//! use linfa_clustering::Dbscan;
//! use neural_phylogeny::{Config, InMemory, ModelSet, detect_phylogeny};
//! use neural_phylogeny::detect::cluster::{ClusterDetector, Linfa};
//! use neural_phylogeny::parent::Medoid;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let model = |w| InMemory::new().with_parameter("w", [2, 2], vec![w; 4]);
//! # let models = ModelSet::from_models([("a", model(1.0)?), ("b", model(1.1)?), ("c", model(9.0)?)])?;
//! let detector = ClusterDetector::new(Linfa::new(Dbscan::params(2).tolerance(1.0)));
//! let phylogeny = detect_phylogeny(&models, Config::new().with_detector(detector).with_selector(Medoid))?;
//! assert_eq!(phylogeny.families().len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! Traits name types of [`rand`] 0.8, [`ndarray`] 0.16 and [`linfa`] 0.8. Take them from here, as `neural_phylogeny::rand` and
//! so on: `cargo add` brings later versions, which do not fit. An error of a plug-in's own is [`Error::Other`] or
//! [`SourceError::Other`].
//!
//! # I want JSON
//!
//! ```
//! # #[cfg(feature = "serde")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use neural_phylogeny::{Config, InMemory, ModelSet, detect_phylogeny};
//! # let model = |w| InMemory::new().with_parameter("w", [2, 2], vec![w; 4]);
//! # let models = ModelSet::from_models([("a", model(1.0)?), ("b", model(1.1)?)])?;
//! # let phylogeny = detect_phylogeny(&models, Config::default())?;
//! use neural_phylogeny::write::{read_json, write_json};
//!
//! let mut file = Vec::new();
//! write_json(&phylogeny, &mut file)?;
//! assert_eq!(read_json(&file[..])?.edges(), phylogeny.edges());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "serde"))]
//! # fn main() {}
//! ```
//!
//! # The parts
//!
//! They stand in the order in which data flows:
//!
//! - [`ParameterSource`]: where one model's parameters come from. [`Discovery`](discover::Discovery) finds files,
//!   folders of libraries, caches, and adapters over their bases. [`InMemory`] holds what a caller loaded.
//! - [`ModelSet`]: named models, and which of them can be compared on what.
//! - [`Geometry`](geometry::Geometry): distances, norms, moments; the [`Independence`](geometry::Independence) test;
//!   [`Coordinates`](geometry::Coordinates). On demand, [`PairEvidence`](geometry::PairEvidence) and [`Lines`](evidence::Lines)
//!   read the models in question once more.
//! - [`PhylogenyDetector`]: [`LineageDetector`](detect::LineageDetector), the default;
//!   [`ClusterDetector`](detect::cluster::ClusterDetector) and [`CentroidDetector`](detect::cluster::CentroidDetector) around a
//!   [`Clusterer`]; [`Arborescence`](detect::Arborescence) and [`NeighborJoining`](detect::NeighborJoining).
//! - [`ParentSelector`]: which member of a family is the parent.
//! - [`Phylogeny`]: the result. [`write_table`](write::write_table), [`write_dot`](write::write_dot),
//!   [`write_newick`](write::write_newick) and, with feature `serde`, `write_json` write it.
//!   [`write_explanation`](write::write_explanation) says why one model has the parents it has.
//! - [`evaluate()`]: measures a result against known [`Truth`](evaluate::Truth).
//! - [`SketchStore`](store::SketchStore): keeps sketches of models. [`Query`](query::Query): what one more model is derived
//!   from among them.
//!
//! [`detect_phylogeny`] runs these stages by a [`Config`].
//!
//! # Choosing a detector
//!
//! [`LineageDetector`](detect::LineageDetector), the default, finds any depth, merges and copies with nothing to set. It
//! assumes independent initializations. It costs n² T + n³ and some reading. It is unsure where siblings were trained on the
//! same data.
//!
//! These find one generation, by the paper's scheme of families first and one parent each:
//!
//! | detector around | assumes | needs | cost | fails when |
//! |---|---|---|---|---|
//! | [`ExpectedFamilies`](detect::cluster::ExpectedFamilies) | independent initializations | nothing | n² T | initializations are shared, matrices are tiny |
//! | [`KMeans`](detect::cluster::KMeans) | families as compact balls of one size | K, estimated | n² K per iteration | a child moved farther than families are apart |
//! | [`MeanShift`](detect::cluster::MeanShift) | families of one radius | a bandwidth, estimated | n³ | families differ in spread |
//! | [`Dbscan`](detect::cluster::Dbscan) | dense families | eps, estimated | n² | families differ in density |
//! | [`GaussianMixture`](detect::cluster::GaussianMixture) | ellipsoids, many models each | K, estimated | n K r² per iteration | families are few models |
//!
//! These are published tree methods. Each is a detector of its own, over the families of the independence test:
//!
//! | detector | assumes | needs | cost | fails when |
//! |---|---|---|---|---|
//! | [`Arborescence`](detect::Arborescence) | kurtosis changes one way from parent to child | that way, and λ | n² (T + log n) | it does not, or the way is unknown |
//! | [`NeighborJoining`](detect::NeighborJoining) | uncorrelated increments; the selector knows the root | nothing | n³ | siblings drifted alike |
//!
//! # Limits
//!
//! The weights do not always show whether a family's root is in the set. Nor do they always show which of two siblings trained
//! on the same data came first. Confidences say so. Merges are found when all their parents are in the set, TIES and DARE in
//! F32 alone. `docs/method.md` derives each step with its failure cases. `docs/evaluation.md` measures them.
//!
//! # Features
//!
//! - `serde` (default): JSON of results and truth.
//! - `cli`: the command `neural-phylogeny`, with all formats.
//! - `formats`: all file formats: `pytorch`, `gguf`, `npz`, `onnx`, `keras`, `flax`. Each is a feature by itself. Safetensors,
//!   quantized ones too, need none.
//! - `remote`: models on hubs, object stores and web servers.
//! - `testing`: conformance checks.
//! - `openblas-system`, `netlib-static`: eigendecomposition through LAPACK by ndarray-linalg.
//!
//! # References
//!
//! Yu & Wang, *Neural Phylogeny: Fine-Tuning Relationship Detection among Neural Networks*, ICLR 2025,
//! <https://openreview.net/forum?id=jv2zHOalpL>.

pub mod bytes;
pub mod config;
pub mod detect;
pub mod discover;
pub mod error;
pub mod evaluate;
pub mod evidence;
pub mod format;
pub mod geometry;
mod kernel;
pub mod model_set;
mod naming;
pub mod parent;
pub mod phylogeny;
pub mod query;
pub mod rebuild;
pub mod sketch;
pub mod source;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod write;

pub use crate::config::{Config, detect_phylogeny};
pub use crate::detect::PhylogenyDetector;
pub use crate::detect::cluster::Clusterer;
pub use crate::error::{Error, SourceError};
pub use crate::evaluate::evaluate;
pub use crate::model_set::{ModelId, ModelSet};
pub use crate::parent::ParentSelector;
pub use crate::phylogeny::{Edge, Phylogeny, Relation};
pub use crate::source::{InMemory, ParameterSource};
pub use {linfa, ndarray, rand, rand_chacha};

pub use petgraph;

/// The examples of README.md.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
