//! Distances and kinship that a geometry of sketches computes when they are asked for.

use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::model_set::Position;
use neural_phylogeny::sketch::{Sketch, SketchSet, SketchSettings};
use neural_phylogeny::store::SketchStore;
use neural_phylogeny::{Error, InMemory, ModelId, SourceError};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type TestResult = Result<(), Box<dyn std::error::Error>>;

const SHAPE: [usize; 2] = [128, 64];
const SIZE: usize = SHAPE[0] * SHAPE[1];

/// Two matrices wider than any sketch here, and a vector that all of them hold whole.
fn sketch(weights: &[f32]) -> Result<Sketch, Error> {
    let model = InMemory::new()
        .with_parameter("a", SHAPE, weights[..SIZE].to_vec())
        .and_then(|m| m.with_parameter("b", SHAPE, weights[SIZE..2 * SIZE].to_vec()))
        .and_then(|m| m.with_parameter("c", [64], weights[2 * SIZE..].to_vec()))
        .map_err(|source| Error::of_model("generated", source))?;
    Sketch::compute(&model, &SketchSettings::new().with_width(1024))
}

fn weights(rng: &mut ChaCha8Rng) -> Vec<f32> {
    // Not of mean zero: what means add to inner products is no kinship.
    (0..2 * SIZE + 64).map(|_| rng.gen_range(-1.0f32..1.5)).collect()
}

/// So many families of three: two children moved by a third of the root.
fn families(count: usize) -> Result<Vec<(String, Sketch)>, Error> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut all = Vec::new();
    for f in 0..count {
        let root = weights(&mut rng);
        all.push((format!("{f}"), sketch(&root)?));
        for c in 0..2 {
            let child: Vec<f32> = root.iter().map(|w| w + rng.gen_range(-0.3f32..0.3)).collect();
            all.push((format!("{f}.{c}"), sketch(&child)?));
        }
    }
    Ok(all)
}

fn family(m: ModelId) -> usize {
    m.index() / 3
}

#[test]
fn a_distance_is_the_same_whoever_else_was_asked_about() -> TestResult {
    let set = SketchSet::new(families(5)?)?;
    let geometry = Geometry::of_sketches(&set, &GeometrySettings::new())?;
    let all = geometry.models().to_vec();
    let alone = |g: &Geometry| -> Vec<Option<u64>> {
        let pairs = all.iter().flat_map(|&a| all.iter().map(move |&b| (a, b)));
        pairs.map(|(a, b)| g.squared_distance(a, b).map(f64::to_bits)).collect()
    };
    let before = alone(&geometry);
    let comparison = geometry.compare(&all)?;
    let matrix = comparison.squared_distances();
    assert_eq!(alone(&geometry), before);
    let few: Vec<ModelId> = all.iter().copied().rev().step_by(3).collect();
    let other = Geometry::of_sketches(&set, &GeometrySettings::new().with_threads(1))?;
    let of_few = other.compare(&few)?;
    assert_eq!(alone(&other), before);
    for (i, a) in Position::all(few.len()).zip(&few) {
        for (j, b) in Position::all(few.len()).zip(&few) {
            let place = |m: &ModelId| all.iter().position(|o| o == m).unwrap();
            assert_eq!(of_few.squared_distance(i, j), matrix[(place(a), place(b))]);
            assert_eq!(Some(of_few.squared_distance_error(i, j)), geometry.squared_distance_error(*a, *b));
        }
    }
    Ok(())
}

#[test]
fn kinship_is_told_with_as_little_memory_as_there_may_be() -> TestResult {
    let set = SketchSet::new(families(60)?)?;
    // The least setting leaves room for one matrix, folded to a quarter.
    for memory in [1 << 30, 1 << 20] {
        let geometry = Geometry::of_sketches(&set, &GeometrySettings::new().with_memory(memory))?;
        let independence = geometry.independence();
        let (mut squares, mut strangers) = (0.0, 0);
        for &a in geometry.models() {
            for &b in geometry.models().iter().filter(|b| b.index() < a.index()) {
                let z = independence.z(a, b).ok_or("a score")?;
                if family(a) == family(b) {
                    assert!(independence.related(a, b, 1e-3), "{memory}: {z}");
                } else {
                    assert!(!independence.related(a, b, 1e-3), "{memory}: {z}");
                    (squares, strangers) = (squares + z * z, strangers + 1);
                }
            }
        }
        // The median of two is their mean, of half the variance; 16,000 scores fix a variance to some percent.
        let (variance, expected) = (squares / f64::from(strangers), if memory == 1 << 20 { 1.0 } else { 0.5 });
        assert!((variance / expected - 1.0).abs() < 0.1, "{memory}: {variance}, expected {expected}");
    }
    Ok(())
}

#[test]
fn too_little_memory_says_how_much_is_needed() -> TestResult {
    let one = families(1)?;
    let many: Vec<(String, Sketch)> = (0..500).map(|i| (i.to_string(), one[i % 3].1.clone())).collect();
    let set = SketchSet::new(many)?;
    let of = |memory| Geometry::of_sketches(&set, &GeometrySettings::new().with_memory(memory));
    let Err(Error::MemoryTooSmall { found, expected, models: 500 }) = of(1 << 20) else {
        return Err("z-scores of 500 models do not fit into half a mebibyte".into());
    };
    assert!(found == 1 << 20 && expected > found && expected < 3 << 20, "{expected}");
    assert!(of(expected).is_ok());
    let geometry = of(expected)?;
    let Err(Error::MemoryTooSmall { expected: more, .. }) = geometry.compare(geometry.models()) else {
        return Err("nor do distances of three parameters".into());
    };
    assert!(of(more).and_then(|g| g.compare(g.models()).map(|c| c.len())).is_ok_and(|n| n == 500));
    Ok(())
}

#[test]
fn a_sketch_that_is_gone_is_an_error_and_no_missing_distance() -> TestResult {
    let folder = tempfile::tempdir()?;
    let store = SketchStore::open_or_create(folder.path(), &SketchSettings::new().with_width(1024))?;
    for (name, sketch) in families(2)? {
        store.add(&name, &sketch)?;
    }
    let set = SketchSet::new(store.sketches()?)?;
    let geometry = Geometry::of_sketches(&set, &GeometrySettings::new())?;
    let all = geometry.models().to_vec();
    for entry in std::fs::read_dir(folder.path())? {
        let path = entry?.path();
        if std::fs::metadata(&path)?.len() > 4096 {
            std::fs::OpenOptions::new().write(true).open(path)?.set_len(4096)?;
        }
    }
    let error = geometry.compare(&all).unwrap_err();
    assert!(
        matches!(&error, Error::Source { source, .. } if matches!(**source, SourceError::Truncated { .. })),
        "{error:?}"
    );
    assert_eq!(geometry.squared_distance(all[0], all[1]), None);
    Ok(())
}
