//! Stored formats against files in `tests/golden/store` that an earlier build wrote: sketches, settings and index of a store, and
//! partial sums. `tests/golden/store/README.md` says when and how to write them anew.

use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::model_set::Position;
use neural_phylogeny::sketch::{Sketch, SketchSettings};
use neural_phylogeny::store::{AddOutcome, SketchStore};
use neural_phylogeny::{Error, InMemory, ModelId, ModelSet, SourceError};
use safetensors::SafeTensors;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Hashes of both models: of their names, shapes and values, whatever stores them.
const CONTENT: [(&str, &str); 2] =
    [("child", "e5b0aadb861a734691e948daa8316c4b"), ("parent", "fe30f912f19c65e6390df8683baf313f")];

/// `‖child − parent‖²` from their sketches.
const SQUARED_DISTANCE: f64 = 41_826.793_627_733_47;

/// Bytes of the values that both sketches and the index hold.
const VALUES: usize = 32 << 10;

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/store").join(file)
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// Numbers in [−1, 1) that are the same on every machine: multiples of 2⁻²³, exact in f32.
fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    })
}

/// Shapes on either side of every bound of the formats.
fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes: Vec<(String, Vec<usize>)> = [
        // Two jobs.
        ("big", vec![513, 512]),
        // Tall by one row: cut into segments; and not tall.
        ("embed", vec![351, 100]),
        ("square", vec![350, 100]),
        // Rows as few as sketches keep lines of, and one fewer.
        ("lines", vec![8, 64]),
        ("short", vec![7, 64]),
        // As few values as an index takes for a matrix, and one fewer.
        ("least", vec![8, 8]),
        ("less", vec![9, 7]),
        ("bias", vec![64]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape))
    .into();
    for layer in 0..8 {
        shapes.push((format!("layers.{layer}.down"), vec![16, 16]));
        shapes.push((format!("layers.{layer}.up"), vec![16, 16]));
    }
    shapes
}

fn model(name: &str) -> Result<InMemory, SourceError> {
    let mut source = InMemory::new();
    for (seed, (parameter, shape)) in (1..).zip(shapes()) {
        let size = shape.iter().product();
        // Apart by so much of the squared norm that the pass reads one as a difference from the other, but only just.
        let moved = if name == "child" { 0.625 } else { 0.0 };
        let values = noise(seed).zip(noise(1000 + seed)).map(|(w, e)| w + moved * e).take(size).collect();
        source = source.with_parameter(parameter, &shape, values)?;
    }
    Ok(source)
}

fn settings() -> SketchSettings {
    SketchSettings::new().with_width(256).with_seed(7).with_threads(1)
}

fn sketch(name: &str) -> Result<Sketch, Error> {
    let source = model(name).map_err(|source| Error::of_model(name, source))?;
    Sketch::compute(&source, &settings())
}

/// A copy of the golden store, to be written to.
fn store() -> Result<(tempfile::TempDir, SketchStore), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    for entry in fs::read_dir(golden("sketches"))? {
        let entry = entry?;
        fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
    }
    let store = SketchStore::open(folder.path())?;
    Ok((folder, store))
}

/// A tensor of a safetensors file, as bytes.
fn tensor(file: &[u8], name: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    Ok(SafeTensors::deserialize(file)?.tensor(name)?.data().to_vec())
}

fn metadata(file: &[u8]) -> Result<std::collections::HashMap<String, String>, Box<dyn std::error::Error>> {
    Ok(SafeTensors::read_metadata(file)?.1.metadata().clone().ok_or("no metadata")?)
}

/// Whether numbers agree but for the last bits, which may differ between processors.
fn agree(a: &[u8], b: &[u8]) -> bool {
    let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let near = |(a, b): (&[u8], &[u8])| (number(a) - number(b)).abs() <= 1e-9 * number(a).abs().max(1e-3);
    a.len() == b.len() && a.chunks_exact(8).zip(b.chunks_exact(8)).all(near)
}

#[test]
fn an_index_has_a_checksum_for_every_64_rows() -> Outcome {
    let of = |models: u64| -> Result<usize, Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let store = SketchStore::open_or_create(folder.path(), &settings())?;
        let sketch = |seed| -> Result<Sketch, Box<dyn std::error::Error>> {
            let source = InMemory::new().with_parameter("w", [8, 8], noise(seed).take(64).collect())?;
            Ok(Sketch::compute(&source, &settings())?)
        };
        for seed in 0..models {
            store.add(&format!("m{seed}"), &sketch(seed)?)?;
        }
        store.nearest(&sketch(0)?, 1)?;
        Ok(tensor(&fs::read(folder.path().join("index.safetensors"))?, "checksums")?.len() / 8)
    };
    assert_eq!((of(64)?, of(65)?), (1, 2));
    Ok(())
}

