//! The settings of a run, and the runs themselves: one call for all stages.

mod contents;
mod run;
mod settings;

pub use contents::ContentHashes;
pub use run::{detect_phylogeny, detect_phylogeny_from_sketches, detect_phylogeny_in};
pub use settings::Settings;

use crate::detect::cluster::{ClusterDetector, ExpectedFamilies};
use crate::detect::{LineageDetector, PhylogenyDetector, SelectorUse};
use crate::error::Error;
use crate::geometry::{GeometrySettings, Progress};
use crate::parent::{ParentSelector, Precedence};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Everything that can be set for a run.
///
/// Defaults: [`LineageDetector`], seed 0, 1 GiB of memory, one thread for each processor, distances over matrix-shaped
/// parameters, edges below even odds withheld. A clone shares detector and selector.
///
/// A selector without a detector works as in the paper. Families come from the [independence
/// test](crate::geometry::Independence), and every other member is a child of the one that the selector chooses
/// ([`ClusterDetector`]). A detector that needs a selector and has none uses [`Precedence`]. A selector beside a detector that
/// uses none is an error before anything is read.
///
/// ```
/// use neural_phylogeny::Config;
/// use neural_phylogeny::geometry::{GeometrySettings, Scope};
/// use neural_phylogeny::parent::SmallestNorm;
/// // The paper's rule in each family, on all parameters.
/// let geometry = GeometrySettings::new().with_scope(Scope::All).with_memory(4 << 30);
/// let config = Config::new().with_selector(SmallestNorm).with_seed(7).with_geometry(geometry);
/// assert_eq!(config.settings().seed, 7);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Config {
    detector: Option<Arc<dyn PhylogenyDetector>>,
    selector: Option<Arc<dyn ParentSelector>>,
    seed: u64,
    geometry: GeometrySettings,
    minimum_confidence: Option<f64>,
    contents: ContentHashes,
}

impl Config {
    /// Settings with their defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what finds families and edges.
    pub fn with_detector(mut self, detector: impl PhylogenyDetector + 'static) -> Self {
        self.detector = Some(Arc::new(detector));
        self
    }

    /// Sets what picks the parent among the members of a family. [`Config`] says what it does without a detector.
    pub fn with_selector(mut self, selector: impl ParentSelector + 'static) -> Self {
        self.selector = Some(Arc::new(selector));
        self
    }

    /// Sets the seed of random numbers, for detectors that need any. Default: 0.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how models are read and measured. It replaces earlier calls of [`with_memory`](Self::with_memory),
    /// [`with_threads`](Self::with_threads) and [`with_observer`](Self::with_observer).
    pub fn with_geometry(mut self, geometry: GeometrySettings) -> Self {
        self.geometry = geometry;
        self
    }

