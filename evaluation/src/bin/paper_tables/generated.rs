//! Generated sets of the paper's sizes: no training, but the statistics of fine-tuning measured on really trained networks.
//!
//! What is measured: for each child of the larger zoo (`tests/data/train_zoo.py --large`) how much of its parent it kept and how
//! far it moved, by `paper_tables -- --measure FOLDER`; the tables below are that output. A generated child takes one line at
//! random, both numbers jittered, and moves by them in random directions, of low rank where the line is an adapter's.
//!
//! What is made up: that parents are Gaussian, that directions are random but for a share that siblings have in common, that
//! every child is of the first generation as in the paper, and the sizes of families. The paper has 366 Stable Diffusion and 95
//! Llama models; its accuracies suggest 86 children for the latter, hence nine parents. How many parents the former have is not
//! published; the four here are a guess.

use crate::Failure;
use crate::sets::{NO_DECAY, Set};
use neural_phylogeny::evaluate::Truth;
use neural_phylogeny::{Edge, InMemory, ModelId, ModelSet, Phylogeny};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// A child of a real network: `θ_c = s θ_p + r`, `r ⊥ θ_p`.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// s: less than 1 where weight decay shrank it.
    kept: f64,
    /// `ρ = ‖r‖ / ‖θ_p‖`.
    moved: f64,
    /// Rank of an adapter; 0 for other children.
    rank: usize,
    /// Share of matrices that differ from the parent's.
    share: f64,
    /// Whether weight decay reached it.
    decayed: bool,
}

const fn measured(kept: f64, moved: f64, rank: usize, differ: usize, matrices: usize, decayed: bool) -> Measured {
    Measured { kept, moved, rank, share: differ as f64 / matrices as f64, decayed }
}

/// The children of `diffusion`, each with 51 matrices; `diffusion` has 21 children, 6 of them low-rank.
const DIFFUSION: [Measured; 21] = [
    measured(0.99780, 0.0627, 0, 51, 51, false),
    measured(0.99951, 0.1103, 0, 51, 51, true),
    measured(0.99731, 0.0568, 0, 51, 51, true),
    measured(0.99906, 0.0652, 0, 51, 51, false),
    measured(1.00055, 0.0689, 8, 16, 51, false),
    measured(0.99960, 0.0330, 0, 51, 51, false),
    measured(0.99722, 0.3438, 8, 32, 51, false),
    measured(1.00046, 0.0547, 2, 32, 51, false),
    measured(1.00543, 0.2091, 0, 51, 51, false),
    measured(1.01026, 0.4227, 0, 51, 51, true),
    measured(0.99951, 0.0282, 0, 51, 51, true),
    measured(0.99944, 0.0386, 0, 51, 51, true),
    measured(0.99946, 0.0373, 0, 51, 51, true),
    measured(1.00004, 0.0202, 0, 51, 51, true),
    measured(0.99996, 0.1664, 8, 32, 51, false),
    measured(1.00147, 0.1627, 0, 51, 51, true),
    measured(0.99869, 0.0555, 0, 51, 51, true),
    measured(1.00023, 0.0810, 2, 51, 51, false),
    measured(1.00288, 0.2617, 4, 16, 51, false),
    measured(1.00002, 0.1262, 0, 51, 51, false),
    measured(0.95990, 0.2925, 0, 51, 51, true),
];

/// The children of `llama`, each with 30 matrices; `llama` has 38 children, 13 of them low-rank.
const LLAMA: [Measured; 38] = [
    measured(1.00149, 0.1887, 8, 28, 30, false),
    measured(0.98961, 0.0241, 0, 30, 30, true),
    measured(1.00327, 0.0997, 0, 22, 30, true),
    measured(1.00119, 0.0182, 0, 22, 30, true),
    measured(0.99768, 0.2179, 8, 8, 30, false),
    measured(1.00536, 0.1002, 0, 30, 30, false),
    measured(0.99859, 0.0138, 0, 30, 30, true),
    measured(0.98231, 0.4152, 0, 22, 30, true),
    measured(0.84249, 0.0768, 0, 30, 30, true),
    measured(0.99143, 0.1058, 0, 30, 30, true),
    measured(1.00141, 0.0311, 0, 30, 30, true),
    measured(0.98631, 0.3129, 0, 30, 30, true),
    measured(1.01091, 0.2628, 0, 30, 30, false),
    measured(0.99908, 0.2473, 2, 8, 30, false),
    measured(0.99976, 0.3546, 8, 28, 30, false),
    measured(1.00976, 0.0919, 0, 30, 30, false),
    measured(1.00007, 0.3100, 16, 28, 30, false),
    measured(1.10276, 0.4431, 0, 22, 30, false),
    measured(1.02773, 0.2825, 0, 22, 30, true),
    measured(0.99597, 0.0822, 0, 22, 30, false),
    measured(1.00188, 0.0662, 0, 30, 30, true),
    measured(0.97041, 0.1676, 0, 30, 30, true),
    measured(0.64455, 0.1513, 0, 30, 30, true),
    measured(0.96164, 0.4603, 16, 8, 30, false),
    measured(1.00207, 0.0574, 2, 8, 30, false),
    measured(0.97619, 0.4818, 0, 22, 30, false),
    measured(0.98836, 0.1709, 8, 28, 30, false),
    measured(0.98942, 0.1442, 0, 30, 30, true),
    measured(0.99596, 0.1310, 2, 28, 30, false),
    measured(0.99938, 0.0863, 4, 30, 30, false),
    measured(1.03040, 0.3138, 0, 30, 30, false),
    measured(0.91841, 0.2713, 0, 30, 30, true),
    measured(1.03280, 0.1613, 0, 22, 30, true),
    measured(0.72352, 0.1550, 0, 30, 30, true),
    measured(1.01304, 0.2349, 8, 28, 30, false),
    measured(1.00127, 0.0941, 8, 30, 30, false),
    measured(0.99930, 0.1023, 8, 30, 30, false),
    measured(1.00086, 0.0332, 0, 30, 30, true),
];

