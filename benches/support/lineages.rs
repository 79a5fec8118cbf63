//! Generated sets for timing: families of several generations with drift, partial fine-tunes, decay, copies and merges.

// Whoever includes this needs a part of it.
#![allow(dead_code)]

use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::{InMemory, ModelSet};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Four layers of three.
const PARAMETERS: usize = 12;

/// Rows and columns of each where none are asked for.
const SHAPE: [usize; 2] = [16, 32];

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

/// A model, and which before it in its family it was made from.
pub(crate) struct Member {
    network: Network,
    pub(crate) parents: Vec<usize>,
}

/// A stored geometry of `models` models in families of `family` each; values can be read again when asked for.
pub(crate) fn geometry(models: usize, family: usize, values: bool) -> Geometry {
    let mut rng = ChaCha8Rng::seed_from_u64(models as u64);
    let mut builder = ModelSet::builder();
    for first in (0..models).step_by(family) {
        for (number, member) in members(family.min(models - first), SHAPE, &mut rng).into_iter().enumerate() {
            builder = builder.with_model((first + number).to_string(), member.source(SHAPE));
        }
    }
    let models = builder.build().expect("models of one layout");
    let geometry = Geometry::compute(&models, &GeometrySettings::new().with_memory(4 << 30)).expect("a geometry");
    if values { geometry } else { geometry.without_values() }
}

impl Member {
    /// The model, its matrices of the shape it was made for.
    pub(crate) fn source(&self, shape: [usize; 2]) -> InMemory {
        let matrices = self.network.chunks(shape.iter().product()).enumerate();
        matrices.fold(InMemory::new(), |model, (t, values)| {
            let name = format!("layers.{}.{}.weight", t / 3, t % 3);
            model.with_parameter(name, shape, values.to_vec()).expect("as many values as the shape has")
        })
    }
}

fn normal(size: usize, rng: &mut ChaCha8Rng) -> Network {
    (0..PARAMETERS * size).map(|_| rng.sample(StandardNormal)).collect()
}

/// A family of so many models, its root first.
pub(crate) fn members(count: usize, shape: [usize; 2], rng: &mut ChaCha8Rng) -> Vec<Member> {
    let size = shape.iter().product();
    let mut members = vec![Member { network: normal(size, rng), parents: Vec::new() }];
    let common = normal(size, rng);
    let mut trained = vec![0];
    while members.len() < count {
        let any = |rng: &mut ChaCha8Rng| rng.gen_range(0..members.len());
        let pick = rng.r#gen::<f64>();
        let (network, parents) = if pick < DUPLICATES {
            let source = any(rng);
            (members[source].network.clone(), vec![source])
        } else if pick < DUPLICATES + SCALED {
            let factor = rng.gen_range(0.5..0.9);
            let source = any(rng);
            (members[source].network.iter().map(|x| x * factor).collect(), vec![source])
        } else if pick < DUPLICATES + SCALED + PRUNED {
            let least = rng.gen_range(0.1..0.6);
            let source = any(rng);
            let pruned = members[source].network.iter().map(|&x| if x.abs() < least { 0.0 } else { x });
            (pruned.collect(), vec![source])
        } else if pick < DUPLICATES + SCALED + PRUNED + MERGED && trained.len() > 3 {
            let share = rng.gen_range(0.3..0.7);
            let (a, b) = (trained[rng.gen_range(1..trained.len())], trained[rng.gen_range(1..trained.len())]);
            let both = members[a].network.iter().zip(&members[b].network);
            (both.map(|(x, y)| share * x + (1.0 - share) * y).collect(), if a == b { vec![a] } else { vec![a, b] })
        } else {
            let parent = if rng.gen_bool(OF_ROOT) { 0 } else { trained[rng.gen_range(0..trained.len())] };
            trained.push(members.len());
            (child(&members[parent].network, &common, size, rng), vec![parent])
        };
        members.push(Member { network, parents });
    }
    members
}

fn child(parent: &Network, common: &Network, size: usize, rng: &mut ChaCha8Rng) -> Network {
    let mut factor = |middle: f64, deviation: f64| middle * (deviation * rng.sample::<f64, _>(StandardNormal)).exp();
    let moved = factor(0.08, 0.7);
    let kept = 1.0 - factor(0.003, 1.0).min(0.1);
    let steps: Vec<f64> = (0..PARAMETERS).map(|_| factor(moved, 0.3)).collect();
    let first = if rng.gen_bool(PARTIAL) { PARAMETERS / 3 } else { 0 };
    let own = normal(size, rng);
    let mut child = parent.clone();
    for i in first * size..child.len() {
        let step = COMMON.sqrt() * f64::from(common[i]) + (1.0 - COMMON).sqrt() * f64::from(own[i]);
        child[i] = (kept * f64::from(child[i]) + steps[i / size] * step) as f32;
    }
    child
}
