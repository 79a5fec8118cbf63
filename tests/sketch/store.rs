//! Stores of sketches: what is read is what was written, whoever writes beside, and whatever became of the bytes.

use neural_phylogeny::sketch::{Sketch, SketchSettings};
use neural_phylogeny::store::{AddOutcome, SketchStore};
use neural_phylogeny::{Error, InMemory, SourceError};
use proptest::prelude::*;
use std::error::Error as StdError;
use std::fs;
use std::path::PathBuf;

type Outcome = Result<(), Box<dyn StdError>>;

fn model(seed: u32) -> InMemory {
    let values = |n: usize| (0..n).map(|i| ((i as u32 + 7 * seed) as f32).sin()).collect();
    let model = InMemory::new().with_parameter("small", [7, 3], values(21)).unwrap();
    model.with_parameter("large", [100, 30], values(3000)).unwrap().with_parameter("none", [0], Vec::new()).unwrap()
}

fn settings() -> SketchSettings {
    SketchSettings::new().with_width(256)
}

fn sketch(seed: u32) -> Sketch {
    Sketch::compute(&model(seed), &settings()).unwrap()
}

fn new_store() -> (tempfile::TempDir, SketchStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SketchStore::open_or_create(folder.path().join("store"), &settings()).unwrap();
    (folder, store)
}

fn only_entry(store: &SketchStore) -> PathBuf {
    let mut all = fs::read_dir(store.path()).unwrap().map(|e| e.unwrap().path());
    all.find(|p| p.extension().is_some_and(|e| e == "safetensors")).unwrap()
}

fn assert_same(found: &Sketch, expected: &Sketch) -> Outcome {
    assert_eq!(found.listed(), expected.listed());
    assert_eq!((found.seed(), found.width(), found.content()), (expected.seed(), expected.width(), expected.content()));
    for p in expected.listed() {
        assert_eq!(found.moments(&p.name), expected.moments(&p.name));
    }
    assert_eq!(found.squared_distance_to(&[(1.0, expected)])?.0, 0.0);
    Ok(())
}

#[test]
fn what_is_read_is_what_was_added() -> Outcome {
    let (_folder, store) = new_store();
    let (first, empty) = (sketch(1), Sketch::compute(&InMemory::new(), &settings())?);
    assert_eq!(store.add("../a/b", &first)?, AddOutcome::New);
    assert_eq!(store.add("", &empty)?, AddOutcome::New);
    assert_same(&store.get("../a/b")?, &first)?;
    assert_same(&store.get("")?, &empty)?;
    let bytes = fs::read(only_entry(&store))?;
    let entries = SketchStore::open(store.path())?.entries()?;
    assert_eq!(
        entries.iter().map(|e| (e.name.as_str(), e.tensors, e.values)).collect::<Vec<_>>(),
        [("", 0, 0), ("../a/b", 3, 3021)]
    );
    assert_eq!(entries[1].content, first.content());
    assert!(entries.iter().any(|e| e.bytes == bytes.len() as u64));
    assert!(store.verify()?.is_empty());
    store.remove("")?;
    assert!(matches!(store.get(""), Err(Error::UnknownModel { .. })));
    assert!(matches!(store.remove(""), Err(Error::UnknownModel { .. })));
    Ok(())
}

#[test]
fn the_same_sketch_is_the_same_bytes() -> Outcome {
    let folder = tempfile::tempdir()?;
    let saved = |i: usize| -> Result<Vec<u8>, Box<dyn StdError>> {
        let path = folder.path().join(format!("{i}.safetensors"));
        sketch(1).save(&path, "a")?;
        Ok(fs::read(path)?)
    };
    let first = saved(0)?;
    for i in 1..8 {
        assert!(saved(i)? == first, "save {i}");
    }
    Ok(())
}

#[test]
fn another_of_the_name_is_refused_unless_it_replaces() -> Outcome {
    let (_folder, store) = new_store();
    store.add("a", &sketch(1))?;
    assert_eq!(store.add("a", &sketch(1))?, AddOutcome::Unchanged);
    assert!(matches!(store.add("a", &sketch(2)), Err(Error::SketchExists { .. })));
    assert_eq!(store.replace("a", &sketch(2))?, AddOutcome::Replaced);
    assert_eq!(store.replace("a", &sketch(2))?, AddOutcome::Unchanged);
    assert_eq!(store.get("a")?.content(), sketch(2).content());
    let other = Sketch::compute(&model(1), &settings().with_seed(5))?;
    assert!(matches!(store.add("b", &other), Err(Error::SketchSeed { found: 5, expected: 0, .. })));
    let mismatch = SketchStore::open_or_create(store.path(), &settings().with_seed(5));
    assert!(matches!(mismatch, Err(Error::StoreMismatch { .. })));
    Ok(())
}

