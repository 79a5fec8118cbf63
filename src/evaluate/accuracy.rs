use super::ancestors::Ancestors;
use super::counts::{Ratio, Retrieval};
use super::matched::Matched;

/// The paper's accuracy: `|{c : P(c) = T(c)}| / |{c : T(c) ≠ ∅}|`.
///
/// `T(c)` and `P(c)` are the true and the given parents of `c` among the evaluated models. A child is right when pair and
/// direction are right. A merge is right when all its parents are given and no other.
pub(super) fn accuracy(m: &Matched<'_>) -> Ratio {
    Ratio::count((0..m.len()).filter(|&c| !m.true_parents[c].is_empty()).map(|c| m.parents_right(c)))
}

/// The accuracy with true roots counted as well. A root is right when it is given no parent; in the paper, a parent is its own.
///
/// A root that is given an unobserved parent is wrong. Orphans are left out.
pub(super) fn accuracy_with_roots(m: &Matched<'_>) -> Ratio {
    let right = |c: usize| m.parents_right(c) && !(m.is_true_root(c) && m.is_said_orphan(c));
    Ratio::count((0..m.len()).filter(|&c| !m.is_orphan(c)).map(right))
}

/// Models that are said to have a parent that is not in the set, against orphans.
pub(super) fn absent_parents(m: &Matched<'_>) -> Retrieval {
    let models = || 0..m.len();
    let found = models().filter(|&c| m.is_said_orphan(c));
    let right = found.clone().filter(|&c| m.is_orphan(c)).count();
    Retrieval::new(right, found.count(), models().filter(|&c| m.is_orphan(c)).count())
}

/// Counts children whose true parents are all absent. Such an orphan is right when no parent was invented for it: `P(c) ⊆
/// A(c)`.
///
/// `A(c)` are the true ancestors of `c`: a grandparent is not invented.
pub(super) fn orphans(m: &Matched<'_>, truth: &Ancestors) -> Ratio {
    let invented_none = |c: usize| m.found_parents[c].iter().all(|&p| truth.contains(p, c));
    Ratio::count((0..m.len()).filter(|&c| m.is_orphan(c)).map(invented_none))
}
