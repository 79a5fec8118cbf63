use crate::support::{SHAPES, Zoo, network, write};
use neural_phylogeny::Phylogeny;
use neural_phylogeny::write::read_json;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

fn edges(phylogeny: &Phylogeny) -> BTreeSet<String> {
    phylogeny.edges().iter().map(|e| format!("{} {}", phylogeny.name(e.parent), phylogeny.name(e.child))).collect()
}

fn json(zoo: &Zoo, words: &str) -> Phylogeny {
    read_json(zoo.output(&format!("detect zoo --format json {words}")).as_bytes()).unwrap()
}

const STARS: [&str; 6] = ["a a1", "a a2", "a a3", "b b1", "b b2", "b b3"];

#[test]
fn a_table_is_what_a_person_gets() {
    let table = Zoo::two_stars().output("detect zoo");
    assert!(table.starts_with("9 models: 2 families, 1 isolated\n"), "{table}");
    for line in ["family 0: 4 models, root a, margin ", "\n  ├─ a1  fine-tune ", "\nisolated: 1 model\n  alone\n"] {
        assert!(table.contains(line), "{line}: {table}");
    }
}

#[test]
fn every_form_tells_the_same_edges() {
    let zoo = Zoo::two_stars();
    let phylogeny = json(&zoo, "");
    assert_eq!(edges(&phylogeny), STARS.map(str::to_owned).into());
    assert_eq!(phylogeny.isolated().map(|m| phylogeny.name(m)).collect::<Vec<_>>(), ["alone"]);

    let dot = zoo.output("detect zoo --format dot");
    assert!(dot.starts_with("digraph "), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), STARS.len());
    let newick = zoo.output("detect zoo --format newick");
    assert_eq!(newick.lines().filter(|l| l.ends_with(';')).count(), 3, "{newick}");
    assert!(newick.contains(")a;") && newick.contains(")b;"), "{newick}");
}

#[test]
fn every_detector_and_selector_finds_the_families() {
    let zoo = Zoo::two_stars();
    for detector in ["independence", "kmeans", "mean-shift", "dbscan", "gmm", "arborescence", "neighbor-joining"] {
        let phylogeny = json(&zoo, &format!("--detector {detector} --families 3"));
        let family = |name: &str| phylogeny.family_of(phylogeny.id(name).unwrap());
        for (child, root) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b3", "b")] {
            assert_eq!(family(child), family(root), "{detector}");
        }
        assert_ne!(family("a"), family("b"), "{detector}");
    }
    for selector in ["log-distance-medoid", "medoid", "smallest-norm", "nearest-to-initialization"] {
        assert_eq!(
            edges(&json(&zoo, &format!("--selector {selector}"))),
            STARS.map(str::to_owned).into(),
            "{selector}"
        );
    }
    let far = json(&zoo, "--selector nearest-to-initialization --initialization zoo/a1.safetensors");
    assert!(edges(&far).contains("a1 a"));
}

#[test]
fn trees_follow_kurtosis_or_the_selector() {
    let zoo = Zoo::two_stars();
    let [falls, rises] = ["falls", "rises"].map(|k| json(&zoo, &format!("--detector arborescence --kurtosis {k}")));
    assert_eq!((falls.edges().len(), rises.edges().len()), (STARS.len(), STARS.len()));
    // The direction alone decides when it weighs a thousand times as much as distances.
    let directed = json(&zoo, "--detector arborescence --lambda 1000");
    assert!(directed.edges().iter().all(|e| directed.score(e.parent) < directed.score(e.child)));
    assert_eq!(edges(&json(&zoo, "--detector neighbor-joining")), STARS.map(str::to_owned).into());
}

#[test]
fn threads_and_memory_change_no_byte() {
    let zoo = Zoo::two_stars();
    let [one, four] = ["1", "4"].map(|n| zoo.output(&format!("detect zoo --format json --threads {n}")));
    assert_eq!(one, four);
    assert_eq!(json(&zoo, "--memory 2MiB --threads 4"), json(&zoo, ""));
}

#[test]
fn the_seed_is_the_only_source_of_chance() {
    let zoo = Zoo::two_stars();
    let run = || zoo.output("detect zoo --format json --detector kmeans --families 3 --seed 5");
    assert_eq!(run(), run());
}

#[test]
fn an_output_file_holds_what_standard_output_would() {
    let zoo = Zoo::two_stars();
    for format in ["table", "json", "dot", "newick"] {
        assert_eq!(zoo.output(&format!("detect zoo --format {format} --output result")), "");
        let file = fs::read_to_string(zoo.path("result")).unwrap();
        assert_eq!(file, zoo.output(&format!("detect zoo --format {format}")));
        assert_eq!(zoo.beside(), ["result", "zoo"]);
    }
}

#[test]
fn a_failing_run_leaves_no_file_and_keeps_the_one_there_was() {
    let zoo = Zoo::two_stars().with_damaged();
    zoo.refusal("detect zoo --output result");
    assert_eq!(zoo.beside(), ["zoo"]);
    zoo.write("result", "of yesterday");
    for options in ["", "--skip-unreadable --families 99", "--skip-unreadable --memory 1KiB"] {
        zoo.refusal(&format!("detect zoo {options} --output result"));
        assert_eq!(fs::read_to_string(zoo.path("result")).unwrap(), "of yesterday");
        assert_eq!(zoo.beside(), ["result", "zoo"]);
    }
}

