//! Geometry and parent selector → phylogeny.

mod arborescence;
pub(crate) mod cluster;
mod draft;
mod edmonds;
mod families;
mod family_trees;
mod lineage;
mod neighbor_joining;

pub use arborescence::{Arborescence, Kurtosis};
pub use families::Families;
pub use lineage::LineageDetector;
pub use neighbor_joining::{Branch, NeighborJoining, TreeNode, UnrootedTree};

use crate::error::Error;
use crate::geometry::Geometry;
use crate::parent::ParentSelector;
use crate::phylogeny::Phylogeny;
use rand::RngCore;
use std::fmt::Debug;

/// Finds families, parents and directions in a geometry.
///
/// # Contract
///
/// - Every model of the geometry is one of the phylogeny, in the order of ids.
/// - The result depends on the geometry and the random numbers alone: not on names, order or time. Go through models in the
///   order of [`Geometry::models`], which depends on their weights alone.
/// - Models that are not [comparable](Geometry::comparable) are never of one family.
/// - All randomness comes from `rng`.
///
/// `testing::check_detector` (feature `testing`) checks an implementation.
pub trait PhylogenyDetector: Send + Sync + Debug {
    /// Detects the phylogeny of all models.
    ///
    /// # Errors
    ///
    /// When a setting is out of range, the method cannot handle the geometry, or the selector fails.
    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error>;
}

impl<D: PhylogenyDetector + ?Sized> PhylogenyDetector for Box<D> {
    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        (**self).detect(geometry, selector, rng)
    }
}
