//! Witness: the inner products of the increments of siblings, as the supposed root sees them.

use super::{Member, SupposedRoot, Witness};
use crate::geometry::{Comparison, ParameterView};
use crate::model_set::Position;
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`Pairs`].
    pub struct PairWeights {
        /// What a unit of the log ratio of residuals is worth for each child but the first.
        weight: f64 = 1.0, "nats", 0.0..=1e3,
            "A logistic fit on families trained for fitting, mostly of five to eight members, gives 0.75; rounded up, as pairs of many children are more nearly independent.";
        /// With this log ratio for the constant, root and sibling are as likely.
        even: f64 = -0.35, "log ratio", -1e2..=1e2,
            "The same fit: where movements are alike the two regressions differ little, and an absent root shows by little.";
        /// Children beyond this add nothing to the weight.
        children: usize = 8, "members", 2.0..=1e9,
            "Pairs share their members, and siblings that drift alike are not independent.";
        /// Children whose pairs are compared, spread evenly from the nearest to the farthest.
        compared: usize = 32, "members", 2.0..=1e9,
            "Some five hundred pairs; more cost time and add nothing.";
        /// The most that the regressions say, either way.
        cap: f64 = 3.0, "nats", 0.0..=1e3,
            "One family in twenty is odd for a reason that no weight knows.";
        /// What is added to both mean squared residuals of cosines.
        floor: f64 = 1e-4, "squared cosine", 1e-12..=1.0,
            "A cosine is known to a hundredth at best: nothing is that exact in training.";
    }
}

/// Do the increments of the children look like those of siblings from their root, or from another sibling?
///
/// Seen from the root, `⟨i − r, j − r⟩ = ρ ‖i − r‖ ‖j − r‖`: siblings drift alike by one cosine. Seen from a sibling s, it is
/// `‖Δ_s‖²` for *all* pairs, because all have the way back to the root in common. Two regressions without a constant term, one for
/// each, are compared by their residuals. They differ where children moved by unlike lengths.
#[derive(Clone, Copy, Debug)]
pub struct Pairs;

impl Witness for Pairs {
    fn signal(&self) -> Signal {
        Signal::new("pairs", "whether inner products of siblings scale with their lengths, or are one constant")
    }

    fn presence(&self, supposed: &SupposedRoot<'_>) -> f64 {
        let numbers = &supposed.lineage().weights().witnesses.pairs;
        let comparison = supposed.lineage().plain_comparison();
        let root = supposed.root().within();
        let children = spread(supposed, numbers.compared);
        let ratios: Vec<f64> =
            comparison.scoped().filter_map(|p| log_ratio(p, root, &children, numbers.floor)).collect();
        if ratios.is_empty() {
            return 0.0;
        }
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let children = supposed.children().len().min(numbers.children).saturating_sub(1) as f64;
        (-numbers.weight * children * (mean - numbers.even)).clamp(-numbers.cap, numbers.cap)
    }
}

/// At most `most` children, spread evenly over the order of their distances from the root.
fn spread(supposed: &SupposedRoot<'_>, most: usize) -> Vec<Position<Comparison>> {
    let (comparison, root) = (supposed.lineage().plain_comparison(), supposed.root().within());
    let mut order: Vec<Position<Comparison>> = supposed.children().iter().map(|m: &Member| m.within()).collect();
    let far = |m: &Position<Comparison>| comparison.squared_distance(root, *m);
    order.sort_by(|a, b| far(a).total_cmp(&far(b)));
    let all = order.len();
    if all <= most {
        return order;
    }
    (0..most).map(|i| order[i * (all - 1) / (most - 1)]).collect()
}

/// Half of the log ratio of the mean squared residuals: for a constant cosine against a constant inner product, in cosines. It is
/// above 0 where a constant inner product fits better. `None` with fewer than three pairs.
fn log_ratio(
    parameter: &ParameterView,
    root: Position<Comparison>,
    children: &[Position<Comparison>],
    floor: f64,
) -> Option<f64> {
    let moved: Vec<(Position<Comparison>, f64)> =
        children.iter().map(|&c| (c, parameter.squared_distance(root, c))).filter(|&(_, squared)| squared > 0.0).collect();
    let mut pairs: Vec<(f64, f64)> = Vec::with_capacity(moved.len() * moved.len() / 2);
    for (i, &(a, to_a)) in moved.iter().enumerate() {
        for &(b, to_b) in &moved[..i] {
            let lengths = (to_a * to_b).sqrt();
            let inner = (to_a + to_b - parameter.squared_distance(a, b)) / 2.0;
            pairs.push((inner / lengths, lengths.recip()));
        }
    }
    if pairs.len() < 3 {
        return None;
    }
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
    let cosine = mean(&|(cosine, _)| *cosine);
    let constant = mean(&|(cosine, inverse)| cosine * inverse) / mean(&|(_, inverse)| inverse * inverse);
    let present = mean(&|(c, _)| (c - cosine).powi(2));
    let absent = mean(&|(c, inverse)| (c - constant * inverse).powi(2));
    let ratio = 0.5 * ((present + floor) / (absent + floor)).ln();
    // Lengths whose inverse is not finite say nothing.
    ratio.is_finite().then_some(ratio)
}
