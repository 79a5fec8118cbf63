use crate::models::{Weights, detected, family, mapped, rng, root};
use neural_phylogeny::{Edge, Phylogeny};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Edges by the names of parent and child.
fn edges(phylogeny: &Phylogeny) -> BTreeMap<(String, String), Edge> {
    let name = |m| phylogeny.name(m).to_owned();
    phylogeny.edges().iter().map(|e| ((name(e.parent), name(e.child)), *e)).collect()
}

fn same(a: &BTreeMap<(String, String), Edge>, b: &BTreeMap<(String, String), Edge>, tolerance: f64) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (key, edge) in a {
        let other = &b[key];
        assert_eq!(edge.relation, other.relation, "{key:?}");
        assert!(
            (edge.confidence.unwrap() - other.confidence.unwrap()).abs() <= tolerance,
            "{key:?}: {edge:?} {other:?}"
        );
        assert!((edge.weight - other.weight).abs() <= tolerance, "{key:?}: {edge:?} {other:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn order_has_no_part(seed in 100u64..10_000, order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle()) {
        let models = family(seed);
        let shuffled: Vec<(String, Weights)> = order.iter().map(|&i| models[i].clone()).collect();
        same(&edges(&detected(&models)), &edges(&detected(&shuffled)), 0.0);
    }

    #[test]
    fn names_have_no_part(seed in 100u64..10_000) {
        let models = family(seed);
        let renamed: Vec<(String, Weights)> =
            models.iter().rev().map(|(name, w)| (format!("checkpoint of {name}"), w.clone())).collect();
        let back = |key: &(String, String)| {
            let plain = |name: &str| name.trim_start_matches("checkpoint of ").to_owned();
            (plain(&key.0), plain(&key.1))
        };
        let found = edges(&detected(&renamed)).into_iter().map(|(key, edge)| (back(&key), edge)).collect();
        same(&edges(&detected(&models)), &found, 0.0);
    }

    #[test]
    fn one_constant_for_all_models_has_no_part(seed in 100u64..10_000, exponent in -3i32..4) {
        let models = family(seed);
        let factor = 2f32.powi(exponent);
        let scaled: Vec<(String, Weights)> =
            models.iter().map(|(name, w)| (name.clone(), mapped(w, |x| factor * x))).collect();
        same(&edges(&detected(&models)), &edges(&detected(&scaled)), 1e-9);
    }

    #[test]
    fn a_duplicate_adds_one_edge_and_changes_no_other(seed in 100u64..10_000, which in 0usize..9) {
        let mut models = family(seed);
        let before = edges(&detected(&models));
        let (name, weights) = models[which].clone();
        models.push(("copy".to_owned(), weights));
        let mut after = edges(&detected(&models));
        let added = after.remove(&(name, "copy".to_owned()));
        prop_assert!(added.is_some());
        same(&before, &after, 1e-9);
    }
    #[test]
    fn a_stranger_changes_nothing(seed in 100u64..10_000) {
        let mut models = family(seed);
        let before = detected(&models);
        models.push(("stranger".to_owned(), root(&mut rng(seed + 50_000))));
        let after = detected(&models);
        same(&edges(&before), &edges(&after), 1e-9);
        prop_assert_eq!(before.links(), after.links());
        prop_assert!(after.parents(after.id("stranger").unwrap()).is_empty());
        prop_assert_eq!(after.families().len(), before.families().len() + 1);
    }

    /// Leaves say something of the others, so that edges near the limit may change.
    #[test]
    fn without_a_leaf_no_sure_edge_changes(seed in 100u64..10_000, leaf in prop::sample::select(vec!["a", "d", "e", "b0", "c00"])) {
        const SURE: f64 = 0.8;
        let mut models = family(seed);
        let before = detected(&models);
        models.retain(|(name, _)| name != leaf);
        let after = edges(&detected(&models));
        for (key, edge) in edges(&before).into_iter().filter(|(key, _)| key.1 != leaf && key.0 != leaf) {
            if edge.confidence.is_some_and(|c| c >= SURE) {
                prop_assert!(after.contains_key(&key), "{key:?} {edge:?} without {leaf}: {after:?}");
            }
        }
    }
}
