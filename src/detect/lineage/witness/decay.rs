//! Witness: values shrunk by one exact factor, as weight decay leaves them where no gradient reached.

use super::{Hypothesis, Lineage, Member, Witness};
use crate::detect::lineage::weights::{Tolerances, Weights};
use crate::evidence::{Factor, LineState, Lines};
use crate::model_set::Position;
use crate::parent::numbers;
use crate::phylogeny::Signal;
use std::cmp::Ordering;

numbers! {
    /// The numbers of [`ExactDecay`].
    pub struct DecayWeights {
        /// What lines shrunk by one exact factor say of two rivals.
        root: f64 = 4.0, "nats", 0.0..=1e3,
            "Decay only ever goes one way.";
        /// Fewer exact lines than this give no factor to rely on.
        least_lines: usize = 3, "lines", 1.0..=1e9,
            "The median deviation of two factors says nothing.";
    }
}

/// The later of two models has the same lines, smaller by one exact factor. Used for root and parents.
#[derive(Clone, Copy, Debug)]
pub struct ExactDecay;

impl Witness for ExactDecay {
    fn signal(&self) -> Signal {
        Signal::new("exact-decay", "values shrunk by one exact factor: weight decay where no gradient reached")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        let numbers = &lineage.weights().witnesses.decay;
        let Some(lines) = lineage.lines(later) else { return 0.0 };
        if lines.exact_in_both(later.within(), first.within()) < numbers.least_lines {
            return 0.0;
        }
        numbers.root * f64::from(grown(lines, later, first, &lineage.weights().tolerances) as i8)
    }

    fn points(&self, hypothesis: &Hypothesis<'_>, first: Member, later: Member) -> f64 {
        let shrank = hypothesis.shrank(first, later);
        hypothesis.lineage().weights().witnesses.decay.root * f64::from(shrank as i8)
    }

    fn forbids(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let weights = hypothesis.lineage().weights();
        let Some(lines) = hypothesis.lines() else { return 0.0 };
        let enough = lines.exact_in_both(parent.within(), child.within()) >= weights.witnesses.decay.least_lines;
        let grew = enough && grown(lines, parent, child, &weights.tolerances) == Ordering::Greater;
        if grew { weights.parents.excluded } else { 0.0 }
    }
}

/// Compares a member with the reference of the lines: `Greater` when the exact lines of the reference are larger.
pub(super) fn shrunk(lines: &Lines, member: Position<Lines>, weights: &Weights) -> Ordering {
    if lines.count(member, LineState::Exact) < weights.witnesses.decay.least_lines {
        return Ordering::Equal;
    }
    beyond_rounding(lines.factor(member), &weights.tolerances).reverse()
}

/// Compares the lines that are exact in both models: `Greater` when they are larger in `to` than in `from`.
///
/// The result is `Equal` when rounding hides the difference.
fn grown(lines: &Lines, from: Member, to: Member, tolerances: &Tolerances) -> Ordering {
    beyond_rounding(lines.ratio(from.within(), to.within()), tolerances)
}

/// Compares a factor with 1.
fn beyond_rounding(factor: Option<Factor>, tolerances: &Tolerances) -> Ordering {
    let Some(factor) = factor.filter(|f| f.median > 0.0) else { return Ordering::Equal };
    let log = factor.median.ln();
    // Rounding moves a factor by a fixed part, and the scatter of the lines shows how exact their median is.
    let slack = tolerances.factor + tolerances.deviations * factor.deviation / factor.median;
    if log > slack {
        Ordering::Greater
    } else if log < -slack {
        Ordering::Less
    } else {
        Ordering::Equal
    }
}
