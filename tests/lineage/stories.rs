use crate::models::{Weights, detected, family, mapped, mixed, named, parents, rng, root, set, tuned};
use neural_phylogeny::detect::LineageDetector;
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::parent::Precedence;
use neural_phylogeny::phylogeny::FamilyId;
use neural_phylogeny::{Config, PhylogenyDetector, Relation, detect_phylogeny};
use rand::Rng;

fn of(models: &[(String, Weights)], name: &str) -> Weights {
    models.iter().find(|(n, _)| n == name).unwrap().1.clone()
}

#[test]
fn four_generations_are_told_apart() {
    let phylogeny = detected(&family(1));
    let expected = [
        ("r", vec![]),
        ("a", vec!["r"]),
        ("b", vec!["r"]),
        ("c", vec!["r"]),
        ("d", vec!["r"]),
        ("e", vec!["r"]),
        ("b0", vec!["b"]),
        ("c0", vec!["c"]),
        ("c00", vec!["c0"]),
    ];
    for (child, of) in expected {
        assert_eq!(parents(&phylogeny, child), of, "{child}");
    }
    assert!(phylogeny.edges().iter().all(|e| e.confidence.unwrap() > 0.5), "{:?}", phylogeny.edges());
}

#[test]
fn evidence_of_every_edge_is_kept() {
    let phylogeny = detected(&family(2));
    for edge in phylogeny.edges() {
        let best = &phylogeny.candidates(edge.child)[0];
        assert_eq!(best.parent, Some(edge.parent));
        assert_eq!(phylogeny.movements(edge.parent, edge.child).len(), 4);
    }
    let c0 = phylogeny.id("c0").unwrap();
    let [first, ..] = phylogeny.candidates(c0) else { panic!("no candidates") };
    assert!(first.evidence.iter().any(|e| e.signal.as_str() == "angle" && e.weight > 0.0), "{first:?}");
}

#[test]
fn merges_are_found_with_their_weights() {
    let mut models = family(3);
    let (r, a, b, c, d) = (of(&models, "r"), of(&models, "a"), of(&models, "b"), of(&models, "c"), of(&models, "d"));
    models.extend(named(vec![
        ("half", mixed(&[(0.5, &a), (0.5, &b)])),
        ("third", mixed(&[(0.2, &b), (0.3, &c), (0.5, &d)])),
        ("task", mixed(&[(-0.2, &r), (0.7, &b), (0.5, &d)])),
        ("soup", mixed(&[(0.6, &r), (0.4, &d)])),
    ]));
    let half = of(&models, "half");
    models.push(("tuned".to_owned(), tuned(&half, 0.01, 1.0, 3, &mut rng(33))));
    let phylogeny = detected(&models);
    for (child, expected) in [
        ("half", vec![("a", 0.5), ("b", 0.5)]),
        ("third", vec![("b", 0.2), ("c", 0.3), ("d", 0.5)]),
        ("task", vec![("b", 0.7), ("d", 0.5), ("r", -0.2)]),
        ("soup", vec![("d", 0.4), ("r", 0.6)]),
    ] {
        let mut found: Vec<(&str, f64)> = phylogeny
            .parents(phylogeny.id(child).unwrap())
            .iter()
            .map(|e| (phylogeny.name(e.parent), e.weight))
            .collect();
        found.sort_by(|x, y| x.0.cmp(y.0));
        assert_eq!(found.len(), expected.len(), "{child}: {found:?}");
        for ((name, weight), (expected_name, expected_weight)) in found.iter().zip(&expected) {
            assert!(name == expected_name && (weight - expected_weight).abs() < 0.01, "{child}: {found:?}");
        }
    }
    assert_eq!(parents(&phylogeny, "tuned"), ["half"]);
    assert_eq!(phylogeny.edges().iter().filter(|e| e.relation == Relation::Merge).count(), 10);
}

#[test]
fn a_merge_that_was_trained_on_is_found_without_it() {
    let mut models = family(4);
    let merged = mixed(&[(0.5, &of(&models, "b")), (0.5, &of(&models, "d"))]);
    models.push(("tuned".to_owned(), tuned(&merged, 0.015, 1.0, 3, &mut rng(44))));
    let phylogeny = detected(&models);
    assert_eq!(parents(&phylogeny, "tuned"), ["b", "d"]);
    assert!(phylogeny.residual(phylogeny.id("tuned").unwrap()).unwrap() > 0.01);
}

#[test]
fn a_merge_of_masked_increments_is_found() {
    let mut models = family(13);
    let (r, b, d) = (of(&models, "r"), of(&models, "b"), of(&models, "d"));
    let mut rng = rng(55);
    let mut masked = r.clone();
    for (t, values) in masked.iter_mut().enumerate() {
        for (i, value) in values.iter_mut().enumerate() {
            // DARE: half of each increment is dropped, the rest doubled, and their mean added.
            for other in [&b, &d] {
                if rng.r#gen::<bool>() {
                    *value += other[t][i] - r[t][i];
                }
            }
        }
    }
    models.push(("dare".to_owned(), masked));
    let phylogeny = detected(&models);
    assert_eq!(parents(&phylogeny, "dare"), ["b", "d"]);
    let weights: Vec<f64> = phylogeny.parents(phylogeny.id("dare").unwrap()).iter().map(|e| e.weight).collect();
    assert!(weights.iter().all(|w| (w - 0.5).abs() < 0.1), "{weights:?}");
}

