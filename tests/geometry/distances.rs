//! The geometry against direct sums over the flattened parameters.

use neural_phylogeny::format::ParameterInfo;
use neural_phylogeny::geometry::{Geometry, GeometrySettings, Initialization, Scope};
use neural_phylogeny::model_set::Position;
use neural_phylogeny::sketch::{Sketch, SketchSettings};
use neural_phylogeny::source::{EntryDistribution, RandomSource};
use neural_phylogeny::{Error, InMemory, ModelId, ModelSet, ParameterSource, SourceError};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::{Arc, Mutex};

/// Shapes of one toy network: matrices, a kernel, a bias and a scalar.
const SHAPES: [(&str, &[usize]); 5] = [
    ("conv.weight", &[6, 5, 3, 3]),
    ("fc.bias", &[40]),
    ("fc.weight", &[40, 70]),
    ("scale", &[]),
    ("head.weight", &[10, 40]),
];

type Network = Vec<Vec<f32>>;

fn network(rng: &mut ChaCha8Rng) -> Network {
    SHAPES.iter().map(|(_, s)| (0..s.iter().product()).map(|_| rng.gen_range(-1.0..1.0)).collect()).collect()
}

/// A network that moved by `movement` of its parent's size.
fn tuned(parent: &Network, movement: f64, rng: &mut ChaCha8Rng) -> Network {
    let step = |w: &f32| (f64::from(*w) + movement * rng.gen_range(-1.0..1.0)) as f32;
    let mut rng_step = step;
    parent.iter().map(|t| t.iter().map(&mut rng_step).collect()).collect()
}

fn source(network: &Network) -> InMemory {
    SHAPES
        .iter()
        .zip(network)
        .fold(InMemory::new(), |m, ((name, shape), w)| m.with_parameter(*name, shape, w.clone()).unwrap())
}

fn set<'a>(networks: impl IntoIterator<Item = &'a Network>) -> ModelSet {
    let builder = networks
        .into_iter()
        .enumerate()
        .fold(ModelSet::builder(), |b, (i, n)| b.with_model(format!("n{i}"), source(n)));
    builder.build().unwrap()
}

fn all() -> GeometrySettings {
    GeometrySettings::new().with_scope(Scope::All)
}

fn compute(networks: &[Network], settings: &GeometrySettings) -> Geometry {
    Geometry::compute(&set(networks), settings).unwrap()
}

fn direct(a: &Network, b: &Network) -> f64 {
    let values = a.iter().flatten().zip(b.iter().flatten());
    values.map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum()
}

fn id(i: usize) -> ModelId {
    ModelId::new(i)
}

/// Two families: each a root, three children and a grandchild, at one relative movement.
fn families(movement: f64, seed: u64) -> Vec<Network> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut networks = Vec::new();
    for _ in 0..2 {
        let root = network(&mut rng);
        let children: Vec<Network> = (0..3).map(|_| tuned(&root, movement, &mut rng)).collect();
        networks.push(tuned(&children[0], movement, &mut rng));
        networks.push(root);
        networks.extend(children);
    }
    networks
}

#[test]
fn distances_agree_with_a_direct_sum_down_to_movements_of_a_millionth() {
    for exponent in 1..=6 {
        let networks = families(10f64.powi(-exponent), exponent as u64);
        let geometry = compute(&networks, &all());
        for i in 0..networks.len() {
            for j in 0..i {
                let expected = direct(&networks[i], &networks[j]);
                let found = geometry.squared_distance(id(i), id(j)).unwrap();
                assert!((found - expected).abs() <= 1e-10 * expected, "1e-{exponent} {i} {j}: {found} {expected}");
            }
        }
    }
}

#[test]
fn identical_models_are_at_zero_distance_and_others_are_not() {
    let mut networks = families(1e-6, 1);
    networks.push(networks[0].clone());
    let last = id(networks.len() - 1);
    let geometry = compute(&networks, &all());
    assert_eq!(geometry.squared_distance(id(0), last), Some(0.0));
    assert!(geometry.identical(id(0), last));
    for i in 1..networks.len() - 1 {
        assert!(geometry.squared_distance(id(i), last).unwrap() > 0.0);
        assert!(!geometry.identical(id(i), last));
    }
}

