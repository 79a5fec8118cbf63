//! Directions taken out of really trained networks.

#![cfg(feature = "serde")]

use crate::models::rng;
use neural_phylogeny::{Config, InMemory, ModelSet, ParameterSource, Phylogeny, Relation, detect_phylogeny};
use rand::Rng;

/// The width of what the small language models of the zoo write.
fn width(source: &dyn ParameterSource) -> usize {
    let parameters = source.parameters().unwrap();
    let embedding = parameters.iter().find(|p| p.name.ends_with("embed_tokens.weight")).unwrap();
    embedding.shape[1]
}

/// A model without the share `s` of a direction, in its embedding and in all that attention and MLPs write.
fn without(source: &dyn ParameterSource, u: &[f64], s: f64) -> InMemory {
    let mut edited = InMemory::new();
    for info in source.parameters().unwrap() {
        let mut values = vec![0.0; info.size()];
        source.read(&info.name, 0, &mut values).unwrap();
        let columns = info.shape.get(1).copied().unwrap_or(1);
        // The stride along the direction, and that from one product with it to the next.
        let strides = match &info.name {
            n if n.contains("embed_tokens") => Some((1, columns)),
            n if n.contains("o_proj.weight") || n.contains("down_proj.weight") => Some((columns, 1)),
            _ => None,
        };
        if let Some((along, across)) = strides {
            for k in 0..info.size() / u.len() {
                let at = |i: usize| k * across + i * along;
                let product: f64 = u.iter().enumerate().map(|(i, u)| u * f64::from(values[at(i)])).sum();
                for (i, u) in u.iter().enumerate() {
                    values[at(i)] = (f64::from(values[at(i)]) - s * product * u) as f32;
                }
            }
        }
        edited = edited.with_parameter(info.name, info.shape, values).unwrap();
    }
    edited
}

/// The family of a root of the zoo, with edits of some of its members, each named after its source.
fn with_edits(edits: &[(&str, f64)]) -> Phylogeny {
    let zoo = ModelSet::discover(format!("{}/tests/data/zoo/llama", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let copy = |source: &dyn ParameterSource| without(source, &vec![0.0; width(source)], 0.0);
    let mut set = ModelSet::builder();
    for id in zoo.ids() {
        set = set.with_model(zoo.name(id), copy(zoo.source(id)));
    }
    let mut rng = rng(7);
    for (name, s) in edits {
        let source = zoo.source(zoo.id(name).unwrap());
        let drawn: Vec<f64> = (0..width(source)).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let norm = drawn.iter().map(|x| x * x).sum::<f64>().sqrt();
        let u: Vec<f64> = drawn.iter().map(|x| x / norm).collect();
        set = set.with_model(format!("{name}_edited"), without(source, &u, *s));
    }
    detect_phylogeny(&set.build().unwrap(), Config::default()).unwrap()
}

#[test]
fn edits_of_trained_networks_hang_on_what_they_were_made_from() {
    let edits = [("l0", 1.0), ("l0_c0", 1.0), ("l0_c1", 0.7), ("l1_c0", 1.5)];
    let phylogeny = with_edits(&edits);
    for (name, s) in edits {
        let child = phylogeny.id(&format!("{name}_edited")).unwrap();
        let [edge] = phylogeny.parents(child) else { unreachable!("{name} has no parent") };
        assert_eq!((phylogeny.name(edge.parent), edge.relation), (name, Relation::Edited));
        assert_eq!(phylogeny.method(child), Some("one direction"));
        let moved = phylogeny.movements(edge.parent, child);
        let shares: Vec<f64> = moved.iter().filter_map(|m| m.removed).collect();
        assert!(shares.len() > 4 && shares.iter().all(|share| (share - s).abs() < 0.01), "{shares:?}");
    }
    // Nothing else in the set is an edit.
    let edited = phylogeny.edges().iter().filter(|e| e.relation == Relation::Edited).count();
    assert_eq!(edited, edits.len());
}
