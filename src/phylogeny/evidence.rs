use crate::model_set::ModelId;
use std::fmt;

/// Beyond this a likelihood ratio is certainty, and sums of it stay finite.
pub(super) const LARGEST_WEIGHT: f64 = 1000.0;

/// What in the weights speaks for or against a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Signal {
    /// How far the two lie apart, next to the other members of the family.
    Distance,
    /// The angle between the way to the candidate and the way on to the child.
    Angle,
    /// Tensors that are shared bit for bit, or were left as they were.
    Untouched,
    /// Stored counters, such as batches seen, that only grow.
    Counter,
    /// Values shrunk by one exact factor: weight decay where no gradient reached.
    ExactDecay,
    /// The norms of the two, which training changes in one direction.
    Norm,
    /// The dtypes that the two are stored in, and values that betray an earlier one.
    Dtype,
    /// An increment of low rank.
    LowRank,
    /// Rows of the vocabulary that one of the two has and the other lacks.
    VocabularySize,
    /// The same weights throughout.
    Copy,
    /// An affine combination of the candidate with others.
    Merge,
    /// How unlikely the two are to have been trained apart.
    Kinship,
    /// How well the model stands as a root of its family.
    Root,
    /// Something this version has no word for.
    Other,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 14] = [
        Self::Distance,
        Self::Angle,
        Self::Untouched,
        Self::Counter,
        Self::ExactDecay,
        Self::Norm,
        Self::Dtype,
        Self::LowRank,
        Self::VocabularySize,
        Self::Copy,
        Self::Merge,
        Self::Kinship,
        Self::Root,
        Self::Other,
    ];

    /// The spelling in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Distance => "distance",
            Self::Angle => "angle",
            Self::Untouched => "untouched",
            Self::Counter => "counter",
            Self::ExactDecay => "exact-decay",
            Self::Norm => "norm",
            Self::Dtype => "dtype",
            Self::LowRank => "low-rank",
            Self::VocabularySize => "vocabulary-size",
            Self::Copy => "copy",
            Self::Merge => "merge",
            Self::Kinship => "kinship",
            Self::Root => "root",
            Self::Other => "other",
        }
    }

    /// What it is, in one line for a person.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Distance => "how far the two lie apart, next to the other members of the family",
            Self::Angle => "the angle between the way to the candidate and the way on to the child",
            Self::Untouched => "tensors shared bit for bit, or left as they were",
            Self::Counter => "stored counters, such as batches seen, that only grow",
            Self::ExactDecay => "values shrunk by one exact factor: weight decay where no gradient reached",
            Self::Norm => "the norms of the two, which training changes in one direction",
            Self::Dtype => "the dtypes the two are stored in, and values that betray an earlier one",
            Self::LowRank => "an increment of low rank",
            Self::VocabularySize => "rows of the vocabulary that one of the two lacks",
            Self::Copy => "the same weights throughout",
            Self::Merge => "an affine combination of the candidate with others",
            Self::Kinship => "how unlikely the two are to have been trained apart",
            Self::Root => "how well the model stands as a root of its family",
            Self::Other => "something this version has no word for",
        }
    }

    /// The signal of a spelling; one that is not known, perhaps of a later version, is [`Other`](Self::Other).
    pub fn from_spelling(spelling: &str) -> Self {
        Self::ALL.into_iter().find(|s| s.as_str() == spelling).unwrap_or(Self::Other)
    }
}

/// As its [spelling](Signal::as_str).
#[cfg(feature = "serde")]
impl serde::Serialize for Signal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one signal says of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Evidence {
    /// What was looked at.
    pub signal: Signal,
    /// Natural logarithm of a likelihood ratio: of this candidate against the model being a child of its family's root, or,
    /// for the root, having no parent. Positive speaks for the candidate; 2.3 is ten to one. In [−1000, 1000].
    pub weight: f64,
}

impl Evidence {
    /// Evidence of a weight, cut off at ±1000; NaN says nothing and becomes 0.
    pub fn new(signal: Signal, weight: f64) -> Self {
        let weight = if weight.is_nan() { 0.0 } else { weight.clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT) };
        Self { signal, weight }
    }
}

/// A parent that was considered for a model, and what spoke for and against it.
///
/// ```
/// use neural_phylogeny::{Candidate, Evidence, ModelId, Signal};
///
/// let evidence = vec![Evidence::new(Signal::Distance, 3.0), Evidence::new(Signal::Norm, -0.5)];
/// let candidate = Candidate::new(Some(ModelId::new(4)), 0.92, evidence);
/// assert_eq!(candidate.score(), 2.5);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Candidate {
    /// The model; `None` that no parent is in the set.
    pub parent: Option<ModelId>,
    /// That it is the parent, all evidence and all candidates weighed, in [0, 1].
    pub probability: f64,
    /// What each signal says, in the detector's order.
    pub evidence: Vec<Evidence>,
}

impl Candidate {
    /// A candidate with its probability, in [0, 1], and evidence.
    pub fn new(parent: Option<ModelId>, probability: f64, evidence: Vec<Evidence>) -> Self {
        Self { parent, probability, evidence }
    }

    /// Sum of the weights of evidence: natural logarithm of the likelihood ratio of all signals together.
    pub fn score(&self) -> f64 {
        // A sum of nothing would be −0.
        self.evidence.iter().fold(0.0, |sum, e| sum + e.weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read_back_and_unknown_ones_are_other() {
        for signal in Signal::ALL {
            assert_eq!(Signal::from_spelling(signal.as_str()), signal);
            assert!(!signal.meaning().is_empty());
        }
        assert_eq!(Signal::from_spelling("moon"), Signal::Other);
    }

    #[test]
    fn weights_are_finite_whatever_is_given() {
        let weight = |w| Evidence::new(Signal::Norm, w).weight;
        assert_eq!([f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -2.5].map(weight), [1000.0, -1000.0, 0.0, -2.5]);
    }

    #[test]
    fn without_evidence_the_score_is_zero() {
        assert_eq!(Candidate::new(None, 1.0, Vec::new()).score().to_bits(), 0);
    }
}
