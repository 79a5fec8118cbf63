//! Witness: distances and angles to all other members. Which rival stands first?

use super::{Hypothesis, Lineage, Member, Witness};
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Precedence`].
    pub struct PrecedenceWitnessWeights {
        /// What one unit of the precedence score is worth.
        root: f64 = 2.0, "nats", 0.0..=1e3,
            "Chosen among round values by log loss over the second set and the larger zoo.";
    }
}

/// Distances and angles to all other members, as in [`Precedence`](crate::parent::Precedence). Used for the root alone.
#[derive(Clone, Copy, Debug)]
pub struct Precedence;

impl Witness for Precedence {
    fn signal(&self) -> Signal {
        Signal::new("precedence", "distances and angles to all other members, at each of the two")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        lineage.weights().witnesses.precedence.root * lineage.precedence(first, later).unwrap_or(0.0)
    }

    /// Nothing: distances and angles say who lies in the middle of a tree, and not where its edges point.
    fn points(&self, _: &Hypothesis<'_>, _: Member, _: Member) -> f64 {
        0.0
    }
}
