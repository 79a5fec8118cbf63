use super::ParentSelector;
use crate::error::Error;
use crate::geometry::{Geometry, Quantity};
use crate::model_set::{ModelId, Position};

/// The member nearest to the initialization that the geometry was computed with.
///
/// `score(a) = ‖θ_a − z‖₂` over the parameters in scope that all members hold. z is the
/// [`Initialization`](crate::geometry::Initialization) of [`GeometrySettings`](crate::geometry::GeometrySettings): zero,
/// random, or a model. Zero is the default, and makes this [`SmallestNorm`](super::SmallestNorm).
///
/// # Differs from
///
/// The authors' code draws z anew for every cluster, or at every iteration. Here z is one row of the pass over the weights,
/// drawn from a seed. Its norm is about `1 / √(3 D)` for D values, so that it can only tell apart members whose norms agree to
/// that much.
///
/// # Errors
///
/// [`Error::NotMeasured`] when the geometry has no norms. [`Error::NotComparable`] when the members are not of one group.
///
/// # Complexity
///
/// O(n T) for n members and T parameters.
///
/// Source: Yu & Wang, *Neural Phylogeny*, ICLR 2025, <https://openreview.net/forum?id=jv2zHOalpL>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearestToInitialization;

impl ParentSelector for NearestToInitialization {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        geometry.require(Quantity::Norms)?;
        let comparison = geometry.compare(members)?;
        Ok(Position::all(members.len()).map(|a| comparison.squared_distance_to_initialization(a).sqrt()).collect())
    }
}
