//! Which member of a lineage is its root.
//!
//! A first answer compares rivals pair by pair. It gives a likeliest tree. Who is the root is then asked again of that tree
//! without its root: distances and angles say who lies next to whom and who lies in the middle, and not which end is older.

use super::index::Member;
use super::skeleton::Skeleton;
use super::weights::{Root as Numbers, Weights};
use super::witness::{ALL, COUNT, Hypothesis, Lineage};
use crate::phylogeny::Signal;
use std::collections::BTreeMap;

/// The term of how many neighbors a member has in the likeliest tree.
pub(super) const NEIGHBORS: Signal =
    Signal::new("neighbors", "how many neighbors a member has in the tree: a root has many children");

/// What speaks for a member as the root.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Terms {
    /// The evidence of each witness, in nats and in the order of [`ALL`].
    pub(super) witnesses: [f64; COUNT],
    /// The evidence of the number of neighbors, in nats.
    pub(super) neighbors: f64,
}

impl Terms {
    /// The sum of the evidence, in nats.
    pub(super) fn sum(&self) -> f64 {
        self.witnesses.iter().fold(self.neighbors, |sum, term| sum + term)
    }
}

/// The answer to the question which member is the root.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Roots {
    /// Members and the probability of each to be the root, the likeliest first. The probabilities sum to 1.
    pub(super) likely: Vec<(Member, f64)>,
    /// For each member, the strongest evidence that another member precedes it, in nats. The root has the lowest score.
    pub(super) scores: Vec<f64>,
    /// For each member of `likely`, what speaks for it as the root. Differences are log ratios of probabilities.
    terms: BTreeMap<Member, Terms>,
}

impl Roots {
    /// Compares the rivals of a lineage of two or more members: `P(root = a) ∝ exp(−score(a))`.
    ///
    /// The scores of rivals use all witnesses. The scores of other members use distances and angles alone.
    pub(super) fn of(lineage: &Lineage<'_>) -> Self {
        let rivals = lineage.rivals();
        // Only rivals go through all witnesses. Other members keep the score of distances and angles.
        let unit = lineage.weights().witnesses.precedence.root;
        let mut scores: Vec<f64> = lineage.precedence_scores().iter().map(|s| s * unit).collect();
        let mut terms = BTreeMap::new();
        for &a in rivals {
            // A root precedes every other member, so the strongest evidence against it decides.
            let mut strongest = (f64::NEG_INFINITY, [0.0; COUNT]);
            for &b in rivals.iter().filter(|&&b| b != a) {
                let against = ALL.map(|witness| witness.precedes(lineage, b, a));
                let sum = against.iter().fold(0.0, |sum, term| sum + term);
                if sum > strongest.0 {
                    strongest = (sum, against);
                }
            }
            scores[a.index()] = strongest.0;
            terms.insert(a, Terms { witnesses: strongest.1.map(|term| -term), neighbors: 0.0 });
        }
        Self { likely: likely(&terms), scores, terms }
    }

    /// Asks again, of the edges of the likeliest tree under the first answer.
    ///
    /// ```text
    /// P(root = a) ∝ degree(a)^β · exp(½ Σ_edges ±L)          + where the edge points away from a
    /// ```
    ///
    /// L is the log odds of an edge's direction, by all witnesses. Where the first answer is a tie it stays one: each of the two
    /// would give a tree of its own, in which it lies in the middle.
    pub(super) fn along(self, hypothesis: &Hypothesis<'_>, parents: &[Option<Member>], plain: usize) -> Self {
        let weights = hypothesis.lineage().weights();
        if self.tied(weights.tolerances.tie) {
            return self;
        }
        let skeleton = Skeleton::of(hypothesis, parents);
        let terms: BTreeMap<Member, Terms> =
            Member::all(plain).filter_map(|a| Some((a, skeleton.terms(a, plain, &weights.root)?))).collect();
        Self { likely: likely(&terms), scores: scores(&terms, plain, weights), terms }
    }

