//! One model against a store: what it is derived from, whatever became of the index.

use neural_phylogeny::config::detect_phylogeny_from_sketches;
use neural_phylogeny::model_set::OnUnreadable;
use neural_phylogeny::query::{Answer, Query};
use neural_phylogeny::sketch::{Sketch, SketchSet, SketchSettings};
use neural_phylogeny::store::{Nearest, SketchStore};
use neural_phylogeny::{Config, Error, InMemory, ModelSet, Relation};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn StdError>>;

const ZOO: &str = "tests/data/zoo";

fn noise(seed: u64, size: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..size).map(|_| rng.gen_range(-1.0f32..1.0)).collect()
}

fn moved(parent: &[f32], seed: u64) -> Vec<f32> {
    parent.iter().zip(noise(seed, parent.len())).map(|(w, e)| w + 0.1 * e).collect()
}

fn settings() -> SketchSettings {
    SketchSettings::new().with_width(512)
}

/// A network of two matrices of 60 rows of 50.
fn sketch(weights: &[f32]) -> Sketch {
    let (a, b) = weights.split_at(3000);
    let model = InMemory::new().with_parameter("a.weight", [60, 50], a.to_vec()).unwrap();
    Sketch::compute(&model.with_parameter("b.weight", [60, 50], b.to_vec()).unwrap(), &settings()).unwrap()
}

fn root(seed: u64) -> Vec<f32> {
    noise(seed, 6000)
}

fn new_store() -> (TempDir, SketchStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SketchStore::open_or_create(folder.path().join("store"), &settings()).unwrap();
    (folder, store)
}

/// Roots 1 and 2 with three children each.
fn two_families() -> (TempDir, SketchStore) {
    let (folder, store) = new_store();
    for family in 1..=2 {
        store.add(&format!("root {family}"), &sketch(&root(family))).unwrap();
        for child in 1..=3 {
            store.add(&format!("child {family} {child}"), &sketch(&moved(&root(family), 10 * family + child))).unwrap();
        }
    }
    (folder, store)
}

/// A child of root 1 that is not stored.
fn asked() -> Sketch {
    sketch(&moved(&root(1), 99))
}

fn index(store: &SketchStore) -> PathBuf {
    store.path().join("index.safetensors")
}

fn names(nearest: &Nearest) -> Vec<&str> {
    nearest.kin.iter().map(|n| n.name.as_str()).collect()
}

fn sorted_kin(store: &SketchStore) -> Result<Vec<String>, Error> {
    let nearest = store.nearest(&asked(), 32)?;
    let mut names: Vec<String> = nearest.kin.into_iter().map(|n| n.name).collect();
    names.sort();
    Ok(names)
}

fn parents(answer: &Answer) -> BTreeSet<String> {
    answer.parents().iter().map(|e| answer.phylogeny.name(e.parent).to_owned()).collect()
}

fn ask(store: &SketchStore, sketch: &Sketch) -> Result<Answer, Error> {
    Query::new(store).run("asked", sketch)
}

#[test]
fn the_parent_and_the_siblings_of_a_new_model_are_found() -> Outcome {
    let (_folder, store) = two_families();
    let answer = ask(&store, &asked())?;
    assert_eq!(parents(&answer), BTreeSet::from(["root 1".to_owned()]));
    assert_eq!(answer.parents()[0].relation, Relation::FineTune);
    let siblings: Vec<&str> = answer.siblings().iter().map(|&m| answer.phylogeny.name(m)).collect();
    assert_eq!((siblings.len(), siblings.iter().all(|n| n.starts_with("child 1"))), (3, true));
    assert_eq!((answer.nearest.stored, answer.nearest.related, answer.children().count()), (8, 4, 0));
    assert!(answer.nearest.identical.is_empty() && answer.has_kin());
    assert_eq!(answer.nearest.kin[0].name, "root 1");
    // A tenth of noise of the same size.
    assert!((answer.nearest.kin[0].relative_distance - 0.1).abs() < 0.02);
    Ok(())
}

