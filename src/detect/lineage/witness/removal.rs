//! Witness: directions that one of two models has in its weights and the other has not.

use super::{Hypothesis, Lineage, Member, Witness};
use crate::detect::lineage::edits::{Edit, Left};
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Removal`].
    pub struct RemovalWeights {
        /// What it says of two models that one lacks directions altogether, in every matrix in which they differ.
        gone: f64 = 8.0, "nats", 0.0..=1e3,
            "A projection has no inverse: training would have to find exactly these directions, and in every matrix.";
        /// What it says that one has less along them, in every matrix in which they differ.
        weakened: f64 = 3.0, "nats", 0.0..=1e3,
            "Edits take a part of a direction away more often than they add to it; one in twenty may add.";
        /// What a candidate gains of which the child lacks directions and nothing else.
        related: f64 = 10.0, "nats", 0.0..=1e3,
            "One of the two was made from the other, as with lines that training left alone: siblings never differ so.";
    }
}

impl RemovalWeights {
    /// What an edit says for the earlier of its two models, in nats.
    pub(in crate::detect::lineage) fn nats(&self, edit: &Edit) -> f64 {
        match edit.left {
            Left::Nothing => self.gone,
            Left::Part => self.weakened,
        }
    }
}

/// The model that lacks directions came later: `‖uᵀ W‖ = |1 − s| ‖uᵀ W'‖` in every matrix that moved, and nothing else moved.
///
/// Used for root and parents. Norms say the opposite, since a projection makes weights smaller. It needs values. It says nothing of
/// two models that were not read side by side.
#[derive(Clone, Copy, Debug)]
pub struct Removal;

impl Witness for Removal {
    fn signal(&self) -> Signal {
        Signal::new("removal", "directions that one has in its weights and the other has not, where nothing else differs")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        lineage.removal(first, later)
    }

    fn points(&self, hypothesis: &Hypothesis<'_>, first: Member, later: Member) -> f64 {
        hypothesis.removal(first, later)
    }

    fn forbids(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let weights = hypothesis.lineage().weights();
        let numbers = &weights.witnesses.removal;
        match hypothesis.removal(parent, child) {
            said if said > 0.0 => numbers.related,
            said if said <= -numbers.gone && said < 0.0 => weights.parents.excluded,
            _ => 0.0,
        }
    }
}
