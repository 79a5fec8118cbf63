//! Witness: how much of the way from the root to the candidate the child has gone.

use super::{Hypothesis, Member, Witness};
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Slope`].
    pub struct SlopeWeights {
        /// Slopes that differ from 1 by no more than this are those of children.
        free: f64 = 0.08, "slope", 0.0..=1e3,
            "Of true children four in five have 0.87 to 1.10 on networks of usual size, and 0.85 to 1.6 on tiny ones.";
        /// What a slope may differ more for each nat that it then costs.
        scale: f64 = 0.1, "slope", 1e-6..=1e6,
            "Flat around this value.";
        /// The same for a slope above 1, as a multiple.
        above: f64 = 10.0, "ratio", 1e-6..=1e6,
            "Training that goes on in one direction goes beyond: of true children one in ten has 1.4 and more, on tiny networks.";
        /// What is added for each length of the way to the candidate that the child went on.
        beyond: f64 = 0.05, "slope", 0.0..=1e6,
            "A long way on goes along the first one by chance.";
        /// The most that a slope costs.
        cap: f64 = 4.0, "nats", 0.0..=1e3,
            "As much as the surest angle.";
    }
}

/// A child has all that its parent had, so it has gone the whole way from the root to the parent. Used for parents.
///
/// Siblings on one data set go the same way, and one of them farther: the angle at the nearer one is that of a descendant, and
/// the slope `⟨c − r, q − r⟩ / ‖q − r‖²` is not 1.
#[derive(Clone, Copy, Debug)]
pub struct Slope;

impl Witness for Slope {
    fn signal(&self) -> Signal {
        Signal::new("slope", "how much of the way from the root to the candidate the model has gone: a child all of it")
    }

    fn inherits(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let numbers = &hypothesis.lineage().weights().witnesses.slope;
        let cell = hypothesis.inheritance().cell(parent, child);
        if cell.parameters == 0 {
            return 0.0;
        }
        let slope = f64::from(cell.slope) - 1.0;
        let scale = if slope > 0.0 { numbers.above * numbers.scale } else { numbers.scale };
        let off = (slope.abs() - numbers.free).max(0.0);
        -(off / (scale + numbers.beyond * f64::from(cell.beyond).exp())).min(numbers.cap)
    }
}
