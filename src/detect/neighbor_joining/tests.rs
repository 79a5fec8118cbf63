use super::*;
use crate::geometry::GeometrySettings;
use crate::model_set::ModelSet;
use crate::parent::{Medoid, SmallestNorm};
use crate::source::InMemory;
use ndarray::Array2;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Which tips lie on the side of tip 0 of each branch, and the length of the branch.
fn splits(tips: usize, branches: &[Branch]) -> BTreeMap<Vec<usize>, f64> {
    let split = |without: usize| {
        let kept = branches.iter().enumerate().filter(|&(i, _)| i != without).map(|(_, b)| (b.a, b.b));
        let parents = rooted(2 * tips, &kept.collect::<Vec<_>>(), 0);
        let side: Vec<usize> = (0..tips).filter(|&tip| tip == 0 || parents[tip].is_some()).collect();
        (side, branches[without].length)
    };
    (0..branches.len()).map(split).collect()
}

/// A tree of three branches at every inner node, grown by splitting branches, lengths 1 and more in quarters.
fn any_tree() -> impl Strategy<Value = (usize, Vec<Branch>)> {
    (3usize..12).prop_flat_map(|tips| {
        let at = prop::collection::vec(any::<prop::sample::Index>(), tips - 3);
        let lengths = prop::collection::vec(4u32..40, 2 * tips - 3);
        (at, lengths).prop_map(move |(at, lengths)| {
            let mut ends = vec![(0, tips), (1, tips), (2, tips)];
            for (step, at) in at.iter().enumerate() {
                let (tip, joint) = (step + 3, step + tips + 1);
                let at = at.index(ends.len());
                let (a, b) = ends[at];
                ends[at] = (a, joint);
                ends.extend([(b, joint), (tip, joint)]);
            }
            let branch = |((a, b), length): ((usize, usize), u32)| Branch { a, b, length: f64::from(length) / 4.0 };
            (tips, ends.into_iter().zip(lengths).map(branch).collect())
        })
    })
}

/// Path lengths between tips.
fn metric(tips: usize, branches: &[Branch]) -> Array2<f64> {
    let mut apart = Array2::zeros((tips, tips));
    for (side, length) in splits(tips, branches) {
        for (i, j) in (0..tips).flat_map(|i| (0..tips).map(move |j| (i, j))) {
            if side.contains(&i) != side.contains(&j) {
                apart[(i, j)] += length;
            }
        }
    }
    apart
}

