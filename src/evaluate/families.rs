use super::counts::Ratio;
use super::matched::Matched;
use std::collections::BTreeMap;

/// How the families of a result agree with the true ones, as two partitions of the evaluated models.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny, evaluate};
/// use neural_phylogeny::evaluate::{Ratio, Truth};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pair = Phylogeny::from_edges(3, vec![Edge::new(ModelId::new(0), ModelId::new(1))])?;
/// let apart = Phylogeny::from_edges(3, Vec::new())?;
/// let families = evaluate(&apart, &Truth::from(pair))?.families;
/// assert_eq!((families.exact, families.found), (Ratio::new(1, 2), 3));
/// assert_eq!(families.adjusted_rand, Some(0.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FamilyAgreement {
    /// True families that are also a family of the result, member by member, of all true families.
    pub exact: Ratio,
    /// Number of families of the result that have an evaluated model.
    pub found: usize,
    /// Adjusted Rand index (Hubert and Arabie 1985), from -1/2 to 1. It is 1 for the same partition, and 0 on average for an
    /// unrelated one of the same sizes. `None` below two models.
    pub adjusted_rand: Option<f64>,
}

/// Compares the partitions.
pub(super) fn families(m: &Matched<'_>) -> FamilyAgreement {
    agreement(&m.found_families(), &m.true_families())
}

/// `(S_ft − S_f S_t / S) / ((S_f + S_t) / 2 − S_f S_t / S)`. The S count pairs of models that are together: in both partitions
/// (S_ft), in the found one (S_f), in the true one (S_t), and all pairs (S).
///
/// The denominator is 0 only when both partitions are the same trivial one, all together or all apart. The index is then 1.
fn agreement(found: &[usize], truth: &[usize]) -> FamilyAgreement {
    let found_sizes = sizes(found.iter().copied());
    let true_sizes = sizes(truth.iter().copied());
    let common = sizes(found.iter().copied().zip(truth.iter().copied()));
    let exact = common.iter().filter(|((f, t), n)| found_sizes[f] == **n && true_sizes[t] == **n).count();

    let pairs = |n: usize| n as f64 * n.saturating_sub(1) as f64 / 2.0;
    let together = common.values().copied().map(pairs).sum::<f64>();
    let (f, t) =
        (found_sizes.values().copied().map(pairs).sum::<f64>(), true_sizes.values().copied().map(pairs).sum::<f64>());
    let all = pairs(found.len());
    let adjusted_rand = (all > 0.0).then(|| {
        // The pairs that two unrelated partitions of these sizes share on average.
        let by_chance = f * t / all;
        let most = (f + t) / 2.0;
        if most == by_chance { 1.0 } else { (together - by_chance) / (most - by_chance) }
    });
    FamilyAgreement { exact: Ratio::new(exact, true_sizes.len()), found: found_sizes.len(), adjusted_rand }
}

fn sizes<L: Ord>(labels: impl Iterator<Item = L>) -> BTreeMap<L, usize> {
    let mut sizes = BTreeMap::new();
    for label in labels {
        *sizes.entry(label).or_default() += 1;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_worked_example() {
        // Pairs together: 2 in both (0-1 and 4-5), 3 found, 6 true, of 15; by chance 3 * 6 / 15 = 1.2.
        let a = agreement(&[0, 0, 1, 1, 2, 2], &[0, 0, 0, 1, 1, 1]);
        assert_eq!((a.found, a.exact), (3, Ratio::new(0, 2)));
        let index = a.adjusted_rand.expect("six models");
        assert!((index - (2.0 - 1.2) / (4.5 - 1.2)).abs() < 1e-12);
    }

    #[test]
    fn the_same_partition_is_one_whatever_its_labels() {
        for labels in [vec![0, 1, 2], vec![0, 0, 0], vec![0, 1, 0]] {
            let renamed: Vec<usize> = labels.iter().map(|l| 7 - l).collect();
            assert_eq!(agreement(&labels, &renamed).adjusted_rand, Some(1.0));
        }
    }

    #[test]
    fn trivial_against_unlike_partition_is_zero() {
        assert_eq!(agreement(&[0, 0, 0], &[0, 0, 1]).adjusted_rand, Some(0.0));
        assert_eq!(agreement(&[0, 0, 0], &[0, 1, 2]).adjusted_rand, Some(0.0));
    }

    #[test]
    fn below_two_models_there_is_no_index() {
        assert_eq!(agreement(&[], &[]), FamilyAgreement::default());
        assert_eq!(agreement(&[0], &[0]).adjusted_rand, None);
    }

    #[test]
    fn exact_families_are_counted() {
        assert_eq!(agreement(&[0, 0, 1, 2], &[0, 0, 1, 1]).exact, Ratio::new(1, 2));
    }
}
