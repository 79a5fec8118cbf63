//! Which member of a lineage is its root: every witness compares the rivals.

use super::index::Member;
use super::weights::Root as Numbers;
use super::witness::{ALL, COUNT, Lineage};
use crate::phylogeny::Signal;
use std::collections::BTreeMap;

/// The evidence of each witness that one rival precedes another, in nats and in the order of [`ALL`].
pub(super) type Terms = [f64; COUNT];

/// The answer to the question which member is the root.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Roots {
    /// Rivals and the probability of each to be the root, the likeliest first. The probabilities sum to 1.
    pub(super) likely: Vec<(Member, f64)>,
    /// For each member, the strongest evidence that another member precedes it, in nats. The root has the lowest score.
    ///
    /// The scores of rivals use all witnesses. The scores of other members use distances and angles alone.
    pub(super) scores: Vec<f64>,
    /// The terms that the strongest evidence against each rival is the sum of.
    against: BTreeMap<Member, Terms>,
}

impl Roots {
    /// Compares the rivals of a lineage of two or more members: `P(root = a) ∝ exp(−score(a))`.
    pub(super) fn of(lineage: &Lineage<'_>) -> Self {
        let rivals = lineage.rivals();
        // Only rivals go through all witnesses. Other members keep the score of distances and angles.
        let unit = lineage.weights().witnesses.precedence.root;
        let mut scores: Vec<f64> = lineage.precedence_scores().iter().map(|s| s * unit).collect();
        let mut against = BTreeMap::new();
        for &a in rivals {
            // A root precedes every other member, so the strongest evidence against it decides.
            let mut strongest = (f64::NEG_INFINITY, [0.0; COUNT]);
            for &b in rivals.iter().filter(|&&b| b != a) {
                let terms = ALL.map(|witness| witness.precedes(lineage, b, a));
                let sum = terms.iter().fold(0.0, |sum, term| sum + term);
                if sum > strongest.0 {
                    strongest = (sum, terms);
                }
            }
            scores[a.index()] = strongest.0;
            against.insert(a, strongest.1);
        }
        Self { likely: likely(rivals, &scores), scores, against }
    }

    /// The evidence, by signal, that `a` is the root rather than `b`. Its sum is `ln P(a) / P(b)`.
    ///
    /// Both must be rivals; otherwise the result is empty.
    pub(super) fn rather(&self, a: Member, b: Member) -> Vec<(Signal, f64)> {
        let (Some(against_a), Some(against_b)) = (self.against.get(&a), self.against.get(&b)) else {
            return Vec::new();
        };
        let differences = against_b.iter().zip(against_a).map(|(b, a)| b - a);
        ALL.iter().zip(differences).map(|(witness, difference)| (witness.signal(), difference)).collect()
    }

    /// Probability that a member is the root: 0 unless it is a rival.
    pub(super) fn probability(&self, member: Member) -> f64 {
        self.likely.iter().find(|(m, _)| *m == member).map_or(0.0, |(_, probability)| *probability)
    }

    /// The rivals that are likely enough to be supposed the root, each with its probability.
    pub(super) fn supposed(&self, numbers: &Numbers) -> impl Iterator<Item = &(Member, f64)> {
        let least = numbers.least;
        self.likely.iter().take(numbers.most).filter(move |(_, probability)| *probability >= least)
    }

    /// Whether the two likeliest roots are equally likely, up to `tolerance`.
    pub(super) fn tied(&self, tolerance: f64) -> bool {
        matches!(self.likely[..], [(_, p), (_, q), ..] if (p - q).abs() <= tolerance)
    }

    /// The second lowest score less the lowest one; 0 for a single member.
    pub(super) fn margin(&self) -> f64 {
        let mut sorted = self.scores.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(1).map_or(0.0, |second| second - sorted[0])
    }
}