#[test]
fn order_and_names_change_no_bit() {
    let networks = families(1e-3, 2);
    let order = [7, 2, 9, 0, 4, 1, 8, 3, 6, 5];
    let shuffled: Vec<Network> = order.iter().map(|&i| networks[i].clone()).collect();
    let (plain, moved) = (compute(&networks, &all()), compute(&shuffled, &all()));
    for (i, &a) in order.iter().enumerate() {
        assert_eq!(plain.norm(id(a)).to_bits(), moved.norm(id(i)).to_bits());
        for (j, &b) in order.iter().enumerate() {
            assert_eq!(plain.squared_distance(id(a), id(b)), moved.squared_distance(id(i), id(j)));
        }
    }
    let content: Vec<ModelId> = moved.models().iter().map(|m| id(order[m.index()])).collect();
    assert_eq!(plain.models(), content);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    // Long enough for several jobs, blocks and waves.
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let weights: Vec<f32> = (0..2_300_000).map(|_| rng.gen_range(-1.0..1.0)).collect();
    let models = |n: u8| {
        let model = |k: u8| {
            let moved: Vec<f32> = weights.iter().map(|w| w + f32::from(k) * 1e-3).collect();
            InMemory::new().with_parameter("w", [2300, 1000], moved).unwrap()
        };
        (0..n).fold(ModelSet::builder(), |b, k| b.with_model(k.to_string(), model(k))).build().unwrap()
    };
    let run = |threads| Geometry::compute(&models(3), &all().with_threads(threads)).unwrap();
    let (one, four) = (run(1), run(4));
    for (i, j) in [(0, 1), (0, 2), (1, 2)] {
        assert_eq!(one.squared_distance(id(i), id(j)), four.squared_distance(id(i), id(j)));
        let expected = 2_300_000.0 * ((j - i) as f64 * 1e-3).powi(2);
        assert!((one.squared_distance(id(i), id(j)).unwrap() / expected - 1.0).abs() < 1e-3);
    }
}

#[test]
fn little_memory_groups_parameters_and_keeps_distances() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let layers: Vec<String> = (0..300).map(|l| format!("layers.{l:03}.weight")).collect();
    let mut builder = ModelSet::builder();
    for m in 0..40 {
        let values = |rng: &mut ChaCha8Rng| (0..16).map(|_| rng.gen_range(-1.0..1.0)).collect::<Vec<f32>>();
        let source = layers.iter().fold(InMemory::new(), |s, l| s.with_parameter(l, [4, 4], values(&mut rng)).unwrap());
        builder = builder.with_model(m.to_string(), source);
    }
    let models = builder.build().unwrap();
    let plenty = Geometry::compute(&models, &all()).unwrap();
    let little = Geometry::compute(&models, &all().with_memory(1 << 20)).unwrap();
    let members: Vec<ModelId> = models.ids().collect();
    let (many, few) = (plenty.compare(&members).unwrap(), little.compare(&members).unwrap());
    assert_eq!(many.parameters().len(), 300);
    assert!((2..200).contains(&few.parameters().len()), "{}", few.parameters().len());
    assert_eq!(few.parameters().iter().map(|p| p.tensors()).sum::<usize>(), 300);
    for (i, j) in [(0, 1), (5, 39), (20, 3)] {
        let [a, b] = [&many, &few].map(|c| c.squared_distance(Position::new(i), Position::new(j)));
        assert!((a - b).abs() < 1e-12 * a);
        let (a, b) = (plenty.independence().z(id(i), id(j)).unwrap(), little.independence().z(id(i), id(j)).unwrap());
        assert!(a.abs() < 5.0 && b.abs() < 5.0);
    }
    let tight = Geometry::compute(&set(&families(0.1, 1)), &all().with_memory(1000));
    assert!(matches!(tight, Err(Error::InvalidSetting { setting: "memory", .. })));
}

#[test]
fn too_little_memory_says_how_much_is_needed() {
    let mut builder = ModelSet::builder();
    for m in 0..600 {
        builder =
            builder.with_model(m.to_string(), InMemory::new().with_parameter("w", [2], vec![m as f32, 1.0]).unwrap());
    }
    let models = builder.build().unwrap();
    let Err(Error::MemoryTooSmall { expected, .. }) = Geometry::compute(&models, &all().with_memory(2 << 20)) else {
        panic!("600 models cannot fit into 2 MiB")
    };
    assert!(Geometry::compute(&models, &all().with_memory(expected)).is_ok());
}