    /// The evidence, by signal, that `a` is the root rather than `b`. Its sum is `ln P(a) / P(b)`.
    ///
    /// Both must be members that may be the root; otherwise the result is empty.
    pub(super) fn rather(&self, a: Member, b: Member) -> Vec<(Signal, f64)> {
        let (Some(of_a), Some(of_b)) = (self.terms.get(&a), self.terms.get(&b)) else {
            return Vec::new();
        };
        let differences = of_a.witnesses.iter().zip(&of_b.witnesses).map(|(a, b)| a - b);
        let witnesses = ALL.iter().map(|witness| witness.signal()).zip(differences);
        witnesses.chain([(NEIGHBORS, of_a.neighbors - of_b.neighbors)]).collect()
    }

    /// Probability that a member is the root: 0 unless it may be.
    pub(super) fn probability(&self, member: Member) -> f64 {
        self.likely.iter().find(|(m, _)| *m == member).map_or(0.0, |(_, probability)| *probability)
    }

    /// The members that are likely enough to be supposed the root, each with its probability.
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

/// Members with their probabilities, the likeliest first. The largest sum is subtracted so that no exponential overflows.
fn likely(terms: &BTreeMap<Member, Terms>) -> Vec<(Member, f64)> {
    let largest = terms.values().map(Terms::sum).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<(Member, f64)> = terms.iter().map(|(&a, terms)| (a, (terms.sum() - largest).exp())).collect();
    let sum: f64 = weights.iter().map(|w| w.1).sum();
    let mut likely: Vec<(Member, f64)> = weights.into_iter().map(|(a, w)| (a, w / sum)).collect();
    likely.sort_by(|x, y| y.1.total_cmp(&x.1));
    likely
}

/// For each member, the strongest evidence that another one is the root rather than it.
fn scores(terms: &BTreeMap<Member, Terms>, plain: usize, weights: &Weights) -> Vec<f64> {
    let sums: Vec<Option<f64>> = Member::all(plain).map(|a| terms.get(&a).map(Terms::sum)).collect();
    let best = |but: usize| {
        let others = sums.iter().enumerate().filter(|&(b, _)| b != but);
        others.filter_map(|(_, sum)| *sum).fold(f64::NEG_INFINITY, f64::max)
    };
    // The strongest rival of all members but one is one of two, so it is sought twice and not for each member.
    let first = (0..plain)
        .filter(|&a| sums[a].is_some())
        .max_by(|&a, &b| sums[a].unwrap_or(0.0).total_cmp(&sums[b].unwrap_or(0.0)));
    let (all, rest) = (best(usize::MAX), first.map_or(f64::NEG_INFINITY, best));
    let of = |(a, sum): (usize, &Option<f64>)| match sum {
        _ if rest == f64::NEG_INFINITY && Some(a) == first => 0.0,
        Some(sum) => (if Some(a) == first { rest } else { all }) - sum,
        // What descends from a merge cannot be the root.
        None => -weights.parents.excluded,
    };
    sums.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{Model, alike, ids, m, noticed, of_models, point};
    use crate::detect::lineage::weights::Weights;
    use crate::geometry::Geometry;

    fn roots(geometry: &Geometry) -> Roots {
        roots_by(geometry, &Weights::default())
    }

    fn roots_by(geometry: &Geometry, weights: &Weights) -> Roots {
        Roots::of(&Lineage::of(geometry, &ids(geometry), weights).unwrap())
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
        let two = [root.clone(), root.trained(2, 0..0, 1.0)];
        let mut norms = Weights::default();
        norms.witnesses.kurtosis.grown = 0.0;
        let plain = roots_by(&of_models(&two), &norms).probability(m(0));
        assert!(plain > 0.5 && plain < 0.9, "{plain}");
        // Values drawn evenly have short tails, which training makes longer.
        let [first, later] = two;
        assert!(told_by(first, later) > 0.95);
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
            let roots = Roots { likely, scores: Vec::new(), terms: BTreeMap::new() };
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
            Roots { likely, scores: vec![0.0, 0.0], terms: BTreeMap::new() }
        };
        noticed("tolerances", &["tie"], |w| {
            [0.75e-12, 1.5e-12].map(|apart| of(0.5, 0.5 - apart).tied(w.tolerances.tie).to_string()).join(" ")
        });
        assert!(of(0.5, 0.5).tied(1e-12) && of(0.5, 0.5 - 0.9e-12).tied(1e-12) && !of(0.5, 0.5 - 1.2e-12).tied(1e-12));
    }
}
