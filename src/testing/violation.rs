/// A promise of a contract that an implementation breaks, with the input on which it breaks it.
///
/// ```
/// use neural_phylogeny::testing::check_clusterer;
/// use neural_phylogeny::{Clusterer, Error};
/// use neural_phylogeny::detect::cluster::{Clustering, Points};
/// use neural_phylogeny::rand::RngCore;
///
/// #[derive(Debug)]
/// struct Short;
///
/// impl Clusterer for Short {
///     fn cluster(&self, _: &Points<'_>, _: &mut dyn RngCore) -> Result<Clustering, Error> {
///         Ok(Clustering::new(Vec::new()))
///     }
/// }
///
/// let violation = check_clusterer(&Short).unwrap_err();
/// assert_eq!(violation.to_string(), "one point: found 0 labels, expected one for each of 1 points");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{input}: found {found}, expected {expected}")]
#[non_exhaustive]
pub struct Violation {
    /// The input: a set of models, some points, a tensor.
    pub input: String,
    /// What the implementation did.
    pub found: String,
    /// What its contract promises.
    pub expected: String,
}

impl Violation {
    /// Makes a violation of the input, what came of it, and what was promised.
    pub fn new(input: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { input: input.into(), found: found.into(), expected: expected.into() }
    }

    /// The same violation on an input that is part of another.
    pub(super) fn within(self, whole: &str) -> Self {
        Self { input: format!("{whole}, {}", self.input), ..self }
    }
}
