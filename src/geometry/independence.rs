use super::group::{GroupGeometry, Held, Pairs, ParameterGeometry};
use super::median;
use super::packed::Packed;
use crate::error::Error;
use crate::model_set::{Kind, ModelId};
use rayon::prelude::*;
use std::sync::Arc;

/// Parameters of fewer values say little: their cosine has a standard deviation of more than an eighth.
pub(super) const LEAST_SIZE: usize = 64;

/// Could these two models have been trained apart? z-scores of shape (n_models, n_models).
///
/// Weights that grew from different random initializations are uncorrelated: for parameter t of `D_t` values, each model's
/// values centred to mean 0, the cosine of two such models is 0 with standard deviation `1 / √D_t`, so that
/// `z_t(i, j) = cos_t(i, j) · √D_t` is standard normal. Models that share an ancestor have `z_t ≫ 1`. The pooled `z(i, j)` is
/// the **median** of `z_t` over matrix-shaped parameters: single parameters (token embeddings of models trained on similar
/// text) do correlate without kinship.
///
/// From sketches, `⟨θ_i, θ_j⟩` is that of two sketches of width w, whose error adds to the deviation that unrelated models would
/// have: `z_t = ⟨S θ_i, S θ_j⟩ / √(‖θ_i‖² ‖θ_j‖² (1 / D_t + 1 / w))`, for values of mean 0; it stays standard normal. Of thousands
/// of models sketches are folded to what some 10¹² multiplications allow, and of more than 64 parameters the largest are taken.
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
    z: Arc<Packed>,
    pairs: usize,
    measured: bool,
}

impl Independence {
    /// From the matrices of all pairs.
    pub(super) fn of(models: usize, groups: &[GroupGeometry]) -> Self {
        let mut z = Packed::constant(models, f64::NAN);
        for group in groups {
            let Pairs::Kept { parameters: all, .. } = &group.pairs else { continue };
            let used: Vec<Centred<'_>> = parameters(group).into_iter().map(|p| Centred::of(&all[p])).collect();
            let row = |i: usize| -> Vec<f64> {
                let mut found = Vec::with_capacity(used.len());
                (0..i).map(|j| pooled(&used, i, j, &mut found).unwrap_or(f64::NAN)).collect()
            };
            let rows: Vec<Vec<f64>> = (0..group.members.len()).into_par_iter().map(row).collect();
            put(&mut z, group, |i, j| rows[i][j]);
        }
        Self::from_scores(models, groups, z)
    }

    /// From the inner products of sketches, which are kept nowhere.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] when a sketch cannot be read, [`Error::MemoryTooSmall`].
    pub(super) fn of_sketches(models: usize, groups: &[GroupGeometry]) -> Result<Self, Error> {
        let mut z = Packed::constant(models, f64::NAN);
        for group in groups {
            let Pairs::OnDemand(sketches) = &group.pairs else { continue };
            let own = sketches.z(&parameters(group))?;
            put(&mut z, group, |i, j| own.value(i, j));
        }
        Ok(Self::from_scores(models, groups, z))
    }

    fn from_scores(models: usize, groups: &[GroupGeometry], z: Packed) -> Self {
        let pairs = groups.iter().map(|g| Packed::length(g.members.len()) - g.members.len()).sum();
        Self { n: models, z: Arc::new(z), pairs, measured: true }
    }

    /// No pair has a score.
    pub(super) fn unmeasured(models: usize) -> Self {
        Self { n: models, z: Arc::new(Packed::constant(models, f64::NAN)), pairs: 0, measured: false }
    }

    /// Whether the geometry tells independence at all: all but those made [from distances](crate::Geometry::of_distances) do.
    pub fn is_measured(&self) -> bool {
        self.measured
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
    /// 1 where independence is not measured: the families were then given.
    pub(crate) fn kinship(&self, a: ModelId, b: ModelId) -> f64 {
        if !self.measured {
            return 1.0;
        }
        (1.0 - self.false_alarms(self.z(a, b).unwrap_or(0.0))).max(0.0)
    }

    /// Whether the two are related, such that over all pairs of a set without kin the probability of a single false alarm is
    /// at most `false_alarm` (Bonferroni). The median over parameters is taken to vary as one parameter does, which makes the
    /// test conservative.
    pub fn related(&self, a: ModelId, b: ModelId, false_alarm: f64) -> bool {
        self.z(a, b).is_some_and(|z| self.false_alarms(z) <= false_alarm)
    }
}

/// Takes over the z-scores of one group, those of identical models being infinite.
fn put(z: &mut Packed, group: &GroupGeometry, own: impl Fn(usize, usize) -> f64) {
    for (i, a) in group.members.iter().enumerate() {
        for (j, b) in group.members[..i].iter().enumerate() {
            let pooled = if group.identical(i, j) { f64::INFINITY } else { own(i, j) };
            z.set(a.index(), b.index(), pooled);
        }
    }
}

/// Matrices of enough values; failing those, whatever there is.
fn parameters(group: &GroupGeometry) -> Vec<usize> {
    let choose = |keep: &dyn Fn(&Held) -> bool| -> Vec<usize> {
        let everywhere = |(_, h): &(usize, &Held)| h.holders.len() == group.members.len() && h.size() > 0 && keep(h);
        group.held().enumerate().filter(everywhere).map(|(p, _)| p).collect()
    };
    let large = choose(&|h| h.kind == Kind::Matrix && h.size() >= LEAST_SIZE);
    if !large.is_empty() {
        return large;
    }
    let matrices = choose(&|h| h.kind == Kind::Matrix);
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
        let held = &parameter.held;
        let norms = (0..held.holders.len()).map(|i| held.centred_norm(i)).collect();
        Self { parameter, norms, root_size: (held.size() as f64).sqrt() }
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
            z.push(cosine * p.root_size);
        }
    }
    median(z)
}
