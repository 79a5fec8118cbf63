use super::ParentSelector;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::model_set::{ModelId, Position};

/// The member nearest to all others.
///
/// `score(a) = Σ_b d(a, b)` over the members. Distances are over the parameters in scope that all members hold.
///
/// From the parent a, `d(a, b)` is the increment of b alone. From a child, every distance also holds the child's own. Two
/// members are always a tie. One child that moved far weighs as much as all others together;
/// [`LogDistanceMedoid`](super::LogDistanceMedoid) prevents that.
///
/// # Errors
///
/// [`Error::NotComparable`] when the members are not of one group.
///
/// # Complexity
///
/// O(n² T) for n members and T parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Medoid;

impl ParentSelector for Medoid {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        let comparison = geometry.compare(members)?;
        let positions = Position::all(members.len());
        Ok(positions
            .clone()
            .map(|a| positions.clone().map(|b| comparison.squared_distance(a, b).sqrt()).sum())
            .collect())
    }
}
