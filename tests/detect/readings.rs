//! How often the values of a set are read.

use neural_phylogeny::geometry::{Geometry, GeometrySettings, Progress};
use neural_phylogeny::rand::{Rng, SeedableRng};
use neural_phylogeny::rand_chacha::ChaCha8Rng;
use neural_phylogeny::{Config, InMemory, ModelSet, Phylogeny, SourceError, detect_phylogeny};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const ROWS: usize = 1024;
const COLUMNS: usize = 128;
const MATRICES: usize = 4;

type Network = Vec<Vec<f32>>;
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn initialized(rng: &mut ChaCha8Rng) -> Network {
    (0..MATRICES).map(|_| (0..ROWS * COLUMNS).map(|_| rng.gen_range(-1.0..1.0)).collect()).collect()
}

/// Adds noise, and `drift` times a direction that training goes along.
fn moved(rng: &mut ChaCha8Rng, from: &Network, noise: f32, drift: f32) -> Network {
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect() };
    let mut step = |matrix: &Vec<f32>| {
        let (rows, columns, scatter) = (draw(ROWS), draw(COLUMNS), draw(ROWS * COLUMNS));
        let by = |i: usize| noise * scatter[i] + drift * rows[i / COLUMNS] * columns[i % COLUMNS];
        matrix.iter().enumerate().map(|(i, w)| w + by(i)).collect()
    };
    from.iter().map(&mut step).collect()
}

/// Networks of a family. Each child has its parent among those before it.
fn family(rng: &mut ChaCha8Rng, parents: &[usize], noise: f32, drift: f32) -> Vec<Network> {
    let mut networks = vec![initialized(rng)];
    for &parent in parents {
        let child = moved(rng, &networks[parent], noise, drift);
        networks.push(child);
    }
    networks
}

fn source(network: &Network) -> Result<InMemory, SourceError> {
    let add = |model: InMemory, (i, matrix): (usize, &Vec<f32>)| {
        model.with_parameter(format!("w{i}"), [ROWS, COLUMNS], matrix.clone())
    };
    network.iter().enumerate().try_fold(InMemory::new(), add)
}

/// The number of values that reading some models reported, and the result of reading them.
fn read_by<T>(reading: impl FnOnce(Box<dyn Fn(Progress) -> ControlFlow<()> + Send + Sync>) -> T) -> (u64, T) {
    let read = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&read);
    let result = reading(Box::new(move |progress| {
        seen.fetch_max(progress.read, Ordering::Relaxed);
        ControlFlow::Continue(())
    }));
    (read.load(Ordering::Relaxed), result)
}

/// How often `detect` reads some networks, and what it finds.
fn times(networks: &[Network], config: Config) -> Result<(f64, Phylogeny), Box<dyn std::error::Error>> {
    let sources = networks.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let named = sources.into_iter().enumerate().map(|(i, source)| (i.to_string(), source));
    let models = ModelSet::from_models(named)?;
    let once = read_by(|observer| Geometry::compute(&models, &GeometrySettings::new().with_observer(observer)));
    once.1?;
    let all = read_by(|observer| detect_phylogeny(&models, config.with_observer(observer)));
    Ok((all.0 as f64 / once.0 as f64, all.1?))
}

#[test]
fn trained_families_are_read_twice() -> Outcome {
    // A star, a tree of three generations, and a line of descent.
    for parents in [&[0, 0, 0, 0][..], &[0, 0, 0, 1, 1, 4], &[0, 1, 2, 3]] {
        let networks = family(&mut ChaCha8Rng::seed_from_u64(7), parents, 0.05, 0.3);
        let (times, found) = times(&networks, Config::new())?;
        assert!(times > 1.9 && times <= 2.0, "{parents:?}: {times}");
        assert!(found.edges().len() + 1 >= parents.len(), "{parents:?}: {:?}", found.edges());
    }
    Ok(())
}

#[test]
fn families_whose_increments_are_noise_are_read_twice() -> Outcome {
    // Noise is at right angles to the root, as what pruning takes away is to what it leaves.
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let networks = [family(&mut rng, &[0, 0, 0, 0], 0.1, 0.0), family(&mut rng, &[0, 0, 0, 0], 0.1, 0.0)].concat();
    let (times, found) = times(&networks, Config::new())?;
    assert!(times > 1.9 && times <= 2.0, "{times}");
    assert_eq!(found.edges().len(), 8);
    Ok(())
}

#[test]
fn little_memory_costs_readings_and_no_result() -> Outcome {
    let networks = family(&mut ChaCha8Rng::seed_from_u64(7), &[0, 0, 0, 1, 1, 4], 0.05, 0.3);
    let (twice, found) = times(&networks, Config::new())?;
    let (often, same) = times(&networks, Config::new().with_memory(16 << 20))?;
    assert!(often > twice, "{often} {twice}");
    assert_eq!(format!("{:?}", same.edges()), format!("{:?}", found.edges()));
    Ok(())
}
