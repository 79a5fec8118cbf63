//! The likeliest tree under a supposed root.

use super::affine::fit;
use super::branch::weigh_again;
use super::index::Member;
use super::presence::{Presence, presence};
use super::weights::Parents;
use super::witness::{Hypothesis, Lineage};
use crate::detect::edmonds::minimum_arborescence;
use crate::error::Error;
use crate::kernel::Square;
use rayon::prelude::*;

/// The parents of a merge among the members of a lineage, with their weights, the heaviest first.
pub(super) type Parts = [(Member, f64)];

/// The merges of a lineage: the members after the first `plain`.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineageMerges<'a> {
    /// Number of members that are no merges.
    pub(super) plain: usize,
    /// The parents of each merge, among all members.
    pub(super) parts: &'a [Vec<(Member, f64)>],
}

impl<'a> LineageMerges<'a> {
    /// The parents of a member that is a merge; `None` for other members.
    fn parts_of(self, member: Member) -> Option<&'a Parts> {
        member.index().checked_sub(self.plain).map(|merge| self.parts[merge].as_slice())
    }

    /// Every merge with its parents.
    fn all(self) -> impl Iterator<Item = (Member, &'a Parts)> {
        (self.plain..).map(Member::new).zip(self.parts.iter().map(Vec::as_slice))
    }
}

/// The likeliest tree under a supposed root, and the evidence for it.
pub(super) struct Tree<'a> {
    pub(super) hypothesis: Hypothesis<'a>,
    pub(super) parents: Vec<Option<Member>>,
    /// The weight of each edge in nats, by (parent, child).
    pub(super) weights: Square<f64>,
    pub(super) presence: Presence,
}

impl<'a> Tree<'a> {
    /// Grows the likeliest tree under `root` and tests whether the root is present.
    pub(super) fn of(lineage: &'a Lineage<'a>, merged: LineageMerges<'_>, root: Member) -> Result<Self, Error> {
        let mut hypothesis = Hypothesis::of(lineage, root);
        hypothesis.read()?;
        let (mut parents, mut weights) = grown(&hypothesis, merged);
        let mut seen = presence(&hypothesis, &above_merges(&parents, merged.plain));
        // Lines that come from a candidate are visible only where the root is not in doubt.
        if !seen.contradicted && hypothesis.lines().is_some() {
            hypothesis.derive()?;
            (parents, weights) = grown(&hypothesis, merged);
            seen = presence(&hypothesis, &above_merges(&parents, merged.plain));
        }
        (parents, weights) = grown_again(&hypothesis, merged, parents, weights);
        Ok(Self { hypothesis, parents, weights, presence: seen })
    }
}

/// The prior for the root as the parent, in nats: the root is as likely as all other members together, and a little more.
pub(super) fn root_prior(members: usize, numbers: &Parents) -> f64 {
    ((members - 1).max(1) as f64).ln() + numbers.root
}

/// Parents among the members that are no merges.
///
/// A child of a merge belongs to the branch of the merge's heaviest parent.
fn above_merges(parents: &[Option<Member>], plain: usize) -> Vec<Option<Member>> {
    let up = |m: Member| parents[m.index()];
    let above = |c: Member| std::iter::successors(up(c), |&p| up(p)).find(|p| p.index() < plain);
    Member::all(plain).map(above).collect()
}

