//! Which member of a family is the parent.

mod choice;
mod initialization;
mod log_distance;
mod medoid;
mod norm;
mod number;
mod pointers;
mod precedence;
mod precedence_weights;

pub use choice::Choice;
pub(crate) use choice::lowest;
pub use initialization::NearestToInitialization;
pub use log_distance::LogDistanceMedoid;
pub use medoid::Medoid;
pub use norm::SmallestNorm;
pub(crate) use number::{Number, NumberGroup, Value, numbers};
pub use precedence::Precedence;
pub(crate) use precedence::Precedences;
pub use precedence_weights::PrecedenceWeights;

use crate::error::Error;
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use std::fmt::Debug;

/// Scores the members of a family; the lowest is the parent.
///
/// # Contract
///
/// - One finite score for each member, in the order given.
/// - A score depends on the members' weights as the [`Geometry`] has them, never on their order: permuting `members` permutes
///   the scores. Equal scores are a tie, and nothing else settles it.
/// - `members` is never empty and holds no model twice. All are of one group of comparable models.
///
/// `testing::check_parent_selector` (feature `testing`) checks an implementation. References, boxes and `Arc`s of a selector
/// are selectors.
///
/// ```
/// use neural_phylogeny::{Error, ModelId, ParentSelector};
/// use neural_phylogeny::geometry::Geometry;
///
/// /// The member nearest to its nearest neighbor.
/// #[derive(Debug)]
/// struct NearestNeighbor;
///
/// impl ParentSelector for NearestNeighbor {
///     fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
///         let others = |a: ModelId| members.iter().filter(move |&&b| b != a);
///         let nearest = |&a| others(a).filter_map(|&b| geometry.distance(a, b)).fold(f64::MAX, f64::min);
///         Ok(members.iter().map(nearest).collect())
///     }
/// }
/// ```
pub trait ParentSelector: Send + Sync + Debug {
    /// One score for each member; the lowest is the parent's.
    ///
    /// # Errors
    ///
    /// When the geometry does not hold what the rule needs.
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error>;
}
