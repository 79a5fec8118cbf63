//! Repositories of a hub, by the command: its address and its token come from the environment.
#![cfg(feature = "cli")]

use super::server::{Request, Server};
use std::process::{Command, Output};

const COMMIT: &str = "0123456789abcdef";

/// A hub with one model of the test data in a repository.
fn hub() -> Server {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/zoo/mlp");
    let mut files = Vec::new();
    let mut named = Vec::new();
    let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    for path in found.iter().filter(|p| p.extension().is_some_and(|e| e == "safetensors")).take(4) {
        let name = path.file_name().unwrap().to_str().unwrap();
        named.push(format!(r#"{{"rfilename":"weights/{name}"}}"#));
        files.push((format!("/acme/pile/resolve/{COMMIT}/weights/{name}"), std::fs::read(path).unwrap()));
    }
    named.push(r#"{"rfilename":"../outside.safetensors"}"#.to_owned());
    let list = format!(r#"{{"sha":"{COMMIT}","siblings":[{}]}}"#, named.join(","));
    files.push(("/api/models/acme/pile/revision/main".to_owned(), list.into_bytes()));
    Server::start(files)
}

fn run(hub: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neural-phylogeny"));
    command.env("HF_ENDPOINT", &hub.root).env("HF_TOKEN", "hf_secret").args(arguments).output().unwrap()
}

#[test]
fn a_repository_is_a_folder_at_one_commit() {
    let hub = hub();
    let output = run(&hub, &["inspect", "hf://acme/pile"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("4 models") && !text.contains("outside"), "{text}");
    assert_eq!(text.matches("\n  acme/pile/weights/").count(), 4, "{text}");
    let sent: Vec<Request> = hub.requests();
    assert!(sent.iter().all(|r| r.authorization.as_deref() == Some("Bearer hf_secret")), "{sent:?}");
    let lists = sent.iter().filter(|r| r.path.contains("/api/")).count();
    assert_eq!(lists, 1, "the list of files is asked for once");
}

#[test]
fn what_the_hub_does_not_have_is_said_without_the_token() {
    let hub = hub();
    for address in ["hf://acme/none", "hf://acme/pile@v2", "hf://pile"] {
        let output = run(&hub, &["detect", address]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(address) && !text.contains("secret"), "{text}");
    }
}

#[test]
fn detection_over_the_network_says_what_it_says_of_files() {
    let hub = hub();
    let there = run(&hub, &["detect", "hf://acme/pile", "--format", "newick"]);
    let local = tempfile::tempdir().unwrap();
    for request in hub.requests().iter().filter(|r| r.path.ends_with(".safetensors")) {
        let name = request.path.rsplit('/').next().unwrap();
        let from = format!("{}/tests/data/zoo/mlp/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::create_dir_all(local.path().join("weights")).unwrap();
        std::fs::copy(from, local.path().join("weights").join(name)).unwrap();
    }
    let named = format!("acme/pile={}", local.path().display());
    let here = run(&hub, &["detect", "--name", &named, "--format", "newick"]);
    assert!(there.status.success(), "{}", String::from_utf8_lossy(&there.stderr));
    assert_eq!(String::from_utf8_lossy(&there.stdout), String::from_utf8_lossy(&here.stdout));
}

/// The names that a listing shows.
fn names(hub: &Server, addresses: &[&str]) -> Vec<String> {
    let output = run(hub, &[&["inspect"], addresses].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let named =
        text.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": ")).filter(|l| l.1.contains(" F"));
    let mut names: Vec<String> = named.map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names
}

#[test]
fn models_have_the_names_of_their_repositories() {
    let zoo = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/zoo/mlp");
    let model = |name: &str| std::fs::read(format!("{zoo}/{name}.safetensors")).unwrap();
    let mut files = Vec::new();
    // A repository with two revisions, and one that is a pipeline of two parts.
    for (repository, revision, commit, weights) in [
        ("acme/one", "main", "aa", &[("model.safetensors", "m0")][..]),
        ("acme/one", "release-2.0", "bb", &[("model.safetensors", "m0_c0")]),
        ("acme/both", "main", "cc", &[("low.safetensors", "m0_c1"), ("sub/high.safetensors", "m1")]),
    ] {
        let mut listed = vec![r#"{"rfilename":"config.json"}"#.to_owned()];
        files.push((format!("/{repository}/resolve/{commit}/config.json"), b"{}".to_vec()));
        for (name, weights) in weights {
            listed.push(format!(r#"{{"rfilename":"{name}"}}"#));
            files.push((format!("/{repository}/resolve/{commit}/{name}"), model(weights)));
        }
        let list = format!(r#"{{"sha":"{commit}","siblings":[{}]}}"#, listed.join(","));
        files.push((format!("/api/models/{repository}/revision/{revision}"), list.into_bytes()));
    }
    let hub = Server::start(files);
    assert_eq!(names(&hub, &["hf://acme/one"]), ["acme/one"]);
    assert_eq!(names(&hub, &["hf://acme/one@release-2.0"]), ["acme/one"]);
    let asked: Vec<String> = hub.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(asked.iter().filter(|path| path.ends_with("revision/main")).count(), 1, "{asked:?}");
    let several = ["hf://acme/one@release-2.0", "hf://acme/one", "hf://acme/both"];
    let expected = ["acme/both/low", "acme/both/sub/high", "acme/one@main", "acme/one@release-2.0"];
    assert_eq!(names(&hub, &several), expected);
    assert_eq!(
        names(&hub, &["hf://acme/both/sub", "hf://acme/one/model.safetensors"]),
        ["acme/both/sub/high", "acme/one"]
    );
}
