use super::group::GroupGeometry;
use super::marginals::{Marginals, Place};
use crate::error::Error;
use crate::kernel::Packed;
use crate::model_set::{Kind, ModelId};
use std::sync::Arc;

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
    /// Scores of all pairs of each group.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] when a sketch cannot be read, [`Error::MemoryTooSmall`]; none where all distances are kept.
    pub(super) fn new(models: usize, groups: &[GroupGeometry]) -> Result<Self, Error> {
        let mut z = Packed::constant(models, f64::NAN);
        for group in groups {
            let own = group.pairs.z(&parameters(group))?;
            take_over(&mut z, group, &own);
        }
        let pairs = groups.iter().map(|g| Packed::length(g.members.len()) - g.members.len()).sum();
        Ok(Self { n: models, z: Arc::new(z), pairs, measured: true })
    }

    /// No pair has a score.
    pub(super) fn unmeasured(models: usize) -> Self {
        Self { n: models, z: Arc::new(Packed::constant(models, f64::NAN)), pairs: 0, measured: false }
    }

    /// Whether the geometry tells independence at all: all but those made [from distances](crate::geometry::Geometry::of_distances) do.
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
fn take_over(z: &mut Packed, group: &GroupGeometry, own: &Packed) {
    for (i, a) in group.members.iter().enumerate() {
        for (j, b) in group.members[..i].iter().enumerate() {
            let identical = group.identical(Place(i), Place(j));
            z.set(a.index(), b.index(), if identical { f64::INFINITY } else { own.value(i, j) });
        }
    }
}

/// Matrices of enough values that all models hold; failing those, whatever there is.
fn parameters(group: &GroupGeometry) -> Vec<usize> {
    let choose = |keep: &dyn Fn(&Marginals) -> bool| -> Vec<usize> {
        let everywhere =
            |(_, m): &(usize, &Marginals)| m.holders.len() == group.members.len() && m.size() > 0 && keep(m);
        group.marginals().enumerate().filter(everywhere).map(|(p, _)| p).collect()
    };
    let large = choose(&|m| m.kind == Kind::Matrix && m.size() >= LEAST_SIZE);
    if !large.is_empty() {
        return large;
    }
    let matrices = choose(&|m| m.kind == Kind::Matrix);
    if matrices.is_empty() { choose(&|_| true) } else { matrices }
}
