//! One lineage of five models in every format, mixed in one folder: one family, right parents, conversions told from training.

use neural_phylogeny::{Config, ModelSet, Phylogeny, Relation, detect_phylogeny};
use std::path::Path;

/// Parent and child of each trained model. Each of the five stands in a format that loses nothing.
const TRAINED: [(&str, &str); 4] = [("root", "first"), ("first", "grandchild"), ("root", "second"), ("root", "third")];

/// Source and copy of each conversion, and what it is.
const CONVERSIONS: [(&str, &str, Relation); 5] = [
    ("first", "first-gptq", Relation::Quantized),
    ("first", "first-q8", Relation::Quantized),
    ("second", "second-fp8", Relation::Quantized),
    ("second", "second-q5", Relation::Quantized),
    ("third", "third-bf16", Relation::Cast),
];

/// The same values in two formats. Nothing tells which of both was first.
const EQUAL: [(&str, &str); 4] =
    [("root", "root-flax"), ("first", "first-keras.weights"), ("second", "second-npy"), ("third", "third-compressed")];

fn detected() -> Phylogeny {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/mixed");
    let models = ModelSet::discover(folder).unwrap();
    detect_phylogeny(&models, Config::default()).unwrap()
}

#[test]
fn one_lineage_in_every_format_is_one_family_with_its_parents() {
    let phylogeny = detected();
    assert_eq!((phylogeny.len(), phylogeny.families().len()), (14, 1));
    // Which of two equal models is the copy is open, so that each stands for the other.
    let same = |name: &str| EQUAL.iter().find(|(_, other)| *other == name).map_or(name, |(one, _)| one).to_owned();
    let edge = |child: &str| {
        let equal = EQUAL.iter().find(|(one, _)| *one == child).map(|(_, other)| *other);
        let edges = [child].into_iter().chain(equal).flat_map(|name| phylogeny.parents(phylogeny.id(name).unwrap()));
        let edge = edges.into_iter().find(|e| same(phylogeny.name(e.parent)) != same(phylogeny.name(e.child))).unwrap();
        (same(phylogeny.name(edge.parent)), edge.relation)
    };
    for (parent, child) in TRAINED {
        assert_eq!(edge(child), (parent.to_owned(), Relation::FineTune), "{child}");
    }
    for (source, copy, relation) in CONVERSIONS {
        assert_eq!(edge(copy), (source.to_owned(), relation), "{copy}");
    }
    for (one, other) in EQUAL {
        let [a, b] = [one, other].map(|name| phylogeny.id(name).unwrap());
        let between = |e: &&neural_phylogeny::Edge| (e.parent, e.child) == (a, b) || (e.parent, e.child) == (b, a);
        let found: Vec<Relation> = phylogeny.edges().iter().filter(between).map(|e| e.relation).collect();
        assert_eq!(found, [Relation::Duplicate], "{one} and {other}");
    }
}
