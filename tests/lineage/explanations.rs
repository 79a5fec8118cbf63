//! What explanations say of real detections.

use neural_phylogeny::detect::{LineageDetector, witness};
use neural_phylogeny::phylogeny::{Candidate, Stage};
use neural_phylogeny::write::write_explanation;
use neural_phylogeny::{Config, ModelSet, Phylogeny, detect_phylogeny};
use std::path::Path;

fn zoo(folder: &str) -> Phylogeny {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/zoo").join(folder);
    detect_phylogeny(&ModelSet::discover(path).unwrap(), Config::default()).unwrap()
}

const FOLDERS: [&str; 4] = ["mlp", "cnn", "llama", "diffusion"];

/// `UPDATE_GOLDEN=1` writes the file anew.
#[test]
fn explanations_of_the_zoo_are_those_of_the_golden_file() {
    let mut text = Vec::new();
    let explained = [
        ("mlp", "m0"),
        ("mlp", "m0_c1"),
        ("mlp", "m0_c0_g0"),
        ("cnn", "v0_c1"),
        ("llama", "l0_c0_g0"),
        ("diffusion", "d0"),
    ];
    let mut last = ("", None);
    for (folder, model) in explained {
        if last.0 != folder {
            last = (folder, Some(zoo(folder)));
        }
        let phylogeny = last.1.as_ref().unwrap();
        write_explanation(phylogeny, phylogeny.find(model).unwrap(), &mut text).unwrap();
        text.extend(b"\n--\n\n");
    }
    let found = String::from_utf8(text).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/explained.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(found == expected, "tests/golden/explained.txt differs; found\n{found}");
}

#[test]
fn totals_differ_by_the_logarithm_of_the_ratio_of_probabilities() {
    let mut compared = 0;
    for folder in FOLDERS {
        let phylogeny = zoo(folder);
        for model in phylogeny.models() {
            let [first, second, ..] = phylogeny.candidates(model) else { continue };
            // Parents of a merge are no rivals of one another.
            if phylogeny.parents(model).len() > 1 || second.probability == 0.0 {
                continue;
            }
            let (shown, expected) = (first.score() - second.score(), (first.probability / second.probability).ln());
            assert!((shown - expected).abs() < 1e-9, "{}: {shown} for {expected}", phylogeny.name(model));
            compared += 1;
        }
    }
    assert!(compared > 20, "only {compared} models have two candidates");
}

#[test]
fn the_tree_as_a_whole_seldom_decides() {
    // Were stages left out, the row of the tree would have to make up for them.
    let decided = |(a, b): (&Candidate, &Candidate)| {
        let tree = |c: &Candidate| c.stage_score(Stage::Tree).unwrap_or(0.0);
        (tree(a) - tree(b)).abs() < 0.5 || (tree(a) - tree(b)).abs() < 0.5 * (a.score() - b.score()).abs()
    };
    let (mut right, mut all) = (0, 0);
    for folder in FOLDERS {
        let phylogeny = zoo(folder);
        for model in phylogeny.models().filter(|&m| phylogeny.parents(m).len() == 1) {
            if let [first, second, ..] = phylogeny.candidates(model) {
                all += 1;
                right += usize::from(decided((first, second)));
            }
        }
    }
    // Of what is left, two candidates are each the likeliest parent of the other, or the root itself is in doubt.
    assert!(10 * right > 8 * all, "{right} of {all}");
}

#[test]
fn signals_that_are_told_are_known_and_documented() {
    let document = include_str!("../../docs/formats.md");
    for signal in witness::signals() {
        assert!(document.contains(&format!("| `{signal}` |")), "docs/formats.md has no row for {signal}");
    }
    for folder in FOLDERS {
        let phylogeny = zoo(folder);
        let evidence = phylogeny.models().flat_map(|m| phylogeny.candidates(m)).flat_map(|c| &c.evidence);
        for e in evidence {
            assert!(witness::signals().contains(&e.signal), "{} is not known", e.signal);
            assert!(!e.signal.meaning().is_empty());
        }
    }
}

#[test]
fn a_root_shows_what_sets_it_before_the_second_likeliest() {
    let phylogeny = zoo("mlp");
    let root = phylogeny.find("m0").unwrap();
    let [none, ..] = phylogeny.candidates(root) else { panic!("no candidates") };
    let signals: Vec<&str> =
        none.evidence.iter().filter(|e| e.stage == Stage::Root).map(|e| e.signal.as_str()).collect();
    assert_eq!(signals, ["norm", "imprint", "kurtosis", "neighbors"]);
}

#[test]
fn a_parent_that_is_not_in_the_set_is_said_to_be_so() {
    // Hardly anything is left of the prior, so that no evidence brings the root back.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/zoo/cnn");
    let detector = LineageDetector::new().with_presence_prior(1e-4);
    let phylogeny =
        detect_phylogeny(&ModelSet::discover(path).unwrap(), Config::new().with_detector(detector)).unwrap();
    let child = phylogeny.find("v0_c1").unwrap();
    assert!(phylogeny.has_unobserved_parent(child) && phylogeny.parents(child).is_empty());
    let mut text = Vec::new();
    write_explanation(&phylogeny, child, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("Its parent, ?1, which it shares with") && text.contains("is not in the set"), "{text}");
}
