use super::Phylogeny;
use crate::model_set::ModelId;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The largest absolute weight, in nats. A likelihood ratio beyond it is certainty, and sums of capped weights stay finite.
pub(super) const LARGEST_WEIGHT: f64 = 1000.0;

/// A thing that a detector measures: a word, and one line that says what it means.
///
/// Any detector may have signals of its own. Two signals are equal when their spellings are.
///
/// ```
/// use neural_phylogeny::phylogeny::Signal;
///
/// const TOKENIZER: Signal = Signal::new("tokenizer", "tokens that one of the two has and the other lacks");
/// assert_eq!(TOKENIZER.as_str(), "tokenizer");
/// assert_eq!(Signal::from_spelling("tokenizer"), TOKENIZER);
/// ```
#[derive(Clone, Debug)]
pub struct Signal {
    spelling: Cow<'static, str>,
    meaning: &'static str,
}

impl Signal {
    /// What is believed before anything is measured. A prior is no evidence.
    pub const PRIOR: Self = Self::new("prior", "what holds before anything is measured");
    /// What all trees under all likely roots add to what the pair alone tells.
    pub const TREES: Self =
        Self::new("trees", "what all trees under all likely roots add to what the pair alone tells");
    /// How unlikely the two are to have been trained apart.
    pub const KINSHIP: Self = Self::new("kinship", "how unlikely the two are to have been trained apart");
    /// The two have the same weights throughout.
    pub const COPY: Self = Self::new("copy", "the same weights throughout");
    /// The model is an affine combination of the candidate with others.
    pub const MERGE: Self = Self::new("merge", "an affine combination of the candidate with others");

    /// The signals that belong to no single measurement.
    pub(crate) const GENERAL: [Self; 5] = [Self::PRIOR, Self::TREES, Self::KINSHIP, Self::COPY, Self::MERGE];

    /// Makes a signal. The spelling is one lower-case word, the meaning one line for a person.
    pub const fn new(spelling: &'static str, meaning: &'static str) -> Self {
        Self { spelling: Cow::Borrowed(spelling), meaning }
    }

    /// The spelling in JSON and in tables.
    pub fn as_str(&self) -> &str {
        &self.spelling
    }

    /// The meaning, in one line for a person. It is empty where only the spelling is known, as after reading a file.
    pub fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// The signal of a spelling. Only the general signals get their meaning back.
    pub fn from_spelling(spelling: &str) -> Self {
        let known = Self::GENERAL.into_iter().find(|s| s.as_str() == spelling);
        known.unwrap_or_else(|| Self { spelling: Cow::Owned(spelling.to_owned()), meaning: "" })
    }
}

impl PartialEq for Signal {
    fn eq(&self, other: &Self) -> bool {
        self.spelling == other.spelling
    }
}

impl Eq for Signal {}

impl Hash for Signal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spelling.hash(state);
    }
}

impl Ord for Signal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.spelling.cmp(&other.spelling)
    }
}

impl PartialOrd for Signal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Written as its [spelling](Signal::as_str).
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

impl FromStr for Signal {
    type Err = Infallible;

    fn from_str(spelling: &str) -> Result<Self, Infallible> {
        Ok(Self::from_spelling(spelling))
    }
}

/// A question that evidence answers. The variants are in the order in which a detector settles them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Stage {
    /// Are the two kin? All other stages presume it, so that this one is no part of a total. The confidence of an edge is the
    /// probability of its candidate times e^kinship.
    Kinship,
    /// Which member is the root of the family?
    Root,
    /// Is the root in the set?
    Presence,
    /// Which member is the parent, given the root?
    Parent,
    /// What does the tree as a whole add?
    Tree,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 5] = [Self::Kinship, Self::Root, Self::Presence, Self::Parent, Self::Tree];

    /// The spelling in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kinship => "kinship",
            Self::Root => "root",
            Self::Presence => "presence",
            Self::Parent => "parent",
            Self::Tree => "tree",
        }
    }

    /// The question, in one line for a person.
    pub fn question(self) -> &'static str {
        match self {
            Self::Kinship => "are the two kin?",
            Self::Root => "which member is the root of the family?",
            Self::Presence => "is the root in the set?",
            Self::Parent => "which member is the parent, given the root?",
            Self::Tree => "what does the tree as a whole add?",
        }
    }

    /// The stage of a spelling; `None` when no stage has it.
    pub fn from_spelling(spelling: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == spelling)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one signal says of a candidate at one stage.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Evidence {
    /// The question it answers.
    pub stage: Stage,
    /// What was measured.
    pub signal: Signal,
    /// Natural logarithm of a likelihood ratio, in [−1000, 1000]. A positive weight speaks for the candidate; 2.3 is ten to
    /// one.
    pub weight: f64,
}

impl Evidence {
    /// Evidence of a weight in nats. Weights beyond ±1000 are cut off. NaN says nothing and becomes 0.
    pub fn new(stage: Stage, signal: Signal, weight: f64) -> Self {
        Self { stage, signal, weight: Self::cut(weight) }
    }