#[test]
fn children_strangers_and_stored_models_are_told() -> Outcome {
    let (_folder, store) = two_families();
    store.remove("root 2")?;
    let parent = ask(&store, &sketch(&root(2)))?;
    assert_eq!((parent.children().count(), parent.parents().len()), (3, 0));

    let stranger = ask(&store, &sketch(&root(7)))?;
    assert!(!stranger.has_kin() && stranger.nearest.kin.is_empty());
    assert_eq!((stranger.phylogeny.len(), stranger.nearest.stored), (1, 7));

    let stored = Query::new(&store).run("root 1", &store.get("root 1")?)?;
    assert_eq!((stored.children().count(), &stored.nearest.identical[..]), (3, &["root 1".to_owned()][..]));
    store.add("copy", &sketch(&root(1)))?;
    let twice = ask(&store, &sketch(&root(1)))?;
    assert_eq!((twice.children().count(), twice.nearest.identical.len()), (3, 2));
    Ok(())
}

#[test]
fn a_name_that_a_stored_model_has_is_numbered() -> Outcome {
    let (_folder, store) = two_families();
    let answer = Query::new(&store).run("root 1", &asked())?;
    assert_eq!((answer.phylogeny.name(answer.model), parents(&answer).contains("root 1")), ("root 1 (2)", true));
    Ok(())
}

#[test]
fn as_many_as_asked_for_are_opened_nearest_first() -> Outcome {
    let (_folder, store) = two_families();
    let answer = Query::new(&store).with_nearest(2).run("asked", &asked())?;
    assert_eq!((answer.phylogeny.len(), answer.nearest.related, answer.nearest.kin.len()), (3, 4, 2));
    assert!(answer.phylogeny.remarks().iter().any(|r| r.to_string().starts_with("2 more stored models")));
    assert!(parents(&answer).contains("root 1"));
    Ok(())
}

#[test]
fn models_without_a_parameter_or_of_another_layout_are_no_kin() -> Outcome {
    let (_folder, store) = two_families();
    store.add("empty", &Sketch::compute(&InMemory::new(), &settings())?)?;
    let other = InMemory::new().with_parameter("a.weight", [50, 60], root(1)[..3000].to_vec())?;
    store.add("other", &Sketch::compute(&other, &settings())?)?;
    let wrapped = InMemory::new().with_parameter("model.a.weight", [60, 50], root(1)[..3000].to_vec())?;
    store.add("wrapped", &Sketch::compute(&wrapped, &settings())?)?;
    let nearest = store.nearest(&asked(), 32)?;
    assert_eq!((nearest.stored, nearest.related, nearest.read), (11, 5, 11));
    assert_eq!(store.nearest(&asked(), 32)?.read, 0);
    let empty = ask(&store, &Sketch::compute(&InMemory::new(), &settings())?)?;
    assert!(!empty.has_kin() && empty.nearest.identical == ["empty"]);
    Ok(())
}

#[test]
fn another_seed_is_refused() -> Outcome {
    let (_folder, store) = two_families();
    let other = Sketch::compute(
        &InMemory::new().with_parameter("a.weight", [60, 50], noise(1, 3000))?,
        &settings().with_seed(3),
    )?;
    assert!(matches!(store.nearest(&other, 1), Err(Error::SketchSeed { found: 3, expected: 0, .. })));
    Ok(())
}

#[test]
fn a_new_index_is_made_once_and_is_no_entry() -> Outcome {
    let (_folder, store) = two_families();
    assert!(!index(&store).exists());
    let first = store.nearest(&asked(), 32)?;
    assert!((first.read, index(&store).exists(), first.unwritten.is_none()) == (8, true, true));
    let second = store.nearest(&asked(), 32)?;
    assert_eq!((second.read, names(&second)), (0, names(&first)));
    assert_eq!((store.entries()?.len(), store.sketches()?.len(), store.verify()?.len()), (8, 8, 0));
    Ok(())
}

#[test]
fn what_was_added_removed_and_replaced_is_read_and_nothing_else() -> Outcome {
    let (_folder, store) = two_families();
    store.nearest(&asked(), 32)?;
    store.add("child 1 4", &sketch(&moved(&root(1), 77)))?;
    let added = store.nearest(&asked(), 32)?;
    assert_eq!((added.read, added.stored, added.related), (1, 9, 5));
    store.remove("child 1 1")?;
    let removed = store.nearest(&asked(), 32)?;
    assert_eq!((removed.read, removed.stored, removed.related), (0, 8, 4));
    assert!(!names(&removed).contains(&"child 1 1"));
    // Of the same length, and in the same instant or the next.
    store.replace("child 1 2", &sketch(&moved(&root(2), 55)))?;
    let replaced = store.nearest(&asked(), 32)?;
    assert_eq!((replaced.read, replaced.related), (1, 3));
    assert_eq!(store.nearest(&asked(), 32)?.read, 0);
    Ok(())
}

