//! Models in memory, grown from random numbers.

use neural_phylogeny::{Config, InMemory, ModelSet, Phylogeny, detect_phylogeny};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Four matrices, flat, row-major.
pub(crate) type Weights = Vec<Vec<f32>>;

const SHAPES: [[usize; 2]; 4] = [[48, 32], [32, 48], [40, 32], [24, 40]];

pub(crate) fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A network trained from scratch.
pub(crate) fn root(rng: &mut ChaCha8Rng) -> Weights {
    SHAPES.iter().map(|s| (0..s[0] * s[1]).map(|_| rng.sample::<f32, _>(StandardNormal) * 0.2).collect()).collect()
}

/// Trained on: every value moves by about `step`, but for the first `dead` columns of the first matrix, which decay shrinks by
/// one factor.
pub(crate) fn tuned(parent: &Weights, step: f32, decay: f32, dead: usize, rng: &mut ChaCha8Rng) -> Weights {
    let mut child = parent.clone();
    for (t, values) in child.iter_mut().enumerate() {
        let columns = SHAPES[t][1];
        for (i, value) in values.iter_mut().enumerate() {
            *value *= decay;
            if t > 0 || i % columns >= dead {
                *value += step * rng.sample::<f32, _>(StandardNormal);
            }
        }
    }
    child
}

/// `Σ w_i · model_i`.
pub(crate) fn mixed(parts: &[(f64, &Weights)]) -> Weights {
    let at = |t: usize, i: usize| parts.iter().map(|(w, m)| w * f64::from(m[t][i])).sum::<f64>() as f32;
    (0..SHAPES.len()).map(|t| (0..SHAPES[t][0] * SHAPES[t][1]).map(|i| at(t, i)).collect()).collect()
}

pub(crate) fn mapped(model: &Weights, f: impl Fn(f32) -> f32) -> Weights {
    model.iter().map(|values| values.iter().map(|&x| f(x)).collect()).collect()
}

pub(crate) fn set(models: &[(String, Weights)]) -> ModelSet {
    let mut builder = ModelSet::builder();
    for (name, weights) in models {
        let mut source = InMemory::new();
        for (t, values) in weights.iter().enumerate() {
            source = source.with_parameter(format!("layers.{t}.weight"), SHAPES[t], values.clone()).unwrap();
        }
        builder = builder.with_model(name.clone(), source);
    }
    builder.build().unwrap()
}

/// The likeliest parent of every model, however unsure.
pub(crate) fn detected(models: &[(String, Weights)]) -> Phylogeny {
    detect_phylogeny(&set(models), Config::default().with_minimum_confidence(0.0)).unwrap()
}

pub(crate) fn named(models: Vec<(&str, Weights)>) -> Vec<(String, Weights)> {
    models.into_iter().map(|(name, weights)| (name.to_owned(), weights)).collect()
}

/// Parents of a model by name, sorted.
pub(crate) fn parents<'p>(phylogeny: &'p Phylogeny, child: &str) -> Vec<&'p str> {
    let mut names: Vec<&str> =
        phylogeny.parents(phylogeny.id(child).unwrap()).iter().map(|e| phylogeny.name(e.parent)).collect();
    names.sort_unstable();
    names
}

/// Root, five children, two of them with a child of their own; decay and dead columns as in training.
pub(crate) fn family(seed: u64) -> Vec<(String, Weights)> {
    let mut rng = rng(seed);
    let r = root(&mut rng);
    let a = tuned(&r, 0.02, 1.0, 6, &mut rng);
    let b = tuned(&r, 0.05, 0.99, 5, &mut rng);
    let c = tuned(&r, 0.03, 0.97, 6, &mut rng);
    let d = tuned(&r, 0.1, 1.0, 4, &mut rng);
    let e = tuned(&r, 0.01, 0.999, 6, &mut rng);
    let b0 = tuned(&b, 0.04, 0.995, 4, &mut rng);
    let c0 = tuned(&c, 0.02, 1.0, 5, &mut rng);
    let c00 = tuned(&c0, 0.03, 0.99, 3, &mut rng);
    named(vec![("r", r), ("a", a), ("b", b), ("c", c), ("d", d), ("e", e), ("b0", b0), ("c0", c0), ("c00", c00)])
}
