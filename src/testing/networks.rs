//! Small sets of networks of known lineage, for checks of detectors and selectors.

use super::Violation;
use crate::geometry::{Geometry, GeometrySettings, Initialization};
use crate::model_set::{ModelId, ModelSet};
use crate::source::{EntryDistribution, InMemory};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Layout = &'static [(&'static str, &'static [usize])];

const PERCEPTRON: Layout = &[("fc1.weight", &[24, 20]), ("fc1.bias", &[24]), ("fc2.weight", &[16, 24])];
const CONVOLUTION: Layout = &[("conv.weight", &[12, 5, 3, 3]), ("head.weight", &[10, 40]), ("head.bias", &[10])];
const VECTORS: Layout = &[("scale", &[300]), ("shift", &[300])];

/// One network: the tensors of a layout.
#[derive(Clone)]
struct Network {
    layout: Layout,
    weights: Vec<Vec<f32>>,
}

/// Makes networks as training would: from scratch, or by moving the weights of others.
struct Trainer(ChaCha8Rng);

impl Trainer {
    fn network(&mut self, layout: Layout) -> Network {
        let mut tensor = |shape: &[usize]| (0..shape.iter().product()).map(|_| self.0.gen_range(-1.0..1.0)).collect();
        Network { layout, weights: layout.iter().map(|(_, shape)| tensor(shape)).collect() }
    }

    fn tuned(&mut self, parent: &Network) -> Network {
        self.tuned_from(0, parent)
    }

    /// A child whose first tensors are frozen.
    fn tuned_from(&mut self, first: usize, parent: &Network) -> Network {
        let mut child = parent.clone();
        child.weights.iter_mut().skip(first).flatten().for_each(|w| *w += self.0.gen_range(-0.2f32..0.2));
        child
    }

    /// A network, as the last, after `children` children of it.
    fn star(&mut self, layout: Layout, children: usize) -> Vec<Network> {
        let root = self.network(layout);
        let mut star: Vec<Network> = (0..children).map(|_| self.tuned(&root)).collect();
        star.push(root);
        star
    }
}

/// A set of networks, with a name for messages.
pub(super) struct Story {
    pub(super) name: &'static str,
    networks: Vec<Network>,
}

/// Makes the sets: plain ones, and degenerate ones that do occur.
pub(super) fn stories() -> Vec<Story> {
    let mut trainer = Trainer(ChaCha8Rng::seed_from_u64(23));
    let t = &mut trainer;
    let star = t.star(PERCEPTRON, 5);
    let pair = t.star(PERCEPTRON, 1);
    let with = |networks: &[Network], more: Vec<Network>| [networks.to_vec(), more].concat();

    let mut chain = vec![t.network(PERCEPTRON)];
    for link in 0..4 {
        chain.push(t.tuned(&chain[link]));
    }
    let frozen = (0..4).map(|i| t.tuned_from(1 + i % 2, &star[5])).collect();
    let constant = |value: f32| {
        let weights = PERCEPTRON.iter().map(|(_, s)| vec![value; s.iter().product()]).collect();
        Network { layout: PERCEPTRON, weights }
    };
    let two_families = with(&t.star(PERCEPTRON, 3), with(&t.star(PERCEPTRON, 3), vec![t.network(PERCEPTRON)]));
    let two_layouts = with(&t.star(CONVOLUTION, 4), with(&t.star(PERCEPTRON, 3), t.star(CONVOLUTION, 2)));
    let story = |name, networks| Story { name, networks };
    vec![
        story("a star", star.clone()),
        // Copies tie whatever is measured, so that a detector shows here whether position decides.
        story("a star with a copy of its root", with(&star, vec![star[5].clone()])),
        story("a star with copies of a child", with(&star, vec![star[0].clone(), star[0].clone()])),
        story("a chain", chain),
        story("a root and children with frozen parameters", with(&star[5..], frozen)),
        story("two families and a stranger", two_families),
        story("families of two layouts", two_layouts),
        story("families of two layouts and a stranger of a third", {
            let others = with(&t.star(CONVOLUTION, 2), vec![t.network(VECTORS)]);
            with(&star, others)
        }),
        story("two models", pair.clone()),
        story("two models of the same weights", vec![pair[0].clone(); 2]),
        story("two strangers", vec![t.network(PERCEPTRON), t.network(PERCEPTRON)]),
        story("two models that cannot be compared", vec![t.network(PERCEPTRON), t.network(CONVOLUTION)]),
        story("four models of the same weights", vec![pair[0].clone(); 4]),
        story("pairs of copies", with(&pair, pair.clone())),
        story("models without a matrix", t.star(VECTORS, 3)),
        // Norms, scales and variances of 0 lead to divisions by 0.
        story("models of constant weights", vec![constant(0.0), constant(1.0), constant(0.0), constant(2.0)]),
    ]
}

