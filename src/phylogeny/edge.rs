use crate::model_set::ModelId;
use std::fmt;
use std::str::FromStr;

/// How a child came from its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Relation {
    /// Training was continued from the parent's weights.
    #[default]
    FineTune,
    /// The two have the same weights in everything that both hold. One may lack tensors of the other.
    Duplicate,
    /// The child is an affine combination of several parents.
    Merge,
    /// Fine-tuned by an increment of low rank, as LoRA adds.
    LowRank,
    /// The parent's weights without some directions, or with less of them, and no training: a projection of low rank.
    Edited,
    /// Fine-tuned with some parameters left untouched.
    Partial,
    /// Trained on until it moved farther than its parent's own norm.
    Continued,
    /// The parent's values on a coarse grid.
    Quantized,
    /// The parent's values in another dtype.
    Cast,
    /// The parent's values with noise added, or saved again with other rounding.
    Perturbed,
    /// The parent's values with some set to zero.
    Pruned,
    /// The parent's values multiplied by one factor, or by factors that leave the model's function unchanged.
    Scaled,
    /// The parent's units in another order.
    Permuted,
    /// Fine-tuned with rows added to or taken from its vocabulary.
    VocabularyResized,
    /// The parent's layers, with some left out, repeated or added: depth up-scaling, block expansion, pruning of layers.
    Restacked,
    /// Not stated, as in truth files.
    Unspecified,
}

impl Relation {
    /// Every relation.
    pub const ALL: [Self; 16] = [
        Self::FineTune,
        Self::Duplicate,
        Self::Merge,
        Self::LowRank,
        Self::Edited,
        Self::Partial,
        Self::Continued,
        Self::Quantized,
        Self::Cast,
        Self::Perturbed,
        Self::Pruned,
        Self::Scaled,
        Self::Permuted,
        Self::VocabularyResized,
        Self::Restacked,
        Self::Unspecified,
    ];

    /// The spelling in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FineTune => "fine-tune",
            Self::Duplicate => "duplicate",
            Self::Merge => "merge",
            Self::LowRank => "lora",
            Self::Edited => "edited",
            Self::Partial => "partial",
            Self::Continued => "continued",
            Self::Quantized => "quantized",
            Self::Cast => "cast",
            Self::Perturbed => "perturbed",
            Self::Pruned => "pruned",
            Self::Scaled => "scaled",
            Self::Permuted => "permuted",
            Self::VocabularyResized => "vocabulary-resized",
            Self::Restacked => "restacked",
            Self::Unspecified => "unspecified",
        }
    }
}

/// Reads a [spelling](Relation::as_str).
///
/// ```
/// use neural_phylogeny::Relation;
/// assert_eq!("lora".parse(), Ok(Relation::LowRank));
/// assert_eq!("loar".parse::<Relation>().unwrap_err().to_string(), "no relation is spelled `loar`");
/// ```
impl FromStr for Relation {
    type Err = UnknownRelation;

    fn from_str(spelling: &str) -> Result<Self, UnknownRelation> {
        let found = Self::ALL.into_iter().find(|r| r.as_str() == spelling);
        found.ok_or_else(|| UnknownRelation { found: spelling.to_owned() })
    }
}

/// A text that spells no [`Relation`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no relation is spelled `{found}`")]
#[non_exhaustive]
pub struct UnknownRelation {
    /// The text.
    pub found: String,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A parent → child edge.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Relation};