#[test]
fn few_changes_of_a_large_store_are_read_each_time_until_they_are_worth_writing() -> Outcome {
    let (_folder, store) = new_store();
    for i in 0..130 {
        store.add(&format!("model {i}"), &sketch(&root(1000 + i)))?;
    }
    store.nearest(&asked(), 32)?;
    let written = fs::read(index(&store))?;
    store.add("root 1", &sketch(&root(1)))?;
    store.remove("model 7")?;
    for _ in 0..2 {
        let nearest = store.nearest(&asked(), 32)?;
        assert_eq!((nearest.read, nearest.stored, names(&nearest)), (1, 130, vec!["root 1"]));
    }
    assert!(fs::read(index(&store))? == written);
    store.add("root 2", &sketch(&root(2)))?;
    assert_eq!(store.nearest(&asked(), 32)?.read, 2);
    assert_eq!(store.nearest(&asked(), 32)?.read, 0);
    Ok(())
}

#[test]
fn sketches_that_are_not_near_are_not_opened() -> Outcome {
    let (_folder, store) = two_families();
    let before = ask(&store, &asked())?;
    // Nothing of it can be read, and its length, time and place are what they were.
    for path in entries(&store, |name| name.ends_with("2") || name.starts_with("child 2"))? {
        let (time, length) = (fs::metadata(&path)?.modified()?, fs::metadata(&path)?.len());
        fs::write(&path, vec![0xff; length as usize])?;
        fs::File::options().write(true).open(&path)?.set_modified(time)?;
    }
    let after = ask(&store, &asked())?;
    assert_eq!((after.nearest.read, parents(&after)), (0, parents(&before)));
    Ok(())
}

