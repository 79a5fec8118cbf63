//! Detectors: from a geometry and a parent selector to a phylogeny.

mod arborescence;
mod catalog;
pub mod cluster;
mod draft;
mod edmonds;
mod families;
mod family_trees;
mod lineage;
mod neighbor_joining;
mod pointers;

pub use arborescence::{Arborescence, Kurtosis};
pub use catalog::{NamedDetector, NamedSetting, SettingWords};
pub use families::Families;
pub use lineage::weights::{self, Weights};
pub use lineage::{Direction, KinInPart, LineageDetector, direction, witness};
pub use neighbor_joining::{Branch, NeighborJoining, TreeNode, UnrootedTree};

use crate::error::Error;
use crate::geometry::Geometry;
use crate::parent::ParentSelector;
use crate::phylogeny::Phylogeny;
use rand::RngCore;
use std::fmt::Debug;

/// The detectors that go by a name: the default first, then one generation by clustering, then published tree methods.
///
/// A command line or a file of settings chooses from them. An outside detector needs no name: it is given as it is.
pub fn named_detectors() -> impl Iterator<Item = NamedDetector> {
    let trees = [arborescence::NAMED, neighbor_joining::NAMED];
    std::iter::once(lineage::NAMED).chain(cluster::NAMED).chain(trees)
}

/// Whether a detector uses the parent selector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SelectorUse {
    /// The selector chooses the parent, or is part of the choice.
    #[default]
    Used,
    /// The detector has evidence of its own and ignores the selector.
    Unused,
}

/// A method that finds families, parents and directions in a geometry.
///
/// # Contract
///
/// - The phylogeny has every model of the geometry, in the order of ids.
/// - The result depends on the geometry and the random numbers alone, not on names, order or time. To keep this, go through
///   models in the order of [`Geometry::models`], which depends only on their weights.
/// - Models that are not [comparable](Geometry::comparable) are never in one family.
/// - All randomness comes from `rng`.
///
/// `testing::check_detector` (feature `testing`) checks an implementation. References, boxes and `Arc`s of a detector are
/// detectors.
///
/// ```
/// use neural_phylogeny::{
///     Config, Edge, Error, InMemory, ModelSet, ParentSelector, Phylogeny, PhylogenyDetector, detect_phylogeny,
/// };
/// use neural_phylogeny::geometry::Geometry;
/// use neural_phylogeny::parent::{Choice, SmallestNorm};
/// use neural_phylogeny::rand::RngCore;
///
/// /// All comparable models are one family, around the member that the selector prefers.
/// #[derive(Debug)]
/// struct OneStar;
///
/// impl PhylogenyDetector for OneStar {
///     fn detect(
///         &self,
///         geometry: &Geometry,
///         selector: &dyn ParentSelector,
///         _: &mut dyn RngCore,
///     ) -> Result<Phylogeny, Error> {
///         let mut edges = Vec::new();
///         for group in geometry.groups() {
///             let choice = Choice::new(selector, geometry, group)?;
///             // Where two are equally likely there is no parent.
///             if let [parent] = choice.best[..] {
///                 edges.extend(group.iter().filter(|&&m| m != group[parent]).map(|&m| Edge::new(group[parent], m)));
///             }
///         }
///         Phylogeny::from_edges(geometry.len(), edges)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |w| InMemory::new().with_parameter("w", [2, 2], vec![w; 4]);
/// let models = ModelSet::builder().with_model("small", model(1.0)?).with_model("large", model(2.0)?).build()?;
/// let phylogeny = detect_phylogeny(&models, Config::new().with_detector(OneStar).with_selector(SmallestNorm))?;
/// assert_eq!(phylogeny.name(phylogeny.edges()[0].parent), "small");
/// # Ok(())
/// # }
/// ```
pub trait PhylogenyDetector: Send + Sync + Debug {
    /// Whether [`detect`](Self::detect) uses the selector. It is an error to set a selector that is not used.
    fn selector_use(&self) -> SelectorUse {
        SelectorUse::Used
    }

    /// Refuses settings that are out of range for `models` models in `groups` groups of comparable models.
    ///
    /// It is called before any model is read. By default it refuses nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] or [`Error::FamilyCount`] where [`detect`](Self::detect) would return it.
    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        let _ = (groups, models);
        Ok(())
    }

    /// Detects the phylogeny of all models in the geometry.
    ///
    /// # Errors
    ///
    /// An error when a setting is out of range, when the method cannot handle the geometry, or when the selector fails.
    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error>;
}
