//! What a query against a large store costs: `cargo run --release -p neural-phylogeny-evaluation --bin query_cost -- FOLDER [MODELS]`, 10,000 models unless told.
//!
//! Makes the store in the folder, unless it is there: generated models of eight matrices of 512 × 512 normal values, families of 33
//! (a root, 16 children of it, a child of each), every child its parent with a tenth of its norm in noise added; sketches of 512 KiB, 4 GB in
//! all at 10,000. Then ask for models that are not in it.

use neural_phylogeny::query::Query;
use neural_phylogeny::sketch::{Sketch, SketchSettings};
use neural_phylogeny::store::SketchStore;
use neural_phylogeny::{Error, InMemory};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;
use std::error::Error as StdError;
use std::fs;
use std::path::Path;
use std::time::Instant;

const MATRICES: usize = 8;
const SIDE: usize = 512;

/// A root, as many children of it, and a child of each.
const CHILDREN: usize = 16;
const FAMILY: usize = 1 + 2 * CHILDREN;

const MOVEMENT: f32 = 0.1;

type Weights = Vec<Vec<f32>>;

fn main() -> Result<(), Box<dyn StdError>> {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        println!("usage: query_cost FOLDER [MODELS]");
        return Ok(());
    };
    let models: usize = arguments.next().map_or(Ok(10_000), |n| n.parse())?;
    let families = models.div_ceil(FAMILY);
    let store = SketchStore::open_or_create(&folder, &SketchSettings::new().with_size(512 << 10))?;
    let started = Instant::now();
    (0..families).into_par_iter().try_for_each(|family| fill(&store, family, models))?;
    println!("{models} generated models in {families} families: {:.0} s", started.elapsed().as_secs_f64());

    let index = Path::new(&folder).join("index.safetensors");
    if index.exists() {
        fs::remove_file(&index)?;
    }
    let asked =
        |number: usize| sketch(&store, &moved(&member(number % families, number % 17), 1_000_000 + number as u64));
    let first = asked(0)?;
    let started = Instant::now();
    store.nearest(&first, 32)?;
    println!(
        "first index: {:.2} s, {:.0} MB",
        started.elapsed().as_secs_f64(),
        fs::metadata(&index)?.len() as f64 / 1e6
    );

    println!("| count | nearest, ms | query, ms | median of | parents right |\n|---:|---:|---:|---:|---:|");
    for count in [8, 16, 32, 64] {
        let (mut of_index, mut of_all, mut right) = (Vec::new(), Vec::new(), 0);
        for number in 0..5 {
            let sketch = asked(number)?;
            let started = Instant::now();
            store.nearest(&sketch, count)?;
            of_index.push(1e3 * started.elapsed().as_secs_f64());
            let started = Instant::now();
            let answer = Query::new(&store).with_nearest(count).run("asked", &sketch)?;
            of_all.push(1e3 * started.elapsed().as_secs_f64());
            let parents: Vec<&str> = answer.parents().iter().map(|e| answer.phylogeny.name(e.parent)).collect();
            right += usize::from(parents == [name(number % families, number % 17)]);
        }
        println!("| {count} | {:.1} | {:.1} | 5 | {right} of 5 |", median(of_index), median(of_all));
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn name(family: usize, member: usize) -> String {
    format!("generated/{family}/{member}")
}

/// Adds one family, but for models beyond the number and for what is there already.
fn fill(store: &SketchStore, family: usize, models: usize) -> Result<(), Error> {
    let begin = family * FAMILY;
    if begin >= models || store.get(&name(family, FAMILY.min(models - begin) - 1)).is_ok() {
        return Ok(());
    }
    let root = member(family, 0);
    store.replace(&name(family, 0), &sketch(store, &root)?)?;
    for child in 1..=CHILDREN {
        let weights = moved(&root, seed(family, child));
        let below = child + CHILDREN;
        if begin + child < models {
            store.replace(&name(family, child), &sketch(store, &weights)?)?;
        }
        if begin + below < models {
            store.replace(&name(family, below), &sketch(store, &moved(&weights, seed(family, below)))?)?;
        }
    }
    Ok(())
}

fn seed(family: usize, member: usize) -> u64 {
    (family * FAMILY + member) as u64
}

/// The root or one of its children.
fn member(family: usize, member: usize) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed(family, 0));
    let mut matrix = || (0..SIDE * SIDE).map(|_| rng.sample::<f32, _>(StandardNormal)).collect();
    let root = (0..MATRICES).map(|_| matrix()).collect();
    if member == 0 { root } else { moved(&root, seed(family, member)) }
}

fn moved(parent: &Weights, seed: u64) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut add = |w: &f32| w + MOVEMENT * rng.sample::<f32, _>(StandardNormal);
    parent.iter().map(|matrix| matrix.iter().map(&mut add).collect()).collect()
}

fn sketch(store: &SketchStore, weights: &Weights) -> Result<Sketch, Error> {
    let add = |model: InMemory, (k, matrix): (usize, &Vec<f32>)| {
        model.with_parameter(format!("layers.{k}.weight"), [SIDE, SIDE], matrix.clone())
    };
    let model = weights.iter().enumerate().try_fold(InMemory::new(), add);
    let model = model.map_err(|source| Error::Sketching { source: source.into() })?;
    Sketch::compute(&model, &store.settings().with_threads(1))
}
