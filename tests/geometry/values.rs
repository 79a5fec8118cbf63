//! Value-level evidence on models in memory whose making is known.

use half::{bf16, f16};
use neural_phylogeny::evidence::LineState;
use neural_phylogeny::format::{Dtype, ParameterInfo};
use neural_phylogeny::geometry::{Geometry, GeometrySettings, Grid, GridSpan, PairEvidence};
use neural_phylogeny::model_set::Position;
use neural_phylogeny::{Error, InMemory, ModelId, ModelSet, ParameterSource, SourceError};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Matrices, one of them a kernel, and a vector.
const SHAPES: [(&str, &[usize]); 4] =
    [("conv.weight", &[20, 5, 3, 3]), ("fc.bias", &[40]), ("fc.weight", &[40, 70]), ("wide.weight", &[60, 300])];

#[derive(Clone, Debug)]
struct Network(Vec<(&'static str, Vec<usize>, Vec<f32>)>);

impl Network {
    fn random(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = |shape: &[usize]| (0..shape.iter().product()).map(|_| rng.gen_range(-1.0..1.0)).collect();
        Self(SHAPES.iter().map(|&(name, shape)| (name, shape.to_vec(), values(shape))).collect())
    }

    /// Every parameter anew, from its shape flattened to rows and its values.
    fn map(&self, mut f: impl FnMut(&'static str, usize, &[f32]) -> Vec<f32>) -> Self {
        let of = |(name, shape, w): &(&'static str, Vec<usize>, Vec<f32>)| {
            (*name, shape.clone(), f(name, shape[1..].iter().product(), w))
        };
        Self(self.0.iter().map(of).collect())
    }

    fn each(&self, mut f: impl FnMut(f32) -> f32) -> Self {
        self.map(|_, _, w| w.iter().map(|&x| f(x)).collect())
    }

    /// Every value moved at random.
    fn tuned(&self, movement: f32, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        self.each(|x| x + movement * rng.gen_range(-1.0..1.0))
    }

    fn source(&self) -> InMemory {
        self.0.iter().fold(InMemory::new(), |m, (name, shape, w)| m.with_parameter(*name, shape, w.clone()).unwrap())
    }
}

fn geometry(networks: &[Network], threads: usize) -> Geometry {
    let named = networks.iter().enumerate();
    let models =
        named.fold(ModelSet::builder(), |b, (i, n)| b.with_model(format!("n{i}"), n.source())).build().unwrap();
    Geometry::compute(&models, &GeometrySettings::new().with_threads(threads)).unwrap()
}

fn id(i: usize) -> ModelId {
    ModelId::new(i)
}

fn pair(a: &Network, b: &Network) -> Arc<PairEvidence> {
    geometry(&[a.clone(), b.clone()], 2).read_pair(id(0), id(1)).unwrap().unwrap()
}

/// Every summary, to see that no other than the expected one speaks.
fn summary(evidence: &PairEvidence) -> String {
    let all = [
        evidence.identical().then(|| "identical".to_owned()),
        evidence.is_cast().map(|d| format!("cast to {d}")),
        evidence.quantized_bits().map(|b| format!("{b} bits")),
        evidence.pruned_share().map(|s| format!("pruned by {s:.2}")),
        evidence.scaled().map(|s| format!("scaled by {s:.3}")),
        evidence.low_rank().map(|r| format!("rank {r}")),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn rounded(w: &[f32], levels: f32) -> Vec<f32> {
    let step = w.iter().fold(0.0f32, |m, x| m.max(x.abs())) / levels;
    w.iter().map(|x| (x / step).round() * step).collect()
}

#[test]
fn sums_and_counts_are_those_of_the_values() {
    let a = Network::random(1);
    let b = a.tuned(0.1, 2).map(|name, _, w| if name == "fc.bias" { vec![0.0; w.len()] } else { w.to_vec() });
    let evidence = pair(&a, &b);
    let names: Vec<&str> = evidence.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["conv.weight", "fc.bias", "fc.weight", "wide.weight"]);
    for (p, (x, y)) in evidence.parameters().iter().zip(a.0.iter().zip(&b.0)) {
        let sum = |f: fn(f64, f64) -> f64| -> f64 {
            x.2.iter().zip(&y.2).map(|(&x, &y)| f(f64::from(x), f64::from(y))).sum()
        };
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() <= 1e-12 * x.2.len() as f64, "{found} {expected}")
        };
        near(p.squared_norm_a, sum(|a, _| a * a));
        near(p.squared_norm_b, sum(|_, b| b * b));
        near(p.squared_distance, sum(|a, b| (b - a).powi(2)));
        near(p.inner, sum(|a, b| a * b));
        assert_eq!((p.size, p.shape[0] * p.shape[1]), (x.2.len(), x.2.len()));
    }
    let bias = &evidence.parameters()[1];
    assert_eq!((bias.zeros_a, bias.zeros_b, bias.zeroed, bias.altered, bias.equal), (0, 40, 40, 0, 0));
    assert_eq!((bias.factor, bias.residual), (Some(0.0), 0.0));
}

#[test]
fn an_ordinary_fine_tune_is_nothing_else() {
    let a = Network::random(1);
    for movement in [1e-6, 1e-4, 1e-2, 1.0] {
        assert_eq!(summary(&pair(&a, &a.tuned(movement, 2))), "", "{movement}");
        assert_eq!(summary(&pair(&a.tuned(movement, 2), &a)), "", "{movement}");
    }
    assert_eq!(summary(&pair(&a, &a)), "identical");
}

type Cast = (&'static str, fn(f32) -> f32);

#[test]
fn casts_are_recognized() {
    let a = Network::random(3);
    let casts: [Cast; 4] = [
        ("F16", |x| f16::from_f32(x).to_f32()),
        ("BF16", |x| bf16::from_f32(x).to_f32()),
        ("F8_E4M3", |x| float8::F8E4M3::from_f32(x).to_f32()),
        ("F8_E5M2", |x| float8::F8E5M2::from_f32(x).to_f32()),
    ];
    for (name, cast) in casts {
        assert_eq!(summary(&pair(&a, &a.each(cast))), format!("cast to {name}"));
        assert_eq!(summary(&pair(&a.each(cast), &a)), "");
    }
    let kept = a.map(|name, _, w| w.iter().map(|&x| if name == "fc.bias" { x } else { casts[1].1(x) }).collect());
    assert_eq!(summary(&pair(&a, &kept)), "cast to BF16");
    let evidence = pair(&a, &kept);
    assert_eq!(evidence.parameters()[1].cast_mismatches(Dtype::BF16), Some(40));
    assert_eq!(evidence.parameters()[0].cast_mismatches(Dtype::F32), None);
}

#[test]
fn grids_of_rows_and_tensors_are_recognized() {
    let a = Network::random(4);
    for (levels, bits) in [(127.0, 8), (7.0, 4)] {
        let by_tensor = a.map(|_, _, w| rounded(w, levels));
        let by_row = a.map(|name, row, w| match name {
            "fc.bias" => w.to_vec(),
            _ => w.chunks(row).flat_map(|r| rounded(r, levels)).collect(),
        });
        for (b, span) in [(by_tensor, GridSpan::Tensor), (by_row, GridSpan::Row)] {
            let evidence = pair(&a, &b);
            assert_eq!(summary(&evidence), format!("{bits} bits"));
            let grids: Vec<Grid> = evidence.parameters().iter().filter_map(|p| p.grid).collect();
            assert!(grids.iter().all(|g| g.bits == bits && g.span == span), "{grids:?}");
            assert_eq!(grids.len(), if span == GridSpan::Row { 3 } else { 4 });
            assert_eq!(summary(&pair(&b, &a)), "");
        }
    }
}

#[test]
fn pruned_and_scaled_copies_are_recognized() {
    let a = Network::random(5);
    let pruned = a.each(|x| if x.abs() < 0.3 { x * 0.0 } else { x });
    assert_eq!(summary(&pair(&a, &pruned)), "pruned by 0.30");
    assert_eq!(summary(&pair(&a, &a.each(|x| if x.abs() < 0.003 { 0.0 } else { x }))), "");
    assert_eq!(summary(&pair(&a, &a.each(|x| 0.9 * x))), "scaled by 0.900");
    let preserving = a.map(|name, _, w| w.iter().map(|x| if name == "fc.weight" { 0.5 * x } else { *x }).collect());
    assert_eq!(summary(&pair(&a, &preserving)), "scaled by 0.500");
}

/// A product of random factors added to every matrix.
fn low_rank(a: &Network, rank: usize, seed: u64) -> Network {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    a.map(|name, row, w| {
        if name == "fc.bias" {
            return w.to_vec();
        }
        let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.gen_range(-0.3..0.3)).collect() };
        let (left, right) = (draw(w.len() / row * rank), draw(rank * row));
        let low = |i: usize| (0..rank).map(|k| left[i / row * rank + k] * right[k * row + i % row]).sum::<f32>();
        w.iter().enumerate().map(|(i, x)| x + low(i)).collect()
    })
}

/// Ranks of a tall and of a wide matrix, of which some rows are looked at first, after a change to every value that it is called for.
fn ranks(change: impl Fn(usize, usize) -> f32) -> Vec<Option<usize>> {
    let shapes: [(&'static str, [usize; 2]); 2] = [("tall", [1500, 64]), ("wide", [1200, 300])];
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let parent = shapes.map(|(name, shape)| {
        (name, shape.to_vec(), (0..shape[0] * shape[1]).map(|_| rng.gen_range(-1.0..1.0)).collect::<Vec<f32>>())
    });
    let parent = Network(parent.to_vec());
    let child = parent.map(|_, row, w| w.iter().enumerate().map(|(i, x)| x + change(i / row, i % row)).collect());
    pair(&parent, &child).parameters().iter().map(|p| p.rank).collect()
}

#[test]
fn ranks_of_matrices_of_many_rows_are_those_of_all_rows() {
    let wave = |k: usize, at: usize| ((k * 37 + 11) as f32 * (at + 1) as f32 * 0.01).sin();
    let low = |row, column| (0..5).map(|k| 0.1 * wave(k, row) * wave(k + 9, column)).sum::<f32>();
    assert_eq!(ranks(low), [Some(5), Some(5)]);
    // In rows that a sample passes over.
    assert_eq!(ranks(|row, column| if row == 1 { wave(3, column) } else { 0.0 }), [Some(1), Some(1)]);
    let few = |row, column| if row % 100 == 1 { wave(row, column) } else { 0.0 };
    assert_eq!(ranks(few), [Some(15), Some(12)]);
    // In all directions, by a generator of its own.
    let drawn =
        |row: usize, column: usize| ChaCha8Rng::seed_from_u64((row * 1000 + column) as u64).gen_range(-0.1..0.1f32);
    assert_eq!(ranks(drawn), [None, None]);
    assert_eq!(ranks(|_, _| 0.0), [None, None]);
}

#[test]
fn increments_of_low_rank_are_recognized() {
    let a = Network::random(6);
    assert_eq!(summary(&pair(&a, &low_rank(&a, 4, 7))), "rank 4");
    let evidence = pair(&a, &low_rank(&a, 7, 7));
    assert_eq!(evidence.parameters().iter().map(|p| p.rank).collect::<Vec<_>>(), [Some(7), None, Some(7), Some(7)]);
    // More than a quarter of the smaller side of the kernel.
    assert_eq!(evidence.low_rank(), None);
    assert_eq!(evidence.untouched().collect::<Vec<_>>(), ["fc.bias"]);
    assert_eq!(evidence.changed().count(), 3);
}

#[test]
fn permuted_copies_are_recognized_without_reading() {
    let a = Network::random(8);
    let permuted = a.map(|_, row, w| w.chunks(row).rev().flatten().copied().collect());
    let bias_only = a.map(|name, _, w| if name == "fc.bias" { vec![0.1; w.len()] } else { w.to_vec() });
    let all = [a.clone(), permuted.clone(), a.each(|x| -x), a.tuned(1e-5, 1), a.clone(), bias_only, low_rank(&a, 1, 2)];
    let geometry = geometry(&all, 1).without_values();
    for i in 1..all.len() {
        assert_eq!(geometry.permuted(id(0), id(i)), i == 1, "{i}");
        assert_eq!(geometry.permuted(id(i), id(0)), i == 1, "{i}");
    }
    assert_eq!(summary(&pair(&a, &permuted)), "");
}

/// Decayed by a factor where nothing was learned: rows and columns of one matrix.
fn decayed(a: &Network, factor: f32, seed: u64, dead_rows: usize, dead_columns: usize) -> Network {
    let tuned = a.tuned(0.1, seed);
    let mut at = 0;
    a.map(|name, row, w| {
        let new = &tuned.0[at].2;
        at += 1;
        let dead = |i: usize| name == "fc.weight" && (i / row < dead_rows || i % row < dead_columns);
        (0..w.len()).map(|i| if dead(i) { w[i] * factor } else { new[i] }).collect()
    })
}

#[test]
fn decayed_rows_and_columns_are_exact_with_their_factor() {
    let a = Network::random(9);
    let child = decayed(&a, 0.99, 1, 5, 3);
    // Trained on from the child: fewer lines are left.
    let grandchild = decayed(&child, 0.98, 2, 4, 3);
    let lines = geometry(&[a, child, grandchild], 2).read_lines(id(0), &[id(1), id(2)]).unwrap().unwrap();
    // Rows and columns of 20 x 45, 40 x 70 and 60 x 300.
    assert_eq!((lines.len(), lines.members()), (65 + 110 + 360, &[id(1), id(2)][..]));
    let [of_child, of_grandchild] = [Position::FIRST, Position::SECOND];
    assert_eq!((lines.count(of_child, LineState::Exact), lines.count(of_grandchild, LineState::Exact)), (8, 7));
    assert_eq!(lines.count(of_child, LineState::Changed), lines.len() - 8);
    let factor = lines.factor(of_child).unwrap();
    assert!((factor.median - 0.99).abs() < 1e-7 && factor.deviation < 1e-7, "{factor:?}");
    let gone = |a, b| lines.kept_in_b_changed_in_a(a, b);
    assert_eq!((gone(of_grandchild, of_child), gone(of_child, of_grandchild)), (1, 0));
    assert_eq!(lines.exact_in_both(of_child, of_grandchild), 7);
    let ratio = lines.ratio(of_child, of_grandchild).unwrap();
    assert!((ratio.median - 0.98).abs() < 1e-7 && ratio.deviation < 1e-7, "{ratio:?}");
    assert_eq!(lines.states(of_child)[65], LineState::Exact);
}

#[test]
fn identical_and_zeroed_lines_are_exact_and_lines_without_reference_are_none() {
    let a = Network::random(10);
    let empty = |network: &Network| {
        network.map(|name, _, w| if name == "wide.weight" { vec![0.0; w.len()] } else { w.to_vec() })
    };
    let lines = geometry(&[a.clone(), empty(&a)], 1).read_lines(id(0), &[id(0), id(1)]).unwrap().unwrap();
    assert_eq!(lines.factor(Position::FIRST).map(|f| (f.median, f.deviation)), Some((1.0, 0.0)));
    assert_eq!(lines.count(Position::SECOND, LineState::Exact), lines.len());
    assert_eq!(lines.ratio(Position::FIRST, Position::SECOND).unwrap().median, 0.0);
    let lines = geometry(&[empty(&a), a], 1).read_lines(id(0), &[id(1)]).unwrap().unwrap();
    assert_eq!(lines.len(), 65 + 110);
}

#[test]
fn a_resized_vocabulary_is_one_parameter_where_both_have_it() {
    let network = |rows: usize, seed: u64| {
        let base = Network::random(11).tuned(0.01, seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let embedding: Vec<f32> = (0..rows * 32).map(|_| rng.gen_range(-1.0..1.0)).collect();
        base.source().with_parameter("embed.weight", [rows, 32], embedding).unwrap()
    };
    let builder = ModelSet::builder()
        .with_model("a", network(50, 1))
        .with_model("b", network(58, 2))
        .with_model("c", network(58, 2));
    let geometry = Geometry::compute(&builder.build().unwrap(), &GeometrySettings::new()).unwrap();
    let shape = |a, b| {
        let evidence = geometry.read_pair(id(a), id(b)).unwrap().unwrap();
        evidence.parameters().iter().filter(|p| p.name == "embed.weight").map(|p| p.shape).collect::<Vec<_>>()
    };
    assert_eq!((shape(0, 1), shape(1, 2)), (vec![[50, 32]], vec![[58, 32]]));
    let count = |reference, member| geometry.read_lines(id(reference), &[id(member)]).unwrap().unwrap().len();
    assert_eq!((count(0, 1), count(1, 2)), (65 + 110 + 360 + 82, 65 + 110 + 360 + 90));
}

#[test]
fn of_long_rows_an_even_sample_of_columns_is_looked_at() {
    // Longer than one job reads: the end of each row is a job of its own.
    const COLUMNS: usize = (1 << 20) + 5000;
    let of = |value: &dyn Fn(usize) -> f32| {
        InMemory::new().with_parameter("w", [8, COLUMNS], (0..8 * COLUMNS).map(value).collect()).unwrap()
    };
    let reference = |i: usize| (i % 1009) as f32 - 504.5;
    // Halved in the last columns, and otherwise something else.
    let member = |i: usize| if i % COLUMNS >= 1 << 20 { reference(i) / 2.0 } else { reference(i * 7 + 1) };
    let models = ModelSet::builder().with_model("a", of(&reference)).with_model("b", of(&member)).build().unwrap();
    let geometry = Geometry::compute(&models, &GeometrySettings::new()).unwrap();
    let lines = geometry.read_lines(id(0), &[id(1)]).unwrap().unwrap();
    let stride = (8 + COLUMNS).div_ceil(1 << 16);
    assert_eq!(lines.len(), (8 + COLUMNS).div_ceil(stride));
    let halved = ((8 + (1 << 20))..8 + COLUMNS).filter(|n| n % stride == 0).count();
    assert_eq!(lines.count(Position::FIRST, LineState::Exact), halved);
    assert_eq!(lines.factor(Position::FIRST).map(|f| (f.median, f.deviation)), Some((0.5, 0.0)));
    let evidence = geometry.read_pair(id(0), id(1)).unwrap().unwrap();
    assert_eq!((summary(&evidence).as_str(), evidence.parameters()[0].rank), ("", None));
}

/// A model with buffers, and of another dtype, that can stop being readable.
#[derive(Debug)]
struct Buffered {
    inner: InMemory,
    dtype: Dtype,
    broken: Arc<AtomicBool>,
}

impl ParameterSource for Buffered {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let mut list = self.inner.parameters()?;
        for info in &mut list {
            info.dtype = match info.name.rsplit('.').next() {
                Some("num_batches_tracked" | "position_ids") => Dtype::I64,
                Some("flag") => Dtype::Bool,
                Some("weight") => self.dtype,
                _ => Dtype::F32,
            };
        }
        Ok(list)
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(SourceError::Other { message: "gone".into(), source: None });
        }
        self.inner.read(name, offset, out)
    }
}

fn buffered(seed: u64, steps: f32, broken: &Arc<AtomicBool>) -> Buffered {
    let inner = Network::random(12).tuned(0.01, seed).source();
    let inner = inner.with_parameter("bn2.num_batches_tracked", [], vec![steps]).unwrap();
    let inner = inner.with_parameter("bn1.num_batches_tracked", [1], vec![steps + 1.0]).unwrap();
    let inner = inner.with_parameter("position_ids", [1, 3], vec![0.0, 1.0, 2.0]).unwrap();
    let inner = inner.with_parameter("flag", [], vec![1.0]).unwrap();
    Buffered { inner, dtype: Dtype::BF16, broken: Arc::clone(broken) }
}

#[test]
fn counters_and_dtypes_are_told() {
    let broken = Arc::default();
    let builder = ModelSet::builder()
        .with_model("a", buffered(1, 700.0, &broken))
        .with_model("b", buffered(2, 16777216.0, &broken));
    let builder = builder.with_model("c", Network::random(13).source());
    let geometry = Geometry::compute(&builder.build().unwrap(), &GeometrySettings::new()).unwrap().without_values();
    let counters = |i| geometry.counters(id(i)).iter().map(|(n, c)| (n.as_str(), *c)).collect::<Vec<_>>();
    assert_eq!(counters(0), [("bn1.num_batches_tracked", 701.0), ("bn2.num_batches_tracked", 700.0)]);
    assert_eq!(counters(1)[1], ("bn2.num_batches_tracked", 16777216.0));
    assert_eq!(counters(2), []);
    assert_eq!((geometry.dtype(id(0)), geometry.dtype(id(2))), (Some(Dtype::BF16), Some(Dtype::F32)));
}

#[test]
fn a_source_that_fails_on_second_reading_is_an_error_and_what_was_read_is_remembered() {
    let broken: Arc<AtomicBool> = Arc::default();
    let builder =
        ModelSet::builder().with_model("a", buffered(1, 7.0, &broken)).with_model("b", Network::random(12).source());
    let builder = builder.with_model("c", Network::random(14).source());
    let geometry = Geometry::compute(&builder.build().unwrap(), &GeometrySettings::new()).unwrap();
    let before = geometry.read_pair(id(0), id(1)).unwrap().unwrap();
    broken.store(true, Ordering::Relaxed);
    assert!(Arc::ptr_eq(&before, &geometry.clone().read_pair(id(0), id(1)).unwrap().unwrap()));
    let is_a = |e: Error| matches!(e, Error::Source { model, source } if model == "a" && matches!(*source, SourceError::Other { .. }));
    assert!(is_a(geometry.read_pair(id(1), id(0)).unwrap_err()));
    assert!(is_a(geometry.read_lines(id(1), &[id(2), id(0)]).unwrap_err()));
    assert!(geometry.read_lines(id(1), &[id(2)]).unwrap().is_some());
}

#[test]
fn without_values_there_is_no_evidence_and_what_cannot_be_compared_is_an_error() {
    let a = Network::random(1);
    let other = InMemory::new().with_parameter("other", [9, 9], vec![0.5; 81]).unwrap();
    let models = ModelSet::builder()
        .with_model("a", a.source())
        .with_model("b", a.source())
        .with_model("c", other)
        .build()
        .unwrap();
    let geometry = Geometry::compute(&models, &GeometrySettings::new()).unwrap();
    for far in [id(2), id(3)] {
        assert!(matches!(geometry.read_pair(id(0), far), Err(Error::NotComparable { first: 0, .. })));
        assert!(matches!(geometry.read_lines(id(0), &[far]), Err(Error::NotComparable { first: 0, .. })));
        assert!(!geometry.permuted(id(0), far));
    }
    assert_eq!(geometry.read_lines(id(0), &[]).unwrap().unwrap().members(), []);
    let geometry = geometry.without_values();
    assert!(geometry.read_pair(id(0), id(1)).unwrap().is_none());
    assert!(geometry.read_lines(id(0), &[id(1)]).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn neither_threads_nor_the_order_of_models_matter(seed in 0u64..1000, rotation in 0usize..4) {
        let a = Network::random(seed);
        let networks = [a.clone(), decayed(&a, 0.9, seed, 3, 2), low_rank(&a, 2, seed), a.each(|x| bf16::from_f32(x).to_f32())];
        let mut shuffled = networks.clone();
        shuffled.rotate_left(rotation);
        let at = |i: usize| id((i + 4 - rotation) % 4);
        let (first, second) = (geometry(&networks, 1), geometry(&shuffled, 3));
        for i in 0..4 {
            for j in 0..4 {
                prop_assert_eq!(first.read_pair(id(i), id(j)).unwrap(), second.read_pair(at(i), at(j)).unwrap());
            }
        }
        let members: Vec<usize> = (1..4).collect();
        let one = first.read_lines(id(0), &members.iter().map(|&i| id(i)).collect::<Vec<_>>()).unwrap().unwrap();
        let two = second.read_lines(at(0), &members.iter().rev().map(|&i| at(i)).collect::<Vec<_>>()).unwrap().unwrap();
        for (k, reversed) in Position::all(3).zip(Position::all(3).rev()) {
            prop_assert_eq!(one.states(k), two.states(reversed));
            prop_assert_eq!(one.factor(k), two.factor(reversed));
            prop_assert_eq!(one.ratio(Position::FIRST, k), two.ratio(Position::new(2), reversed));
        }
    }
}
