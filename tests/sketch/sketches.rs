//! Sketches against the models they were made from.

use neural_phylogeny::config::detect_phylogeny_from_sketches;
use neural_phylogeny::detect::LineageDetector;
use neural_phylogeny::evaluate::Truth;
use neural_phylogeny::evidence::LineState;
use neural_phylogeny::geometry::{Geometry, GeometrySettings, Progress, Scope};
use neural_phylogeny::model_set::Position;
use neural_phylogeny::parent::Precedence;
use neural_phylogeny::sketch::{Sketch, SketchSet, SketchSettings};
use neural_phylogeny::{
    Config, Error, InMemory, ModelId, ModelSet, ParameterSource, Phylogeny, PhylogenyDetector, SourceError,
    detect_phylogeny, evaluate,
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::fs::File;
use std::ops::ControlFlow;

type TestResult = Result<(), Box<dyn std::error::Error>>;

const ZOO: [&str; 3] = ["tests/data/zoo/diffusion", "tests/data/zoo/llama", "tests/data/zoo/mlp"];

fn noise(seed: u64, size: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..size).map(|_| rng.gen_range(-1.0f32..1.0)).collect()
}

fn moved(parent: &[f32], movement: f32, seed: u64) -> Vec<f32> {
    parent.iter().zip(noise(seed, parent.len())).map(|(w, e)| w + movement * e).collect()
}

/// A matrix of 300 rows of 200 and a vector.
fn model(matrix: Vec<f32>) -> InMemory {
    let bias = noise(99, 200);
    InMemory::new().with_parameter("w", [300, 200], matrix).unwrap().with_parameter("b", [200], bias).unwrap()
}

fn narrow() -> SketchSettings {
    SketchSettings::new().with_width(512)
}

fn sketches(models: &ModelSet, settings: &SketchSettings) -> Result<Vec<(String, Sketch)>, Error> {
    models.ids().map(|id| Ok((models.name(id).to_owned(), Sketch::compute(models.source(id), settings)?))).collect()
}

fn squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum()
}

#[test]
fn distances_are_off_by_what_is_stated_however_near_models_are() -> TestResult {
    let parent = noise(1, 60_000);
    for movement in [1.0, 1e-2, 1e-4] {
        let child = moved(&parent, movement, 2);
        let exact = squared(&parent, &child);
        let mut sum = 0.0;
        for seed in 0..40 {
            let settings = narrow().with_seed(seed);
            let (a, b) = (
                Sketch::compute(&model(parent.clone()), &settings)?,
                Sketch::compute(&model(child.clone()), &settings)?,
            );
            let (found, error) = a.squared_distance_to(&[(1.0, &b)])?;
            sum += ((found - exact) / error).powi(2);
        }
        // A variance estimated from 40 draws is within 65 percent in all but one of a thousand.
        let rms: f64 = (sum / 40.0f64).sqrt();
        assert!(rms > 0.6 && rms < 1.4, "movement {movement}: {rms} standard errors");
    }
    Ok(())
}

#[test]
fn a_merge_is_at_no_distance_from_the_combination_of_its_parents() -> TestResult {
    let (a, b) = (noise(1, 60_000), noise(2, 60_000));
    let merge: Vec<f32> = a.iter().zip(&b).map(|(x, y)| 0.3 * x + 0.7 * y).collect();
    let of = |weights: &[f32]| Sketch::compute(&model(weights.to_vec()), &narrow());
    let (sketch, of_a, of_b) = (of(&merge)?, of(&a)?, of(&b)?);
    // The bias is the same in all three.
    let (near, _) = sketch.squared_distance_to(&[(0.3, &of_a), (0.7, &of_b)])?;
    let (far, _) = sketch.squared_distance_to(&[(0.7, &of_a), (0.3, &of_b)])?;
    assert!(near < 1e-6 && far > 1e3, "{near} {far}");
    Ok(())
}