impl Story {
    pub(super) fn len(&self) -> usize {
        self.networks.len()
    }

    /// Computes the geometry of the networks in an order. Each is named by its place.
    pub(super) fn geometry(&self, order: &[usize]) -> Result<Geometry, Violation> {
        let failed = |e: &dyn std::fmt::Display| {
            Violation::new(self.name, format!("that the check itself failed: {e}"), "a geometry")
        };
        let mut builder = ModelSet::builder();
        for (place, &at) in order.iter().enumerate() {
            let Network { layout, weights } = &self.networks[at];
            let mut source = InMemory::new();
            for ((name, shape), values) in layout.iter().zip(weights) {
                source = source.with_parameter(*name, shape, values.clone()).map_err(|e| failed(&e))?;
            }
            builder = builder.with_model(format!("model {place}"), source);
        }
        let models = builder.build().map_err(|e| failed(&e))?;
        // The initialization is random, so that the distance to it is not the norm.
        let initialization = Initialization::Random { entries: EntryDistribution::Uniform, seed: 3 };
        let settings = GeometrySettings::new().with_threads(1).with_initialization(initialization);
        Geometry::compute(&models, &settings).map_err(|e| failed(&e))
    }

    /// For each network, the first one with the same weights.
    pub(super) fn originals(&self) -> Vec<usize> {
        let same = |a: &Network, b: &Network| a.layout == b.layout && a.weights == b.weights;
        (0..self.len()).map(|i| (0..i).find(|&j| same(&self.networks[j], &self.networks[i])).unwrap_or(i)).collect()
    }

    /// The order as written, and some others.
    pub(super) fn orders(&self) -> Vec<Vec<usize>> {
        let n = self.len();
        let mut rng = ChaCha8Rng::seed_from_u64(29);
        let mut orders: Vec<Vec<usize>> = vec![(0..n).collect(), (0..n).rev().collect()];
        for _ in 0..3 {
            let mut keyed: Vec<(u32, usize)> = (0..n).map(|i| (rng.r#gen(), i)).collect();
            keyed.sort_unstable();
            orders.push(keyed.into_iter().map(|(_, i)| i).collect());
        }
        orders
    }
}

/// The models at some positions.
pub(super) fn ids(positions: impl IntoIterator<Item = usize>) -> Vec<ModelId> {
    positions.into_iter().map(ModelId::new).collect()
}

/// Gives what `run` returns. A panic is a violation.
pub(super) fn without_panic<T>(story: &str, expected: &str, run: impl FnOnce() -> T) -> Result<T, Violation> {
    let panicked = |_| Violation::new(story, "a panic", format!("{expected} or an error"));
    catch_unwind(AssertUnwindSafe(run)).map_err(panicked)
}

/// Whether two numbers differ at most by the order in which a sum was taken. `scale` is the size of its terms.
pub(super) fn same(a: f64, b: f64, scale: f64) -> bool {
    a == b || (a - b).abs() <= 1e-12 * scale
}
