//! The branches below the supposed root.

use crate::detect::lineage::index::Member;
use crate::detect::lineage::witness::Hypothesis;

/// For each member, the child of the root that it descends from. The root has itself.
pub(super) fn branches(root: Member, parents: &[Option<Member>]) -> Vec<Member> {
    let climb = |m: Member| {
        let mut at = m;
        while let Some(p) = parents[at.index()].filter(|&p| p != root) {
            at = p;
        }
        at
    };
    Member::all(parents.len()).map(climb).collect()
}

/// The same branches, where two count as one if a member of one may descend from a member of the other.
pub(super) fn joined(branches: Vec<Member>, hypothesis: &Hypothesis<'_>) -> Vec<Member> {
    let may_descend = |q: Member, c: Member| {
        let cell = hypothesis.inheritance().cell(q, c);
        cell.angle + cell.distance > 0.0
    };
    joined_by(branches, hypothesis.root(), may_descend)
}

/// Joins branches by any pair of members with `may_descend`. The smaller label stays.
fn joined_by(mut branches: Vec<Member>, root: Member, may_descend: impl Fn(Member, Member) -> bool) -> Vec<Member> {
    for a in Member::all(branches.len()).filter(|&a| a != root) {
        for b in Member::all(a.index()).filter(|&b| b != root) {
            let (of_a, of_b) = (branches[a.index()], branches[b.index()]);
            let (kept, gone) = (of_a.min(of_b), of_a.max(of_b));
            if kept != gone && (may_descend(a, b) || may_descend(b, a)) {
                branches.iter_mut().filter(|label| **label == gone).for_each(|label| *label = kept);
            }
        }
    }
    branches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn m(positions: &[usize]) -> Vec<Member> {
        positions.iter().map(|&p| Member::new(p)).collect()
    }

    // 0 ─┬─ 1 ── 3 ── 4
    //    └─ 2
    #[test]
    fn a_branch_is_named_by_the_child_of_the_root() {
        let parents = [None, Some(0), Some(0), Some(1), Some(3)].map(|p| p.map(Member::new));
        assert_eq!(branches(Member::new(0), &parents), m(&[0, 1, 2, 1, 1]));
    }

    #[test]
    fn branches_are_joined_by_any_of_their_members() {
        let given = m(&[0, 1, 2, 1, 4]);
        let none = joined_by(given.clone(), Member::new(0), |_, _| false);
        assert_eq!(none, given);
        let joined = joined_by(given, Member::new(0), |q, c| (q.index(), c.index()) == (3, 2));
        assert_eq!(joined, m(&[0, 1, 1, 1, 4]));
    }
}
