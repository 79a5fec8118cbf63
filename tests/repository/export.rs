//! The written forms against files in `tests/golden`; `UPDATE_GOLDEN=1 cargo test --test repository export` writes them anew.

use neural_phylogeny::evaluate::Truth;
use neural_phylogeny::model_set::Skipped;
use neural_phylogeny::phylogeny::{
    Candidate, Evidence, Link, Movement, PhylogenyBuilder, Remark, Signal, Stage, UnobservedId,
};
use neural_phylogeny::write::{write_dot, write_explanation, write_newick, write_table};
use neural_phylogeny::{Edge, Error, ModelId, Phylogeny, Relation, evaluate};
use std::path::Path;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn check(file: &str, text: &[u8]) -> TestResult {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text)?;
    }
    let golden = std::fs::read_to_string(&path)?;
    // A checkout on Windows may have carriage returns.
    assert_eq!(std::str::from_utf8(text)?, golden.replace("\r\n", "\n"), "{file}");
    Ok(())
}

/// Three generations with merges, a tie, an isolated model, and names that every format must quote.
fn builder() -> PhylogenyBuilder {
    let id = ModelId::new;
    let edge = |p, c, distance, confidence| Edge::new(id(p), id(c)).with_distance(distance).with_confidence(confidence);
    let merge = |p, c, weight, distance| edge(p, c, distance, 0.9).with_weight(weight).with_relation(Relation::Merge);
    let edges = vec![
        edge(0, 1, 3.2104, 0.98),
        edge(0, 2, 12.75, 0.75),
        edge(1, 3, 0.00012345, 0.5),
        edge(3, 4, 1.0 / 3.0, 1.0),
        merge(1, 5, 0.7, 1.25),
        merge(2, 5, 0.3, 2.5),
        merge(0, 6, -0.25, 4.0),
        merge(5, 6, 1.25, 0.125),
        edge(5, 7, 0.0, 0.625).with_relation(Relation::Duplicate),
        Edge::new(id(0), id(8)).with_relation(Relation::Unspecified).with_confidence(1.0),
    ];
    let builder = PhylogenyBuilder::new(12).with_edges(edges).with_kin([id(9), id(10)]).with_names([
        "org/base",
        "org/base_chat",
        "org/base-code",
        "it's",
        "a \"quoted\" \\ name",
        "merge of two",
        "task[arithmetic]",
        "copy",
        "naïve, (μ)",
        "twin_1",
        "twin_2",
        "stranger",
    ]);
    let scored = (0..12).fold(builder, |b, m| b.with_score(id(m), 10.0 + m as f64 / 8.0));
    scored
        .with_margin(id(0), 0.125)
        .with_margin(id(9), 0.0)
        .with_remark(Remark::FamiliesExpected { count: 3 })
        .with_remark(Remark::Ties { count: 1 })
        .with_skipped([Skipped::from_reason("broken", "broken.safetensors is truncated: found 8 bytes, expected 96")])
}

fn sample() -> Result<Phylogeny, Error> {
    builder().build()
}

/// The sample as a detector gives it that tells its reasons, the root of the twins known to be missing.
fn reasoned() -> Result<Phylogeny, Error> {
    let id = ModelId::new;
    let candidate = |parent: Option<usize>, probability, weights: &[(Stage, &str, f64)]| {
        let evidence = weights
            .iter()
            .map(|&(stage, signal, weight)| Evidence::new(stage, Signal::from_spelling(signal), weight))
            .collect();
        Candidate::new(parent.map(id), probability, evidence)
    };
    let of_3 = vec![
        candidate(Some(2), 0.045, &[(Stage::Parent, "distance", -1.5), (Stage::Parent, "untouched", 1.25)]),
        candidate(
            Some(1),
            0.95,
            &[(Stage::Parent, "distance", 2.0), (Stage::Parent, "untouched", 1.5), (Stage::Parent, "exact-decay", 0.5)],
        ),
        candidate(None, 0.005, &[(Stage::Presence, "branches", -1.5), (Stage::Tree, "trees", -0.5)]),
    ];
    let of_0 = vec![
        candidate(None, 0.9, &[(Stage::Root, "lines", 2.2)]),
        candidate(Some(1), 0.1, &[(Stage::Root, "norm", 0.0), (Stage::Kinship, "kinship", -0.25)]),
    ];
    let moved = [0.0, 0.25, 0.0, f64::INFINITY].iter().zip(["embed.weight", "fc.weight", "norm.weight", "fc.bias"]);
    let movements: Vec<Movement> = moved.map(|(&relative, name)| Movement::new(name, 4096, relative)).collect();
    let low_rank = vec![Movement::new("fc.weight", 4096, 0.0625).with_rank(8)];
    builder()
        .with_candidates(id(3), of_3)
        .with_candidates(id(0), of_0)
        .with_movements(id(1), id(3), movements)
        .with_movements(id(1), id(5), low_rank)
        .with_residual(id(5), 0.0125)
        .with_unobserved_root(id(9))
        .build()
}