#[test]
fn sketches_of_shards_join_to_that_of_the_model() -> TestResult {
    let whole = Sketch::compute(&model(noise(1, 60_000)), &narrow())?;
    let matrix = InMemory::new().with_parameter("w", [300, 200], noise(1, 60_000))?;
    let bias = InMemory::new().with_parameter("b", [200], noise(99, 200))?;
    let parts = [Sketch::compute(&matrix, &narrow())?, Sketch::compute(&bias, &narrow())?];
    let joined = Sketch::join(&parts)?;
    assert_eq!(joined.squared_distance_to(&[(1.0, &whole)])?, (0.0, 0.0));
    assert_eq!(joined.moments("w"), whole.moments("w"));
    assert_eq!(joined.listed(), whole.listed());

    let twice = Sketch::join(&[parts[0].clone(), parts[0].clone()]);
    assert!(matches!(twice, Err(SourceError::DuplicateParameter { parameter }) if parameter == "w"));
    let other = Sketch::compute(&bias, &narrow().with_seed(1))?;
    assert!(matches!(Sketch::join(&[parts[0].clone(), other]), Err(SourceError::SketchMismatch { .. })));
    assert!(matches!(Sketch::join(&[]), Err(SourceError::SketchMismatch { .. })));
    Ok(())
}

#[test]
fn norms_and_moments_are_exact_and_identical_models_are_told() -> TestResult {
    let parent = noise(1, 60_000);
    let models = ModelSet::builder()
        .with_model("parent", model(parent.clone()))
        .with_model("copy", model(parent.clone()))
        .with_model("child", model(moved(&parent, 1e-3, 2)))
        .build()?;
    let settings = GeometrySettings::new().with_scope(Scope::All);
    let exact = Geometry::compute(&models, &settings)?;
    let sketched = Geometry::of_sketches(&SketchSet::new(sketches(&models, &narrow())?)?, &settings)?;
    for id in models.ids() {
        assert!((exact.norm(id) / sketched.norm(id) - 1.0).abs() < 1e-12);
    }
    let (parent, copy, child) = (ModelId::new(0), ModelId::new(1), ModelId::new(2));
    assert!(sketched.identical(parent, copy) && !sketched.identical(parent, child));
    assert_eq!(
        (sketched.squared_distance(parent, copy), sketched.distance_error(parent, copy)),
        (Some(0.0), Some(0.0))
    );
    let (distance, error) =
        (sketched.distance(parent, child).unwrap(), sketched.distance_error(parent, child).unwrap());
    assert!(error > 0.0 && (distance - exact.distance(parent, child).unwrap()).abs() < 4.0 * error);
    assert_eq!(exact.distance_error(parent, child), Some(0.0));
    Ok(())
}

#[test]
fn strangers_are_not_kin_and_children_are_whatever_the_size() -> TestResult {
    let roots: Vec<Vec<f32>> = (0..3).map(|seed| noise(seed, 60_000)).collect();
    let mut builder = ModelSet::builder();
    for (r, root) in roots.iter().enumerate() {
        builder = builder.with_model(format!("root {r}"), model(root.clone()));
        for c in 0..3 {
            builder = builder.with_model(format!("child {r} {c}"), model(moved(root, 0.2, 10 + 3 * r as u64 + c)));
        }
    }
    let models = builder.build()?;
    for width in [256, 1024, 8192] {
        let set = SketchSet::new(sketches(&models, &SketchSettings::new().with_width(width))?)?;
        let found = detect_phylogeny_from_sketches(&set, Config::default())?;
        assert_eq!(found.families().len(), 3, "width {width}");
        for edge in found.edges() {
            assert!(found.name(edge.parent).starts_with("root"), "width {width}");
        }
    }
    Ok(())
}

#[test]
fn a_sketch_that_holds_everything_gives_the_same_phylogeny() -> TestResult {
    for folder in ZOO {
        let models = ModelSet::discover(folder)?;
        let set = SketchSet::new(sketches(&models, &SketchSettings::new())?)?;
        assert!(set.is_whole());
        let exact = detect_phylogeny(&models, Config::default())?;
        let sketched = detect_phylogeny_from_sketches(&set, Config::default())?;
        assert_eq!(exact.edges(), sketched.edges(), "{folder}");
    }
    Ok(())
}

