//! Witness: the distance between two models.

use super::{Hypothesis, Member, Witness};
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Distance`].
    pub struct DistanceWeights {
        /// Share of the gain in log distance that counts as evidence.
        share: f64 = 0.5, "nats", 0.0..=1e3,
            "Angles show much of the same.";
        /// Log distances gained in one parameter beyond this count alike.
        largest_gain: f64 = 7.0, "nats", 0.0..=1e3,
            "A factor of a thousand; one parameter of many must not decide a pair.";
    }
}

/// How much nearer the child is to the candidate than to the root. Used for parents.
#[derive(Clone, Copy, Debug)]
pub struct Distance;

impl Witness for Distance {
    fn signal(&self) -> Signal {
        Signal::new("distance", "how much nearer the model is to the candidate than to the root of the family")
    }

    fn inherits(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        hypothesis.inheritance().cell(parent, child).distance
    }
}