#[test]
fn no_ordinary_family_holds_a_merge() {
    for seed in 10..30 {
        let phylogeny = detected(&family(seed));
        assert!(phylogeny.edges().iter().all(|e| e.relation != Relation::Merge), "{seed}");
    }
}

#[test]
fn copies_are_children_of_their_source_by_how_they_were_made() {
    let mut models = family(5);
    let b = of(&models, "b");
    let eight = |values: &Vec<f32>| -> Vec<f32> {
        let step = values.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
        values.iter().map(|x| (x / step).round() * step).collect()
    };
    let mut permuted = b.clone();
    permuted.iter_mut().for_each(|values| values.reverse());
    models.extend(named(vec![
        ("same", b.clone()),
        ("half", mapped(&b, |x| half::f16::from_f32(x).to_f32())),
        ("eight", b.iter().map(eight).collect()),
        ("pruned", mapped(&b, |x| if x.abs() < 0.1 { 0.0 } else { x })),
        ("scaled", mapped(&b, |x| 0.5 * x)),
        ("permuted", permuted),
    ]));
    let phylogeny = detected(&models);
    for (copy, relation) in [
        ("same", Relation::Duplicate),
        ("half", Relation::Cast),
        ("eight", Relation::Quantized),
        ("pruned", Relation::Pruned),
        ("scaled", Relation::Scaled),
        ("permuted", Relation::Permuted),
    ] {
        let edge = phylogeny.parents(phylogeny.id(copy).unwrap())[0];
        assert_eq!((phylogeny.name(edge.parent), edge.relation), ("b", relation), "{copy}");
    }
    assert_eq!(phylogeny.families().len(), 1);
    assert_eq!(parents(&phylogeny, "b0"), ["b"]);
}

#[test]
fn siblings_without_their_parent_are_given_none() {
    let mut rng = rng(6);
    let r = root(&mut rng);
    // Each trains on data of its own: other columns of the first matrix stay dead in each.
    let mut models = Vec::new();
    for k in 0..6 {
        let mut child = tuned(&r, 0.05, 1.0, 0, &mut rng);
        for (i, value) in child[0].iter_mut().enumerate() {
            if (i % 32) % 6 != k && i % 32 < 18 {
                *value = r[0][i];
            }
        }
        models.push((format!("c{k}"), child));
    }
    let phylogeny = detected(&models);
    assert_eq!(phylogeny.families().len(), 1);
    assert!(phylogeny.unobserved_root(FamilyId::new(0)), "{:?}", phylogeny.edges());
    assert!(phylogeny.edges().iter().all(|e| e.confidence.unwrap() <= 0.5), "{:?}", phylogeny.edges());
}

#[test]
fn strangers_stay_apart_and_a_merge_across_families_keeps_both_roots() {
    let (first, second) = (family(7), family(8));
    let mut models: Vec<(String, Weights)> = first.iter().map(|(n, w)| (format!("x/{n}"), w.clone())).collect();
    models.extend(second.iter().map(|(n, w)| (format!("y/{n}"), w.clone())));
    assert_eq!(detected(&models).families().len(), 2);

    models.push(("cross".to_owned(), mixed(&[(0.5, &of(&first, "a")), (0.5, &of(&second, "b"))])));
    let phylogeny = detected(&models);
    assert_eq!(parents(&phylogeny, "cross"), ["x/a", "y/b"]);
    let roots: Vec<&str> = phylogeny.roots().map(|m| phylogeny.name(m)).collect();
    assert_eq!(roots, ["x/r", "y/r"]);
}

#[test]
fn a_stored_geometry_without_values_is_enough_for_a_tree() {
    let models = set(&family(9));
    let geometry = Geometry::compute(&models, &GeometrySettings::new()).unwrap().without_values();
    let found = LineageDetector::new().detect(&geometry, &Precedence, &mut rng(0)).unwrap();
    let phylogeny = found.with_names(models.names()).unwrap();
    assert_eq!(parents(&phylogeny, "c00"), ["c0"]);
    assert_eq!(parents(&phylogeny, "r"), Vec::<&str>::new());
}

#[test]
fn two_models_get_a_direction_by_what_training_cannot_undo() {
    let mut rng = rng(11);
    let r = root(&mut rng);
    let c = tuned(&r, 0.05, 0.98, 6, &mut rng);
    let phylogeny = detect_phylogeny(&set(&named(vec![("c", c), ("r", r)])), Config::default()).unwrap();
    assert_eq!(parents(&phylogeny, "c"), ["r"]);
}

#[test]
fn reading_again_is_observed_and_can_be_interrupted() {
    use neural_phylogeny::Error;
    use neural_phylogeny::geometry::Progress;
    use std::ops::ControlFlow;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    let models = set(&family(12));
    let most = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&most);
    let observed = Config::default().with_observer(move |p: Progress| {
        assert!(p.read <= p.total);
        seen.fetch_max(p.read, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    detect_phylogeny(&models, observed).unwrap();
    let once: u64 = models.groups()[0].parameters().iter().map(|p| (p.size() * p.holders.len()) as u64).sum();
    assert!(most.load(Ordering::Relaxed) > once);

    let stops = move |p: Progress| if p.read > once { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let outcome = detect_phylogeny(&models, Config::default().with_observer(stops));
    assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
}
