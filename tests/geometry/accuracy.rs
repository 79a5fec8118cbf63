//! How near distances come to exact sums of the stored values, for every dtype: 10⁻⁹ of the largest squared norm, and 10⁻⁶ of themselves at
//! movements of 10⁻⁴.

use float8::{F8E4M3, F8E5M2};
use half::{bf16, f16};
use neural_phylogeny::ModelSet;
use neural_phylogeny::format::SafetensorsFile;
use neural_phylogeny::geometry::{Comparison, Geometry, GeometrySettings, Scope};
use neural_phylogeny::model_set::Position;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use std::error::Error;

/// More than one job of the pass, and a tail that is no whole vector; and one that is short.
const SHAPES: [(&str, [usize; 2]); 2] = [("body", [401, 661]), ("head", [3, 331])];

const MOVEMENT: f32 = 1e-4;

type Network = [Vec<f32>; 2];

/// Stores values of a dtype and gives back those that were stored, with their bytes.
type Store = fn(f32) -> (f32, Vec<u8>);

const DTYPES: [(Dtype, Store); 5] = [
    (Dtype::F32, |x| (x, x.to_le_bytes().to_vec())),
    (Dtype::F16, |x| (f16::from_f32(x).to_f32(), f16::from_f32(x).to_le_bytes().to_vec())),
    (Dtype::BF16, |x| (bf16::from_f32(x).to_f32(), bf16::from_f32(x).to_le_bytes().to_vec())),
    (Dtype::F8_E4M3, |x| (F8E4M3::from_f32(x).to_f32(), vec![F8E4M3::from_f32(x).to_bits()])),
    (Dtype::F8_E5M2, |x| (F8E5M2::from_f32(x).to_f32(), vec![F8E5M2::from_f32(x).to_bits()])),
];

/// Values of one size around a mean.
fn network(mean: f32, size: f32, rng: &mut ChaCha8Rng) -> Network {
    SHAPES.map(|(_, [rows, columns])| (0..rows * columns).map(|_| mean + size * rng.gen_range(-1.0..1.0)).collect())
}

fn moved(parent: &Network, step: f32, rng: &mut ChaCha8Rng) -> Network {
    parent.each_ref().map(|values| values.iter().map(|x| x + step * rng.gen_range(-1.0..1.0)).collect())
}

/// Two roots trained apart, and children of the first: one at the movement in question, one far away, and one near to that.
fn family(mean: f32, size: f32, seed: u64) -> Vec<Network> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let root = network(mean, size, &mut rng);
    let near = moved(&root, MOVEMENT * size, &mut rng);
    let far = moved(&root, 0.6 * size, &mut rng);
    let beside = moved(&far, MOVEMENT * size, &mut rng);
    vec![network(mean, size, &mut rng), near, root, beside, far]
}

/// Models whose heads were put in anew, so that only the body is near.
fn with_other_heads(size: f32, seed: u64) -> Vec<Network> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let root = network(0.0, size, &mut rng);
    (0..3)
        .map(|_| {
            let [body, _] = moved(&root, MOVEMENT * size, &mut rng);
            let [_, head] = network(0.0, 100.0 * size, &mut rng);
            [body, head]
        })
        .collect()
}

/// A sum that loses nothing that matters here: what each addition rounds off is kept beside it.
fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0);
    for term in terms {
        let next = sum + term;
        lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
        sum = next;
    }
    sum + lost
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    sum(a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)))
}

/// The geometry of networks stored in a dtype, and what was stored.
fn stored(networks: &[Network], dtype: Dtype, store: Store) -> Result<(Comparison, Vec<Network>), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut builder = ModelSet::builder();
    let mut values = Vec::new();
    for (number, network) in networks.iter().enumerate() {
        let both = network.each_ref().map(|v| v.iter().map(|x| store(*x)).unzip::<f32, Vec<u8>, Vec<_>, Vec<_>>());
        let bytes = both.each_ref().map(|(_, bytes)| bytes.concat());
        let mut views = Vec::new();
        for ((name, shape), bytes) in SHAPES.iter().zip(&bytes) {
            views.push((*name, TensorView::new(dtype, shape.to_vec(), bytes)?));
        }
        let path = folder.path().join(format!("{number}.safetensors"));
        serialize_to_file(views, None, &path)?;
        builder = builder.with_model(number.to_string(), SafetensorsFile::open(&path)?);
        values.push(both.map(|(values, _)| values));
    }
    let geometry = Geometry::compute(&builder.build()?, &GeometrySettings::new().with_scope(Scope::All))?;
    let models: Vec<_> = (0..networks.len()).map(neural_phylogeny::ModelId::new).collect();
    Ok((geometry.compare(&models)?, values))
}