/// Files of the models of some names but those of the family of root 1.
fn entries(store: &SketchStore, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Box<dyn StdError>> {
    let hash = |name: &str| format!("{:032x}.safetensors", xxhash_rust::xxh3::xxh3_128(name.as_bytes()));
    let names = store.entries()?.into_iter().map(|e| e.name).filter(|n| wanted(n) && !n.starts_with("child 1"));
    Ok(names.map(|n| store.path().join(hash(&n))).collect())
}

#[test]
fn a_sketch_that_cannot_be_read_is_told_and_left_out() -> Outcome {
    let (_folder, store) = two_families();
    let path = entries(&store, |name| name == "root 2")?.remove(0);
    fs::write(&path, b"no sketch")?;
    for _ in 0..2 {
        let nearest = store.nearest(&asked(), 32)?;
        assert_eq!((nearest.stored, nearest.related, nearest.unreadable.len()), (7, 4, 1));
        assert_eq!(nearest.unreadable[0].path, path);
    }
    // It may have been the parent, so that an answer without it is given only where that is wanted.
    let refused = ask(&store, &asked()).unwrap_err();
    assert!(refused.to_string().contains(&path.display().to_string()), "{refused}");
    let answer = Query::new(&store).with_on_unreadable(OnUnreadable::Skip).run("asked", &asked())?;
    assert_eq!((answer.nearest.unreadable.len(), parents(&answer)), (1, BTreeSet::from(["root 1".to_owned()])));
    Ok(())
}

#[test]
fn kin_damaged_behind_the_back_of_the_index_is_told_and_the_next_takes_its_place() -> Outcome {
    let (_folder, store) = two_families();
    let before = Query::new(&store).with_nearest(2).run("asked", &asked())?;
    let nearest = &before.nearest.kin[0].name;
    let path = store.path().join(format!("{:032x}.safetensors", xxhash_rust::xxh3::xxh3_128(nearest.as_bytes())));
    let (mut bytes, stamp) = (fs::read(&path)?, fs::metadata(&path)?.modified()?);
    let end = bytes.len() - 5;
    bytes[end] ^= 1;
    fs::write(&path, bytes)?;
    fs::File::options().write(true).open(&path)?.set_modified(stamp)?;
    let query = Query::new(&store).with_nearest(2);
    let refused = query.clone().run("asked", &asked()).unwrap_err();
    assert!(matches!(refused, Error::Store { .. }), "{refused}");
    let answer = query.with_on_unreadable(OnUnreadable::Skip).run("asked", &asked())?;
    assert_eq!((answer.nearest.read, answer.nearest.unreadable.len(), answer.nearest.kin.len()), (0, 1, 2));
    assert_eq!((answer.nearest.unreadable[0].path.as_path(), answer.nearest.related), (path.as_path(), 3));
    assert!(answer.nearest.kin.iter().all(|kin| kin.name != *nearest));
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_entry_that_is_a_link_to_nowhere_is_no_missing_entry() -> Outcome {
    let (_folder, store) = two_families();
    store.nearest(&asked(), 32)?;
    let path = entries(&store, |name| name == "root 2")?.remove(0);
    fs::remove_file(&path)?;
    std::os::unix::fs::symlink("nowhere", &path)?;
    assert_eq!(store.nearest(&asked(), 32)?.unreadable.len(), 1);
    assert!(ask(&store, &asked()).is_err() && store.entries().is_err() && store.get("root 2").is_err());
    assert_eq!((store.readable_sketches()?.1.len(), store.verify()?.len()), (1, 1));
    // Adding finds no sketch and no place for one either. It must not try for ever.
    assert!(store.add("root 2", &asked()).is_err());
    assert!(store.contains("root 2"));
    store.remove("root 2")?;
    assert!(store.verify()?.is_empty());
    Ok(())
}

#[test]
fn a_store_that_cannot_be_written_answers_all_the_same() -> Outcome {
    let (_folder, store) = two_families();
    // A folder in its place, as permissions do not bind every user.
    fs::create_dir(index(&store))?;
    fs::write(index(&store).join("kept"), b"")?;
    for _ in 0..2 {
        let answer = ask(&store, &asked())?;
        assert!(answer.nearest.unwritten.is_some() && parents(&answer).contains("root 1"));
        assert_eq!(answer.nearest.read, 8);
    }
    assert!(store.verify()?.is_empty());
    Ok(())
}

/// An index that is not as it was written costs one more reading of all eight sketches, and no answer.
fn is_made_anew(store: &SketchStore, damaged: &[u8], expected: &[String], told: &str) -> Outcome {
    fs::write(index(store), damaged)?;
    assert_eq!(store.nearest(&asked(), 32)?.read, 8, "{told}");
    assert_eq!(sorted_kin(store)?, expected);
    Ok(())
}

#[test]
fn an_index_cut_off_anywhere_is_made_anew() -> Outcome {
    let (_folder, store) = two_families();
    let expected = sorted_kin(&store)?;
    let bytes = fs::read(index(&store))?;
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into()?) as usize;
    let structural = [0, 1, 7, 8, 9, header - 1, header, header + 1, bytes.len() - 1];
    for length in structural.into_iter().chain((0..bytes.len()).step_by(997)) {
        is_made_anew(&store, &bytes[..length], &expected, &format!("cut at {length}"))?;
        assert_eq!(fs::read(index(&store))?.len(), bytes.len());
    }
    Ok(())
}

#[test]
fn an_index_of_another_version_or_store_is_made_anew() -> Outcome {
    let (_folder, store) = two_families();
    let expected = sorted_kin(&store)?;
    let bytes = fs::read(index(&store))?;
    for (old, new) in [
        ("index 2", "index 3"),
        (r#""map":"1"#, r#""map":"2"#),
        (r#""seed":"0""#, r#""seed":"1""#),
        ("a.weight", "c.weight"),
    ] {
        let mut changed = bytes.clone();
        let at = changed.windows(old.len()).position(|w| w == old.as_bytes()).ok_or(old)?;
        changed[at..at + old.len()].copy_from_slice(new.as_bytes());
        is_made_anew(&store, &changed, &expected, new)?;
    }
    // One that names models the folder does not have, and none of those it has.
    let (_other_folder, other) = new_store();
    other.add("elsewhere", &asked())?;
    other.nearest(&asked(), 1)?;
    fs::copy(index(&other), index(&store))?;
    assert_eq!(sorted_kin(&store)?, expected);
    Ok(())
}

#[test]
fn models_are_added_while_others_ask() -> Outcome {
    let (_folder, store) = two_families();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let store = &store;
            scope.spawn(move || {
                for i in 0..10 {
                    store.add(&format!("late {thread} {i}"), &sketch(&root(500 + 10 * thread + i))).unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(sorted_kin(&store).unwrap().len(), 4);
                }
            });
        }
    });
    assert_eq!(store.nearest(&asked(), 32)?.stored, 28);
    Ok(())
}

