//! Parents within a branch: seen from its first member, and not from the root of the lineage.
//!
//! Seen from the root, all who descend from a child h of the root inherited the way to h, and that hides who of them inherited
//! from whom. Seen from h they are a family of their own, with h as its root.

use super::index::Member;
use super::tree::root_prior;
use super::weights::Parents;
use super::witness::Hypothesis;
use crate::kernel::Square;

/// In a lineage of n members, pairs are measured again while there are at most n times this, or n², of them.
///
/// A line of descent of n models has n³/6 such pairs. Where the bound stops it, branches farther from the root are as seen from
/// the root. A whole generation is measured or none of it, so that the order of members changes nothing.
const PAIRS: usize = 64;

/// The fewest members of a branch, its first one included, in which there is a choice.
const FEWEST: usize = 3;

/// Weighs the edges within each branch of a tree again, in nats by (parent, child). Edges between branches keep their weights.
///
/// ```text
/// w(q → c) = w(h → c) + what speaks for q rather than h, seen from h          for q and c below h
/// ```
///
/// Branches within branches come after those that they are in. Only the first `plain` members head a branch.
pub(super) fn weigh_again(
    hypothesis: &Hypothesis<'_>,
    parents: &[Option<Member>],
    plain: usize,
    weights: &mut Square<f64>,
) {
    let numbers = &hypothesis.lineage().weights().parents;
    let mut left = parents.len() * parents.len().max(PAIRS);
    let branches = branches(parents, plain);
    for generation in branches.chunk_by(|a, b| a.depth == b.depth) {
        let pairs = generation.iter().map(|b| b.below.len() * b.below.len()).sum();
        if left < pairs {
            return;
        }
        left -= pairs;
        generation
            .iter()
            .filter(|b| b.below.len() >= FEWEST)
            .for_each(|b| b.weigh(hypothesis, plain, numbers, weights));
    }
}

/// A member that is no root and no merge, and all that descends from it but through a merge.
#[derive(Clone, Debug, PartialEq)]
struct Branch {
    head: Member,
    /// Number of edges between the head and the root.
    depth: usize,
    /// The head and its descendants, in ascending order.
    below: Vec<Member>,
}

impl Branch {
    /// Weighs the edges within this branch again.
    fn weigh(&self, hypothesis: &Hypothesis<'_>, plain: usize, numbers: &Parents, weights: &mut Square<f64>) {
        let Self { head, below, .. } = self;
        let head = *head;
        let prior = root_prior(below.len(), numbers);
        let branch = Hypothesis::of_branch(hypothesis, head, below.clone());
        // What lines forbid is known from the root alone.
        let forbidden = |q: Member, c: Member| {
            hypothesis.weigh(q, c).iter().fold(0.0, |sum, nats| sum + nats) - hypothesis.inherits(q, c)
        };
        for &c in below.iter().filter(|&&c| c != head && c.index() < plain) {
            let from_head = weights[(head, c)];
            if !from_head.is_finite() {
                continue;
            }
            let free = from_head - forbidden(head, c) - prior;
            for &q in below.iter().filter(|&&q| q != head && q != c) {
                // What cannot be, such as a merge above its own parents, stays so.
                if weights[(q, c)].is_finite() {
                    weights[(q, c)] = free + branch.inherits(q, c) + forbidden(q, c);
                }
            }
        }
    }
}

/// All branches of a tree, those nearer the root first.
fn branches(parents: &[Option<Member>], plain: usize) -> Vec<Branch> {
    let mut below: Vec<Vec<Member>> = vec![Vec::new(); parents.len()];
    let mut depth = vec![0; parents.len()];
    for m in Member::all(parents.len()) {
        below[m.index()].push(m);
        // A merge has a part of its heaviest parent and not all of it, and so has what descends from the merge.
        let above = |m: Member| parents[m.index()].filter(|_| m.index() < plain);
        let up = std::iter::successors(above(m), |&at| above(at));
        // A tree has no circle; if there were one, the climb would have no end.
        for at in up.take(parents.len()) {
            below[at.index()].push(m);
            depth[m.index()] += 1;
        }
    }
    let heads = Member::all(plain.min(parents.len())).filter(|m| parents[m.index()].is_some());
    let branch =
        |head: Member| Branch { head, depth: depth[head.index()], below: std::mem::take(&mut below[head.index()]) };
    let mut branches: Vec<Branch> = heads.map(branch).collect();
    branches.sort_by_key(|b| b.depth);
    branches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::m;

    // 0 ─┬─ 1 ─┬─ 3 ── 4
    //    │     └─ 5
    //    └─ 2
    #[test]
    fn branches_have_all_that_descends_and_come_from_above() {
        let parents = [None, Some(0), Some(0), Some(1), Some(3), Some(1)].map(|p| p.map(Member::new));
        let found = branches(&parents, 6);
        assert_eq!(found[0], Branch { head: m(1), depth: 1, below: vec![m(1), m(3), m(4), m(5)] });
        let sizes: Vec<(usize, usize)> = found.iter().map(|b| (b.head.index(), b.below.len())).collect();
        assert_eq!(sizes, [(1, 4), (2, 1), (3, 2), (5, 1), (4, 1)]);
        let beside_merges = branches(&parents, 4);
        assert_eq!(beside_merges.len(), 3);
        assert_eq!(beside_merges[0], Branch { head: m(1), depth: 1, below: vec![m(1), m(3)] });
    }
}
