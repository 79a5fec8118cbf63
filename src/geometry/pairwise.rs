//! Distances of pairs of models, and where they come from.

use super::marginals::{Holder, Marginals, Place};
use crate::error::Error;
use crate::kernel::Packed;
use std::fmt::Debug;
use std::sync::Arc;

/// Distances of the pairs of one group. They are kept for all pairs, or computed from sketches for some pairs on demand.
pub(crate) trait Pairwise: Debug + Send + Sync {
    /// Returns every parameter, with the facts about each model by itself.
    fn marginals(&self) -> Box<dyn Iterator<Item = &Marginals> + '_>;

    /// Returns every parameter that some of the models hold, with at least the distances of these models.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a sketch that cannot be read, and [`Error::MemoryTooSmall`]. There is no error when all distances
    /// are kept.
    fn parameters(&self, places: &[Place]) -> Result<Vec<Arc<ParameterGeometry>>, Error>;

    /// Returns `z(i, j)` of the [independence test](super::Independence) for all pairs, NaN where there is none.
    ///
    /// It is pooled over the given parameters, which are numbered as in [`marginals`](Self::marginals).
    ///
    /// # Errors
    ///
    /// The errors of [`parameters`](Self::parameters).
    fn z(&self, parameters: &[usize]) -> Result<Packed, Error>;

    /// Returns `d²(i, j)` over the parameters that both models hold and that are in the scope. `None` when it is not kept.
    fn kept_squared_distance(&self, i: Place, j: Place) -> Option<f64>;
}

/// Squared distances of one tensor, or of a few that share a matrix to save memory.
#[derive(Clone, Debug)]
pub(crate) struct ParameterGeometry {
    pub(crate) marginals: Marginals,
    /// Squared distances of holders. The diagonal has their squared norms.
    pub(crate) distances: Packed,
    /// Squared distances of holders to the initialization. `None` when the initialization is zero.
    pub(crate) to_initialization: Option<Vec<f64>>,
    /// Width of the sketches from which the distances were computed. `None` when they are exact.
    pub(crate) width: Option<usize>,
}

impl ParameterGeometry {
    /// Returns `d²(a, b)`.
    pub(crate) fn squared_distance(&self, a: Holder, b: Holder) -> f64 {
        if a == b { 0.0 } else { self.distances.value(a.0, b.0) }
    }

    /// Returns `‖θ_a‖²`.
    pub(crate) fn squared_norm(&self, a: Holder) -> f64 {
        self.distances.value(a.0, a.0)
    }

    /// Returns the variance of the error of a squared distance: `2 d⁴ / width`. For several tensors together it is at most
    /// that.
    pub(crate) fn variance(&self, a: Holder, b: Holder) -> f64 {
        let squared = self.squared_distance(a, b);
        self.width.map_or(0.0, |width| 2.0 * squared * squared / width as f64)
    }

    /// Returns `⟨θ_a, θ_b⟩`, from norms and distance.
    pub(crate) fn inner(&self, a: Holder, b: Holder) -> f64 {
        if a == b {
            return self.squared_norm(a);
        }
        (self.squared_norm(a) + self.squared_norm(b) - self.squared_distance(a, b)) / 2.0
    }

    /// Returns the inner product after the mean of each tensor is subtracted.
    pub(crate) fn centered_inner(&self, a: Holder, b: Holder) -> f64 {
        let tensors = &self.marginals.tensors;
        let means: f64 = tensors.iter().map(|t| t.size as f64 * t.moments[a.0].mean * t.moments[b.0].mean).sum();
        self.inner(a, b) - means
    }
}
