//! Is the root in the set, or are its children siblings of a root that is not?
//!
//! Two descendants of different children of the root share only what the root had. They may share a line (or tensor) that the
//! supposed root lacks. Then they had it from another model, and the root is not in the set. Where there are no such lines,
//! only the angles between the root's nearest children are left.

mod branches;

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

/// Tests whether the supposed root is present.
///
/// `parents` is the tree under the supposed root, among the members that are no merges; `None` for the root itself.
pub(super) fn presence(hypothesis: &Hypothesis<'_>, parents: &[Option<Member>]) -> Presence {
    let (lineage, root) = (hypothesis.lineage(), hypothesis.root());
    let numbers = &lineage.weights().presence;
    // With so few members, two branches cannot contradict a third. The prior is all there is.
    if parents.len() <= numbers.few {
        let terms = vec![(Signal::PRIOR, (numbers.even / (1.0 - numbers.even)).ln())];
        return Presence { probability: numbers.even, contradicted: false, terms };
    }
    // Two branches may really be one with an uncertain edge at its top. They must not contradict as two.
    let branches = branches::joined(branches::branches(root, parents), hypothesis);
    let against = against(lineage, &branches);
    let children: Vec<Member> = Member::all(parents.len()).filter(|m| parents[m.index()] == Some(root)).collect();
    let own = against[root.index()];
    let of_lines = odds(own, typical(children.iter().map(|m| against[m.index()]).collect()), numbers);

    // Lines and angles show the same training. Where lines say much already, angles add less.
    let share = if of_lines >= numbers.many { numbers.after_many } else { 1.0 };
    let supposed = SupposedRoot { lineage, root, children: &children, share };
    let mut terms = vec![(BRANCHES, of_lines)];
    terms.extend(ALL.iter().map(|witness| (witness.signal(), witness.presence(&supposed))));
    terms.retain(|&(_, odds)| odds != 0.0);
    let sum = terms.iter().fold(0.0, |sum, (_, odds)| sum + odds);
    Presence { probability: logistic(sum), contradicted: own >= numbers.contradicting, terms }
}

/// The probability for log odds in nats.
fn logistic(x: f64) -> f64 {
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
    use crate::detect::lineage::tests::fixture::{alike, ids, m, noticed, of_points, point};
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

    /// A root and children whose increments have a cosine to one another, and what is known of its presence.
    fn seen(weights: &Weights, cosine: f64, children: usize) -> Presence {
        let (common, own) = (cosine.sqrt(), (1.0 - cosine).sqrt());
        let child = |i: usize| point(&[(0, 10.0), (1, common), (2 + i, own)]);
        let points: Vec<Vec<f64>> = std::iter::once(point(&[(0, 10.0)])).chain((0..children).map(child)).collect();
        let geometry = alike(4, &points);
        let ids = ids(&geometry);
        let lineage = Lineage::of(&geometry, &ids, weights).unwrap();
        let parents: Vec<Option<Member>> = (0..points.len()).map(|i| (i > 0).then_some(m(0))).collect();
        presence(&Hypothesis::of(&lineage, m(0)), &parents)
    }

    #[test]
    fn angles_between_the_nearest_children_tell() {
        let weights = Weights::default();
        let odds = |cosine| seen(&weights, cosine, 4).terms.iter().map(|(_, odds)| odds).sum::<f64>();
        assert!(odds(0.17).abs() < 1e-9 && (odds(0.27) + 1.0).abs() < 1e-9);
        assert!((odds(0.9) + 2.5).abs() < 1e-9 && (odds(0.0) - 1.5).abs() < 1e-9);
        assert_eq!(seen(&weights, 0.9, 2).probability, 0.5);
        noticed("witnesses.angle", &["even_cosine", "cosine_scale", "presence_least", "presence_most"], |w| {
            [0.0, 0.15, 0.9].map(|cosine| seen(w, cosine, 4).probability.to_string()).join(" ")
        });
        noticed("presence", &["few", "even"], |w| format!("{:?} {:?}", seen(w, 0.3, 2), seen(w, 0.3, 3)));
    }

    #[test]
    fn the_nearest_children_and_the_upper_quartile_are_asked() {
        // Near children are orthogonal, far ones drift alike; in one parameter of four all drift alike.
        let far = |i: usize| point(&[(0, 10.0), (1, 8.0), (2 + i, 8.0)]);
        let near = |i: usize| point(&[(0, 10.0), (1, 0.1), (2 + i, 1.0)]);
        let drifting = |i: usize| point(&[(0, 10.0), (1, 0.45), (2 + i, 1.0)]);
        let points = |near: &dyn Fn(usize) -> Vec<f64>| -> Vec<Vec<f64>> {
            let children = (0..6).map(near).chain((6..12).map(far));
            std::iter::once(point(&[(0, 10.0)])).chain(children).collect()
        };
        let geometry = of_points(&[points(&near), points(&near), points(&drifting), points(&drifting)]);
        let ids = ids(&geometry);
        noticed("witnesses.angle", &["nearest", "quantile"], |w| {
            let lineage = Lineage::of(&geometry, &ids, w).unwrap();
            let parents: Vec<Option<Member>> = (0..13).map(|i| (i > 0).then_some(m(0))).collect();
            format!("{:?}", presence(&Hypothesis::of(&lineage, m(0)), &parents))
        });
    }

    #[test]
    fn much_from_lines_leaves_angles_half() {
        // Seven children share each tensor with the root, so that those without it are ruled out by eight branches.
        let child =
            |i: usize, shared: bool| if shared { point(&[(0, 10.0)]) } else { point(&[(0, 10.0), (2 + i, 1.0)]) };
        let parameter = |t: usize| -> Vec<Vec<f64>> {
            std::iter::once(point(&[(0, 10.0)])).chain((0..28).map(|i| child(i, i % 4 == t))).collect()
        };
        let geometry = of_points(&(0..4).map(parameter).collect::<Vec<_>>());
        let ids = ids(&geometry);
        let found = |w: &Weights| {
            let lineage = Lineage::of(&geometry, &ids, w).unwrap();
            let parents: Vec<Option<Member>> = (0..29).map(|i| (i > 0).then_some(m(0))).collect();
            presence(&Hypothesis::of(&lineage, m(0)), &parents)
        };
        let terms = found(&Weights::default()).terms;
        assert!(terms[0].1 > 2.0 && terms[1].1 == 0.75, "{terms:?}");
        noticed("presence", &["many", "after_many", "telling", "even_branches"], |w| format!("{:?}", found(w)));
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
