//! A disk that becomes full or fails at any step of a writer: nothing half-written is seen, and nothing else is lost.

use super::{AddOutcome, SketchStore};
use crate::bytes::faults::{EIO, ENOSPC, Failing, Faults};
use crate::error::Error;
use crate::sketch::{Sketch, SketchSettings};
use crate::source::InMemory;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn settings() -> SketchSettings {
    SketchSettings::new().with_width(256)
}

/// A sketch of a model whose values depend on a number.
fn sketch(seed: u32) -> Sketch {
    let values = (0..3000u32).map(|i| ((i.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503)) % 1000) as f32);
    let model = InMemory::new().with_parameter("w.weight", [60, 50], values.collect()).unwrap();
    Sketch::compute(&model, &settings()).unwrap()
}

fn store() -> (TempDir, SketchStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SketchStore::open_or_create(folder.path().join("store"), &settings()).unwrap();
    for seed in 1..=3 {
        store.add(&format!("model {seed}"), &sketch(seed)).unwrap();
    }
    (folder, store)
}

/// What a store holds: names and contents.
fn held(store: &SketchStore) -> Vec<(String, String)> {
    store.entries().unwrap().into_iter().map(|entry| (entry.name, entry.content)).collect()
}

/// Does something once for each step that it takes, each time on a disk that fails at this step in one of four ways.
///
/// `act` begins at the same state each time, and gets the disk's number of failures after it acted.
fn at_each_step(folder: &Path, before: impl Fn(), act: impl Fn(), after: impl Fn(usize)) -> usize {
    before();
    let counted = {
        let faults = Faults::new(folder, Failing::None, EIO);
        act();
        faults.steps()
    };
    let mut tried = 0;
    for at in 0..counted {
        for failing in [Failing::Once(at), Failing::From(at)] {
            for error in [ENOSPC, EIO] {
                before();
                let faults = Faults::new(folder, failing, error);
                act();
                let failed = faults.failed();
                drop(faults);
                after(failed);
                tried += 1;
            }
        }
    }
    assert!(tried > 0, "no step was taken");
    eprintln!("{counted} steps, {tried} faults");
    tried
}