#[test]
fn stored_sketches_are_read_and_made_again() -> Outcome {
    if updating() {
        let _ = fs::remove_dir_all(golden("sketches"));
        let store = SketchStore::open_or_create(golden("sketches"), &settings())?;
        for (name, _) in CONTENT {
            store.add(name, &sketch(name)?)?;
        }
        store.nearest(&sketch("child")?, 8)?;
    }
    let (folder, store) = store()?;
    assert!(store.verify()?.is_empty());
    let entries = store.entries()?;
    let found: Vec<(&str, &str)> = entries.iter().map(|e| (e.name.as_str(), e.content.as_str())).collect();
    assert_eq!(found, CONTENT);
    for (name, _) in CONTENT {
        let made = sketch(name)?;
        assert_eq!(store.add(name, &made)?, AddOutcome::Unchanged);
        assert_eq!(made.squared_distance_to(&[(1.0, &store.get(name)?)])?.0, 0.0, "{name}");
        let path = folder.path().join("made");
        made.save(&path, name)?;
        let (made, stored) = (fs::read(path)?, fs::read(entry(&store, name)?)?);
        for exact in ["values", "fingerprints"] {
            assert!(tensor(&made, exact)? == tensor(&stored, exact)?, "{exact} of {name}");
        }
        assert!(agree(&tensor(&made, "moments")?, &tensor(&stored, "moments")?), "moments of {name}");
        for key in ["format", "map", "name", "seed", "width", "content", "layout"] {
            assert_eq!(metadata(&made)?.get(key), metadata(&stored)?.get(key), "{key} of {name}");
        }
        assert!(tensor(&stored, "values")?.len() <= VALUES);
    }
    let (squared, _) = store.get("child")?.squared_distance_to(&[(1.0, &store.get("parent")?)])?;
    assert!((squared / SQUARED_DISTANCE - 1.0).abs() < 1e-12, "{squared}");
    Ok(())
}

/// The file of a model in a store.
fn entry(store: &SketchStore, name: &str) -> Result<PathBuf, Box<dyn std::error::Error>> {
    for file in fs::read_dir(store.path())? {
        let path = file?.path();
        let is_entry =
            path.extension().is_some_and(|e| e == "safetensors") && path.file_stem().is_some_and(|s| s.len() == 32);
        if is_entry && metadata(&fs::read(&path)?)?.get("name").is_some_and(|found| found == name) {
            return Ok(path);
        }
    }
    Err(format!("no file of {name}").into())
}

#[test]
fn an_index_is_made_as_the_stored_one_was() -> Outcome {
    let (folder, store) = store()?;
    let stored = fs::read(golden("sketches/index.safetensors"))?;
    let nearest = store.nearest(&sketch("child")?, 8)?;
    assert_eq!((nearest.identical, nearest.kin.len()), (vec!["child".to_owned()], 1));
    let parent = &nearest.kin[0];
    assert_eq!((parent.name.as_str(), parent.content.as_str()), CONTENT[1]);
    assert!((parent.relative_distance - 0.58).abs() < 0.05 && parent.z > 20.0, "{parent:?}");

    // Copied files have other times and numbers, so that this is one that was just made.
    assert_eq!(nearest.read, 2);
    let made = fs::read(folder.path().join("index.safetensors"))?;
    for exact in ["names", "values"] {
        assert!(tensor(&made, exact)? == tensor(&stored, exact)?, "{exact}");
    }
    assert!(agree(&tensor(&made, "moments")?, &tensor(&stored, "moments")?));
    assert_eq!(tensor(&made, "checksums")?.len(), tensor(&stored, "checksums")?.len());
    for key in ["format", "map", "seed", "layouts"] {
        assert_eq!(metadata(&made)?.get(key), metadata(&stored)?.get(key), "{key}");
    }
    Ok(())
}

