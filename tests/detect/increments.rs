//! Increments of every odd kind through every detector: each gives a result.

use neural_phylogeny::detect::{Families, SettingWords, named_detectors};
use neural_phylogeny::{Config, InMemory, ModelSet, Relation, detect_phylogeny};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

const SHAPES: [[usize; 2]; 3] = [[16, 144], [24, 20], [12, 12]];

type Network = Vec<Vec<f32>>;

/// What a child differs in from its parent.
#[derive(Clone, Copy, Debug)]
enum Increment {
    OneValue,
    Sparse,
    Constant,
    /// The same movement of every row.
    DuplicateRows,
    OneRow,
    OneColumn,
    LowRank,
    Dense,
}

const INCREMENTS: [Increment; 8] = [
    Increment::OneValue,
    Increment::Sparse,
    Increment::Constant,
    Increment::DuplicateRows,
    Increment::OneRow,
    Increment::OneColumn,
    Increment::LowRank,
    Increment::Dense,
];

/// Sizes of a movement: usual, tiny, huge, and below the normal numbers of f32.
const SIZES: [f32; 6] = [1e-2, 0.683_441_16, 1e-30, 1e30, 1e-41, 1e37];

fn network(rng: &mut ChaCha8Rng) -> Network {
    SHAPES.iter().map(|[r, c]| (0..r * c).map(|_| 0.1 * rng.sample::<f32, _>(StandardNormal)).collect()).collect()
}

fn moved(parent: &Network, increment: Increment, size: f32, rng: &mut ChaCha8Rng) -> Network {
    let mut child = parent.clone();
    let only = rng.gen_range(0..SHAPES.len());
    for (t, (values, [rows, columns])) in child.iter_mut().zip(SHAPES).enumerate() {
        let (row, column) = (rng.gen_range(0..rows), rng.gen_range(0..columns));
        let line: Vec<f32> = (0..columns).map(|_| rng.sample(StandardNormal)).collect();
        let other: Vec<f32> = (0..rows).map(|_| rng.sample(StandardNormal)).collect();
        for (at, value) in values.iter_mut().enumerate() {
            let (i, j) = (at / columns, at % columns);
            *value += size
                * match increment {
                    Increment::OneValue if t == only && (i, j) == (row, column) => 1.0,
                    Increment::Sparse if rng.gen_bool(0.01) => rng.sample(StandardNormal),
                    Increment::Constant => 1.0,
                    Increment::DuplicateRows => line[j],
                    Increment::OneRow if i == row => line[j],
                    Increment::OneColumn if j == column => other[i],
                    Increment::LowRank => line[j] * other[i],
                    Increment::Dense => rng.sample(StandardNormal),
                    _ => 0.0,
                };
        }
    }
    child
}

fn set(networks: &[Network]) -> ModelSet {
    let mut builder = ModelSet::builder();
    for (number, network) in networks.iter().enumerate() {
        let mut source = InMemory::new();
        for (t, (values, shape)) in network.iter().zip(SHAPES).enumerate() {
            source = source.with_parameter(format!("layers.{t}.weight"), shape, values.clone()).unwrap();
        }
        builder = builder.with_model(format!("m{number}"), source);
    }
    builder.build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_detector_gives_a_result(
        seed in any::<u64>(),
        kinds in proptest::array::uniform3((0..INCREMENTS.len(), 0..SIZES.len())),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut networks = vec![network(&mut rng), network(&mut rng)];
        for (increment, size) in kinds {
            let parent = networks[rng.gen_range(0..networks.len())].clone();
            networks.push(moved(&parent, INCREMENTS[increment], SIZES[size], &mut rng));
        }
        let models = set(&networks);
        for detector in named_detectors() {
            let built = detector.build(Families::default(), &SettingWords::default()).unwrap();
            let found = detect_phylogeny(&models, Config::default().with_detector(built));
            let found = found.map_err(|e| TestCaseError::fail(format!("{detector:?} {kinds:?}: {e}")))?;
            let sure = |e: &neural_phylogeny::Edge| e.confidence.is_none_or(|c| (0.0..=1.0).contains(&c));
            prop_assert!(found.edges().iter().all(sure), "{:?}", detector);
        }
    }
}

#[test]
fn one_changed_value_is_a_fine_tune_and_no_low_rank() {
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let parent = network(&mut rng);
        let child = moved(&parent, Increment::OneValue, 0.7, &mut rng);
        let config = Config::default().with_minimum_confidence(0.0);
        let found = detect_phylogeny(&set(&[parent, child]), config).unwrap();
        assert_eq!(found.edges().len(), 1, "{seed}");
        let relation = found.edges()[0].relation;
        assert!(matches!(relation, Relation::FineTune | Relation::Partial), "{seed}: {relation}");
    }
}