#[test]
fn names_and_order_have_no_part_in_the_answer() -> Outcome {
    let (_folder, store) = two_families();
    let (_other_folder, other) = new_store();
    let mut entries = store.sketches()?;
    entries.reverse();
    for (name, sketch) in &entries {
        let renamed: String = name.chars().rev().collect();
        other.add(&renamed, sketch)?;
    }
    let (plain, renamed) = (ask(&store, &asked())?, ask(&other, &asked())?);
    let back = |name: &String| name.chars().rev().collect::<String>();
    assert_eq!(parents(&plain), parents(&renamed).iter().map(back).collect());
    let confidence = |answer: &Answer| answer.parents()[0].confidence.map(f64::to_bits);
    assert_eq!(confidence(&plain), confidence(&renamed));
    let contents = |answer: &Answer| answer.nearest.kin.iter().map(|n| n.content.clone()).collect::<Vec<_>>();
    assert_eq!(contents(&plain), contents(&renamed));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_changed_bit_of_the_index_changes_nothing(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        static STORE: LazyLock<(TempDir, SketchStore, Vec<String>, Vec<u8>)> = LazyLock::new(|| {
            let (folder, store) = two_families();
            let expected = sorted_kin(&store).unwrap();
            let bytes = fs::read(index(&store)).unwrap();
            (folder, store, expected, bytes)
        });
        let (_, store, expected, bytes) = &*STORE;
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= 1 << bit;
        fs::write(index(store), changed).unwrap();
        prop_assert_eq!(&sorted_kin(store).unwrap(), expected);
    }
}

/// A store of the whole zoo.
fn zoo(size: u64) -> Result<(TempDir, SketchStore), Box<dyn StdError>> {
    let folder = tempfile::tempdir()?;
    let store = SketchStore::open_or_create(folder.path().join("store"), &SketchSettings::new().with_size(size))?;
    let models = ModelSet::discover(Path::new(ZOO))?;
    for id in models.ids() {
        store.add(models.name(id), &Sketch::compute(models.source(id), &store.settings())?)?;
    }
    Ok((folder, store))
}

/// Every model of the zoo asked about in turn, as if it were not stored: of how many the parents are not those that detection finds in
/// the whole store.
fn disagreements(store: &SketchStore, count: usize) -> Result<Vec<String>, Box<dyn StdError>> {
    // The likeliest parent of every model, however unsure.
    let config = Config::default().with_minimum_confidence(0.0);
    let whole = detect_phylogeny_from_sketches(&SketchSet::new(store.sketches()?)?, config.clone())?;
    let mut others = Vec::new();
    for model in whole.models() {
        let name = whole.name(model);
        let answer = Query::new(store).with_nearest(count).with_config(config.clone()).run(name, &store.get(name)?)?;
        let expected: BTreeSet<String> = whole.parents(model).iter().map(|e| whole.name(e.parent).to_owned()).collect();
        if parents(&answer) != expected {
            others.push(format!("{name} from {:?}, in the whole store {expected:?}", parents(&answer)));
        }
    }
    assert_eq!(whole.len(), 38);
    Ok(others)
}

#[test]
fn each_model_of_the_zoo_has_the_parents_that_detection_finds_in_the_whole_store() -> Outcome {
    for (size, count) in [(1 << 20, 32), (1 << 20, 8), (128 << 10, 32), (128 << 10, 8)] {
        let (_folder, store) = zoo(size)?;
        let others = disagreements(&store, count)?;
        assert!(others.is_empty(), "sketches of {size} bytes, {count} nearest: {others:#?}");
    }
    Ok(())
}

#[test]
fn a_model_that_is_not_stored_has_the_answer_of_one_that_is() -> Outcome {
    let (_folder, store) = zoo(1 << 20)?;
    for (name, sketch) in store.sketches()?.into_iter().step_by(3) {
        let stored = Query::new(&store).run(&name, &sketch)?;
        let sketch = Sketch::join(&[sketch])?;
        store.remove(&name)?;
        let alone = Query::new(&store).run(&name, &sketch)?;
        store.add(&name, &sketch)?;
        assert_eq!(stored.parents(), alone.parents(), "{name}");
        assert!(stored.nearest.identical.contains(&name) && !alone.nearest.identical.contains(&name));
    }
    Ok(())
}