    /// The weight after the cut at ±1000.
    pub(crate) fn cut(weight: f64) -> f64 {
        if weight.is_nan() { 0.0 } else { weight.clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT) }
    }
}

/// A parent that was considered for a model, and what spoke for and against it.
///
/// Evidence of the candidates of one model adds up, where the detector reports all its stages. The difference of two
/// [scores](Self::score) is then the natural logarithm of the ratio of their probabilities.
///
/// ```
/// use neural_phylogeny::ModelId;
/// use neural_phylogeny::phylogeny::{Candidate, Evidence, Signal, Stage};
///
/// let distance = Evidence::new(Stage::Parent, Signal::new("distance", "how far the two lie apart"), 3.0);
/// let candidate = Candidate::new(Some(ModelId::new(4)), 0.92, vec![distance, Evidence::new(Stage::Parent, Signal::PRIOR, -0.5)]);
/// assert_eq!(candidate.score(), 2.5);
/// assert_eq!(candidate.stage_score(Stage::Root), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Candidate {
    /// The model. `None` stands for no parent in the set.
    pub parent: Option<ModelId>,
    /// Probability that it is the parent, in [0, 1], with all evidence and all candidates weighed.
    pub probability: f64,
    /// What each signal says, in the detector's order.
    pub evidence: Vec<Evidence>,
}

impl Candidate {
    /// A candidate with its probability, in [0, 1], and evidence.
    pub fn new(parent: Option<ModelId>, probability: f64, evidence: Vec<Evidence>) -> Self {
        Self { parent, probability, evidence }
    }

    /// Sum of all weights but those of kinship, in nats. It is the log likelihood ratio of all stages together, given kinship.
    pub fn score(&self) -> f64 {
        // A sum that starts at 0.0 is not −0 when nothing is added.
        self.evidence.iter().filter(|e| e.stage != Stage::Kinship).fold(0.0, |sum, e| sum + e.weight)
    }

    /// Sum of the weights of one stage, in nats; `None` when the stage says nothing of this candidate.
    pub fn stage_score(&self, stage: Stage) -> Option<f64> {
        self.evidence.iter().filter(|e| e.stage == stage).map(|e| e.weight).reduce(|a, b| a + b)
    }
}

impl Phylogeny {
    /// Whether the detector's own odds favor no parent in the set over the parent that the phylogeny names for a model.
    ///
    /// Such an edge names the likeliest parent in case the model has one here at all. The answer is false where no parent is
    /// named, or no candidates are known.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    ///
    /// ```
    /// use neural_phylogeny::phylogeny::{Candidate, PhylogenyBuilder};
    /// use neural_phylogeny::{Edge, ModelId};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let [a, b] = [0, 1].map(ModelId::new);
    /// let candidates = vec![Candidate::new(None, 0.78, Vec::new()), Candidate::new(Some(a), 0.22, Vec::new())];
    /// let phylogeny = PhylogenyBuilder::new(2).with_edge(Edge::new(a, b)).with_candidates(b, candidates).build()?;
    /// assert!(phylogeny.favors_no_parent(b) && !phylogeny.favors_no_parent(a));
    /// # Ok(())
    /// # }
    /// ```
    pub fn favors_no_parent(&self, model: ModelId) -> bool {
        let [edge] = self.parents(model) else { return false };
        let probability = |parent: Option<ModelId>| {
            self.candidates(model).iter().find(|c| c.parent == parent).map_or(0.0, |c| c.probability)
        };
        probability(None) > probability(Some(edge.parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_read_back_and_unknown_ones_are_kept() {
        for signal in Signal::GENERAL {
            assert_eq!(signal.as_str().parse(), Ok(signal.clone()));
            assert!(!Signal::from_spelling(signal.as_str()).meaning().is_empty());
        }
        let moon = Signal::from_spelling("moon");
        assert_eq!((moon.as_str(), moon.meaning()), ("moon", ""));
        for stage in Stage::ALL {
            assert_eq!(Stage::from_spelling(stage.as_str()), Some(stage));
        }
        assert_eq!(Stage::from_spelling("moon"), None);
    }

    #[test]
    fn weights_are_finite_whatever_is_given() {
        let weight = |w| Evidence::new(Stage::Parent, Signal::PRIOR, w).weight;
        assert_eq!([f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -2.5].map(weight), [1000.0, -1000.0, 0.0, -2.5]);
    }

    #[test]
    fn scores_are_sums_by_stage_and_of_all() {
        assert_eq!(Candidate::new(None, 1.0, Vec::new()).score().to_bits(), 0);
        let evidence = [(Stage::Parent, 1.0), (Stage::Tree, -0.5), (Stage::Parent, 2.0), (Stage::Kinship, -9.0)];
        let evidence = evidence.map(|(stage, weight)| Evidence::new(stage, Signal::PRIOR, weight));
        let candidate = Candidate::new(None, 1.0, evidence.to_vec());
        assert_eq!(Stage::ALL.map(|s| candidate.stage_score(s)), [Some(-9.0), None, None, Some(3.0), Some(-0.5)]);
        assert_eq!(candidate.score(), 2.5);
    }
}