/// let edge = Edge::new(ModelId::new(0), ModelId::new(1)).with_relation(Relation::LowRank).with_confidence(0.9);
/// assert_eq!((edge.weight, edge.distance, edge.confidence), (1.0, None, Some(0.9)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Edge {
    /// The parent: the earlier of the two models.
    pub parent: ModelId,
    /// The child: the model made from the parent.
    pub child: ModelId,
    /// The parent's share in the child: 1 unless merged. It may be negative (task negation).
    pub weight: f64,
    /// How the child was made.
    pub relation: Relation,
    /// Euclidean distance of the two over the parameters they share, in units of the weights. `None` when it was not measured.
    pub distance: Option<f64>,
    /// Standard error of the distance where it comes from sketches. `None` where the distance is exact or was not measured.
    pub distance_error: Option<f64>,
    /// How sure the detector is that the child came from this parent, in [0, 1]. `None` when the detector does not say. Where it
    /// tells its three questions apart, it is the product of `kinship`, `direction` and `presence`.
    pub confidence: Option<f64>,
    /// Are the two kin? Probability, in [0, 1]. `None` when the detector does not say it apart.
    pub kinship: Option<f64>,
    /// Which model of the set is the parent, and which of the two came first? Probability of this answer, in [0, 1], given that
    /// the two are kin and that the parent is in the set.
    pub direction: Option<f64>,
    /// Is the parent in the set at all? Probability, in [0, 1].
    pub presence: Option<f64>,
}

impl Edge {
    /// An edge of weight 1 and relation fine-tune, with no distance and no confidence.
    pub fn new(parent: ModelId, child: ModelId) -> Self {
        Self {
            parent,
            child,
            weight: 1.0,
            relation: Relation::FineTune,
            distance: None,
            distance_error: None,
            confidence: None,
            kinship: None,
            direction: None,
            presence: None,
        }
    }

    /// Sets the parent's share in the child.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Sets how the child was made.
    #[must_use]
    pub fn with_relation(mut self, relation: Relation) -> Self {
        self.relation = relation;
        self
    }

    /// Sets the distance.
    #[must_use]
    pub fn with_distance(mut self, distance: f64) -> Self {
        self.distance = Some(distance);
        self
    }

    /// Sets the standard error of the distance. An error of 0 counts as none.
    #[must_use]
    pub fn with_distance_error(mut self, error: f64) -> Self {
        self.distance_error = (error != 0.0).then_some(error);
        self
    }

    /// Sets the confidence, in [0, 1].
    #[must_use]
    pub fn with_confidence(mut self, confidence: f64) -> Self {
        self.confidence = Some(confidence);
        self
    }

    /// Sets the probabilities of the three questions, each in [0, 1], and the confidence to their product.
    ///
    /// ```
    /// use neural_phylogeny::{Edge, ModelId};
    /// let edge = Edge::new(ModelId::new(0), ModelId::new(1)).with_answers(1.0, 0.96, 0.5);
    /// assert_eq!((edge.confidence, edge.direction), (Some(0.48), Some(0.96)));
    /// ```
    #[must_use]
    pub fn with_answers(mut self, kinship: f64, direction: f64, presence: f64) -> Self {
        (self.kinship, self.direction, self.presence) = (Some(kinship), Some(direction), Some(presence));
        self.confidence = Some(kinship * direction * presence);
        self
    }

    /// Says which value is out of its range and what was expected; `None` when every value is in its range.
    pub(super) fn out_of_range(&self) -> Option<String> {
        let length = |value: f64| value.is_finite() && value >= 0.0;
        if !self.weight.is_finite() {
            return Some(format!("weight {}, expected a finite one", self.weight));
        }
        let probabilities = [
            ("confidence", self.confidence),
            ("kinship", self.kinship),
            ("direction", self.direction),
            ("presence", self.presence),
        ];
        for (what, found) in probabilities {
            if let Some(found) = found.filter(|p| !(0.0..=1.0).contains(p)) {
                return Some(format!("{what} {found}, expected 0 to 1"));
            }
        }
        if let Some(error) = self.distance_error.filter(|d| !length(*d)) {
            return Some(format!("a distance error of {error}, expected a finite one of at least 0"));
        }
        if let Some(distance) = self.distance.filter(|d| !length(*d)) {
            return Some(format!("distance {distance}, expected a finite one of at least 0"));
        }
        None
    }
}

/// Written as its [spelling](Relation::as_str).
#[cfg(feature = "serde")]
impl serde::Serialize for Relation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
