//! Is the root in the set, or are its children siblings of a root that is not?
//!
//! Two descendants of different children of the root share only what the root had. They may share a line (or tensor) that the
//! supposed root lacks. Then they had it from another model, and the root is not in the set. Where there are no such lines,
//! only the inner products of its children's increments are left.

mod branches;
pub(super) mod ranks;

use super::index::Member;
use super::weights::Presence as Numbers;
use super::witness::{ALL, Hypothesis, Lineage, SupposedRoot};
use crate::phylogeny::Signal;

/// The term of branches that share what a member lacks. Its count is the largest of any witness.
pub(super) const BRANCHES: Signal =
    Signal::new("branches", "branches of the tree that share lines or tensors which the root, or its children, lack");

/// The term for what the doubt about the root leaves of an edge.
pub(super) const HOLDS: Signal = Signal::new("holds", "how far an edge holds although the root may not be there");

/// The answer to the question whether the root is in the set.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Presence {
    /// Probability that the supposed root is the real root, and not a sibling of its children.
    pub(super) probability: f64,
    /// Whether shared lines or tensors rule the supposed root out.
    pub(super) contradicted: bool,
    /// The terms of the log odds of `probability`, in nats. Their sum gives the probability.
    pub(super) terms: Vec<(Signal, f64)>,
}

impl Presence {
    /// Adds a term to the log odds.
    fn add(&mut self, signal: Signal, odds: f64) {
        self.terms.push((signal, odds));
        self.probability = logistic(self.terms.iter().fold(0.0, |sum, (_, odds)| sum + odds));
    }
}

/// Tests whether the supposed root is present.
///
/// `parents` is the tree under the supposed root, among the members that are no merges; `None` for the root itself.
pub(super) fn presence(hypothesis: &Hypothesis<'_>, parents: &[Option<Member>]) -> Presence {
    let (lineage, root) = (hypothesis.lineage(), hypothesis.root());
    let numbers = &lineage.weights().presence;
    let prior = (Signal::PRIOR, (numbers.prior / (1.0 - numbers.prior)).ln());
    // With so few members, two branches cannot contradict a third. The prior is all there is.
    if parents.len() <= numbers.few {
        return Presence { probability: numbers.prior, contradicted: false, terms: vec![prior] };
    }
    // Two branches may really be one with an uncertain edge at its top. They must not contradict as two.
    let branches = branches::joined(branches::branches(root, parents), hypothesis);
    let against = against(lineage, &branches);
    let children: Vec<Member> = Member::all(parents.len()).filter(|m| parents[m.index()] == Some(root)).collect();
    let own = against[root.index()];
    let of_lines = odds(own, typical(children.iter().map(|m| against[m.index()]).collect()), numbers);

    let supposed = SupposedRoot { lineage, root, children: &children };
    let mut terms = vec![prior, (BRANCHES, of_lines)];
    terms.extend(ALL.iter().map(|witness| (witness.signal(), witness.presence(&supposed))));
    terms.retain(|&(_, odds)| odds != 0.0);
    let sum = terms.iter().fold(0.0, |sum, (_, odds)| sum + odds);
    Presence { probability: logistic(sum), contradicted: own >= numbers.contradicting, terms }
}

/// The probability for log odds in nats.
pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// For each member, the largest number of branches that share one thing which the member lacks, over all witnesses.
fn against(lineage: &Lineage<'_>, branches: &[Member]) -> Vec<usize> {
    let mut most = vec![0; branches.len()];
    for witness in ALL {
        let counted = witness.contradicts(lineage, branches);
        most.iter_mut().zip(counted).for_each(|(most, count)| *most = count.max(*most));
    }
    most
}

/// The median. For an even number of counts it is the mean of the two in the middle; for no counts it is 0.
fn typical(mut counts: Vec<usize>) -> f64 {
    counts.sort_unstable();
    match counts.len() {
        0 => 0.0,
        k if k % 2 == 1 => counts[k / 2] as f64,
        k => (counts[k / 2 - 1] + counts[k / 2]) as f64 / 2.0,
    }
}

