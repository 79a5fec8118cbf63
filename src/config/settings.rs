use crate::geometry::Scope;

/// What a [`Config`](super::Config) held, without what has no written form (observers, file names): a record to keep beside a result.
///
/// Threads are left out: results do not depend on them.
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
    /// Where random numbers began.
    pub seed: u64,
    /// Bytes for Gram matrices and blocks.
    pub memory: u64,
    /// Which parameters made up distances.
    pub scope: Scope,
    /// Edges less sure than this were left out; in [0, 1].
    pub minimum_confidence: f64,
    /// The detector and its settings, as `Debug` prints them.
    pub detector: String,
    /// The selector, as `Debug` prints it; `None` where the detector uses none.
    pub selector: Option<String>,
}
