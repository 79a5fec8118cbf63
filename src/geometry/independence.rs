use super::group::GroupGeometry;
use super::marginals::{Marginals, Place};
use crate::error::Error;
use crate::kernel::Packed;
use crate::model_set::{Kind, ModelId};
use std::sync::Arc;

/// Least number of values of a parameter. With fewer, the cosine has a standard deviation of more than an eighth and says
/// little.
pub(super) const LEAST_SIZE: usize = 64;

/// The test of whether two models could have been trained apart: z-scores of shape (n_models, n_models).
///
/// Weights from different random initializations are uncorrelated. Let parameter t have `D_t` values, and center each model's
/// values to mean 0. Then the cosine of two such models is 0 with standard deviation `1 / √D_t`, and
/// `z_t(i, j) = cos_t(i, j) · √D_t` is standard normal. Models that share an ancestor have `z_t ≫ 1`.
///
/// The pooled `z(i, j)` is the **median** of `z_t` over matrix-shaped parameters. Single parameters can correlate without
/// kinship, such as token embeddings of models trained on similar text.
///
/// With sketches, `⟨θ_i, θ_j⟩` comes from two sketches of width w. Their error adds to the deviation of unrelated models:
/// `z_t = ⟨S θ_i, S θ_j⟩ / √(‖θ_i‖² ‖θ_j‖² (1 / D_t + 1 / w))`, for values of mean 0. It is still standard normal. For
/// thousands of models, sketches are folded to a width that some 2·10¹² multiplications allow. Of more than 64 parameters, the
/// largest are used.
///
/// # Assumes
///
/// The random initializations are independent. Models trained apart from one stored initialization, or from one random seed,
/// look like kin here. Networks with fewer than some hundred values per matrix hold too little information.
///
/// # Differs from
///
/// The ϕ statistics of Zhu et al., *Independence tests for language models* (arXiv:2502.12292), need hidden activations and
/// permutations. This test needs neither: it is asymptotic, and one matrix product gives all pairs.
///
/// ```
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
/// use neural_phylogeny::{InMemory, ModelId, ModelSet};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// # let base: Vec<f32> = noise(1).take(4096).collect();
/// # let tuned = base.iter().zip(noise(2)).map(|(w, e)| w + 0.1 * e).collect();
/// # let stranger = noise(9).take(4096).collect();
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// let models = ModelSet::from_models([
///     ("base", model(base)?), ("tuned", model(tuned)?), ("stranger", model(stranger)?),
/// ])?;
/// let [base, tuned, stranger] = [0, 1, 2].map(ModelId::new);
/// let independence = Geometry::compute(&models, &GeometrySettings::new())?.independence();
/// assert!(independence.related(base, tuned, 1e-3) && !independence.related(base, stranger, 1e-3));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Independence {
    n: usize,
    /// The z-score of each pair. NaN where there is none.
    z: Arc<Packed>,
    pairs: usize,
    measured: bool,
}

impl Independence {
    /// Computes the scores of all pairs of each group.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] when a sketch cannot be read, and [`Error::MemoryTooSmall`]. There is no error when all distances are
    /// kept.
    pub(super) fn new(models: usize, groups: &[GroupGeometry]) -> Result<Self, Error> {
        let mut z = Packed::constant(models, f64::NAN);
        for group in groups {
            let own = group.pairs.z(&parameters(group))?;
            take_over(&mut z, group, &own);
        }
        let pairs = groups.iter().map(|g| Packed::length(g.members.len()) - g.members.len()).sum();
        Ok(Self { n: models, z: Arc::new(z), pairs, measured: true })
    }

    /// Creates a test in which no pair has a score.
    pub(super) fn unmeasured(models: usize) -> Self {
        Self { n: models, z: Arc::new(Packed::constant(models, f64::NAN)), pairs: 0, measured: false }
    }

    /// Whether the geometry measures independence. Only one made
    /// [from distances](crate::geometry::Geometry::of_distances) may not.
    pub fn is_measured(&self) -> bool {
        self.measured
    }

    /// Returns `z(a, b)`. It is infinite for identical models. `None` when the two cannot be compared, or have no parameter
    /// that varies.
    ///
    /// # Panics
    ///
    /// When a model is out of range.
    pub fn z(&self, a: ModelId, b: ModelId) -> Option<f64> {
        assert!(a.index() < self.n && b.index() < self.n, "model out of range");
        Some(self.z.value(a.index(), b.index())).filter(|z| !z.is_nan())
    }

    /// Returns the probability that two unrelated models reach this z or more: `½ erfc(z / √2)`.
    pub fn p_value(z: f64) -> f64 {
        0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
    }

    /// Returns how many unrelated pairs of a set of this size are expected to reach this z: the p-value times the number of
    /// pairs.
    pub(crate) fn false_alarms(&self, z: f64) -> f64 {
        Self::p_value(z) * self.pairs as f64
    }

    /// Returns the probability that the two are kin, in [0, 1].
    ///
    /// It is one minus the [`false_alarms`](Self::false_alarms) at their z, and at least 0. The false alarms bound the
    /// probability that any unrelated pair of the set looks so related. The result is 1 when independence is not measured,
    /// because the families were then given.
    pub(crate) fn kinship(&self, a: ModelId, b: ModelId) -> f64 {
        if !self.measured {
            return 1.0;
        }
        (1.0 - self.false_alarms(self.z(a, b).unwrap_or(0.0))).max(0.0)
    }

    /// Whether the two are related, at a probability of false alarm.
    ///
    /// In a set without kin, the probability that any of its pairs counts as related is at most `false_alarm` (Bonferroni). The
    /// test is conservative, because it assumes that the median over parameters varies as much as one parameter.
    pub fn related(&self, a: ModelId, b: ModelId, false_alarm: f64) -> bool {
        self.z(a, b).is_some_and(|z| self.false_alarms(z) <= false_alarm)
    }
}

/// Copies the z-scores of one group. Identical models get an infinite score.
fn take_over(z: &mut Packed, group: &GroupGeometry, own: &Packed) {
    for (i, a) in group.members.iter().enumerate() {
        for (j, b) in group.members[..i].iter().enumerate() {
            let identical = group.identical(Place(i), Place(j));
            z.set(a.index(), b.index(), if identical { f64::INFINITY } else { own.value(i, j) });
        }
    }
}

/// Returns the matrices with enough values that all models hold. If there are none, smaller matrices, and then vectors, take
/// their place.
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
