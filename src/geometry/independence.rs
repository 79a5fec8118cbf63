use super::Geometry;
use super::group::{GroupGeometry, ParameterGeometry};
use super::packed::Packed;
use crate::model_set::{Kind, ModelId};
use rayon::prelude::*;

/// Parameters of fewer values say little: their cosine has a standard deviation of more than an eighth.
const LEAST_SIZE: usize = 64;

/// Could these two models have been trained apart? z-scores of shape (n_models, n_models).
///
/// Weights that grew from different random initializations are uncorrelated: for parameter t of `D_t` values, each model's
/// values centred to mean 0, the cosine of two such models is 0 with standard deviation `1 / √D_t`, so that
/// `z_t(i, j) = cos_t(i, j) · √D_t` is standard normal. Models that share an ancestor have `z_t ≫ 1`. The pooled `z(i, j)` is
/// the **median** of `z_t` over matrix-shaped parameters: single parameters (token embeddings of models trained on similar
/// text) do correlate without kinship.
///
/// From sketches, the error of `⟨θ_i, θ_j⟩` adds to the deviation that unrelated models would have:
/// `z_t = ⟨θ_i, θ_j⟩ / √(‖θ_i‖² ‖θ_j‖² / D_t + Var / 4)`, `Var` that of the squared distance; it stays standard normal.
///
/// # Assumes
///
/// Independent random initializations. Models trained apart from one stored initialization, or from one random seed, are
/// indistinguishable from kin here. Networks of fewer than some hundred values per matrix carry too little to tell.
///
/// # Differs from
///
/// the ϕ statistics of Zhu et al., *Independence tests for language models* (arXiv:2502.12292), in needing no hidden
/// activations and no permutations: it is asymptotic, and one matrix product gives all pairs.
#[derive(Clone, Debug)]
pub struct Independence {
    n: usize,
    /// NaN where there is none.
    z: Packed,
    pairs: usize,
}

impl Independence {
    pub(super) fn of(geometry: &Geometry) -> Self {
        let n = geometry.len();
        let mut z = Packed::constant(n, f64::NAN);
        let mut pairs = 0;
        for group in &geometry.groups {
            let used: Vec<Centred<'_>> = parameters(group).into_iter().map(Centred::of).collect();
            let row = |i: usize| -> Vec<f64> {
                let mut found = Vec::with_capacity(used.len());
                let pooled = |(j, b): (usize, &ModelId)| match geometry.identical(group.members[i], *b) {
                    true => f64::INFINITY,
                    false => pooled(&used, i, j, &mut found).unwrap_or(f64::NAN),
                };
                group.members[..i].iter().enumerate().map(pooled).collect()
            };
            let rows: Vec<Vec<f64>> = (0..group.members.len()).into_par_iter().map(row).collect();
            for (a, row) in group.members.iter().zip(rows) {
                pairs += row.len();
                row.into_iter().zip(&group.members).for_each(|(pooled, b)| z.set(a.index(), b.index(), pooled));
            }
        }
        Self { n, z, pairs }
    }

    /// `z(a, b)`; infinite for identical models, `None` when the two cannot be compared or have no parameter that varies.
    ///
    /// # Panics
    ///
    /// When a model is out of range.
    pub fn z(&self, a: ModelId, b: ModelId) -> Option<f64> {
        assert!(a.index() < self.n && b.index() < self.n, "model out of range");
        Some(self.z.value(a.index(), b.index())).filter(|z| !z.is_nan())
    }

    /// Probability that two unrelated models reach this z or more: `½ erfc(z / √2)`.
    pub fn p_value(z: f64) -> f64 {
        0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
    }

    /// How many unrelated pairs of a set this large are expected to reach this z: its p-value times the number of pairs.
    pub(crate) fn false_alarms(&self, z: f64) -> f64 {
        Self::p_value(z) * self.pairs as f64
    }

    /// That the two are kin: one less the probability that any unrelated pair of the set looks so related, in [0, 1].
    pub(crate) fn kinship(&self, a: ModelId, b: ModelId) -> f64 {
        (1.0 - self.false_alarms(self.z(a, b).unwrap_or(0.0))).max(0.0)
    }

    /// Whether the two are related, such that over all pairs of a set without kin the probability of a single false alarm is
    /// at most `false_alarm` (Bonferroni). The median over parameters is taken to vary as one parameter does, which makes the
    /// test conservative.
    pub fn related(&self, a: ModelId, b: ModelId, false_alarm: f64) -> bool {
        self.z(a, b).is_some_and(|z| self.false_alarms(z) <= false_alarm)
    }
}

/// Matrices of enough values; failing those, whatever there is.
fn parameters(group: &GroupGeometry) -> Vec<&ParameterGeometry> {
    let choose = |keep: &dyn Fn(&ParameterGeometry) -> bool| -> Vec<&ParameterGeometry> {
        let everywhere = |p: &&ParameterGeometry| p.holders.len() == group.members.len();
        group.parameters.iter().filter(everywhere).filter(|p| keep(p)).collect()
    };
    let large = choose(&|p| p.kind == Kind::Matrix && p.size() >= LEAST_SIZE);
    if !large.is_empty() {
        return large;
    }
    let matrices = choose(&|p| p.kind == Kind::Matrix);
    if matrices.is_empty() { choose(&|_| true) } else { matrices }
}

/// One parameter with the squared norms of all holders' values, each centred to mean 0.
struct Centred<'g> {
    parameter: &'g ParameterGeometry,
    norms: Vec<f64>,
    root_size: f64,
}

impl<'g> Centred<'g> {
    fn of(parameter: &'g ParameterGeometry) -> Self {
        let norms = (0..parameter.holders.len()).map(|i| parameter.centred_norm(i)).collect();
        Self { parameter, norms, root_size: (parameter.size() as f64).sqrt() }
    }
}

/// `z` is room for one value per parameter.
fn pooled(parameters: &[Centred<'_>], i: usize, j: usize, z: &mut Vec<f64>) -> Option<f64> {
    z.clear();
    for p in parameters {
        let norms = p.norms[i] * p.norms[j];
        if norms > 0.0 {
            let inner = p.parameter.centred_inner(i, j);
            let cosine = (inner / norms.sqrt()).clamp(-1.0, 1.0);
            z.push(match p.parameter.width {
                None => cosine * p.root_size,
                // Half the error of the squared distance is that of the inner product.
                Some(_) => inner / (norms / p.root_size.powi(2) + p.parameter.variance(i, j) / 4.0).sqrt(),
            });
        }
    }
    if z.is_empty() {
        return None;
    }
    z.sort_unstable_by(f64::total_cmp);
    let middle = z.len() / 2;
    Some(if z.len() % 2 == 1 { z[middle] } else { (z[middle - 1] + z[middle]) / 2.0 })
}
