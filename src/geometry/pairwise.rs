//! What is known of pairs of models, and where it comes from.

use super::marginals::{Holder, Marginals, Place};
use crate::error::Error;
use crate::kernel::Packed;
use std::fmt::Debug;
use std::sync::Arc;

/// Distances of the pairs of one group: kept for all of them, or taken from something smaller for those in question.
pub(crate) trait Pairwise: Debug + Send + Sync {
    /// Every parameter, and what is known of each model by itself.
    fn marginals(&self) -> Box<dyn Iterator<Item = &Marginals> + '_>;

    /// Every parameter that some of the models hold, with the distances of these models at least.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for what cannot be read, [`Error::MemoryTooSmall`]; none where all distances are kept.
    fn parameters(&self, places: &[Place]) -> Result<Vec<Arc<ParameterGeometry>>, Error>;

    /// `z(i, j)` of the [independence test](super::Independence), pooled over the parameters numbered as in
    /// [`marginals`](Self::marginals); NaN where there is none.
    ///
    /// # Errors
    ///
    /// As [`parameters`](Self::parameters).
    fn z(&self, parameters: &[usize]) -> Result<Packed, Error>;

    /// `d²(i, j)` over what both models hold and the scope covers, where it is kept.
    fn kept_squared_distance(&self, i: Place, j: Place) -> Option<f64>;
}

/// Squared distances of one tensor, or of a few that share a matrix to save memory.
#[derive(Clone, Debug)]
pub(crate) struct ParameterGeometry {
    pub(crate) marginals: Marginals,
    /// Squared distances of holders; squared norms on the diagonal.
    pub(crate) distances: Packed,
    /// Squared distances of holders to the initialization, unless that is zero.
    pub(crate) to_initialization: Option<Vec<f64>>,
    /// Width of the sketches that distances were taken from; `None` when they are exact.
    pub(crate) width: Option<usize>,
}

impl ParameterGeometry {
    /// `d²(a, b)`.
    pub(crate) fn squared_distance(&self, a: Holder, b: Holder) -> f64 {
        if a == b { 0.0 } else { self.distances.value(a.0, b.0) }
    }

    /// `‖θ_a‖²`.
    pub(crate) fn squared_norm(&self, a: Holder) -> f64 {
        self.distances.value(a.0, a.0)
    }

    /// Variance of the error of a squared distance: `2 d⁴ / width`, of several tensors together at most that.
    pub(crate) fn variance(&self, a: Holder, b: Holder) -> f64 {
        let squared = self.squared_distance(a, b);
        self.width.map_or(0.0, |width| 2.0 * squared * squared / width as f64)
    }

    pub(crate) fn inner(&self, a: Holder, b: Holder) -> f64 {
        if a == b {
            return self.squared_norm(a);
        }
        (self.squared_norm(a) + self.squared_norm(b) - self.squared_distance(a, b)) / 2.0
    }

    /// Inner product after each tensor's mean is taken off.
    pub(crate) fn centred_inner(&self, a: Holder, b: Holder) -> f64 {
        let tensors = &self.marginals.tensors;
        let means: f64 = tensors.iter().map(|t| t.size as f64 * t.moments[a.0].mean * t.moments[b.0].mean).sum();
        self.inner(a, b) - means
    }
}