#[test]
fn checksums_of_an_index_are_of_64_models_each() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = SketchStore::open_or_create(folder.path(), &settings())?;
    for m in 0..66u8 {
        let tiny = InMemory::new().with_parameter("w", [2], vec![f32::from(m), 1.0])?;
        store.add(&format!("m{m}"), &Sketch::compute(&tiny, &settings())?)?;
    }
    store.nearest(&Sketch::compute(&InMemory::new(), &settings())?, 1)?;
    let index = fs::read(folder.path().join("index.safetensors"))?;
    assert_eq!((tensor(&index, "rows")?.len(), tensor(&index, "checksums")?.len()), (66 * 6 * 8, 2 * 8));
    Ok(())
}

#[test]
fn sketches_of_another_map_are_refused() -> Outcome {
    let (_folder, store) = store()?;
    let settings = store.path().join("sketches.json");
    let map = metadata(&fs::read(entry(&store, "child")?)?)?["map"].clone();
    let (version, digest) = map.split_once('-').ok_or("no digest")?;
    let other = format!("{version}-{}", digest.chars().rev().collect::<String>());
    let told = |error: &dyn std::error::Error| {
        error.to_string().contains(&format!("made with the random map {other}, expected {map}"))
    };

    let path = entry(&store, "child")?;
    let bytes = fs::read(&path)?;
    let at = bytes.windows(map.len()).position(|w| w == map.as_bytes()).ok_or("no map")?;
    let changed = [&bytes[..at], other.as_bytes(), &bytes[at + map.len()..]].concat();
    fs::write(&path, changed)?;
    match store.get("child") {
        Err(Error::Store { source }) => assert!(told(&source), "{source}"),
        other => panic!("{other:?}"),
    }
    let text = fs::read_to_string(&settings)?;
    fs::write(&settings, text.replace(&map, &other))?;
    match SketchStore::open(store.path()) {
        Err(Error::Store { source }) => assert!(told(&source), "{source}"),
        other => panic!("{other:?}"),
    }
    Ok(())
}

/// Computes until so many values are read, of which those that partial sums hold are the first.
fn compute(file: Option<&Path>, until: u64) -> Result<(Result<Geometry, Error>, u64), Box<dyn std::error::Error>> {
    let models =
        CONTENT.into_iter().try_fold(ModelSet::builder(), |set, (name, _)| Ok(set.with_model(name, model(name)?)));
    let models = models.map_err(|e: SourceError| e.to_string())?.build()?;
    let first = Arc::new(AtomicU64::new(u64::MAX));
    let least = first.clone();
    let observer = move |p: neural_phylogeny::geometry::Progress| {
        least.fetch_min(p.read, Ordering::Relaxed);
        if p.read > until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let settings = GeometrySettings::new().with_memory(16 << 20).with_threads(1).with_observer(observer);
    let settings = match file {
        Some(file) => settings.with_resume_file(file).with_resume_every(Duration::ZERO),
        None => settings,
    };
    let outcome = Geometry::compute(&models, &settings);
    Ok((outcome, first.load(Ordering::Relaxed)))
}

#[test]
fn stored_partial_sums_are_continued() -> Outcome {
    // Both models' bias, and the first of two jobs of `big`.
    const KEPT: u64 = 2 * (64 + (1 << 18));
    if updating() {
        let _ = fs::remove_file(golden("partial-sums"));
        let (outcome, _) = compute(Some(&golden("partial-sums")), KEPT)?;
        assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("partial-sums");
    fs::copy(golden("partial-sums"), &file)?;
    assert_eq!(metadata(&fs::read(&file)?)?["done"], "2");

    let (continued, first) = compute(Some(&file), u64::MAX)?;
    let (continued, whole) = (continued?, compute(None, u64::MAX)?.0?);
    assert!(first > KEPT, "{first} values were read, those of the partial sums are {KEPT}");
    let [a, b] = [0, 1].map(ModelId::new);
    let near = |x: f64, y: f64| (x / y - 1.0).abs() < 1e-12;
    let (found, expected) = (continued.compare(&[a, b])?, whole.compare(&[a, b])?);
    for (found, expected) in found.parameters().iter().zip(expected.parameters()) {
        let (name, [x, y]) =
            (found.name(), [found, expected].map(|p| p.squared_distance(Position::FIRST, Position::SECOND)));
        let [of_found, of_expected] = [found, expected].map(|p| p.squared_norm(Position::FIRST));
        assert!(near(x, y) && near(of_found, of_expected), "{name}: {x} {y}");
    }
    assert!(!continued.identical(a, b) && !file.exists());
    Ok(())
}
