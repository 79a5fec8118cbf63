use super::ParentSelector;
use crate::error::Error;
use crate::geometry::{Geometry, Quantity};
use crate::model_set::{ModelId, Position};

/// The member of smallest parameter norm: the paper's rule.
///
/// `score(a) = ‖θ_a‖₂` over the parameters in scope that all members hold.
///
/// # Assumes
///
/// Training moves weights away from zero. Weight decay shrinks children, and one child smaller than its parent then takes the
/// whole family: `docs/evaluation.md` has the figures.
///
/// # Differs from
///
/// The authors' code takes the first 1024 values of one tensor, and their distance to a random vector of entries in ±1/D. That
/// is [`NearestToInitialization`](super::NearestToInitialization).
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
pub struct SmallestNorm;

impl ParentSelector for SmallestNorm {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        geometry.require(Quantity::Norms)?;
        let comparison = geometry.compare(members)?;
        Ok(Position::all(members.len()).map(|a| comparison.squared_norm(a).sqrt()).collect())
    }
}