fn assert_same(found: &BTreeMap<Vec<usize>, f64>, expected: &BTreeMap<Vec<usize>, f64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (found, expected) in found.values().zip(expected.values()) {
        prop_assert!((found - expected).abs() < 1e-9, "{} {}", found, expected);
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_tree_of_an_additive_metric_comes_back((tips, branches) in any_tree()) {
        let found = joining::join(metric(tips, &branches));
        assert_same(&splits(tips, &found), &splits(tips, &branches))?;
    }

    #[test]
    fn the_order_of_rows_has_no_part((tips, branches) in any_tree(), order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
        let order: Vec<usize> = order.into_iter().filter(|&i| i < tips).collect();
        let apart = metric(tips, &branches);
        let shuffled = Array2::from_shape_fn((tips, tips), |(i, j)| apart[(order[i], order[j])]);
        let node = |v: usize| order.get(v).copied().unwrap_or(v);
        let found: Vec<Branch> =
            joining::join(shuffled).iter().map(|b| Branch { a: node(b.a), b: node(b.b), ..*b }).collect();
        assert_same(&splits(tips, &found), &splits(tips, &branches))?;
    }

    #[test]
    fn contraction_leaves_a_tree_over_all_models((tips, branches) in any_tree(), root in any::<prop::sample::Index>()) {
        // Some branches at 0 and below.
        let branches: Vec<Branch> = branches.iter().map(|b| Branch { length: b.length - 3.0, ..*b }).collect();
        let links = contract(&branches, &vec![0.0; tips]);
        prop_assert_eq!(links.len(), tips - 1);
        let root = root.index(tips);
        let parents = rooted(tips, &links, root);
        prop_assert!((0..tips).all(|v| parents[v].is_some() == (v != root)));
    }
}

/// Models whose squared distances are exactly those of a tree: each branch is a direction of its own. The first is at 0.
///
/// 0 ─(4)─┬─ 1        1 and 2 are children of 0, 3 of 1, 4 of 3
///  └(9)─ 2 └(1)─ 3 ─(16)─ 4
fn lineage() -> Vec<Vec<f32>> {
    const SIZE: usize = 400;
    let base: Vec<f32> = (0..SIZE).map(|i| ((i * 37 % 101) as f32 - 50.0) / 8.0).collect();
    let moved = |from: &[f32], at: usize, by: f32| {
        let mut values = from.to_vec();
        values[at] += by;
        values
    };
    let one = moved(&base, 1, 2.0);
    let three = moved(&one, 3, 1.0);
    vec![base.clone(), one, moved(&base, 2, 3.0), three.clone(), moved(&three, 4, 4.0)]
}

fn geometry(models: &[Vec<f32>]) -> Geometry {
    let mut builder = ModelSet::builder();
    for (i, values) in models.iter().enumerate() {
        builder =
            builder.with_model(i.to_string(), InMemory::new().with_parameter("w", [20, 20], values.clone()).unwrap());
    }
    Geometry::compute(&builder.build().unwrap(), &GeometrySettings::new()).unwrap()
}

fn ids(order: &[usize]) -> Vec<ModelId> {
    order.iter().copied().map(ModelId::new).collect()
}

#[test]
fn a_lineage_of_uncorrelated_increments_comes_back_whole() {
    #[derive(Debug)]
    struct First;
    impl ParentSelector for First {
        fn scores(&self, _: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
            Ok(members.iter().map(|m| m.index() as f64).collect())
        }
    }
    let geometry = geometry(&lineage());
    let phylogeny = NeighborJoining::new().detect(&geometry, &First, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    let found: Vec<_> = phylogeny.edges().iter().map(|e| (e.parent.index(), e.child.index(), e.distance)).collect();
    assert_eq!(found, [(0, 1, Some(2.0)), (0, 2, Some(3.0)), (1, 3, Some(1.0)), (3, 4, Some(4.0))]);
}

#[test]
fn the_order_of_members_changes_no_bit_of_the_tree() {
    let geometry = geometry(&lineage());
    let expected = NeighborJoining::tree(&geometry, &ids(&[0, 1, 2, 3, 4])).unwrap();
    for order in [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
        assert_eq!(NeighborJoining::tree(&geometry, &ids(&order)).unwrap(), expected);
    }
    assert_eq!(NeighborJoining::tree(&geometry, &ids(&[0, 1, 1, 2, 3, 4, 0])).unwrap(), expected);
    assert_eq!((expected.nodes().len(), expected.branches().len()), (8, 7));
}

#[test]
fn small_sets_have_small_trees() {
    let geometry = geometry(&lineage());
    let tree = |order: &[usize]| NeighborJoining::tree(&geometry, &ids(order)).unwrap();
    assert_eq!((tree(&[]).nodes().len(), tree(&[3]).nodes().len()), (0, 1));
    let pair = tree(&[0, 2]);
    assert_eq!((pair.nodes().len(), pair.branches()[0].length), (2, 9.0));
    let total: f64 = tree(&[0, 1, 3]).branches().iter().map(|b| b.length).sum();
    assert!((total - 5.0).abs() < 1e-9);
    assert!(matches!(NeighborJoining::tree(&geometry, &ids(&[0, 9])), Err(Error::NotComparable { .. })));
}

#[test]
fn a_selector_that_ties_leaves_a_pair_without_direction() {
    let models = lineage();
    let geometry = geometry(&models[..2]);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let tie = NeighborJoining::new().detect(&geometry, &Medoid, &mut rng).unwrap();
    assert_eq!((tie.edges().len(), tie.families().len()), (0, 1));
    let settled = NeighborJoining::new().detect(&geometry, &SmallestNorm, &mut rng).unwrap();
    assert_eq!(settled.edges().len(), 1);
}