/// The likeliest tree, and the weights of its edges.
///
/// A first tree has no merges as parents. The second allows merges that do not come after a child.
fn grown(hypothesis: &Hypothesis<'_>, merged: LineageMerges<'_>) -> (Vec<Option<Member>>, Square<f64>) {
    let (n, root) = (hypothesis.lineage().len(), hypothesis.root());
    let mut weights = Square::filled(n, f64::NEG_INFINITY);
    weights.par_rows_mut().for_each(|(q, row)| {
        for (c, weight) in row.iter_mut().enumerate().filter(|&(c, _)| c != root.index() && c != q) {
            *weight = weight_of(hypothesis, merged, Member::new(q), Member::new(c));
        }
    });
    // A merge may still hang below a merge: a merge with a merge as its heaviest parent has no other.
    let mut without_merges = weights.clone();
    for (merge, _) in merged.all() {
        Member::all(merged.plain).for_each(|c| without_merges[(merge, c)] = f64::NEG_INFINITY);
    }
    let first = arborescence(&without_merges, root);
    // The first tree shows who descends from whom. A merge of its own descendants would close a circle.
    for (merge, parts) in merged.all() {
        for c in Member::all(merged.plain) {
            if parts.iter().any(|&(p, _)| descends(&first, p, c)) || !inherits(hypothesis, parts, c) {
                weights[(merge, c)] = f64::NEG_INFINITY;
            }
        }
    }
    let second = arborescence(&weights, root);
    // Each merge alone may be allowed, and all of them together may still close a circle.
    let consistent = merged.all().all(|(merge, parts)| parts.iter().all(|&(p, _)| !descends(&second, p, merge)));
    if consistent { (second, weights) } else { (first, without_merges) }
}

/// The likeliest tree of a lineage of which no lines were read, and the weights of its edges.
pub(super) fn unread(hypothesis: &Hypothesis<'_>, merged: LineageMerges<'_>) -> (Vec<Option<Member>>, Square<f64>) {
    let (parents, weights) = grown(hypothesis, merged);
    grown_again(hypothesis, merged, parents, weights)
}

/// The likeliest tree once more, with the edges within each branch of a tree weighed as seen from the head of the branch.
///
/// The given tree stays where a merge would come to descend from itself.
fn grown_again(
    hypothesis: &Hypothesis<'_>,
    merged: LineageMerges<'_>,
    parents: Vec<Option<Member>>,
    weights: Square<f64>,
) -> (Vec<Option<Member>>, Square<f64>) {
    let mut again = weights.clone();
    weigh_again(hypothesis, &parents, merged.plain, &mut again);
    let found = arborescence(&again, hypothesis.root());
    let consistent = merged.all().all(|(merge, parts)| parts.iter().all(|&(p, _)| !descends(&found, p, merge)));
    if consistent { (found, again) } else { (parents, weights) }
}

/// The natural logarithm of the likelihood ratio of `q → c` against a parent chosen by chance.
fn weight_of(hypothesis: &Hypothesis<'_>, merged: LineageMerges<'_>, q: Member, c: Member) -> f64 {
    // The parents of a merge are known already; in the tree it hangs below the heaviest one.
    if let Some(parts) = merged.parts_of(c) {
        return if parts.first().is_some_and(|&(heaviest, _)| heaviest == q) { 0.0 } else { f64::NEG_INFINITY };
    }
    let total = hypothesis.weigh(q, c).iter().fold(0.0, |sum, weight| sum + weight);
    if q == hypothesis.root() {
        total + root_prior(hypothesis.lineage().len(), &hypothesis.lineage().weights().parents)
    } else {
        total
    }
}

/// Whether c has enough of every parent to be a child of their merge, on top of what the root has.
///
/// Distance alone does not suffice: a merge lies between its parents, so a model that drifted with one parent is near it too.
fn inherits(hypothesis: &Hypothesis<'_>, parts: &Parts, c: Member) -> bool {
    let (lineage, root) = (hypothesis.lineage(), hypothesis.root());
    let parents: Vec<Member> = std::iter::once(root).chain(parts.iter().map(|p| p.0).filter(|&p| p != root)).collect();
    let squared = |a: Member, b: Member| lineage.comparison().squared_distance(a.within(), b.within());
    // The fit includes the root, which takes the part that all members have in common.
    let Some(fitted) = fit(&squared, c, &parents) else { return false };
    parts.iter().filter(|(p, _)| *p != root).all(|(p, weight)| {
        let share = parents.iter().position(|other| other == p).map_or(0.0, |i| fitted.weights[i]);
        share / weight >= lineage.weights().parents.least_share
    })
}