#[test]
fn a_value_that_is_not_finite_is_named() {
    let mut networks = families(0.1, 5);
    networks[3][2][1234] = f32::NAN;
    let Err(error) = Geometry::compute(&set(&networks), &all()) else { panic!("NaN accepted") };
    let Error::Source { model, source } = &error else { panic!("{error}") };
    assert_eq!(model, "n3");
    assert!(
        matches!(&**source, SourceError::NotFinite { parameter, index: 1234, .. } if parameter == "fc.weight"),
        "{source}"
    );
}

#[test]
fn one_model_is_an_error() {
    let models = set(&families(0.1, 5)[..1]);
    assert!(matches!(Geometry::compute(&models, &all()), Err(Error::OneModel { model }) if model == "n0"));
}

#[test]
fn an_observer_can_interrupt() {
    let settings = all().with_observer(|_| std::ops::ControlFlow::Break(()));
    assert!(matches!(Geometry::compute(&set(&families(0.1, 5)), &settings), Err(Error::Interrupted)));
}

/// Keeps what was read that had not been announced.
#[derive(Debug)]
struct Watched {
    inner: InMemory,
    announced: Mutex<Vec<(String, usize, usize)>>,
    surprises: Arc<Mutex<Vec<(String, usize)>>>,
}

impl ParameterSource for Watched {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        self.inner.parameters()
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let covers = |(tensor, begin, length): &(String, usize, usize)| {
            tensor == name && *begin <= offset && offset + out.len() <= begin + length
        };
        if !self.announced.lock().unwrap().iter().any(covers) {
            self.surprises.lock().unwrap().push((name.to_owned(), offset));
        }
        self.inner.read(name, offset, out)
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        self.announced.lock().unwrap().push((name.to_owned(), offset, length));
    }
}

#[test]
fn values_are_announced_before_they_are_read() {
    // Jobs of 2^18 values: three of `a`, one of `b`.
    let (rows, columns) = (700, 1000);
    let surprises = Arc::new(Mutex::new(Vec::new()));
    let mut builder = ModelSet::builder();
    for m in 0..2 {
        let values = |n: usize| (0..n).map(|i| (i + m) as f32).collect::<Vec<f32>>();
        let inner = InMemory::new().with_parameter("a", [rows, columns], values(rows * columns)).unwrap();
        let inner = inner.with_parameter("b", [10, 10], values(100)).unwrap();
        builder = builder
            .with_model(m.to_string(), Watched { inner, announced: Mutex::default(), surprises: surprises.clone() });
    }
    let models = builder.build().unwrap();
    Geometry::compute(&models, &all().with_threads(1)).unwrap();
    let surprises = surprises.lock().unwrap();
    let beyond_the_first: Vec<_> = surprises.iter().filter(|(name, at)| name == "b" || *at >= 1 << 18).collect();
    // The look at the middle of each parameter, of both models.
    assert!(beyond_the_first.len() <= 4, "{beyond_the_first:?}");
    assert!(surprises.len() > beyond_the_first.len());
}

/// Lets the thread take up other work while it reads, as a source does that decodes with rayon.
#[derive(Debug)]
struct Yielding(InMemory);

impl ParameterSource for Yielding {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        self.0.parameters()
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        rayon::yield_now();
        self.0.read(name, offset, out)
    }
}

#[test]
fn a_thread_may_take_up_another_job_while_a_source_reads() {
    // Several jobs of each kind: 2^18 values in the pass and in sketches, 2^20 where values are read again.
    let model = |m: usize| {
        let values = (0..3_200_000).map(|i| ((i * 7919 + m * (i % 13)) % 1009) as f32).collect();
        InMemory::new().with_parameter("w", [3200, 1000], values).unwrap()
    };
    let yielding = (0..2).fold(ModelSet::builder(), |b, m| b.with_model(m.to_string(), Yielding(model(m))));
    let plain = (0..2).fold(ModelSet::builder(), |b, m| b.with_model(m.to_string(), model(m)));
    let settings = all().with_threads(2);
    let [found, expected] =
        [yielding, plain].map(|models| Geometry::compute(&models.build().unwrap(), &settings).unwrap());
    assert_eq!(found.squared_distance(id(0), id(1)), expected.squared_distance(id(0), id(1)));
    assert_eq!(found.read_pair(id(0), id(1)).unwrap(), expected.read_pair(id(0), id(1)).unwrap());
    let lines = |g: &Geometry| g.read_lines(id(0), &[id(1)]).unwrap().unwrap().states(Position::FIRST).to_vec();
    assert_eq!(lines(&found), lines(&expected));
    let settings = SketchSettings::new().with_threads(2);
    let sketch = |source: &dyn ParameterSource| Sketch::compute(source, &settings).unwrap().content();
    assert_eq!(sketch(&Yielding(model(1))), sketch(&model(1)));
}

