//! The stages strung together.

use crate::detect::cluster::{ClusterDetector, ExpectedFamilies};
use crate::detect::{LineageDetector, PhylogenyDetector};
use crate::error::Error;
use crate::geometry::{Geometry, GeometrySettings, Initialization, Progress, Scope, SketchSet};
use crate::model_set::ModelSet;
use crate::parent::{ParentSelector, Precedence};
use crate::phylogeny::{Phylogeny, Remark};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can be set.
///
/// Defaults: [`LineageDetector`], seed 0, 1 GiB of memory, one thread for each processor, distances over matrix-shaped
/// parameters, no edge withheld.
///
/// A selector without a detector is used as the paper uses it: families by the [independence test](crate::Independence), every
/// other member a child of the one it selects ([`ClusterDetector`]). A detector that asks a selector and is given none asks
/// [`Precedence`].
///
/// ```
/// use neural_phylogeny::{Config, SmallestNorm};
/// // The paper's rule in each family.
/// let config = Config::default().with_selector(SmallestNorm).with_seed(7).with_memory(4 << 30);
/// ```
#[derive(Debug)]
pub struct Config {
    detector: Option<Box<dyn PhylogenyDetector>>,
    selector: Option<Box<dyn ParentSelector>>,
    seed: u64,
    geometry: GeometrySettings,
    minimum_confidence: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { detector: None, selector: None, seed: 0, geometry: GeometrySettings::new(), minimum_confidence: 0.0 }
    }
}

impl Config {
    /// What finds families and edges.
    pub fn with_detector(mut self, detector: impl PhylogenyDetector + 'static) -> Self {
        self.detector = Some(Box::new(detector));
        self
    }

    /// What picks the parent among the members of a family; see [`Config`] for what it does without a detector.
    pub fn with_selector(mut self, selector: impl ParentSelector + 'static) -> Self {
        self.selector = Some(Box::new(selector));
        self
    }

    /// Where the random numbers of detectors that need any begin.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Bytes for Gram matrices and blocks of parameters, at least 1 MiB; see [`GeometrySettings::with_memory`].
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.geometry = self.geometry.with_memory(bytes);
        self
    }

    /// Threads; 0 means one for each processor. The result does not depend on it.
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.geometry = self.geometry.with_threads(threads);
        self
    }

    /// Which parameters make up distances.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.geometry = self.geometry.with_scope(scope);
        self
    }

    /// What [`NearestToInitialization`](crate::NearestToInitialization) measures from.
    pub fn with_initialization(mut self, initialization: Initialization) -> Self {
        self.geometry = self.geometry.with_initialization(initialization);
        self
    }

    /// Leaves out edges less sure than this, in [0, 1]; see [`Phylogeny::with_minimum_confidence`].
    pub fn with_minimum_confidence(mut self, minimum: f64) -> Self {
        self.minimum_confidence = minimum;
        self
    }

    /// Calls `observer` while parameters are read; see [`GeometrySettings::with_observer`].
    pub fn with_observer(mut self, observer: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.geometry = self.geometry.with_observer(observer);
        self
    }

    /// Keeps partial sums in a file that a stopped run continues from; see [`GeometrySettings::with_checkpoint`].
    pub fn with_checkpoint(mut self, path: impl Into<PathBuf>) -> Self {
        self.geometry = self.geometry.with_checkpoint(path);
        self
    }

    /// Least time between two saves of the checkpoint; see [`GeometrySettings::with_checkpoint_every`].
    pub fn with_checkpoint_every(mut self, least: Duration) -> Self {
        self.geometry = self.geometry.with_checkpoint_every(least);
        self
    }

    /// A detector where neither one nor a selector is set.
    pub(crate) fn or_detector(mut self, detector: LineageDetector) -> Self {
        if self.detector.is_none() && self.selector.is_none() {
            self.detector = Some(Box::new(detector));
        }
        self
    }

    fn check(&self) -> Result<(), Error> {
        if !(0.0..=1.0).contains(&self.minimum_confidence) {
            return Err(Error::InvalidSetting {
                setting: "minimum_confidence",
                found: self.minimum_confidence.to_string(),
                expected: "a number from 0 to 1",
            });
        }
        Ok(())
    }
}

/// Which models were fine-tuned from which.
///
/// Reads every parameter once, and detects on what that leaves. The result is the same whatever the order and the names of
/// the models, and whatever the number of threads.
///
/// # Errors
///
/// [`Error::OneModel`], [`Error::InvalidSetting`], [`Error::MemoryTooSmall`], [`Error::Source`] for a model that cannot be read
/// or holds NaN or infinity, [`Error::Interrupted`], those of a checkpoint, and whatever the detector and the selector return.
///
/// ```
/// use neural_phylogeny::{Config, InMemory, ModelSet, detect_phylogeny};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// let parent: Vec<f32> = noise(1).take(4096).collect();
/// let tuned = |seed| -> Vec<f32> { parent.iter().zip(noise(seed)).map(|(w, e)| w + 0.1 * e).collect() };
/// let stranger: Vec<f32> = noise(9).take(4096).collect();
///
/// let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// let models = ModelSet::builder()
///     .model("child", model(tuned(2))?)
///     .model("parent", model(parent.clone())?)
///     .model("sibling", model(tuned(3))?)
///     .model("stranger", model(stranger)?)
///     .build()?;
///
/// let phylogeny = detect_phylogeny(&models, Config::default())?;
/// for edge in phylogeny.edges() {
///     assert_eq!(phylogeny.name(edge.parent), "parent");
/// }
/// assert_eq!(phylogeny.families().len(), 2);
/// # Ok(())
/// # }
/// ```
pub fn detect_phylogeny(models: &ModelSet, config: Config) -> Result<Phylogeny, Error> {
    config.check()?;
    let geometry = Geometry::compute(models, &config.geometry)?;
    detect(&geometry, models, config)
}

/// Which models were fine-tuned from which, from their sketches alone: no model is read.
///
/// Distances have the standard error of [`Geometry::squared_distance_error`]; norms and moments are exact. Lines are told from the
/// sample that sketches keep; ranks, casts and grids need values, and are not told of models that are not held whole. The result
/// is the same whatever the order and the names of the models, and whatever the number of threads.
///
/// # Errors
///
/// As [`detect_phylogeny`] and [`Geometry::of_sketches`]. An example is at [`SketchSet`].
pub fn detect_phylogeny_from_sketches(sketches: &SketchSet, config: Config) -> Result<Phylogeny, Error> {
    config.check()?;
    let geometry = Geometry::of_sketches(sketches, &config.geometry)?;
    detect(&geometry, sketches.models(), config)
}

fn detect(geometry: &Geometry, models: &ModelSet, config: Config) -> Result<Phylogeny, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let detector = match (config.detector, &config.selector) {
        (Some(detector), _) => detector,
        (None, None) => Box::new(LineageDetector::new()),
        (None, Some(_)) => Box::new(ClusterDetector::new(ExpectedFamilies)),
    };
    let selector = config.selector.unwrap_or_else(|| Box::new(Precedence));
    let pool = config.geometry.thread_pool()?;
    let phylogeny = pool.install(|| detector.detect(geometry, selector.as_ref(), &mut rng))?;
    let left_out = geometry.left_out().map(<[String]>::to_vec);
    let remark = left_out.map(|left_out| Remark::Sketched { left_out });
    let phylogeny = remark.into_iter().fold(phylogeny, Phylogeny::with_remark);
    let phylogeny = phylogeny.with_names(models.names())?.with_skipped(models.skipped().to_vec());
    Ok(phylogeny.with_minimum_confidence(config.minimum_confidence))
}