#[test]
fn of_many_threads_that_add_one_name_one_is_first() -> Outcome {
    let folder = tempfile::tempdir()?;
    let add =
        || SketchStore::open_or_create(folder.path().join("s"), &settings()).unwrap().add("a", &sketch(1)).unwrap();
    let outcomes: Vec<AddOutcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(add)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|a| **a == AddOutcome::New).count(), 1, "{outcomes:?}");
    Ok(())
}

#[test]
fn half_written_files_are_not_seen_and_those_of_killed_writers_are_told() -> Outcome {
    let (_folder, store) = new_store();
    store.add("a", &sketch(1))?;
    let whole = fs::read(only_entry(&store))?;
    let half = store.path().join(".sketch-abc.tmp");
    fs::write(&half, &whole[..whole.len() / 2])?;
    assert_eq!(store.entries()?.len(), 1);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(100_000);
    fs::File::options().write(true).open(&half)?.set_modified(old)?;
    let problems = store.verify()?;
    assert!(matches!(*problems[0].problem, SourceError::Leftover { .. }) && problems.len() == 1);
    // The next writer removes it.
    neural_phylogeny::store::SketchStore::open(store.path())?.add("b", &sketch(2))?;
    assert!(!half.exists() && store.verify()?.is_empty());
    Ok(())
}

#[test]
fn hostile_headers_are_refused() -> Outcome {
    let (_folder, store) = new_store();
    store.add("a", &sketch(1))?;
    let path = only_entry(&store);
    let bytes = fs::read(&path)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let content = sketch(1).content();
    // As many bytes as before, so that the rest of the file still is where the header says.
    for (old, new, part) in [
        ("phylogeny sketch 2", "phylogeny sketch 1", "is not a sketch: found format"),
        (r#""width":"256""#, r#""width":"257""#, "expected a power of two from 256 on"),
        (r#""width":"256""#, r#""width":"512""#, "as its layout and width need"),
        (r#""map":"1-"#, r#""map":"2-"#, "was made with the random map 2-"),
        (r#""seed":"0""#, r#""seed":"x""#, "found seed ("),
        (r#""seed":"0""#, r#""seed":"1""#, "its seed is 1, expected 0"),
        (r#""seed":"#, r#""sead":"#, "no `seed` in its header"),
        (r#""name":"a""#, r#""name":"b""#, "its file name is "),
        (r#"[100,30]"#, r#"[100,31]"#, "finite ones of 3100 values"),
        (r#"[7,3]"#, r#"[3,7]"#, "its content hash is "),
        (r#"\"small\""#, r#"\"inall\""#, "tensors sorted by name"),
        (r#"\"small\",\"F32\""#, r#"\"small\",\"F33\""#, "found dtype `F33`"),
        (&content, &"0".repeat(32), "its content hash is "),
    ] {
        let at = text.find(old).ok_or(old)?;
        let mut changed = bytes.clone();
        let begin = changed.windows(old.len()).position(|w| w == old.as_bytes()).ok_or(old)?;
        assert!(begin <= at && old.len() == new.len());
        changed[begin..begin + old.len()].copy_from_slice(new.as_bytes());
        fs::write(&path, changed)?;
        let said: Vec<String> = store.verify()?.iter().map(|p| p.problem.to_string()).collect();
        assert!(said.len() == 1 && said[0].contains(part), "{new}: {said:?}");
        assert!(matches!(store.entries(), Err(Error::Store { .. })), "{new}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_is_found_or_does_no_harm(at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<bool>()) {
        let (_folder, store) = new_store();
        store.add("a", &sketch(1)).unwrap();
        let path = only_entry(&store);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        fs::write(&path, bytes).unwrap();
        if store.verify().unwrap().is_empty() {
            assert_same(&store.get("a").unwrap(), &sketch(1)).unwrap();
        }
    }
}
