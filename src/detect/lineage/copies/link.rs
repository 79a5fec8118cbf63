//! What joins two models of which one is made from the other without training.

use super::search::Distinct;
use crate::phylogeny::Relation;

/// Which of two linked models was made from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Values prove that the second was made from the first.
    First,
    /// Values do not tell.
    Open,
    /// One of the two is the other with noise added.
    Noise,
    /// Neither: both were made from a third one.
    Neither,
}

/// Two models of which one is made from the other, or both from a third one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Link {
    pub(super) models: [Distinct; 2],
    pub(super) relation: Relation,
    /// How the copy was quantized, where that is known.
    pub(super) method: Option<String>,
    pub(super) origin: Origin,
}

impl Link {
    /// A link whose source is proved.
    pub(super) fn proved(source: Distinct, copy: Distinct, relation: Relation) -> Self {
        Self { models: [source, copy], relation, method: None, origin: Origin::First }
    }

    /// A link that does not tell its source.
    pub(super) fn open(a: Distinct, b: Distinct, relation: Relation) -> Self {
        Self { models: [a, b], relation, method: None, origin: Origin::Open }
    }

    /// A link of two models of which one is the other with noise added.
    pub(super) fn noise(a: Distinct, b: Distinct) -> Self {
        Self { models: [a, b], relation: Relation::Perturbed, method: None, origin: Origin::Noise }
    }

    /// A link of two models made from a third one.
    pub(super) fn siblings(a: Distinct, b: Distinct) -> Self {
        Self { models: [a, b], relation: Relation::Cast, method: None, origin: Origin::Neither }
    }

    /// Names the method of quantization.
    pub(super) fn with_method(mut self, method: Option<String>) -> Self {
        self.method = method;
        self
    }

    /// The other of the two; `None` for a model that it does not join.
    pub(super) fn other(&self, model: Distinct) -> Option<Distinct> {
        let [a, b] = self.models;
        if model == a { Some(b) } else { (model == b).then_some(a) }
    }

    /// Whether values prove that a model was made from the other.
    pub(super) fn derives(&self, model: Distinct) -> bool {
        self.origin == Origin::First && self.models[1] == model
    }
}
