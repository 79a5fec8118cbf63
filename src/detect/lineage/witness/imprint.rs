//! Witness: the imprint. The later model contains the increment between the two, line by line, and the earlier does not.

use super::{Hypothesis, Lineage, Member, Witness};
use crate::detect::lineage::norms::ratio;
use crate::evidence::Imprint as LineImprint;
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Imprint`].
    pub struct ImprintWeights {
        /// What slopes are worth that agree in all axes, for each axis that they could be drawn from at random.
        slopes: f64 = 0.3, "nats", 0.0..=1e3,
            "Fitted: see the table of fits above.";
        /// What a correlation of 1 is worth by which changes go with the norms of the one and not of the other, as a mean.
        independence: f64 = 10.5, "nats", 0.0..=1e3,
            "Fitted: see the table of fits above.";
        /// So many axes without a sign of independence are averaged in.
        unseen: f64 = 4.0, "axes", 0.0..=1e6,
            "Three small matrices say little; thirty say what they say.";
        /// What is added to the squares of all slopes' evidence, so that weak slopes stay weak even where they agree.
        doubt: f64 = 1.0, "nats squared", 1e-6..=1e6,
            "One axis at one nat.";
        /// Standard deviation of slopes around 1 or −1, besides their errors.
        spread: f64 = 0.5, "slope", 1e-3..=1e3,
            "That of norms: increments are nearly unrelated to what they are added to.";
        /// Half width of the Cauchy density of slopes that training shifted.
        wide: f64 = 2.0, "slope", 1e-3..=1e3,
            "That of norms.";
        /// The most that an imprint says of a pair, either way.
        cap: f64 = 4.0, "nats", 0.0..=1e3,
            "One pair in fifty is wrong for a reason that no weight knows.";
        /// Share of the imprint of a pair that counts for a parent against the root.
        parent: f64 = 0.5, "share", 0.0..=1e3,
            "Angles and norms show part of it.";
    }
}

/// The signs that the evidence of one pair is weighed from: above 0 when the reference came first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ImprintSigns {
    /// How far the slopes of all axes agree: `Σ λ / √(doubt + Σ λ²)`, λ the log-likelihood ratio of the slope of one axis. For k
    /// axes it is within `±√k`.
    pub slopes: f64,
    /// The mean independence, a difference of correlations.
    pub independence: f64,
}

impl ImprintWeights {
    /// The signs of all axes of all matrices.
    pub fn signs(&self, imprints: &[LineImprint]) -> ImprintSigns {
        let (mut sum, mut squares, mut independence) = (0.0, 0.0, 0.0);
        for imprint in imprints {
            let said = ratio(imprint.slope, self.spread.hypot(imprint.error), self.wide);
            sum += said;
            squares += said * said;
            independence += imprint.independence;
        }
        let axes = (imprints.len() as f64 + self.unseen).max(1.0);
        ImprintSigns { slopes: sum / (self.doubt + squares).sqrt(), independence: independence / axes }
    }

    /// The evidence that the reference of these imprints came before the member, in nats.
    pub(crate) fn nats(&self, imprints: &[LineImprint]) -> f64 {
        let signs = self.signs(imprints);
        (self.slopes * signs.slopes + self.independence * signs.independence).clamp(-self.cap, self.cap)
    }
}

/// The later model contains the increment between the two. Used for root and parents, where lines can be read.
///
/// See [`Imprint`](LineImprint) for what is measured in each matrix.
#[derive(Clone, Copy, Debug)]
pub struct Imprint;

impl Witness for Imprint {
    fn signal(&self) -> Signal {
        Signal::new("imprint", "rows and columns that grew where the two differ: the later one contains the increment")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        lineage.imprint(first, later).unwrap_or(0.0)
    }

    fn points(&self, hypothesis: &Hypothesis<'_>, first: Member, later: Member) -> f64 {
        hypothesis.imprint(first, later).unwrap_or(0.0)
    }

    fn inherits(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let share = hypothesis.lineage().weights().witnesses.imprint.parent;
        // Of a pair that was not read nothing is known, and it is weighed against the root all the same.
        let from = |m: Member| hypothesis.imprint(m, child).unwrap_or(0.0);
        share * (from(parent) - from(hypothesis.root()))
    }
}