/// Below the size of the models ranks, casts and most lines are not there; the error of distances loses next to nothing.
#[test]
fn small_sketches_find_what_geometry_finds_within_one_edge() -> TestResult {
    let models = ModelSet::discover("tests/data/zoo")?;
    let truth = Truth::read(File::open("tests/data/zoo/truth.json")?)?;
    let geometry = Geometry::compute(&models, &GeometrySettings::new())?.without_values();
    let rng = &mut ChaCha8Rng::seed_from_u64(0);
    let blind = LineageDetector::new().detect(&geometry, &Precedence, rng)?.with_names(models.names())?;
    let right = |p: &Phylogeny| -> Result<usize, Error> { Ok(evaluate(p, &truth)?.accuracy.right) };
    for kib in [96, 128] {
        let set = SketchSet::new(sketches(&models, &SketchSettings::new().with_size(kib << 10))?)?;
        assert!(!set.is_whole());
        let small = detect_phylogeny_from_sketches(&set, Config::default())?;
        let (of_small, of_exact) = (right(&small)?, right(&blind)?);
        assert!(of_small + 1 >= of_exact, "{kib} KiB: {of_small} from sketches, {of_exact} from the geometry");
    }
    Ok(())
}

#[test]
fn order_names_and_threads_do_not_matter() -> TestResult {
    let models = ModelSet::discover(ZOO[1])?;
    let settings = SketchSettings::new().with_size(96 << 10);
    let forward = sketches(&models, &settings.clone().with_threads(1))?;
    let backward: Vec<(String, Sketch)> =
        sketches(&models, &settings.with_threads(3))?.into_iter().rev().map(|(n, s)| (format!("x{n}"), s)).collect();
    let a = detect_phylogeny_from_sketches(&SketchSet::new(forward)?, Config::default().with_threads(1))?;
    let b = detect_phylogeny_from_sketches(&SketchSet::new(backward)?, Config::default().with_threads(2))?;
    let edges = |p: &Phylogeny, cut: usize| -> BTreeSet<(String, String, Option<u64>)> {
        let name = |m| p.name(m)[cut..].to_owned();
        p.edges().iter().map(|e| (name(e.parent), name(e.child), e.confidence.map(f64::to_bits))).collect()
    };
    assert_eq!(edges(&a, 0), edges(&b, 1));
    Ok(())
}

#[test]
fn vocabularies_of_unlike_size_are_compared_on_what_they_share() -> TestResult {
    // 1,280 rows of 16, and 1,283: 1,024 + 256 rows in common. Both are wider than the sketch.
    let embedding = noise(1, 1283 * 16);
    let of = |rows: usize, movement: f32| {
        let values = moved(&embedding[..rows * 16], movement, 3);
        InMemory::new()
            .with_parameter("embed", [rows, 16], values)
            .unwrap()
            .with_parameter("w", [300, 200], noise(5, 60_000))
            .unwrap()
    };
    let models = ModelSet::builder().with_model("a", of(1280, 0.0)).with_model("b", of(1283, 0.1)).build()?;
    let exact = Geometry::compute(&models, &GeometrySettings::new())?;
    let sketched = Geometry::of_sketches(&SketchSet::new(sketches(&models, &narrow())?)?, &GeometrySettings::new())?;
    let (a, b) = (ModelId::new(0), ModelId::new(1));
    let (found, expected) = (sketched.squared_distance(a, b).unwrap(), exact.squared_distance(a, b).unwrap());
    assert!((found - expected).abs() < 4.0 * sketched.squared_distance_error(a, b).unwrap(), "{found} {expected}");
    assert_eq!((exact.left_out(), sketched.left_out()), (None, Some(&[][..])));
    Ok(())
}

#[test]
fn lines_that_training_left_as_they_were_are_told_from_sketches() -> TestResult {
    // Every fourth column stays, shrunk by one factor; every other value moves.
    let parent = noise(1, 60_000);
    let child: Vec<f32> = moved(&parent, 0.01, 2)
        .iter()
        .zip(&parent)
        .enumerate()
        .map(|(i, (changed, own))| if i % 4 == 0 { 0.9 * own } else { *changed })
        .collect();
    let models = ModelSet::builder().with_model("parent", model(parent)).with_model("child", model(child)).build()?;
    let set = SketchSet::new(sketches(&models, &narrow())?)?;
    let geometry = Geometry::of_sketches(&set, &GeometrySettings::new())?;
    let (parent, child) = (ModelId::new(0), ModelId::new(1));
    let lines = geometry.read_lines(parent, &[child])?.ok_or("no lines")?;
    // At width 512 there are every 32nd of 300 rows and every 16th of 200 columns.
    assert_eq!(
        (lines.len(), lines.count(Position::FIRST, LineState::Exact), lines.count(Position::FIRST, LineState::Changed)),
        (23, 13, 10)
    );
    assert!((lines.factor(Position::FIRST).ok_or("no factor")?.median - 0.9).abs() < 1e-5);
    assert!(geometry.without_values().read_lines(parent, &[child])?.is_none());
    Ok(())
}

