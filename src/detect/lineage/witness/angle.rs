//! Witness: the angle between the way to the candidate and the way on to the child.

use super::{Hypothesis, Member, SupposedRoot, Witness};
use crate::geometry::{Comparison, ParameterView};
use crate::kernel::median;
use crate::model_set::Position;
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
        largest: f64 = 7.0, "nats", 0.0..=1e3,
            "Siblings on one data set agree in all parameters at once, by as much as 13: one fact and not many. Between 7 and 13 it matters little.";
        /// What a parameter counts for that the two share bit for bit and the root has not.
        shared: f64 = 4.0, "nats", 0.0..=1e3,
            "As much as the surest angle.";
        /// Cosines between the nearest children's increments that are as likely with the root as without it.
        even_cosine: f64 = 0.17, "cosine", -1.0..=1.0,
            "Chosen among round values by log loss over the second set and the larger zoo.";
        /// The cosine that is worth one nat of presence.
        cosine_scale: f64 = 0.1, "cosine", 1e-6..=1e6,
            "Chosen among round values by log loss over the second set and the larger zoo.";
        /// The least log odds of presence by angles.
        presence_least: f64 = -2.5, "nats", -1e3..=0.0,
            "Fine-tunes that drift alike make any root look absent.";
        /// The most log odds of presence by angles.
        presence_most: f64 = 1.5, "nats", 0.0..=1e3,
            "A sibling that hardly moved looks like the root.";
        /// Children whose increments are compared, the nearest first.
        nearest: usize = 5, "members", 2.0..=1e9,
            "The nearest show most: seen from a sibling all others lie in the direction back to the root.";
        /// Which of the parameters, by their cosine, speaks for all.
        quantile: f64 = 0.75, "share of parameters", 0.0..=0.999999,
            "The upper quartile: in some parameters siblings' increments are unrelated even if the root is not there.";
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
///
/// For the presence of the root, it is the angle at the root between its nearest children.
#[derive(Clone, Copy, Debug)]
pub struct Angle;

impl Witness for Angle {
    fn signal(&self) -> Signal {
        Signal::new("angle", "the angle between the way to the candidate and the way on to the child")
    }

    fn presence(&self, supposed: &SupposedRoot<'_>) -> f64 {
        let numbers = &supposed.lineage().weights().witnesses.angle;
        nearest_cosine(supposed, numbers).map_or(0.0, |cosine| {
            let odds = (numbers.even_cosine - cosine) / numbers.cosine_scale;
            odds.clamp(numbers.presence_least, numbers.presence_most * supposed.share())
        })
    }

    fn inherits(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        hypothesis.inheritance().cell(parent, child).angle
    }
}

/// A quantile, over parameters, of the median cosine between the children nearest to the root, as seen from the root.
///
/// Seen from a sibling instead of the root, all others lie in the direction back to the root, and the cosine is large.
fn nearest_cosine(supposed: &SupposedRoot<'_>, numbers: &AngleWeights) -> Option<f64> {
    let (comparison, root) = (supposed.lineage().plain_comparison(), supposed.root().within());
    let near = log_distances(comparison, root, supposed.lineage().weights().tolerances.nearest);
    let mut order: Vec<Position<Comparison>> = supposed.children().iter().map(|m| m.within()).collect();
    order.sort_by(|a, b| near[a.index()].total_cmp(&near[b.index()]));
    order.truncate(numbers.nearest);
    let mut medians: Vec<f64> = comparison.scoped().filter_map(|p| median_cosine(p, root, &order)).collect();
    medians.sort_unstable_by(f64::total_cmp);
    medians.get((medians.len() as f64 * numbers.quantile) as usize).copied()
}

/// For each member m, `Σ_t ln d_t(root, m)`, where each parameter is measured in units of its own median distance.
fn log_distances(comparison: &Comparison, root: Position<Comparison>, floor: f64) -> Vec<f64> {
    let n = comparison.len();
    let mut near = vec![0.0; n];
    for parameter in comparison.scoped() {
        let mut apart: Vec<f64> =
            Position::all(n).map(|m| parameter.squared_distance(root, m)).filter(|&squared| squared > 0.0).collect();
        // A parameter that at most one member changed gives no unit.
        if apart.len() < 2 {
            continue;
        }
        apart.sort_unstable_by(f64::total_cmp);
        let unit = apart[apart.len() / 2];
        for (m, sum) in Position::all(n).zip(&mut near) {
            // A member at the root has a logarithm of −∞. The floor makes it finite, and still the nearest.
            *sum += 0.5 * (parameter.squared_distance(root, m) / unit).max(floor).ln();
        }
    }
    near
}

/// The median cosine over all pairs of members, at the root; `None` when no pair has moved in this parameter.
fn median_cosine(parameter: &ParameterView, root: Position<Comparison>, members: &[Position<Comparison>]) -> Option<f64> {
    let squared = |a, b| parameter.squared_distance(a, b);
    let pairs = members.iter().enumerate().flat_map(|(i, &a)| members[..i].iter().map(move |&b| (a, b)));
    let moved = pairs.map(|(a, b)| (squared(root, a), squared(root, b), squared(a, b)));
    let mut cosines: Vec<f64> = moved
        // A child that did not move in this parameter has no direction.
        .filter(|&(to_a, to_b, _)| to_a > 0.0 && to_b > 0.0)
        .map(|(to_a, to_b, apart)| (to_a + to_b - apart) / (2.0 * (to_a * to_b).sqrt()))
        .collect();
    median(&mut cosines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{alike, ids, noticed, point};

    #[test]
    fn a_member_at_the_root_has_a_finite_logarithm() {
        let points = [point(&[(0, 1.0)]), point(&[(0, 1.0)]), point(&[(0, 2.0)]), point(&[(0, 3.0)])];
        let geometry = alike(1, &points);
        let comparison = geometry.compare(&ids(&geometry)).unwrap();
        let near = log_distances(&comparison, Position::FIRST, 1e-12);
        assert_eq!(near[1], 0.5 * 1e-12f64.ln());
        noticed("tolerances", &["nearest"], |w| format!("{:?}", log_distances(&comparison, Position::FIRST, w.tolerances.nearest)));
    }
}