fn check(case: &str, networks: &[Network]) -> Result<(), Box<dyn Error>> {
    check_in(&DTYPES, case, networks)
}

fn check_in(dtypes: &[(Dtype, Store)], case: &str, networks: &[Network]) -> Result<(), Box<dyn Error>> {
    for &(dtype, store) in dtypes {
        let (found, stored) = stored(networks, dtype, store)?;
        let norm = |model: &Network| sum(model.iter().flatten().map(|x| f64::from(*x).powi(2)));
        let largest = stored.iter().map(norm).fold(0.0, f64::max);
        for (a, model) in Position::all(stored.len()).zip(&stored) {
            assert!((found.squared_norm(a) - norm(model)).abs() <= 1e-9 * largest, "{case} {dtype:?} {a}");
            for (b, other) in Position::all(a.index()).zip(&stored) {
                let mut pairs: Vec<(f64, f64)> = found
                    .parameters()
                    .iter()
                    .map(|p| {
                        let at = SHAPES.iter().position(|(name, _)| *name == p.name()).unwrap_or(usize::MAX);
                        (p.squared_distance(a, b), squared_distance(&model[at], &other[at]))
                    })
                    .collect();
                assert_eq!(pairs.len(), SHAPES.len());
                let whole = sum(pairs.iter().map(|(_, expected)| *expected));
                assert!((found.squared_distance(a, b) - whole).abs() <= 1e-9 * largest, "{case} {dtype:?} {a} {b}");
                pairs.push((found.squared_distance(a, b), whole));
                for (found, expected) in pairs {
                    let error = (found - expected).abs();
                    assert!(error <= 1e-6 * expected, "{case} {dtype:?} {a} {b}: {found} is not {expected}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn distances_are_those_of_the_stored_values() -> Result<(), Box<dyn Error>> {
    check("around zero", &family(0.0, 0.05, 1))
}

#[test]
fn a_common_offset_takes_no_digits_away() -> Result<(), Box<dyn Error>> {
    check("around one", &family(1.0, 0.05, 2))
}

#[test]
fn bodies_that_moved_little_keep_their_digits_beside_new_heads() -> Result<(), Box<dyn Error>> {
    check("other heads", &with_other_heads(0.05, 3))
}

/// A model that is equal to its parent in the first columns, and moved elsewhere.
fn moved_behind(parent: &Network, columns: usize, step: f32, rng: &mut ChaCha8Rng) -> Network {
    let mut child = moved(parent, step, rng);
    child.iter_mut().zip(parent).for_each(|(child, parent)| {
        let columns = columns.min(parent.len());
        child[..columns].copy_from_slice(&parent[..columns]);
    });
    child
}

#[test]
fn first_columns_that_mislead_cost_no_digits() -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let root = network(0.0, 0.05, &mut rng);
    let child = moved(&root, 0.002, &mut rng);
    // In the first columns all of these are the child. Two of them are far apart, and two nearly equal.
    let behind: Vec<Network> = (0..3).map(|_| moved_behind(&child, 2000, 0.002, &mut rng)).collect();
    let twins: Vec<Network> = behind.iter().map(|model| moved_behind(model, 2000, 2e-7, &mut rng)).collect();
    let all = [vec![root, child], behind, twins].concat();
    check_in(&DTYPES[..1], "misleading columns", &all)
}

#[test]
fn steps_that_f32_cannot_square_keep_their_digits() -> Result<(), Box<dyn Error>> {
    for size in [1e30, 1e-25] {
        check_in(&DTYPES[..1], "far from one", &family(0.0, size, 5))?;
    }
    // One of them alone must not take the digits of the others.
    let mut mixed = family(0.0, 0.05, 6);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let tiny = moved(&mixed[2], 1e-9, &mut rng);
    mixed.push(tiny);
    mixed.extend(family(0.0, 1e25, 8).into_iter().take(1));
    check_in(&DTYPES[..1], "one far from one", &mixed)
}

#[test]
fn a_chain_of_small_steps_keeps_its_digits() -> Result<(), Box<dyn Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut chain = vec![network(0.0, 0.05, &mut rng)];
    for step in 0..12 {
        let next = moved(&chain[step], if step % 2 == 0 { 2e-3 } else { 2e-6 }, &mut rng);
        chain.push(next);
    }
    check_in(&DTYPES[..1], "a chain", &chain)
}
