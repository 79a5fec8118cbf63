//! Which member of a lineage is its root: what all witnesses say of its rivals.

use super::index::Member;
use super::witness::{ALL, COUNT, Lineage};
use crate::phylogeny::Signal;
use std::collections::BTreeMap;

/// What each witness says for one rival preceding another, in the order of [`ALL`].
pub(super) type Terms = [f64; COUNT];

/// Which member is the root.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Roots {
    /// Rivals by falling probability.
    pub(super) likely: Vec<(Member, f64)>,
    /// For each member the strongest evidence that another precedes it; lowest is the root. Of rivals alone it holds more than
    /// distances and angles.
    pub(super) scores: Vec<f64>,
    /// What the strongest evidence against each rival is the sum of.
    against: BTreeMap<Member, Terms>,
}

impl Roots {
    /// Weighs the rivals of a lineage of two members or more: `P(root = a) ∝ exp(−score(a))`.
    pub(super) fn of(lineage: &Lineage<'_>) -> Self {
        let rivals = lineage.rivals();
        // Members that are no rivals are left with what distances and angles say.
        let unit = lineage.weights().witnesses.precedence.root;
        let mut scores: Vec<f64> = lineage.precedence_scores().iter().map(|s| s * unit).collect();
        let mut against = BTreeMap::new();
        for &a in rivals {
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

    /// What speaks for `a` being the root rather than `b`, both rivals, by signal: it adds up to `ln P(a) / P(b)`.
    pub(super) fn rather(&self, a: Member, b: Member) -> Vec<(Signal, f64)> {
        let (Some(against_a), Some(against_b)) = (self.against.get(&a), self.against.get(&b)) else { return Vec::new() };
        let differences = against_b.iter().zip(against_a).map(|(b, a)| b - a);
        ALL.iter().zip(differences).map(|(witness, difference)| (witness.signal(), difference)).collect()
    }

    /// That a member is the root: 0 unless it is a rival.
    pub(super) fn probability(&self, member: Member) -> f64 {
        self.likely.iter().find(|(m, _)| *m == member).map_or(0.0, |(_, probability)| *probability)
    }

    /// Whether nothing tells which of the two likeliest is the root.
    pub(super) fn tied(&self, tolerance: f64) -> bool {
        matches!(self.likely[..], [(_, p), (_, q), ..] if (p - q).abs() <= tolerance)
    }

    /// The second lowest score less the lowest; 0 of a single member.
    pub(super) fn margin(&self) -> f64 {
        let mut sorted = self.scores.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(1).map_or(0.0, |second| second - sorted[0])
    }
}

fn likely(rivals: &[Member], scores: &[f64]) -> Vec<(Member, f64)> {
    let lowest = rivals.iter().map(|a| scores[a.index()]).fold(f64::INFINITY, f64::min);
    let weights: Vec<(Member, f64)> = rivals.iter().map(|&a| (a, (lowest - scores[a.index()]).exp())).collect();
    let sum: f64 = weights.iter().map(|w| w.1).sum();
    let mut likely: Vec<(Member, f64)> = weights.into_iter().map(|(a, w)| (a, w / sum)).collect();
    likely.sort_by(|x, y| y.1.total_cmp(&x.1));
    likely
}
