//! Names that would write to a terminal: of files, of tensors, and in what is said of both.

use crate::support::{Run, Zoo, network, write_plain};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// An escape that sets a title, one that hides text, C1's own, a mark that turns text around, and a line of its own.
const HOSTILE: &str = "m\u{1b}]0;PWNED\u{7}\u{1b}[8m\u{9b}2J\u{202e}\u{2028}\nerror: gone";

fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| neural_phylogeny::write::is_hidden(c) && c != '\n')
}

/// Three models, a damaged one, and a file that is no model, all of hostile names.
fn zoo() -> Zoo {
    let zoo = Zoo::empty();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let tensor = format!("w{HOSTILE}");
    for number in 0..3 {
        let shapes: [(&str, &[usize]); 1] = [(&tensor, &[20, 30])];
        write_plain(&zoo.path(&format!("zoo/{number}{HOSTILE}.safetensors")), &shapes, &network(&mut rng, &shapes));
    }
    zoo.write(&format!("zoo/bad{HOSTILE}.safetensors"), "garbage");
    zoo.write(&format!("zoo/other{HOSTILE}.bin"), "garbage");
    zoo
}

#[test]
fn no_command_prints_them() {
    let zoo = zoo();
    let commands = [
        "inspect zoo --tensors",
        "sketch zoo --store store --skip-unreadable",
        "store list --store store",
        "store list --store store --format json",
        "store verify --store store",
        "detect zoo",
        "detect zoo --skip-unreadable",
        "detect zoo --skip-unreadable --format json",
        "detect zoo --skip-unreadable --format dot",
        "detect zoo --skip-unreadable --format newick",
        "detect --store store",
        "query zoo --store store",
        "explain nobody zoo --skip-unreadable",
    ];
    for words in commands {
        let Run { stdout, stderr, .. } = zoo.run(words);
        assert!(is_plain(&stdout), "{words}: {stdout:?}");
        assert!(is_plain(&stderr), "{words}: {stderr:?}");
        assert!(!format!("{stdout}{stderr}").lines().any(|line| line.starts_with("error: gone")), "{words}");
    }
    for arguments in [["detect", HOSTILE], ["store", HOSTILE], [HOSTILE, "zoo"], ["explain", HOSTILE]] {
        let run = zoo.command(arguments).output().unwrap();
        let said = String::from_utf8([run.stdout, run.stderr].concat()).unwrap();
        assert!(is_plain(&said), "{arguments:?}: {said:?}");
    }
}

#[test]
fn json_keeps_the_exact_names() {
    let zoo = zoo();
    let text = zoo.run("detect zoo --skip-unreadable --format json").stdout;
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> = found["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.ends_with(HOSTILE)), "{names:?}");
    let text = text.replace("PWNED", "changed");
    assert!(text.contains("\\u202e") && text.contains("\\u001b") && text.contains("\\u009b"), "{text}");
    // A file has the same bytes as standard output.
    zoo.run("detect zoo --skip-unreadable --format json -o out.json");
    let file = std::fs::read_to_string(zoo.path("out.json")).unwrap();
    assert!(is_plain(&file));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&file).unwrap(), found);
}
