use crate::geometry::Scope;

/// The settings of a [`Config`](super::Config) as a record to keep beside a result. Settings without a written form are left
/// out (observers, file names).
///
/// Threads are left out too: results do not depend on them.
///
/// ```
/// use neural_phylogeny::Config;
/// let settings = Config::new().with_seed(3).settings();
/// assert_eq!(settings.seed, 3);
/// assert!(settings.detector.starts_with("LineageDetector"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Settings {
    /// Seed of random numbers.
    pub seed: u64,
    /// Bytes for Gram matrices and blocks.
    pub memory: u64,
    /// Which parameters made up distances.
    pub scope: Scope,
    /// Edges less sure than this were left out; in [0, 1]. `None` stands for the default of
    /// [`Config::with_minimum_confidence`](super::Config::with_minimum_confidence).
    pub minimum_confidence: Option<f64>,
    /// The detector and its settings, as `Debug` prints them.
    pub detector: String,
    /// The selector, as `Debug` prints it; `None` where the detector uses none.
    pub selector: Option<String>,
}