/// Names in the folder of a store that are neither entries nor its own files.
fn strays(store: &SketchStore) -> Vec<String> {
    let names = fs::read_dir(store.path()).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn adding_adds_whole_or_not_at_all() {
    let (_folder, store) = store();
    let before = held(&store);
    let whole: Vec<_> = before.iter().cloned().chain([("new".to_owned(), sketch(9).content())]).collect();
    let tried = at_each_step(
        store.path(),
        || drop(store.remove("new")),
        || match store.add("new", &sketch(9)) {
            Ok(added) => assert_eq!((added, held(&store)), (AddOutcome::New, whole.clone())),
            Err(error) => {
                assert!(matches!(error, Error::StoreWrite { .. }), "{error}");
                assert_eq!(held(&store), before);
            }
        },
        |failed| {
            assert!(failed > 0 && strays(&store).is_empty() && store.verify().unwrap().is_empty());
            store.add("new", &sketch(9)).unwrap();
            assert_eq!(held(&store), whole);
        },
    );
    assert!(tried >= 16, "{tried}");
}

#[test]
fn replacing_leaves_the_old_sketch_or_the_new_one() {
    let (_folder, store) = store();
    let name = "model 2";
    let of = |seed: u32| {
        let content = |n: u32| sketch(if n == 2 { seed } else { n }).content();
        (1..=3).map(|n| (format!("model {n}"), content(n))).collect::<Vec<_>>()
    };
    at_each_step(
        store.path(),
        || _ = store.replace(name, &sketch(2)).unwrap(),
        || match store.replace(name, &sketch(9)) {
            Ok(_) => assert_eq!(held(&store), of(9)),
            Err(_) => assert_eq!(held(&store), of(2)),
        },
        |failed| assert!(failed > 0 && strays(&store).is_empty() && store.verify().unwrap().is_empty()),
    );
}

#[test]
fn a_sketch_that_cannot_be_removed_stays() {
    let (_folder, store) = store();
    let before = held(&store);
    at_each_step(
        store.path(),
        || _ = store.replace("model 1", &sketch(1)).unwrap(),
        || match store.remove("model 1") {
            Ok(()) => assert_eq!(held(&store), before[1..]),
            Err(error) => {
                // A full disk refuses no removal, so that only the single fault is seen here.
                assert!(matches!(error, Error::StoreWrite { .. }), "{error}");
                assert_eq!(held(&store), before);
            }
        },
        |_| assert!(store.verify().unwrap().is_empty()),
    );
}

#[test]
fn a_search_answers_the_same_when_the_index_cannot_be_written() {
    let (_folder, store) = store();
    let index = store.path().join("index.safetensors");
    let near = |store: &SketchStore| {
        let nearest = store.nearest(&sketch(1), 8).unwrap();
        (nearest.identical, nearest.stored, nearest.comparable, nearest.related)
    };
    let expected = near(&store);
    assert_eq!((expected.0.as_slice(), expected.1), (&["model 1".to_owned()][..], 3));
    for is_old_index in [false, true] {
        at_each_step(
            store.path(),
            || {
                let _ = fs::remove_file(&index);
                // An index that lacks most of the sketches is written anew too.
                if is_old_index {
                    (2..=3).for_each(|seed| store.remove(&format!("model {seed}")).unwrap());
                    store.nearest(&sketch(1), 8).unwrap();
                    (2..=3).for_each(|seed| _ = store.add(&format!("model {seed}"), &sketch(seed)).unwrap());
                }
            },
            || {
                let unwritten = store.nearest(&sketch(1), 8).unwrap().unwritten;
                // Whatever became of the file, the next search finds the same.
                assert_eq!(near(&store), expected, "{unwritten:?}");
            },
            |failed| {
                assert!(failed > 0 && strays(&store).is_empty());
                assert_eq!(near(&store), expected);
                assert_eq!(store.nearest(&sketch(1), 8).unwrap().read, 0);
            },
        );
    }
}

#[test]
fn a_store_that_cannot_be_made_is_made_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("store");
    at_each_step(
        &place,
        || drop(fs::remove_dir_all(&place)),
        || drop(SketchStore::open_or_create(&place, &settings())),
        |failed| {
            assert!(failed > 0);
            // What is there is a whole store or none.
            let store = SketchStore::open_or_create(&place, &settings()).unwrap();
            store.add("a", &sketch(1)).unwrap();
            assert_eq!((held(&store).len(), strays(&store).len()), (1, 0));
        },
    );
}

#[test]
fn a_saved_sketch_is_the_old_one_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sketch");
    let content = || Sketch::open(&path).unwrap().content();
    at_each_step(
        folder.path(),
        || sketch(1).save(&path, "a").unwrap(),
        || {
            let expected = sketch(if sketch(2).save(&path, "a").is_ok() { 2 } else { 1 }).content();
            assert_eq!(content(), expected);
        },
        |failed| assert!(failed > 0 && fs::read_dir(folder.path()).unwrap().count() == 1),
    );
}

#[cfg(unix)]
#[test]
fn what_killed_writers_left_is_removed_by_the_next_writer_and_that_of_living_ones_stays() {
    let (_folder, store) = store();
    let left = store.path().join(".sketch-left.tmp");
    let written = |store: &SketchStore| _ = store.replace("model 1", &sketch(7)).unwrap();
    let searched = |store: &SketchStore| {
        fs::remove_file(store.path().join("index.safetensors")).unwrap();
        drop(store.nearest(&sketch(1), 8).unwrap());
    };
    let removed = |store: &SketchStore| store.remove("model 3").unwrap();
    store.nearest(&sketch(1), 8).unwrap();
    for write in [&written as &dyn Fn(&SketchStore), &searched, &removed] {
        fs::write(&left, b"half a sketch").unwrap();
        assert_eq!(store.verify().unwrap().len(), 1);
        // Another process opens the store for itself.
        write(&SketchStore::open(store.path()).unwrap());
        assert!(!left.exists());
        assert!(store.verify().unwrap().is_empty());
    }
    // One that somebody holds is being written.
    fs::write(&left, b"half a sketch").unwrap();
    let held = fs::File::open(&left).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    written(&SketchStore::open(store.path()).unwrap());
    assert!(left.exists() && store.verify().unwrap().is_empty());
}