/// The parents in the tree of largest total weight.
///
/// Every child may hang below the root instead, which never closes a cycle. So no edge weaker than the root's is in the tree,
/// and such edges are left out.
fn arborescence(weights: &Square<f64>, root: Member) -> Vec<Option<Member>> {
    let n = weights.len();
    let cells = (0..n).flat_map(|q| (0..n).map(move |c| (q, c)));
    let edges: Vec<(usize, usize, f64)> = cells
        .filter(|&(q, c)| q != c && c != root.index() && weights[(q, c)].is_finite())
        .filter(|&(q, c)| weights[(q, c)] >= weights[(root, c)])
        .map(|(q, c)| (q, c, -weights[(q, c)]))
        .collect();
    let parents = minimum_arborescence(n, root.index(), &edges).unwrap_or_else(|| vec![None; n]);
    parents.into_iter().map(|p| p.map(Member::new)).collect()
}

/// Whether `model` is `ancestor` itself or descends from it.
pub(super) fn descends(parents: &[Option<Member>], model: Member, ancestor: Member) -> bool {
    let climb = std::iter::successors(Some(model), |m| parents[m.index()]);
    // A tree has no circle; if there were one, the climb would have no end.
    climb.take(parents.len() + 1).any(|m| m == ancestor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{alike, ids, m, noticed, point};
    use crate::detect::lineage::weights::Weights;

    fn parents(of: &[Option<usize>]) -> Vec<Option<Member>> {
        of.iter().map(|p| p.map(Member::new)).collect()
    }

    #[test]
    fn the_heaviest_tree_is_grown_and_weak_edges_are_not_part_of_it() {
        // 0 is the root; 2 is rather a child of 1 than of 0, and 1 rather one of 0.
        let weights = Square::from_rows(3, vec![0.0, 1.0, 1.0, 0.0, 0.0, 3.0, 0.0, 0.9, 0.0]);
        assert_eq!(arborescence(&weights, Member::new(0)), parents(&[None, Some(0), Some(1)]));
        assert_eq!(arborescence(&Square::filled(1, 0.0), Member::new(0)), parents(&[None]));
    }

    #[test]
    fn descent_is_followed_and_circles_end() {
        let tree = parents(&[None, Some(0), Some(1), Some(0)]);
        let descends = |parents: &[_], m, a| descends(parents, Member::new(m), Member::new(a));
        assert!(descends(&tree, 2, 0) && descends(&tree, 2, 2) && !descends(&tree, 2, 3) && !descends(&tree, 0, 2));
        assert!(!descends(&parents(&[Some(1), Some(0), None]), 0, 2));
    }

    #[test]
    fn children_of_merges_have_enough_of_each_parent() {
        // The merge has half of 1 and half of 2; the child has half of 1 and 0.3 of 2, a share of 0.6.
        let points = [
            point(&[(0, 10.0)]),
            point(&[(0, 10.0), (1, 1.0)]),
            point(&[(0, 10.0), (2, 1.0)]),
            point(&[(0, 10.0), (1, 0.5), (2, 0.3), (6, 0.2)]),
        ];
        let geometry = alike(2, &points);
        let ids = ids(&geometry);
        let of = |w: &Weights| {
            let lineage = Lineage::of(&geometry, &ids, w).unwrap();
            inherits(&Hypothesis::of(&lineage, m(0)), &[(m(1), 0.5), (m(2), 0.5)], m(3))
        };
        assert!(of(&Weights::default()));
        noticed("parents", &["least_share"], |w| of(w).to_string());
    }

    #[test]
    fn children_of_merges_go_with_the_heaviest_parent() {
        // 2 is a merge below 0, and 1 its child.
        assert_eq!(above_merges(&parents(&[None, Some(2), Some(0)]), 2), parents(&[None, Some(0)]));
    }
}