#[test]
fn a_table() -> TestResult {
    let mut text = Vec::new();
    write_table(&sample()?, &mut text)?;
    check("sample.txt", &text)
}

#[test]
fn a_table_of_what_is_not_in_the_set() -> TestResult {
    let mut text = Vec::new();
    write_table(&reasoned()?, &mut text)?;
    check("reasoned.txt", &text)
}

#[test]
fn explanations() -> TestResult {
    let mut text = Vec::new();
    for model in [0, 3, 5, 7, 9, 11] {
        write_explanation(&reasoned()?, ModelId::new(model), &mut text)?;
        text.extend(b"\n--\n\n");
    }
    check("explanations.txt", &text)
}

#[test]
fn a_graphviz_digraph() -> TestResult {
    let mut text = Vec::new();
    write_dot(&sample()?, &mut text)?;
    check("sample.dot", &text)
}

#[test]
fn newick_trees() -> TestResult {
    let mut text = Vec::new();
    write_newick(&sample()?, &mut text)?;
    check("sample.nwk", &text)
}

#[cfg(feature = "serde")]
#[test]
fn json() -> TestResult {
    let mut text = Vec::new();
    neural_phylogeny::write::write_json(&sample()?, &mut text)?;
    check("sample.json", &text)?;
    assert_eq!(neural_phylogeny::write::read_json(text.as_slice())?, sample()?);
    Ok(())
}

#[cfg(feature = "serde")]
#[test]
fn json_with_reasons() -> TestResult {
    let mut text = Vec::new();
    neural_phylogeny::write::write_json(&reasoned()?, &mut text)?;
    check("reasoned.json", &text)?;
    assert_eq!(neural_phylogeny::write::read_json(text.as_slice())?, reasoned()?);
    Ok(())
}

/// All that a file can hold: more candidates and movements than it lists first, a withheld parent, an edge without confidence,
/// a distance with its error, a remark of every kind.
#[cfg(feature = "serde")]
fn whole() -> Result<Phylogeny, Error> {
    let id = ModelId::new;
    let sketched = Edge::new(id(0), id(1)).with_distance(2.5).with_distance_error(0.125);
    let candidates = (2..9).map(|i| Candidate::new(Some(id(i)), 1.0 / (1 << i) as f64, vec![])).collect();
    let movements = (0..24).map(|i| Movement::new(format!("layers.{i}"), 64, f64::from(i % 12) / 8.0)).collect();
    let [clusterer, setting, rule] = ["KMeans", "eps", "links"].map(std::borrow::Cow::Borrowed);
    PhylogenyBuilder::new(9)
        .with_edges([sketched, Edge::new(id(1), id(2)).with_confidence(0.5)])
        .with_candidates(id(1), candidates)
        .with_movements(id(0), id(1), movements)
        .with_movement_counts(id(0), id(1), 40, 16)
        .with_remarks([
            Remark::FamiliesExpected { count: 7 },
            Remark::LayoutGroups { count: 2 },
            Remark::CoordinatesReduced { clusterer: clusterer.clone(), used: 2, available: 8, variance: 0.75 },
            Remark::RadiusEstimated { setting, value: f64::INFINITY, rule },
            Remark::AlphaChosen { clusterer: clusterer.clone(), alpha: 0.5, disagreements: 3 },
            Remark::Regularized { share: 1e-6 },
            Remark::Converged { clusterer: clusterer.clone(), iterations: 4 },
            Remark::NotConverged { clusterer, iterations: 300 },
            Remark::Noise { count: 1 },
            Remark::Ties { count: 1 },
            Remark::Sketched { left_out: vec!["embed.weight".into()] },
            Remark::Other("an outside detector said so".into()),
        ])
        .build()
        .map(|whole| whole.with_minimum_confidence(0.75))
}

#[cfg(feature = "serde")]
#[test]
fn json_with_everything() -> TestResult {
    let mut text = Vec::new();
    neural_phylogeny::write::write_json(&whole()?, &mut text)?;
    check("whole.json", &text)?;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/whole.json");
    assert_eq!(neural_phylogeny::write::read_json(std::fs::File::open(golden)?)?, whole()?);
    Ok(())
}

/// Files of version 1 mean what they meant.
#[cfg(feature = "serde")]
#[test]
fn json_of_version_1() -> TestResult {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/version-1");
    for (file, meant) in [("sample.json", sample()?), ("reasoned.json", reasoned()?), ("whole.json", whole()?)] {
        let read = neural_phylogeny::write::read_json(std::fs::File::open(golden.join(file))?)?;
        assert_eq!(read, meant, "{file}");
    }
    Ok(())
}

