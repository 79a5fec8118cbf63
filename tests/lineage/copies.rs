//! Copies of every kind: they hang on their source, and nothing else changes.

use crate::models::{parents, rng};
use neural_phylogeny::{Config, InMemory, ModelSet, Phylogeny, Relation, detect_phylogeny};
use proptest::prelude::*;
use rand::Rng;
use rand_distr::StandardNormal;
use std::collections::BTreeMap;

/// Tensors by name: shape and values.
type Network = BTreeMap<&'static str, (Vec<usize>, Vec<f32>)>;

const HIDDEN: usize = 64;
const WORDS: usize = 96;

fn normal(rng: &mut impl Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| rng.sample(StandardNormal)).collect()
}

/// A network from scratch.
fn root(seed: u64) -> Network {
    let mut rng = rng(seed);
    let mut tensor = |shape: &[usize]| {
        let values = normal(&mut rng, shape.iter().product()).into_iter().map(|x| 0.2 * x).collect();
        (shape.to_vec(), values)
    };
    let matrices = ["a", "b", "c"].map(|name| (name, tensor(&[HIDDEN, HIDDEN])));
    let others = [("embed", tensor(&[WORDS, HIDDEN])), ("head", tensor(&[10, HIDDEN])), ("bias", tensor(&[HIDDEN]))];
    matrices.into_iter().chain(others).collect()
}

/// Trained on: rows move along few directions, by about this share of their norm.
fn tuned(parent: &Network, by: f32, seed: u64) -> Network {
    let mut rng = rng(seed);
    let mut child = parent.clone();
    for (shape, values) in child.values_mut() {
        let (rows, columns) = (shape[0], values.len() / shape[0]);
        let (left, right) = (normal(&mut rng, 3 * rows), normal(&mut rng, 3 * columns));
        for (i, value) in values.iter_mut().enumerate() {
            let along = |k: usize| left[i / columns * 3 + k] * right[k * columns + i % columns];
            *value = *value * (1.0 - 0.2 * by)
                + 0.2 * by * (0.5 * (0..3).map(along).sum::<f32>() + 0.3 * rng.sample::<f32, _>(StandardNormal));
        }
    }
    child
}

fn mapped(network: &Network, mut f: impl FnMut(&str, f32) -> f32) -> Network {
    let mut copy = network.clone();
    copy.iter_mut().for_each(|(name, (_, values))| values.iter_mut().for_each(|x| *x = f(name, *x)));
    copy
}

fn half(network: &Network) -> Network {
    mapped(network, |_, x| half::f16::from_f32(x).to_f32())
}

fn brain(network: &Network) -> Network {
    mapped(network, |_, x| half::bf16::from_f32(x).to_f32())
}

fn without(network: &Network, name: &str) -> Network {
    network.iter().filter(|(own, _)| **own != name).map(|(own, tensor)| (*own, tensor.clone())).collect()
}

fn noisy(network: &Network, share: f32, seed: u64) -> Network {
    let mut rng = rng(seed);
    mapped(network, |name, x| if name == "bias" { x } else { x + 0.2 * share * rng.sample::<f32, _>(StandardNormal) })
}

/// Blocks of 32 values in steps of a share of their largest, in F16.
fn blocks(network: &Network, levels: f32) -> Network {
    let mut copy = network.clone();
    for (_, values) in copy.iter_mut().filter(|(name, _)| **name != "bias").map(|(_, tensor)| tensor) {
        for block in values.chunks_mut(32) {
            let largest = block.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
            let step = if levels == 127.0 { largest.abs() / levels } else { largest / -levels };
            let most = if levels == 127.0 { levels } else { levels - 1.0 };
            block
                .iter_mut()
                .for_each(|x| *x = half::f16::from_f32((*x / step).round().clamp(-levels, most) * step).to_f32());
        }
    }
    copy
}

fn detected(models: &[(String, Network)]) -> Phylogeny {
    let source = |network: &Network| {
        let tensors = network.iter();
        tensors
            .fold(InMemory::new(), |s, (name, (shape, values))| s.with_parameter(*name, shape, values.clone()).unwrap())
    };
    let named = models.iter().map(|(name, network)| (name.clone(), source(network)));
    detect_phylogeny(&ModelSet::from_models(named).unwrap(), Config::default()).unwrap()
}

