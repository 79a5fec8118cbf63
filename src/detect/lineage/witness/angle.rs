//! Witness: the angle between the way to the candidate and the way on to the child.

use super::{Hypothesis, Member, Witness};
use crate::parent::{PrecedenceWeights, numbers};
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Angle`].
    pub struct AngleWeights {
        /// Scale of the cosine between what a descendant inherited and what it added, to both sides.
        descent: f64 = 0.3, "cosine", 1e-6..=1e6,
            "Training undoes as often as it goes on; on both sides the acute scale of siblings.";
        /// The least log-likelihood of a single such cosine.
        cap: f64 = 4.0, "nats", 0.0..=1e3,
            "One parameter of many must not decide a pair.";
        /// The most that angles in all parameters together say for a parent.
        largest: f64 = 10.0, "nats", 0.0..=1e3,
            "Siblings on one data set agree in all parameters at once, by as much as 13: one fact and not many. Between 7 and 13 it matters little.";
        /// What a parameter counts for that the two share bit for bit and the root has not.
        shared: f64 = 4.0, "nats", 0.0..=1e3,
            "As much as the surest angle.";
    }
}

impl AngleWeights {
    /// Log-likelihood of a cosine between what a descendant inherited and what it added.
    ///
    /// It is on the same scale as [`PrecedenceWeights::sibling_likelihood`], so that the two can be subtracted.
    pub(crate) fn descent_likelihood(&self, cosine: f64, siblings: &PrecedenceWeights) -> f64 {
        -(cosine.abs() / self.descent).min(self.cap) + (siblings.sibling_width() / (2.0 * self.descent)).ln()
    }
}

/// The angle at the candidate, between the way from the root and the way on to the child.
#[derive(Clone, Copy, Debug)]
pub struct Angle;

impl Witness for Angle {
    fn signal(&self) -> Signal {
        Signal::new("angle", "the angle between the way to the candidate and the way on to the child")
    }

    fn inherits(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        hypothesis.inheritance().cell(parent, child).angle
    }
}