/// A result with models that are not in the set: a root, an inner one, and a parent of a merge.
fn absent() -> Result<Phylogeny, Error> {
    let id = ModelId::new;
    let [root, inner, other] = [0, 1, 2].map(UnobservedId::new);
    let edge = Edge::new(id(0), id(3)).with_distance(1.5).with_answers(1.0, 0.75, 0.75);
    let merge = Edge::new(id(1), id(5)).with_weight(0.75).with_relation(Relation::Merge).with_answers(1.0, 0.875, 1.0);
    PhylogenyBuilder::new(7)
        .with_names(["a", "b", "c", "a/x", "b/x", "a + ?", "alone"])
        .with_edges([edge, merge])
        .with_unobserved(Some(0.875))
        .with_unobserved(Some(0.5))
        .with_unobserved(None)
        .with_links([
            Link::new(root, id(0)).with_confidence(0.875),
            Link::new(root, id(1)).with_confidence(0.75),
            Link::new(root, inner).with_confidence(0.5),
            Link::new(inner, id(2)).with_confidence(0.5).with_relation(Relation::LowRank),
            Link::new(inner, id(4)).with_confidence(0.625),
            Link::new(other, id(5)).with_weight(0.25).with_relation(Relation::Merge),
        ])
        .with_candidates(id(0), vec![Candidate::new(None, 0.875, vec![]), Candidate::new(Some(id(1)), 0.125, vec![])])
        .build()
}

#[test]
fn unobserved_models_in_every_form() -> TestResult {
    let mut text = Vec::new();
    write_table(&absent()?, &mut text)?;
    check("absent.txt", &text)?;
    text.clear();
    for model in [0, 3, 5] {
        write_explanation(&absent()?, ModelId::new(model), &mut text)?;
        text.extend(b"\n--\n\n");
    }
    check("absent-explanations.txt", &text)?;
    text.clear();
    write_dot(&absent()?, &mut text)?;
    check("absent.dot", &text)?;
    text.clear();
    write_newick(&absent()?, &mut text)?;
    check("absent.nwk", &text)?;
    #[cfg(feature = "serde")]
    {
        text.clear();
        neural_phylogeny::write::write_json(&absent()?, &mut text)?;
        check("absent.json", &text)?;
        assert_eq!(neural_phylogeny::write::read_json(text.as_slice())?, absent()?);
    }
    Ok(())
}

/// Files that were written before the form was lossless mean what they meant.
#[cfg(feature = "serde")]
#[test]
fn json_of_the_first_form() -> TestResult {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/first");
    for (file, meant) in [("sample.json", builder().build()?), ("reasoned.json", reasoned()?)] {
        let read = neural_phylogeny::write::read_json(std::fs::File::open(golden.join(file))?)?;
        assert_eq!((read.edges(), read.families()), (meant.edges(), meant.families()), "{file}");
        for model in read.models() {
            assert_eq!(read.name(model), meant.name(model));
            assert_eq!((read.score(model), read.residual(model)), (meant.score(model), meant.residual(model)));
            // Their evidence had other words and no stage, which is then that of the parent.
            let probable = |c: &Candidate| (c.parent, c.probability);
            let (found, expected) = (read.candidates(model).iter(), meant.candidates(model).iter());
            assert!(found.clone().flat_map(|c| &c.evidence).all(|e| e.stage == Stage::Parent));
            assert_eq!(found.map(probable).collect::<Vec<_>>(), expected.map(probable).collect::<Vec<_>>());
            let (family, edges) = (read.family_of(model), read.parents(model));
            assert_eq!(read.margin(family), meant.margin(family));
            assert_eq!(read.unobserved_root(family), meant.unobserved_root(family));
            for e in edges {
                assert_eq!(read.movements(e.parent, model), meant.movements(e.parent, model));
            }
        }
        if let [_, candidate, ..] = read.candidates(ModelId::new(3)) {
            let found: Vec<(&str, f64)> = candidate.evidence.iter().map(|e| (e.signal.as_str(), e.weight)).collect();
            assert_eq!(found, [("distance", -1.5), ("untouched", 1.25)]);
        }
        let sentences = meant.remarks().iter().map(|r| Remark::Other(r.to_string()));
        assert_eq!(read.remarks(), sentences.collect::<Vec<_>>());
        assert_eq!(read.skipped(), meant.skipped());
    }
    Ok(())
}

#[test]
fn an_evaluation() -> TestResult {
    let id = ModelId::new;
    // The chain is found as a star, the merge as a child of one parent.
    let edges = [(0, 1), (0, 2), (0, 3), (3, 4), (1, 5)].map(|(p, c)| Edge::new(id(p), id(c)).with_confidence(1.0));
    let names = sample()?.models().map(|m| sample().map(|s| s.name(m).to_owned())).collect::<Result<Vec<_>, _>>()?;
    let result =
        Phylogeny::from_edges(6, edges.to_vec())?.with_names(names.into_iter().take(5).chain(["other".into()]))?;
    let evaluation = evaluate(&result, &Truth::from(sample()?))?;
    check("evaluation.txt", format!("{evaluation}\n").as_bytes())?;
    #[cfg(feature = "serde")]
    check("evaluation.json", format!("{}\n", serde_json::to_string_pretty(&evaluation)?).as_bytes())?;
    Ok(())
}
