//! How often the values of a set are read.

use neural_phylogeny::geometry::{Geometry, GeometrySettings, Progress};
use neural_phylogeny::rand::{Rng, SeedableRng};
use neural_phylogeny::rand_chacha::ChaCha8Rng;
use neural_phylogeny::{Config, InMemory, ModelSet, SourceError, detect_phylogeny};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const ROWS: usize = 1024;
const COLUMNS: usize = 128;
const MATRICES: usize = 4;

type Network = Vec<Vec<f32>>;

/// Adds what training adds: noise, and more of it along one direction.
fn trained(rng: &mut ChaCha8Rng, from: &Network) -> Network {
    let mut draw = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect() };
    let mut step = |matrix: &Vec<f32>| {
        let (rows, columns, noise) = (draw(ROWS), draw(COLUMNS), draw(ROWS * COLUMNS));
        let moved = |i: usize| 0.05 * noise[i] + 0.3 * rows[i / COLUMNS] * columns[i % COLUMNS];
        matrix.iter().enumerate().map(|(i, w)| w + moved(i)).collect()
    };
    from.iter().map(&mut step).collect()
}

fn source(network: &Network) -> Result<InMemory, SourceError> {
    let add = |model: InMemory, (i, matrix): (usize, &Vec<f32>)| {
        model.with_parameter(format!("w{i}"), [ROWS, COLUMNS], matrix.clone())
    };
    network.iter().enumerate().try_fold(InMemory::new(), add)
}

/// The number of values that reading some models reported.
fn read_by(reading: impl FnOnce(Box<dyn Fn(Progress) -> ControlFlow<()> + Send + Sync>)) -> u64 {
    let read = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&read);
    reading(Box::new(move |progress| {
        seen.fetch_max(progress.read, Ordering::Relaxed);
        ControlFlow::Continue(())
    }));
    read.load(Ordering::Relaxed)
}

#[test]
fn a_set_is_read_a_few_times_and_not_once_for_each_question() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let root: Network =
        (0..MATRICES).map(|_| (0..ROWS * COLUMNS).map(|_| rng.gen_range(-1.0..1.0)).collect()).collect();
    let mut networks = vec![root];
    for parent in [0, 0, 0, 1, 1, 4] {
        let child = trained(&mut rng, &networks[parent]);
        networks.push(child);
    }
    let sources = networks.iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let named = sources.into_iter().enumerate().map(|(i, source)| (i.to_string(), source));
    let models = ModelSet::from_models(named)?;
    let once = read_by(|observer| {
        Geometry::compute(&models, &GeometrySettings::new().with_observer(observer)).expect("a geometry");
    });
    let all = read_by(|observer| {
        detect_phylogeny(&models, Config::new().with_observer(observer)).expect("a phylogeny");
    });
    // Once for distances, then lines of likely roots, lines of candidate parents, and edges. Samples come on top.
    let times = all as f64 / once as f64;
    assert!((1.0..=4.6).contains(&times), "{times}");
    Ok(())
}