/// Standard deviation of the factors `exp(N)` by which both numbers of a line are jittered: a choice, not a measurement.
const JITTER: f64 = 0.2;

/// What a generated set is like.
struct Kind {
    name: &'static str,
    /// Children of each parent.
    children: &'static [usize],
    /// Embeddings first, attention last: adapters and frozen layers leave out the first matrices.
    matrices: &'static [(&'static str, &'static [usize])],
    measured: Vec<Measured>,
    /// Standard deviation of ln movement over the matrices of one child; measured, median of full fine-tunes.
    spread: f64,
    /// Cosine of what two siblings moved; measured, median over pairs.
    common: f64,
    /// Norms of the parents, relative to one another: those of the measured roots over their mean, in turn.
    roots: [f64; 3],
}

fn stable_diffusion() -> Kind {
    Kind {
        name: "generated, 366 as Stable Diffusion",
        children: &[181, 99, 54, 28],
        matrices: &[
            ("conv_in.weight", &[32, 4, 3, 3]),
            ("up_blocks.0.resnets.0.conv1.weight", &[32, 32, 3, 3]),
            ("down_blocks.0.resnets.0.conv2.weight", &[32, 32, 3, 3]),
            ("down_blocks.0.resnets.0.conv1.weight", &[32, 32, 3, 3]),
            ("mid_block.attentions.0.to_q.weight", &[48, 48]),
            ("mid_block.attentions.0.to_k.weight", &[48, 48]),
            ("mid_block.attentions.0.to_v.weight", &[48, 48]),
            ("mid_block.attentions.0.to_out.0.weight", &[48, 48]),
        ],
        measured: DIFFUSION.to_vec(),
        spread: 0.43,
        common: 0.023,
        roots: [1.13, 0.86, 1.02],
    }
}

fn nine_llamas() -> Kind {
    Kind {
        name: "generated, 95 as Llama",
        children: &[25, 17, 12, 9, 7, 6, 4, 3, 3],
        matrices: &[
            ("model.embed_tokens.weight", &[256, 48]),
            ("model.layers.0.mlp.down_proj.weight", &[48, 96]),
            ("model.layers.0.mlp.gate_proj.weight", &[96, 48]),
            ("model.layers.0.mlp.up_proj.weight", &[96, 48]),
            ("model.layers.0.self_attn.q_proj.weight", &[48, 48]),
            ("model.layers.0.self_attn.k_proj.weight", &[48, 48]),
            ("model.layers.0.self_attn.v_proj.weight", &[48, 48]),
            ("model.layers.0.self_attn.o_proj.weight", &[48, 48]),
        ],
        measured: LLAMA.to_vec(),
        spread: 0.28,
        common: 0.076,
        roots: [1.04, 0.86, 1.10],
    }
}

/// Both sets, each also from the lines of children without decay alone.
pub(crate) fn sets(seeds: u64) -> Result<Vec<Set>, Failure> {
    let mut sets = Vec::new();
    for (mut kind, seed) in [(stable_diffusion(), 366), (nine_llamas(), 95)] {
        sets.push(set(&kind, "", seed, seeds)?);
        kind.measured.retain(|line| !line.decayed);
        sets.push(set(&kind, NO_DECAY, seed, seeds)?);
    }
    Ok(sets)
}