#[test]
fn distances_to_an_initialization_agree_with_direct_sums() {
    let networks = families(0.1, 6);
    let members: Vec<ModelId> = (0..networks.len()).map(id).collect();
    let stored = network(&mut ChaCha8Rng::seed_from_u64(99));
    let shapes = SHAPES.iter().map(|(n, s)| ((*n).to_owned(), s.to_vec()));
    let random = RandomSource::new(shapes, EntryDistribution::Normal, 5);
    let drawn: Network = SHAPES
        .iter()
        .map(|(n, s)| {
            let mut values = vec![0.0; s.iter().product()];
            random.read(n, 0, &mut values).unwrap();
            values
        })
        .collect();
    let zero: Network = stored.iter().map(|t| vec![0.0; t.len()]).collect();
    let cases = [
        (Initialization::Zero, zero),
        (Initialization::Random { entries: EntryDistribution::Normal, seed: 5 }, drawn),
        (Initialization::Model(Arc::new(source(&stored))), stored),
    ];
    for (initialization, point) in cases {
        let geometry = compute(&networks, &all().with_initialization(initialization));
        let comparison = geometry.compare(&members).unwrap();
        for (i, n) in networks.iter().enumerate() {
            let (found, expected) =
                (comparison.squared_distance_to_initialization(Position::new(i)), direct(n, &point));
            assert!((found - expected).abs() < 1e-10 * expected, "{found} {expected}");
        }
    }
}

#[test]
fn models_of_other_layouts_are_not_comparable() {
    let a = || InMemory::new().with_parameter("w", [4, 4], vec![1.0; 16]).unwrap();
    let b = || InMemory::new().with_parameter("v", [4, 5], vec![1.0; 20]).unwrap();
    let models = ModelSet::builder().with_model("a", a()).with_model("b", b()).with_model("c", a()).build().unwrap();
    let geometry = Geometry::compute(&models, &all()).unwrap();
    assert_eq!(geometry.squared_distance(id(0), id(1)), None);
    assert_eq!(geometry.squared_distance(id(0), id(2)), Some(0.0));
    assert!(matches!(geometry.compare(&[id(0), id(1)]), Err(Error::NotComparable { .. })));
}

#[test]
fn the_order_of_models_does_not_order_groups() {
    let networks = families(0.1, 7);
    let other =
        |v: f32| InMemory::new().with_parameter("w", [8, 8], (0..64).map(|i| (i as f32 * v).sin()).collect()).unwrap();
    let groups = |others_first: bool| -> Vec<usize> {
        let sources = networks.iter().map(source);
        let others = [other(1.0), other(2.0)].into_iter();
        let sources: Vec<InMemory> =
            if others_first { others.chain(sources).collect() } else { sources.chain(others).collect() };
        let builder =
            sources.into_iter().enumerate().fold(ModelSet::builder(), |b, (i, m)| b.with_model(i.to_string(), m));
        Geometry::compute(&builder.build().unwrap(), &all()).unwrap().groups().map(<[ModelId]>::len).collect()
    };
    assert_eq!(groups(true), groups(false));
}

#[test]
fn a_resized_vocabulary_is_compared_row_by_row() {
    let model = |rows: usize, last: f32| {
        let mut values = vec![1.0; rows * 2];
        *values.last_mut().unwrap() = last;
        InMemory::new().with_parameter("embed", [rows, 2], values).unwrap()
    };
    let models = [model(8, 1.0), model(10, 4.0), model(10, 8.0)];
    let builder = models.into_iter().enumerate().fold(ModelSet::builder(), |b, (i, m)| b.with_model(i.to_string(), m));
    let geometry = Geometry::compute(&builder.build().unwrap(), &all()).unwrap();
    assert_eq!(geometry.squared_distance(id(0), id(1)), Some(0.0));
    assert_eq!(geometry.squared_distance(id(1), id(2)), Some(16.0));
    assert!(!geometry.identical(id(0), id(1)));
}

