//! Witness: kurtosis. Training changes the tails of most lines in one direction, which all of a family has in common.

use super::common_sign::settled;
use super::{Hypothesis, Lineage, Member, Witness};
use crate::detect::lineage::weights::Weights;
use crate::evidence::Imprint as LineImprint;
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Kurtosis`].
    pub struct KurtosisWeights {
        /// What it is worth, if tails grow in this family, that they grew in all lines of all axes.
        grown: f64 = 16.0, "nats", 0.0..=1e3,
            "Chosen on whole families of the sets for fits: log loss of their roots is flat from 12 to 24.";
        /// So many axes without a sign of kurtosis are averaged in.
        unseen: f64 = 4.0, "axes", 0.0..=1e6,
            "As for imprints.";
        /// The most that kurtosis says of a pair, either way.
        cap: f64 = 2.0, "nats", 0.0..=1e3,
            "Edges of a family share more than the sign: at 4 the surest answers were right less often than they said.";
        /// The probability that training makes tails longer in a family, and not shorter.
        longer: f64 = 0.8, "probability", 0.0..=0.999999,
            "Tails shrink in 2 of the 14 architectures that were looked at, both language models: 1 − (2 + 1)/(14 + 2), rounded.";
        /// Share of it that counts for a parent: the root came before the child either way.
        parent: f64 = 0.5, "share", 0.0..=1e3,
            "That of imprints.";
    }
}

impl KurtosisWeights {
    /// The mean over axes of the share of lines whose tails grew, less that of lines whose tails shrank.
    pub fn sign(&self, imprints: &[LineImprint]) -> f64 {
        let sum: f64 = imprints.iter().fold(0.0, |sum, imprint| sum + imprint.kurtosis);
        sum / (imprints.len() as f64 + self.unseen).max(1.0)
    }

    /// The evidence that the reference of these imprints came before the member if tails grow, in nats.
    pub(crate) fn nats(&self, imprints: &[LineImprint]) -> f64 {
        (self.grown * self.sign(imprints)).clamp(-self.cap, self.cap)
    }

    /// How far tails grow in a family, from −1 where they surely shrink to 1 where they surely grow.
    ///
    /// `said` is the sum over edges whose direction is known.
    pub(crate) fn drift(&self, said: f64) -> f64 {
        ((said + (self.longer / (1.0 - self.longer)).ln()) / 2.0).tanh()
    }
}

/// Lines whose tails grew. Used for root and parents, where lines can be read.
///
/// Values drawn at random have short tails, and training makes them longer in most networks. In some it makes them shorter, and
/// nothing in one pair of models shows which. It is the same throughout a family. So all edges of a tree are weighed together:
///
/// ```text
/// ln P = ln (p · exp(½ Σ_edges ±k) + (1 − p) · exp(−½ Σ_edges ±k))        p = `longer`
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kurtosis;

impl Witness for Kurtosis {
    fn signal(&self) -> Signal {
        Signal::new("kurtosis", "rows and columns whose tails grew, or shrank throughout the family: training goes one way")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        let said = lineage.kurtosis(first, later).unwrap_or(0.0);
        settled(said, self.common_sign(lineage.weights()))
    }

    fn points(&self, hypothesis: &Hypothesis<'_>, first: Member, later: Member) -> f64 {
        hypothesis.kurtosis(first, later).unwrap_or(0.0)
    }

    fn common_sign(&self, weights: &Weights) -> Option<f64> {
        Some(weights.witnesses.kurtosis.longer)
    }

    fn inherits(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let share = hypothesis.lineage().weights().witnesses.kurtosis.parent;
        // The root came before the child either way, so that only the candidate's own order tells.
        share * hypothesis.drift() * hypothesis.kurtosis(parent, child).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_edges_that_agree_turn_the_sign() {
        let numbers = KurtosisWeights::default();
        assert!(numbers.drift(0.0) > 0.59 && numbers.drift(6.0) > 0.95 && numbers.drift(-8.0) < -0.95);
    }
}
