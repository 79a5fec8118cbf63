//! Generated sets for timing: families of several generations with drift, partial fine-tunes, decay, copies and merges.

use neural_phylogeny::{Geometry, GeometrySettings, InMemory, ModelSet};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Four layers of three.
const PARAMETERS: usize = 12;
const SHAPE: [usize; 2] = [16, 32];
const SIZE: usize = SHAPE[0] * SHAPE[1];

/// Of all members but the root.
const DUPLICATES: f64 = 0.02;
const SCALED: f64 = 0.01;
const PRUNED: f64 = 0.01;
const MERGED: f64 = 0.03;

/// Children of the root among those that were trained; the parents of others are drawn among members that were.
const OF_ROOT: f64 = 0.6;

/// Of those trained, the share that left the first third of parameters as they were.
const PARTIAL: f64 = 0.15;

/// Share of a squared step that all members of a family have in common.
const COMMON: f64 = 0.05;

type Network = Vec<f32>;

/// A stored geometry of `models` models in families of `family` each; values can be read again when asked for.
pub(crate) fn geometry(models: usize, family: usize, values: bool) -> Geometry {
    let mut rng = ChaCha8Rng::seed_from_u64(models as u64);
    let mut builder = ModelSet::builder();
    for first in (0..models).step_by(family) {
        for (member, network) in members(family.min(models - first), &mut rng).into_iter().enumerate() {
            builder = builder.model((first + member).to_string(), source(&network));
        }
    }
    let models = builder.build().expect("models of one layout");
    let geometry = Geometry::compute(&models, &GeometrySettings::new().with_memory(4 << 30)).expect("a geometry");
    if values { geometry } else { geometry.without_values() }
}

fn source(network: &Network) -> InMemory {
    network.chunks(SIZE).enumerate().fold(InMemory::new(), |model, (t, values)| {
        model.parameter(format!("layers.{}.{}.weight", t / 3, t % 3), &SHAPE, values.to_vec()).expect("16 x 32 values")
    })
}

fn normal(rng: &mut ChaCha8Rng) -> Network {
    (0..PARAMETERS * SIZE).map(|_| rng.sample(StandardNormal)).collect()
}

fn members(count: usize, rng: &mut ChaCha8Rng) -> Vec<Network> {
    let mut members = vec![normal(rng)];
    let common = normal(rng);
    let mut trained = vec![0];
    while members.len() < count {
        let any = |rng: &mut ChaCha8Rng| rng.gen_range(0..members.len());
        let pick = rng.r#gen::<f64>();
        let next = if pick < DUPLICATES {
            members[any(rng)].clone()
        } else if pick < DUPLICATES + SCALED {
            let factor = rng.gen_range(0.5..0.9);
            members[any(rng)].iter().map(|x| x * factor).collect()
        } else if pick < DUPLICATES + SCALED + PRUNED {
            let least = rng.gen_range(0.1..0.6);
            members[any(rng)].iter().map(|&x| if x.abs() < least { 0.0 } else { x }).collect()
        } else if pick < DUPLICATES + SCALED + PRUNED + MERGED && trained.len() > 3 {
            let share = rng.gen_range(0.3..0.7);
            let (a, b) = (trained[rng.gen_range(1..trained.len())], trained[rng.gen_range(1..trained.len())]);
            members[a].iter().zip(&members[b]).map(|(x, y)| share * x + (1.0 - share) * y).collect()
        } else {
            let parent = if rng.gen_bool(OF_ROOT) { 0 } else { trained[rng.gen_range(0..trained.len())] };
            trained.push(members.len());
            child(&members[parent], &common, rng)
        };
        members.push(next);
    }
    members
}

fn child(parent: &Network, common: &Network, rng: &mut ChaCha8Rng) -> Network {
    let mut factor = |middle: f64, deviation: f64| middle * (deviation * rng.sample::<f64, _>(StandardNormal)).exp();
    let moved = factor(0.08, 0.7);
    let kept = 1.0 - factor(0.003, 1.0).min(0.1);
    let steps: Vec<f64> = (0..PARAMETERS).map(|_| factor(moved, 0.3)).collect();
    let first = if rng.gen_bool(PARTIAL) { PARAMETERS / 3 } else { 0 };
    let own = normal(rng);
    let mut child = parent.clone();
    for i in first * SIZE..child.len() {
        let step = COMMON.sqrt() * f64::from(common[i]) + (1.0 - COMMON).sqrt() * f64::from(own[i]);
        child[i] = (kept * f64::from(child[i]) + steps[i / SIZE] * step) as f32;
    }
    child
}
