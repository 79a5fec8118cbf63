//! Witness: the norms of two models. Training increases the norm unless it shrinks it on purpose.

use super::{Hypothesis, Lineage, Member, Witness};
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Norm`].
    pub struct NormWeights {
        /// Share of the evidence of norms that counts between two rivals.
        root: f64 = 0.5, "share", 0.0..=1e3,
            "Decay and growth on purpose are common; the evidence is at most 2 either way, so that norms count for at most 1.";
        /// The same for the edges of the likeliest tree, where the imprint of the two is known too.
        beside: f64 = 0.2, "share", 0.0..=1e3,
            "Fitted beside the imprint: see the table of fits above.";
        /// Share of the evidence of norms that counts for a parent against the root.
        parent: f64 = 0.6, "share", 0.0..=1e3,
            "Chosen among round values by log loss over the second set and the larger zoo.";
        /// Standard deviation of v around 1 where nothing shrinks or grows on purpose.
        spread: f64 = 0.5, "v", 1e-3..=1e3,
            "Increments are nearly unrelated to what they are added to.";
        /// Half width of the Cauchy density of v where something does.
        wide: f64 = 2.0, "v", 1e-3..=1e3,
            "Decay shifts v by any amount to either side.";
    }
}

/// Whether the norm of the later model is what an unrelated increment would leave. Used for root and parents.
#[derive(Clone, Copy, Debug)]
pub struct Norm;

impl Witness for Norm {
    fn signal(&self) -> Signal {
        Signal::new("norm", "the norms of the two, to which training adds unless it shrinks them on purpose")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        let norms = lineage.norms();
        lineage.weights().witnesses.norm.root * (norms.precedes(first, later) - norms.precedes(later, first)) / 2.0
    }

    /// Line by line, the imprint says what norms say of whole matrices, and says it better.
    fn points(&self, hypothesis: &Hypothesis<'_>, first: Member, later: Member) -> f64 {
        let (lineage, numbers) = (hypothesis.lineage(), &hypothesis.lineage().weights().witnesses.norm);
        let share = if hypothesis.imprint(first, later).is_some() { numbers.beside } else { numbers.root };
        share * (lineage.norms().precedes(first, later) - lineage.norms().precedes(later, first)) / 2.0
    }

    fn inherits(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let (norms, share) = (hypothesis.lineage().norms(), hypothesis.lineage().weights().witnesses.norm.parent);
        share * (norms.precedes(parent, child) - norms.precedes(hypothesis.root(), child))
    }
}
