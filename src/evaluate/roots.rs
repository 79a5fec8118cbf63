use super::counts::{Ratio, Retrieval};
use super::matched::Matched;
use std::collections::BTreeMap;

/// Compares models without parent with true roots. Orphans are left out.
pub(super) fn roots(m: &Matched<'_>) -> Retrieval {
    let mut roots = Retrieval::default();
    for model in (0..m.len()).filter(|&model| !m.is_orphan(model)) {
        let (found, expected) = (m.is_found_root(model), m.is_true_root(model));
        roots.right += usize::from(found && expected);
        roots.found += usize::from(found);
        roots.expected += usize::from(expected);
    }
    roots
}

/// Counts true families, those of one model too. A family is right when its models without parent are exactly its true roots.
///
/// Orphans are left out. So is a family without an evaluated root.
pub(super) fn root_families(m: &Matched<'_>) -> Ratio {
    // For each family: has it a root, and is every model of it rightly with or without parent?
    let mut families: BTreeMap<usize, (bool, bool)> = BTreeMap::new();
    for (model, family) in m.true_families().into_iter().enumerate().filter(|&(model, _)| !m.is_orphan(model)) {
        let (found, expected) = (m.is_found_root(model), m.is_true_root(model));
        let (has_root, right) = families.entry(family).or_insert((false, true));
        *has_root |= expected;
        *right &= found == expected;
    }
    Ratio::count(families.into_values().filter(|f| f.0).map(|f| f.1))
}