#[cfg(unix)]
#[test]
fn an_output_link_stays_a_link() {
    let zoo = Zoo::two_stars();
    let real = zoo.write("real", "of yesterday");
    std::os::unix::fs::symlink(&real, zoo.path("link")).unwrap();
    zoo.output("detect zoo --output link");
    assert!(fs::symlink_metadata(zoo.path("link")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(real).unwrap(), zoo.output("detect zoo"));
}

#[cfg(unix)]
#[test]
fn an_output_that_is_no_file_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let zoo = Zoo::two_stars();
    let pipe = zoo.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    zoo.output("detect zoo --output pipe");
    // Looked at before reading ends: of a pipe that was replaced it never does.
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(read.join().unwrap(), zoo.output("detect zoo"));
}

#[test]
fn what_is_skipped_is_in_the_result() {
    let zoo = Zoo::two_stars().with_damaged();
    let run = zoo.run("detect zoo --skip-unreadable --format json");
    assert_eq!(run.code, 0);
    assert!(run.stderr.starts_with("warning: skipped `damaged`: "), "{}", run.stderr);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let phylogeny = read_json(run.stdout.as_bytes()).unwrap();
    assert_eq!(edges(&phylogeny), STARS.map(str::to_owned).into());
    let [skipped] = phylogeny.skipped() else { panic!("{:?}", phylogeny.skipped()) };
    assert_eq!(skipped.name, "damaged");
    assert!(skipped.reason.contains("damaged.safetensors is truncated: found "), "{}", skipped.reason);
    assert!(zoo.run("detect zoo --skip-unreadable").stdout.contains("\nskipped: 1 model\n  damaged: "));
}

#[test]
fn patterns_choose_models_and_parameters() {
    let zoo = Zoo::two_stars();
    let phylogeny = json(&zoo, "--include-models a* --exclude-models a?");
    assert_eq!(phylogeny.models().map(|m| phylogeny.name(m)).collect::<Vec<_>>(), ["a", "alone"]);
    let [whole, part] = ["", "--exclude fc2.*"].map(|words| json(&zoo, words));
    let distance = |p: &Phylogeny| p.edges()[0].distance.unwrap();
    assert!(distance(&part) < distance(&whole));
    assert_eq!(distance(&json(&zoo, "--include fc1.*")), distance(&part));
}

#[test]
fn several_paths_are_one_set() {
    let zoo = Zoo::two_stars();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    write(&zoo.path("other/stranger.safetensors"), &SHAPES, &network(&mut rng, &SHAPES));
    let table = zoo.output("detect zoo other/stranger.safetensors");
    assert!(table.contains("isolated: 2 models\n  alone\n  stranger\n"), "{table}");
    // A file under two of the paths is one model; the command says so and goes on.
    let run = zoo.run("detect zoo zoo/a.safetensors");
    assert_eq!(run.code, 0);
    assert!(run.stdout.starts_with("9 models: "), "{}", run.stdout);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let zoo = Zoo::two_stars();
    for words in ["detect zoo", "detect zoo --format json", "inspect zoo --tensors"] {
        let mut command = zoo.command(words.split(' '));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Closed long before the first byte: models are read before anything is written.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words}");
    }
}

#[test]
fn detectors_take_their_settings() {
    let zoo = Zoo::two_stars();
    for words in [
        "kmeans --alpha 0.5",
        "kmeans --alpha sweep --restarts 3",
        "kmeans --alpha 0 --selector smallest-norm --seeding likely-parents",
        "kmeans --seeding likely-parents:0.5 --restarts 30",
        "kmeans --seeding plus-plus",
        "mean-shift --alpha 0.25 --bandwidth expected",
        "mean-shift --alpha sweep --bandwidth quantile:0.3",
        "mean-shift --bandwidth 8",
        "dbscan --eps expected --min-points 2",
        "dbscan --eps 8 --min-points 3",
    ] {
        let phylogeny = json(&zoo, &format!("--detector {words}"));
        let family = |name: &str| phylogeny.family_of(phylogeny.id(name).unwrap());
        assert!(family("a1") == family("a") && family("b1") == family("b") && family("a") != family("b"), "{words}");
        let said = |part: &str| phylogeny.remarks().iter().any(|r| r.to_string().contains(part));
        assert_eq!(said("of a sweep"), words.contains("sweep"), "{words}");
        assert_eq!(said("estimated from"), ["expected", "quantile"].iter().any(|w| words.contains(w)), "{words}");
    }
}

#[test]
fn unsure_parents_are_withheld_and_families_stay() {
    let zoo = Zoo::two_stars();
    let [all, sure] = ["", "--minimum-confidence 1"].map(|words| json(&zoo, words));
    assert_eq!((sure.edges().len(), sure.families().len()), (0, all.families().len()));
    assert!(sure.remarks().iter().any(|r| r.to_string() == "6 edges withheld as less sure than 1"));
    assert_eq!(json(&zoo, "--minimum-confidence 0"), all);
}