fn set(kind: &Kind, which: &str, seed: u64, seeds: u64) -> Result<Set, Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut models: Vec<(String, InMemory)> = Vec::new();
    let mut edges = Vec::new();
    for (family, &children) in kind.children.iter().enumerate() {
        let parent = kind.parent(kind.roots[family % kind.roots.len()], &mut rng);
        let common: Network = kind.matrices.iter().map(|(_, s)| normal(s.iter().product(), &mut rng)).collect();
        let root = ModelId::new(models.len());
        models.push((format!("p{family}"), kind.model(&parent)?));
        for child in 0..children {
            edges.push(Edge::new(root, ModelId::new(models.len())));
            let tuned = kind.child(&parent, &common, &mut rng);
            models.push((format!("p{family}_c{child}"), kind.model(&tuned)?));
        }
    }
    let names = models.iter().map(|(name, _)| name.clone());
    let truth = Truth::from(Phylogeny::from_edges(models.len(), edges)?.with_names(names)?);
    let builder = |rng: &mut ChaCha8Rng| {
        let mut order: Vec<_> = models.iter().collect();
        order.shuffle(rng);
        order.into_iter().fold(ModelSet::builder(), |b, (name, model)| b.with_model(name, model.clone()))
    };
    Set::new(format!("{}{which}", kind.name), truth, seeds, |rng| Ok(builder(rng)))
}

/// Values of each matrix.
type Network = Vec<Vec<f64>>;

impl Kind {
    fn model(&self, network: &Network) -> Result<InMemory, Failure> {
        let mut model = InMemory::new();
        for ((name, shape), values) in self.matrices.iter().zip(network) {
            model = model.with_parameter(*name, shape, values.iter().map(|&x| x as f32).collect())?;
        }
        Ok(model)
    }

    /// Gaussian, each matrix with variance 1 / inputs.
    fn parent(&self, scale: f64, rng: &mut ChaCha8Rng) -> Network {
        let matrix = |(_, shape): &(&str, &[usize])| {
            let inputs: usize = shape[1..].iter().product();
            let mut values = normal(shape.iter().product(), rng);
            values.iter_mut().for_each(|x| *x *= scale / (inputs as f64).sqrt());
            values
        };
        self.matrices.iter().map(matrix).collect()
    }

    fn child(&self, parent: &Network, common: &Network, rng: &mut ChaCha8Rng) -> Network {
        let line = self.measured[rng.gen_range(0..self.measured.len())];
        let mut factor = |deviation: f64| (deviation * rng.sample::<f64, _>(StandardNormal)).exp();
        let (lost, moved) = ((1.0 - line.kept) * factor(JITTER), line.moved * factor(JITTER));
        let differ = ((line.share * parent.len() as f64).round() as usize).clamp(1, parent.len());
        let first = parent.len() - differ;
        let squared: Vec<f64> = parent[first..].iter().map(|p| dot(p, p)).collect();
        let factors: Vec<f64> = squared.iter().map(|_| factor(self.spread)).collect();
        let total: f64 = parent.iter().map(|p| dot(p, p)).sum();
        // Loss and movement over the matrices that differ add up to those of the whole network.
        let lost = lost * total / squared.iter().sum::<f64>();
        let weighted: f64 = squared.iter().zip(&factors).map(|(s, f)| s * f * f).sum();
        let moved = moved * (total / weighted).sqrt();

        let mut child = parent.clone();
        for (t, values) in child.iter_mut().enumerate().skip(first) {
            let (squared, factor) = (squared[t - first], factors[t - first]);
            let mut step = match line.rank {
                0 => {
                    let own = normal(values.len(), rng);
                    let (shared, alone) = (self.common.sqrt(), (1.0 - self.common).sqrt());
                    own.iter().zip(&common[t]).map(|(x, c)| alone * x + shared * c).collect()
                }
                rank => low_rank(self.matrices[t].1, rank, rng),
            };
            // An adapter of low rank cannot shrink its base as a whole, nor keep clear of it exactly.
            let lost = if line.rank == 0 { lost } else { 0.0 };
            if line.rank == 0 {
                let along = dot(&step, values) / squared;
                step.iter_mut().zip(&*values).for_each(|(x, p)| *x -= along * p);
            }
            let size = moved * factor * (squared / dot(&step, &step)).sqrt();
            values.iter_mut().zip(&step).for_each(|(p, x)| *p += size * x - lost * *p);
        }
        child
    }
}

fn normal(count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    (0..count).map(|_| rng.sample(StandardNormal)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// `B A` with Gaussian factors.
fn low_rank(shape: &[usize], rank: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let (rows, columns) = (shape[0], shape[1..].iter().product());
    let (b, a) = (normal(rows * rank, rng), normal(rank * columns, rng));
    let mut product = vec![0.0; rows * columns];
    for (i, row) in product.chunks_exact_mut(columns).enumerate() {
        for k in 0..rank {
            row.iter_mut().zip(&a[k * columns..]).for_each(|(x, a)| *x += b[i * rank + k] * a);
        }
    }
    product
}