/// Rivals with their probabilities, the likeliest first. The lowest score is subtracted so that no exponential overflows.
fn likely(rivals: &[Member], scores: &[f64]) -> Vec<(Member, f64)> {
    let lowest = rivals.iter().map(|a| scores[a.index()]).fold(f64::INFINITY, f64::min);
    let weights: Vec<(Member, f64)> = rivals.iter().map(|&a| (a, (lowest - scores[a.index()]).exp())).collect();
    let sum: f64 = weights.iter().map(|w| w.1).sum();
    let mut likely: Vec<(Member, f64)> = weights.into_iter().map(|(a, w)| (a, w / sum)).collect();
    likely.sort_by(|x, y| y.1.total_cmp(&x.1));
    likely
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{Model, alike, ids, m, noticed, of_models, point};
    use crate::detect::lineage::weights::Weights;
    use crate::geometry::Geometry;

    fn roots(geometry: &Geometry) -> Roots {
        let (weights, ids) = (Weights::default(), ids(geometry));
        Roots::of(&Lineage::of(geometry, &ids, &weights).unwrap())
    }

    /// Two models that differ by what one witness sees, and by noise.
    fn told_by(first: Model, later: Model) -> f64 {
        let roots = roots(&of_models(&[first, later]));
        roots.probability(m(0))
    }

    #[test]
    fn each_witness_alone_finds_the_root_of_two() {
        let root = Model::new(1);
        // Norms see every training; without them the two would be even.
        let plain = told_by(root.clone(), root.trained(2, 0..0, 1.0));
        assert!(plain > 0.5 && plain < 0.9, "{plain}");
        let counted = told_by(root.clone().with_counter(1.0), root.trained(2, 0..0, 1.0).with_counter(2.0));
        let decayed = told_by(root.clone(), root.trained(2, 0..6, 0.98));
        let resized = told_by(root.clone(), root.trained(2, 0..0, 1.0).with_rows(3));
        assert!(counted > 0.99 && decayed > 0.99 && resized > 0.99, "{counted} {decayed} {resized}");
    }

    #[test]
    fn lines_that_others_share_find_the_root() {
        let root = Model::new(1);
        let child = |seed, rows| root.trained(seed, rows, 1.0);
        let found = roots(&of_models(&[root.clone(), child(2, 0..8), child(3, 2..8), child(4, 4..8), child(5, 0..4)]));
        assert_eq!(found.likely[0].0, m(0));
        assert!(found.likely[0].1 > 0.9, "{:?}", found.likely);
    }

    #[test]
    fn terms_add_up_to_the_ratio_of_two_roots() {
        let root = point(&[(0, 10.0)]);
        let points = [root, point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (2, 0.7)]), point(&[(0, 9.5), (3, 1.2)])];
        let found = roots(&alike(3, &points));
        for &(a, p) in &found.likely {
            for &(b, q) in &found.likely {
                let sum: f64 = found.rather(a, b).iter().map(|(_, term)| term).sum();
                assert!((sum - (p / q).ln()).abs() < 1e-9, "{sum} for {p} and {q}");
            }
        }
        assert!((found.likely.iter().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(!found.tied(1e-12) && found.margin() > 0.0);
    }

    #[test]
    fn few_and_likely_roots_are_supposed() {
        let supposed = |weights: &Weights, probabilities: &[f64]| {
            let likely = probabilities.iter().enumerate().map(|(i, &p)| (m(i), p)).collect();
            let roots = Roots { likely, scores: Vec::new(), against: BTreeMap::new() };
            roots.supposed(&weights.root).count()
        };
        let weights = Weights::default();
        assert_eq!((supposed(&weights, &[0.9, 0.081, 0.019]), supposed(&weights, &[0.3, 0.3, 0.2, 0.2])), (2, 3));
        noticed("root", &["least", "most"], |w| {
            format!("{} {}", supposed(w, &[0.9, 0.07, 0.03]), supposed(w, &[0.3, 0.3, 0.2, 0.2]))
        });
    }

    #[test]
    fn ties_are_within_rounding() {
        let of = |p: f64, q: f64| {
            let likely = vec![(m(0), p), (m(1), q)];
            Roots { likely, scores: vec![0.0, 0.0], against: BTreeMap::new() }
        };
        noticed("tolerances", &["tie"], |w| {
            [0.75e-12, 1.5e-12].map(|apart| of(0.5, 0.5 - apart).tied(w.tolerances.tie).to_string()).join(" ")
        });
        assert!(of(0.5, 0.5).tied(1e-12) && of(0.5, 0.5 - 0.9e-12).tied(1e-12) && !of(0.5, 0.5 - 1.2e-12).tied(1e-12));
    }
}