    /// Sets the bytes for Gram matrices and blocks of parameters, at least 1 MiB. Default: 1 GiB. See
    /// [`GeometrySettings::with_memory`].
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.geometry = self.geometry.with_memory(bytes);
        self
    }

    /// Sets the number of threads; 0, the default, means one for each processor. The result does not depend on it. See
    /// [`GeometrySettings::with_threads`].
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.geometry = self.geometry.with_threads(threads);
        self
    }

    /// Calls `observer` while parameters are read; see [`GeometrySettings::with_observer`].
    pub fn with_observer(mut self, observer: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static) -> Self {
        self.geometry = self.geometry.with_observer(observer);
        self
    }

    /// Leaves out edges less sure than this, in [0, 1]. With 0 none is left out. Default: 0.5, even odds, where the detector says
    /// how sure it is that the parent is in the set ([`Edge::presence`](crate::Edge::presence)); 0 for other detectors, whose
    /// confidence is no probability. See
    /// [`Phylogeny::with_minimum_confidence`](crate::Phylogeny::with_minimum_confidence).
    pub fn with_minimum_confidence(mut self, minimum: f64) -> Self {
        self.minimum_confidence = Some(minimum);
        self
    }

    /// Sets whether each model's [`content`](crate::model_set::ModelRecord::content) is read. Default: only what is at hand.
    pub fn with_content_hashes(mut self, contents: ContentHashes) -> Self {
        self.contents = contents;
        self
    }

    /// The settings as a record that can be kept beside a result.
    pub fn settings(&self) -> Settings {
        Settings {
            seed: self.seed,
            memory: self.geometry.memory(),
            scope: self.geometry.scope(),
            minimum_confidence: self.minimum_confidence,
            detector: format!("{:?}", self.detector()),
            selector: match self.detector().selector_use() {
                SelectorUse::Used => Some(format!("{:?}", self.selector())),
                SelectorUse::Unused => None,
            },
        }
    }

    /// Uses this detector where neither one nor a selector is set.
    pub(crate) fn or_detector(mut self, detector: LineageDetector) -> Self {
        if self.detector.is_none() && self.selector.is_none() {
            self.detector = Some(Arc::new(detector));
        }
        self
    }

    /// The detector that will run.
    fn detector(&self) -> Arc<dyn PhylogenyDetector> {
        match (&self.detector, &self.selector) {
            (Some(detector), _) => Arc::clone(detector),
            (None, None) => Arc::new(LineageDetector::new()),
            (None, Some(_)) => Arc::new(ClusterDetector::new(ExpectedFamilies)),
        }
    }

    /// The selector that the detector gets, if it uses one.
    fn selector(&self) -> Arc<dyn ParentSelector> {
        self.selector.clone().unwrap_or_else(|| Arc::new(Precedence))
    }

    /// Refuses settings that no set of models could run with, before there are any models. A run checks the others too, such as the
    /// number of families, before it reads a value.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], [`Error::FamilyCount`] and [`Error::UnusedSelector`].
    ///
    /// ```
    /// use neural_phylogeny::Config;
    /// assert!(Config::new().check_settings().is_ok());
    /// assert!(Config::new().with_minimum_confidence(2.0).check_settings().is_err());
    /// ```
    pub fn check_settings(&self) -> Result<(), Error> {
        self.check(1, usize::MAX)
    }

    /// Refuses settings that are out of range or without effect, before anything is read.
    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        if let Some(found) = self.minimum_confidence.filter(|minimum| !(0.0..=1.0).contains(minimum)) {
            return Err(Error::InvalidSetting {
                setting: "minimum_confidence",
                found: found.to_string(),
                expected: "a number from 0 to 1",
            });
        }
        self.geometry.check()?;
        let detector = self.detector();
        if let (Some(selector), SelectorUse::Unused) = (&self.selector, detector.selector_use()) {
            let (detector, selector) = (name(&detector), name(selector));
            return Err(Error::UnusedSelector { detector, selector });
        }
        detector.check(groups, models)
    }
}

/// The type's name, taken from what a derived `Debug` prints.
fn name(part: &impl std::fmt::Debug) -> String {
    format!("{part:?}").chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Families;
    use crate::parent::SmallestNorm;

    #[test]
    fn a_selector_without_effect_is_refused() {
        let unused = Config::new().with_detector(LineageDetector::new()).with_selector(SmallestNorm);
        match unused.check(1, 5) {
            Err(Error::UnusedSelector { detector, selector }) => {
                assert_eq!((detector.as_str(), selector.as_str()), ("LineageDetector", "SmallestNorm"));
            }
            other => panic!("{other:?}"),
        }
        assert!(Config::new().with_selector(SmallestNorm).check(1, 5).is_ok());
    }

    #[test]
    fn every_setting_is_checked_before_anything_is_read() {
        let counted = |families| Config::new().with_detector(LineageDetector::new().with_families(families));
        for (config, ok) in [
            (Config::new(), true),
            (Config::new().with_minimum_confidence(f64::NAN), false),
            (Config::new().with_memory(10), false),
            (counted(Families::Count(5)), true),
            (counted(Families::Count(6)), false),
            (counted(Families::Count(1)), false),
            (counted(Families::Auto { false_alarm: 1.0 }), false),
        ] {
            assert_eq!(config.check(2, 5).is_ok(), ok, "{config:?}");
        }
    }

    #[test]
    fn a_clone_runs_as_the_original_and_settings_tell_what_runs() {
        let config = Config::new().with_selector(SmallestNorm).with_seed(3);
        assert_eq!(config.clone().settings(), config.settings());
        assert_eq!(config.settings().selector.as_deref(), Some("SmallestNorm"));
        assert_eq!(Config::new().settings().selector, None);
        assert!(Config::new().settings().detector.starts_with("LineageDetector"));
    }
}