/// A root, four children, and two children of one of them.
fn family(seed: u64) -> Vec<(String, Network)> {
    let r = root(seed);
    let mut models = vec![("r".to_owned(), r.clone())];
    for (k, by) in [0.1, 0.15, 0.2, 0.12].into_iter().enumerate() {
        models.push((format!("c{k}"), tuned(&r, by, seed + 1 + k as u64)));
    }
    let c0 = models[1].1.clone();
    models.push(("g0".to_owned(), tuned(&c0, 0.1, seed + 7)));
    models.push(("g1".to_owned(), tuned(&c0, 0.15, seed + 8)));
    models
}

/// Copies of a network, of every kind, with the relations that they may have.
fn copies(source: &Network, seed: u64) -> Vec<(&'static str, Network, Relation)> {
    let mut more = source.clone();
    more.insert("score", (vec![2, HIDDEN], normal(&mut rng(seed), 2 * HIDDEN)));
    let mut other_head = source.clone();
    other_head.insert("head", (vec![4, HIDDEN], normal(&mut rng(seed), 4 * HIDDEN)));
    let mut padded = source.clone();
    let embed = padded.get_mut("embed").unwrap();
    embed.0[0] += 8;
    embed.1.extend([0.0; 8 * HIDDEN]);
    let mut smallest: Vec<f32> = source["a"].1.iter().map(|x| x.abs()).collect();
    smallest.sort_by(f32::total_cmp);
    let bound = smallest[smallest.len() / 3];
    let prune = |network: &Network| mapped(network, |name, x| if name != "bias" && x.abs() < bound { 0.0 } else { x });
    vec![
        ("same", source.clone(), Relation::Duplicate),
        ("no head", without(source, "head"), Relation::Duplicate),
        ("more", more, Relation::Duplicate),
        ("other head", other_head, Relation::Duplicate),
        ("padded", padded, Relation::VocabularyResized),
        ("half", half(source), Relation::Cast),
        ("brain", brain(source), Relation::Cast),
        ("q8", blocks(source, 127.0), Relation::Quantized),
        ("q4", blocks(source, 8.0), Relation::Quantized),
        ("noise", noisy(source, 0.005, seed), Relation::Perturbed),
        ("more noise", noisy(source, 0.03, seed + 1), Relation::Perturbed),
        ("pruned", prune(source), Relation::Pruned),
        ("pruned half", half(&prune(source)), Relation::Pruned),
        ("biases", mapped(source, |name, x| if name == "bias" { x + 0.3 } else { x }), Relation::FineTune),
    ]
}

/// The name of the parent and the relation of each child.
fn edges(phylogeny: &Phylogeny) -> BTreeMap<String, (String, Relation)> {
    let name = |m| phylogeny.name(m).to_owned();
    phylogeny.edges().iter().map(|e| (name(e.child), (name(e.parent), e.relation))).collect()
}

/// The edges with two names exchanged.
fn exchanged(edges: BTreeMap<String, (String, Relation)>, a: &str, b: &str) -> BTreeMap<String, (String, Relation)> {
    let other = |name: String| match name.as_str() {
        name if name == a => b.to_owned(),
        name if name == b => a.to_owned(),
        name => name.to_owned(),
    };
    edges.into_iter().map(|(child, (parent, relation))| (other(child), (other(parent), relation))).collect()
}

#[test]
fn a_copy_of_any_kind_hangs_on_its_source_and_changes_no_other_edge() {
    let models = family(1);
    let before = edges(&detected(&models));
    let expected = [("c0", "r"), ("c1", "r"), ("c2", "r"), ("c3", "r"), ("g0", "c0"), ("g1", "c0")];
    for (child, parent) in expected {
        assert_eq!(before[child].0, parent, "{child}");
    }
    for (source, network) in [&models[0], &models[1], &models[4], &models[5]] {
        for (kind, copy, relation) in copies(network, 77) {
            let mut models = models.clone();
            models.push((kind.to_owned(), copy));
            let mut after = edges(&detected(&models));
            // Noise of half a per cent is too little to tell which of the two has it.
            if relation == Relation::Perturbed && after.get(source) == Some(&(kind.to_owned(), relation)) {
                after = exchanged(after, source, kind);
            }
            assert_eq!(after.remove(kind), Some((source.clone(), relation)), "{kind} of {source}: {after:?}");
            assert_eq!(after, before, "{kind} of {source}");
        }
    }
}