/// Log odds that the root is present, when `own` branches contradict it and `typical` branches contradict each of its children.
fn odds(own: usize, typical: f64, numbers: &Numbers) -> f64 {
    if own >= numbers.contradicting {
        numbers.contradicted
    } else if own >= numbers.doubting {
        numbers.doubted
    } else if typical >= 1.0 {
        // Its children are ruled out as roots, and the root itself is not.
        numbers.telling * (typical / numbers.even_branches).ln()
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{alike, ids, m, noticed, point};
    use crate::detect::lineage::weights::Weights;

    #[test]
    fn one_two_and_three_branches() {
        let numbers = Numbers::default();
        assert_eq!([3, 4, 9].map(|own| odds(own, 5.0, &numbers)), [-4.0; 3]);
        assert_eq!(odds(2, 5.0, &numbers), -1.0);
        for own in [0, 1] {
            assert_eq!(odds(own, 0.5, &numbers), 0.0);
            assert_eq!(odds(own, 1.5, &numbers), 0.0);
            assert!((odds(own, 3.0, &numbers) - 1.3 * 2f64.ln()).abs() < 1e-12);
            assert!(odds(own, 1.0, &numbers) < 0.0);
        }
    }

    /// What is known of the presence of the first of these points, with all others its children.
    fn seen(weights: &Weights, points: &[Vec<f64>]) -> Presence {
        let geometry = alike(4, points);
        let ids = ids(&geometry);
        let lineage = Lineage::of(&geometry, &ids, weights).unwrap();
        let parents: Vec<Option<Member>> = (0..points.len()).map(|i| (i > 0).then_some(m(0))).collect();
        presence(&Hypothesis::of(&lineage, m(0)), &parents)
    }

    /// A root and children that moved by unlike lengths and drift alike by one cosine.
    fn family(children: usize) -> Vec<Vec<f64>> {
        let child = |i: usize| {
            let length = 0.5 + i as f64;
            point(&[(0, 10.0), (1, 0.3 * length), (2 + i, 0.95 * length)])
        };
        std::iter::once(point(&[(0, 10.0)])).chain((0..children).map(child)).collect()
    }

    #[test]
    fn pairs_tell_a_root_from_a_sibling() {
        let weights = Weights::default();
        let present = seen(&weights, &family(7)).probability;
        // Without the root, the nearest sibling takes its place.
        let siblings: Vec<Vec<f64>> = (0..7).map(|i| point(&[(0, 10.0), (2 + i, 1.0 + 0.5 * i as f64)])).collect();
        let absent = seen(&weights, &siblings).probability;
        assert!(present > 0.95 && absent < 0.5, "{present} {absent}");
        // The prior alone speaks where two branches cannot contradict a third.
        assert_eq!(seen(&weights, &family(2)).probability, weights.presence.prior);
        // Children that moved by like lengths tell little, so that no limit is reached.
        let like = |children: usize| -> Vec<Vec<f64>> {
            let child = |i: usize| {
                let length = 1.0 + 0.01 * i as f64;
                point(&[(0, 10.0), (1, 0.3 * length), (2 + i % 29, length), (2 + (i * i) % 29, 0.1)])
            };
            std::iter::once(point(&[(0, 10.0)])).chain((0..children).map(child)).collect()
        };
        noticed("witnesses.pairs", &[], |w| {
            let all = [family(7), siblings.clone(), like(4), like(12), like(60)];
            all.map(|points| seen(w, &points).terms.iter().map(|t| t.1).sum::<f64>().to_string()).join(" ")
        });
        noticed("presence", &["few", "prior"], |w| format!("{:?} {:?}", seen(w, &family(2)), seen(w, &family(3))));
    }

    #[test]
    fn every_number_of_contradictions_is_noticed() {
        noticed("presence", &["contradicting", "contradicted", "doubting", "doubted"], |w| {
            (0..8).map(|own| odds(own, 5.0, &w.presence).to_string()).collect()
        });
    }

    #[test]
    fn counts_have_a_middle() {
        assert_eq!(typical(vec![]), 0.0);
        assert_eq!(typical(vec![5, 1, 2]), 2.0);
        assert_eq!(typical(vec![4, 1]), 2.5);
    }
}
