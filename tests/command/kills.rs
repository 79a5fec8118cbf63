//! Writers of one store that are killed at random: what was done stays done, and nothing half-written is seen.

use crate::support::Zoo;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// Processes that each writer begins. `NEURAL_PHYLOGENY_KILLS` sets another number, for a long run.
const ROUNDS: usize = 25;

/// The models of each writer: no other adds or removes these.
const OWN: [&[&str]; 3] = [&["a", "b1", "b2"], &["a1", "a2", "b"], &["a3", "b3", "alone"]];

/// What is known of a model in the store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    There,
    Gone,
    /// Its writer was killed.
    Either,
}

/// Adds, removes, searches and lists, and kills most of these runs somewhere.
fn writer(zoo: &Zoo, own: &[&'static str], seed: u64, rounds: usize) -> BTreeMap<&'static str, State> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut known: BTreeMap<&str, State> = own.iter().map(|name| (*name, State::There)).collect();
    for _ in 0..rounds {
        let name = *own.choose(&mut rng).unwrap();
        let (words, after) = match rng.gen_range(0..6) {
            0..2 => (format!("sketch zoo/{name}.safetensors --store store"), Some(State::There)),
            2..4 => (format!("store remove {name} --store store"), Some(State::Gone)),
            4 => (format!("query zoo/{name}.safetensors --store store"), None),
            _ => ("store list --store store".to_owned(), None),
        };
        let mut command = zoo.command(words.split_whitespace());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        if rng.gen_bool(0.8) {
            thread::sleep(Duration::from_micros(rng.gen_range(0..60_000)));
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let state = match output.status.code() {
            Some(0) => after,
            None => after.map(|_| State::Either),
            // What was removed cannot be removed again.
            Some(2) if after == Some(State::Gone) && said.contains("no model is named") => {
                assert_ne!(known[name], State::There, "{name} was lost");
                after
            }
            code => panic!("{words}: {code:?}: {said}"),
        };
        known.extend(state.map(|state| (name, state)));
    }
    known
}

fn content(zoo: &Zoo, store: &str) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(zoo.path(store)).unwrap().map(|entry| entry.unwrap());
    let named = files.map(|f| (f.file_name().to_string_lossy().into_owned(), fs::read(f.path()).unwrap()));
    named.filter(|(name, _)| name.len() > 40 && !name.starts_with('.')).collect()
}

#[test]
fn what_killed_writers_did_stays_done_and_nothing_is_seen_by_halves() {
    let rounds = std::env::var("NEURAL_PHYLOGENY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS);
    let zoo = Zoo::two_stars();
    zoo.output("sketch zoo --store store --size 64KiB");
    zoo.output("sketch zoo --store whole --size 64KiB");
    let known: BTreeMap<&str, State> = thread::scope(|scope| {
        let writers: Vec<_> = OWN
            .into_iter()
            .zip(1..)
            .map(|(own, seed)| {
                let zoo = &zoo;
                scope.spawn(move || writer(zoo, own, seed, rounds))
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });

    let listed = zoo.output("store list --store store");
    let names: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    for (name, state) in &known {
        let expected = match state {
            State::There => true,
            State::Gone => false,
            State::Either => names.contains(name),
        };
        assert_eq!(names.contains(name), expected, "{name} {state:?}");
    }
    // The next writer removes what killed ones left, and the store is one that was never disturbed, byte for byte.
    zoo.output("sketch zoo --store store");
    assert_eq!(zoo.output("store verify --store store"), "");
    let left = fs::read_dir(zoo.path("store")).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    assert_eq!(left.filter(|name| name.starts_with('.')).count(), 0);
    assert!(content(&zoo, "store") == content(&zoo, "whole") && content(&zoo, "store").len() == 9);
    for name in ["a1", "b", "alone"] {
        let answer = |store: &str| zoo.run(&format!("query --name {name} --store {store} --format json")).stdout;
        assert_eq!(answer("store"), answer("whole"), "{name}");
    }
}

/// Temporary files of an output, whose writer was killed or lives.
#[test]
fn the_next_writer_of_an_output_removes_what_a_killed_one_left() {
    let zoo = Zoo::two_stars();
    let left = zoo.write(".neural-phylogeny-left.tmp", "half a result");
    let held = zoo.write(".neural-phylogeny-held.tmp", "half a result");
    let file = fs::File::open(&held).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    zoo.output("detect zoo -o result.txt");
    assert!(!left.exists() && held.exists());
    drop(file);
    zoo.output("detect zoo -o result.txt");
    assert_eq!(zoo.beside(), ["result.txt", "zoo"]);
}