#[test]
fn all_copies_at_once_hang_on_their_source() {
    let mut models = family(2);
    let before = edges(&detected(&models));
    let source = models[1].1.clone();
    for (kind, copy, _) in copies(&source, 78) {
        models.push((kind.to_owned(), copy));
    }
    let after = edges(&detected(&models));
    for (child, edge) in &before {
        assert_eq!(after.get(child), Some(edge), "{child}");
    }
    for (kind, _, relation) in copies(&source, 78) {
        assert_eq!(after.get(kind), Some(&("c0".to_owned(), relation)), "{kind}");
    }
}

#[test]
fn roundings_of_an_absent_model_are_siblings() {
    let models = family(3);
    let r = models[0].1.clone();
    let mut without: Vec<(String, Network)> = models[1..].to_vec();
    without.extend([("half".to_owned(), half(&r)), ("brain".to_owned(), brain(&r))]);
    let phylogeny = detected(&without);
    assert_eq!((parents(&phylogeny, "half"), parents(&phylogeny, "brain")), (vec![], vec![]));
    assert!(phylogeny.unobserved_root(phylogeny.family_of(phylogeny.id("half").unwrap())));
    for child in ["c0", "c1", "c2", "c3"] {
        assert_eq!(parents(&phylogeny, child), ["half"], "{child}");
    }
    // Those of an absent child have the parent of the child.
    let mut without: Vec<(String, Network)> = models.iter().filter(|(name, _)| name != "c1").cloned().collect();
    let c1 = &models[2].1;
    without.extend([("half".to_owned(), half(c1)), ("brain".to_owned(), brain(c1))]);
    let phylogeny = detected(&without);
    assert_eq!((parents(&phylogeny, "half"), parents(&phylogeny, "brain")), (vec!["r"], vec!["r"]));
}

#[test]
fn quantized_copies_name_their_method() {
    let mut models = family(4);
    models.push(("q8".to_owned(), blocks(&models[0].1, 127.0)));
    models.push(("q4".to_owned(), blocks(&models[0].1, 8.0)));
    let phylogeny = detected(&models);
    let method = |name| phylogeny.method(phylogeny.id(name).unwrap());
    assert_eq!((method("q8"), method("q4"), method("c0")), (Some("Q8_0"), Some("Q4_0"), None));
    assert!(phylogeny.to_string().contains("quantized (Q8_0)"), "{phylogeny}");
}

#[test]
fn duplicates_three_times_hang_on_one_model() {
    let mut models = family(5);
    let before = edges(&detected(&models));
    for name in ["x", "y", "z"] {
        models.push((name.to_owned(), models[1].1.clone()));
    }
    let mut after = edges(&detected(&models));
    for name in ["x", "y", "z"] {
        assert_eq!(after.remove(name), Some(("c0".to_owned(), Relation::Duplicate)));
    }
    assert_eq!(after, before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn neither_names_nor_order_have_a_part_in_copies(seed in 100u64..10_000, order in Just((0..20).collect::<Vec<usize>>()).prop_shuffle()) {
        let mut models = family(seed);
        let source = models[1].1.clone();
        // Equal models differ in nothing but their order.
        let made = copies(&source, seed).into_iter().filter(|(kind, ..)| *kind != "same");
        models.extend(made.map(|(kind, copy, _)| (kind.to_owned(), copy)));
        prop_assert_eq!(models.len(), order.len());
        let shuffled: Vec<(String, Network)> =
            order.iter().enumerate().map(|(new, &old)| (format!("n{new}"), models[old].1.clone())).collect();
        let back = |name: &str| models[order[name[1..].parse::<usize>().unwrap()]].0.clone();
        let found = edges(&detected(&shuffled)).into_iter().map(|(child, (parent, relation))| (back(&child), (back(&parent), relation)));
        prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), edges(&detected(&models)));
    }
}