#[test]
fn what_sketches_cannot_compare_is_told() -> TestResult {
    // 1,280 and 1,536 rows of 16 have the first 1,024 in common.
    let embedding = noise(1, 1536 * 16);
    let of = |rows: usize| {
        let model = InMemory::new().with_parameter("embed", [rows, 16], embedding[..rows * 16].to_vec()).unwrap();
        model.with_parameter("w", [300, 200], noise(5, 60_000)).unwrap()
    };
    let models = ModelSet::builder().with_model("a", of(1280)).with_model("b", of(1536)).build()?;
    let set = SketchSet::new(sketches(&models, &narrow())?)?;
    let geometry = Geometry::of_sketches(&set, &GeometrySettings::new())?;
    assert_eq!(geometry.left_out(), Some(&["embed".to_owned()][..]));
    let found = detect_phylogeny_from_sketches(&set, Config::default())?;
    assert!(found.remarks().iter().any(|r| r.to_string().contains("could not compare all of embed")));
    Ok(())
}

#[test]
fn what_a_sketch_does_not_hold_is_an_error() -> TestResult {
    let sketch = Sketch::compute(&model(noise(1, 60_000)), &narrow())?;
    let mut out = [0.0; 200];
    sketch.read("b", 0, &mut out)?;
    assert_eq!(out.to_vec(), noise(99, 200));
    let refused = sketch.read("w", 0, &mut out);
    assert!(matches!(refused, Err(SourceError::Sketched { size: 60_000, kept: 512, .. })));
    assert!(matches!(sketch.read("v", 0, &mut out), Err(SourceError::UnknownParameter { .. })));
    assert!(matches!(sketch.read("b", 1, &mut out), Err(SourceError::OutOfRange { .. })));
    Ok(())
}

#[test]
fn settings_and_values_are_checked() -> TestResult {
    let source = model(noise(1, 60_000));
    for width in [0, 100, 128, 300] {
        let refused = Sketch::compute(&source, &SketchSettings::new().with_width(width));
        assert!(matches!(refused, Err(Error::InvalidSetting { setting: "width", .. })));
    }
    let refused = Sketch::compute(&source, &SketchSettings::new().with_size(1000));
    assert!(matches!(refused, Err(Error::SketchTooSmall { found: 1000, expected: 2208, tensors: 2 })), "{refused:?}");
    let stop = SketchSettings::new().with_observer(|_: Progress| ControlFlow::Break(()));
    assert!(matches!(Sketch::compute(&source, &stop), Err(Error::Interrupted)));
    let mut values = noise(1, 60_000);
    values[31_337] = f32::NAN;
    let refused = Sketch::compute(&model(values), &narrow());
    let Err(Error::Sketching { source }) = refused else { return Err("NaN was taken".into()) };
    let SourceError::NotFinite { parameter, index, .. } = *source else { return Err(source.into()) };
    assert_eq!((parameter.as_str(), index), ("w", 31_337));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_narrower_sketch_is_the_wider_one_folded(seed in 0u64..1000, size in 1usize..5000) {
        let of = |weights: Vec<f32>, width| {
            let source = InMemory::new().with_parameter("w", [size], weights).unwrap();
            Sketch::compute(&source, &SketchSettings::new().with_width(width)).unwrap()
        };
        let (a, b) = (noise(seed, size), noise(seed + 1, size));
        let narrow = of(a.clone(), 256).squared_distance_to(&[(1.0, &of(b.clone(), 256))]).unwrap().0;
        let mixed = of(a, 2048).squared_distance_to(&[(1.0, &of(b, 256))]).unwrap().0;
        prop_assert!((narrow - mixed).abs() <= 1e-5 * narrow.abs(), "{narrow} {mixed}");
    }
}