#[test]
fn only_the_first_values_of_a_parameter_are_compared() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let networks: Vec<Network> = (0..3).map(|_| network(&mut rng)).collect();
    // 999 values of a (40, 70) matrix end inside its fifteenth row; SHAPES[2] is that matrix.
    let builder =
        networks.iter().enumerate().fold(ModelSet::builder(), |b, (i, n)| b.with_model(i.to_string(), source(n)));
    let models = builder.with_include("fc.weight").unwrap().with_first_values(999).build().unwrap();
    let parameter = &models.groups()[0].parameters()[0];
    assert_eq!((parameter.size(), parameter.values.clone(), parameter.rows()), (999, 0..999, 0..15));
    let geometry = Geometry::compute(&models, &GeometrySettings::new()).unwrap();
    let first = |n: &Network| vec![n[2][..999].to_vec()];
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let expected = direct(&first(&networks[a]), &first(&networks[b]));
        let found = geometry.squared_distance(id(a), id(b)).unwrap();
        assert!((found - expected).abs() < 1e-12 * expected);
    }
    let norm: f64 = networks[0][2][..999].iter().map(|&x| f64::from(x).powi(2)).sum();
    assert!((geometry.norm(id(0)).powi(2) - norm).abs() < 1e-12 * norm);
}

#[test]
fn what_comes_after_the_first_values_makes_no_difference() {
    let model = |last: f32, rows: usize| {
        let values = (0..rows * 8).map(|i| if i < 20 { i as f32 } else { last }).collect();
        InMemory::new().with_parameter("embed.weight", [rows, 8], values).unwrap()
    };
    let set = |first| {
        let builder = ModelSet::builder().with_model("a", model(1.0, 4)).with_model("b", model(f32::NAN, 4));
        builder.with_model("resized", model(2.0, 400)).with_first_values(first).build()
    };
    let models = set(20).unwrap();
    assert_eq!(models.groups().len(), 1);
    let geometry = Geometry::compute(&models, &GeometrySettings::new()).unwrap();
    assert!(geometry.identical(id(0), id(1)) && geometry.identical(id(0), id(2)));
    assert!(matches!(set(0), Err(Error::InvalidSetting { setting: "first_values", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn coordinates_reproduce_distances(exponent in 0.0f64..5.0, seed in 0u64..1000) {
        let networks = families(10f64.powf(-exponent), seed);
        let geometry = compute(&networks, &all());
        let members: Vec<ModelId> = (0..networks.len()).map(id).collect();
        let points = geometry.compare(&members).unwrap().coordinates().unwrap().values;
        prop_assert!(points.ncols() < networks.len());
        let largest = members.iter().map(|&m| geometry.squared_distance(id(0), m).unwrap()).fold(0.0, f64::max);
        for i in 0..networks.len() {
            for j in 0..i {
                let found: f64 = points.row(i).iter().zip(points.row(j)).map(|(x, y)| (x - y).powi(2)).sum();
                let expected = geometry.squared_distance(id(i), id(j)).unwrap();
                prop_assert!((found - expected).abs() <= 1e-12 * largest, "{} {}", found, expected);
            }
        }
    }

    #[test]
    fn a_common_translation_changes_no_distance_and_scaling_scales(seed in 0u64..1000) {
        // Multiples of 2^-10 of little magnitude: sums and products with small integers are exact in f32.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let coarse = |n: Network| -> Network {
            n.into_iter().map(|t| t.into_iter().map(|w| (w * 1024.0).round() / 1024.0).collect()).collect()
        };
        let networks: Vec<Network> = families(0.1, seed).into_iter().map(coarse).collect();
        let shift = coarse(network(&mut rng));
        let moved: Vec<Network> = networks.iter().map(|n| {
            n.iter().zip(&shift).map(|(t, s)| t.iter().zip(s).map(|(w, s)| w + s).collect()).collect()
        }).collect();
        let scaled: Vec<Network> = networks.iter().map(|n| n.iter().map(|t| t.iter().map(|w| w * 3.0).collect()).collect()).collect();
        let [plain, moved, scaled] = [&networks, &moved, &scaled].map(|n| compute(n, &all()));
        for i in 0..networks.len() {
            for j in 0..i {
                let d = plain.squared_distance(id(i), id(j)).unwrap();
                prop_assert!((moved.squared_distance(id(i), id(j)).unwrap() - d).abs() <= 1e-11 * d);
                prop_assert!((scaled.squared_distance(id(i), id(j)).unwrap() - 9.0 * d).abs() <= 1e-11 * d);
            }
        }
    }
}
