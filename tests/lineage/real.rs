//! The small real zoo.

#![cfg(feature = "serde")]

use neural_phylogeny::{Config, ModelSet, Phylogeny, Relation, detect_phylogeny};

fn detected(folder: &str) -> Phylogeny {
    let models = ModelSet::discover(format!("{}/tests/data/zoo/{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    detect_phylogeny(&models, Config::default()).unwrap()
}

#[test]
fn relations_are_those_of_the_recipes() {
    let phylogeny = detected("llama");
    for (child, parent, relation) in [
        ("l0_c0", "l0", Relation::FineTune),
        ("l0_c3", "l0", Relation::Partial),
        ("l0_c4", "l0", Relation::VocabularyResized),
        ("l0_lora", "l0", Relation::LowRank),
        ("l0_c0_g0", "l0_c0", Relation::FineTune),
    ] {
        let edge = phylogeny.parents(phylogeny.id(child).unwrap())[0];
        assert_eq!((phylogeny.name(edge.parent), edge.relation), (parent, relation), "{child}");
    }
    let [base, adapted] = ["l0", "l0_lora"].map(|name| phylogeny.id(name).unwrap());
    let ranks: Vec<Option<usize>> =
        phylogeny.movements(base, adapted).iter().filter(|m| m.relative > 0.0).map(|m| m.rank).collect();
    assert!(!ranks.is_empty() && ranks.iter().all(|r| *r == Some(4)), "{ranks:?}");
}

#[test]
fn frozen_parameters_are_listed_as_untouched() {
    let phylogeny = detected("llama");
    let [parent, child] = ["l0", "l0_c3"].map(|name| phylogeny.id(name).unwrap());
    let untouched: Vec<&str> =
        phylogeny.movements(parent, child).iter().filter(|m| m.relative == 0.0).map(|m| m.parameter.as_str()).collect();
    assert!(untouched.iter().any(|p| p.contains("embed_tokens")), "{untouched:?}");
    assert!(untouched.iter().all(|p| p.contains("embed_tokens") || p.contains("layers.0.")), "{untouched:?}");
}

#[test]
fn no_model_of_the_zoo_is_said_to_be_a_merge() {
    for folder in ["mlp", "cnn", "llama", "diffusion"] {
        assert!(detected(folder).edges().iter().all(|e| e.relation != Relation::Merge), "{folder}");
    }
}
