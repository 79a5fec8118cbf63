mod contraction;
mod joining;
mod unrooted;

pub use unrooted::{Branch, TreeNode, UnrootedTree};

use super::family_trees::{self, FamilyTree};
use super::{Families, NamedDetector, PhylogenyDetector};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::parent::{Choice, ParentSelector};
use crate::phylogeny::Phylogeny;
use contraction::{contract, rooted};
use rand::RngCore;

/// Neighbor joining on squared distances: an undirected tree over each family, rooted at the selector's choice.
///
/// Squared distances add along lineages whose increments are uncorrelated: `‖Δ₁ + Δ₂‖² = ‖Δ₁‖² + ‖Δ₂‖²`. Neighbor joining needs
/// just that. Given the distances of a tree, it returns that tree.
///
/// It starts with one node for each of n models. In each step it takes the two nodes of least
///
/// ```text
/// Q(i, j) = (n − 2) d²(i, j) − r(i) − r(j)          r(i) = Σ_k d²(i, k)
/// ```
///
/// and joins them under a new node u, with branch lengths `½ (d²(i, j) ± (r(i) − r(j)) / (n − 2))`. The distances of u are
/// `d²(u, k) = ½ (d²(i, k) + d²(j, k) − d²(i, j))`. It stops when three nodes are left. [`tree`](Self::tree) returns this tree.
///
/// Models are the tips of this tree, and its inner nodes are unobserved. A [`Phylogeny`] has only models, so every inner node
/// is replaced by the model at the smallest path length from it. Branches below 0 count as 0. Of equally near models, the one
/// with the lower score of the selector is taken. What remains is a tree over models.
///
/// The root is the member that the selector prefers. In a tie all tied members are roots, and what lies between them has no
/// direction.
///
/// # Assumes
///
/// Increments are uncorrelated. Siblings that drifted alike are joined below a node of their own. The contraction then makes
/// one of them the parent of the others.
///
/// # Settings
///
/// [`with_families`](Self::with_families): the families to expect. Default: the independence test.
///
/// # Ties
///
/// Between pairs of the same Q, the order of [`Geometry::models`] decides, which depends on weights alone. (Among the last four
/// nodes two pairs always tie, and both give the same tree.)
///
/// # Confidence
///
/// Confidence is the probability of kinship times that of the selector's choice, as in
/// [`ClusterDetector`](crate::detect::cluster::ClusterDetector). It is not calibrated.
///
/// # Complexity
///
/// O(n³) time and O(n²) memory for families of n members. Parameters are not read.
///
/// # Differs from
///
/// In phylogenetics, ancestors are never among the data. [PhyloLM](https://arxiv.org/abs/2404.04671) runs neighbor joining on
/// the output of language models, and stops at the undirected tree.
///
/// Source: Saitou & Nei, *The neighbor-joining method*, Mol. Biol. Evol. 4 (1987), doi:10.1093/oxfordjournals.molbev.a040454, in the
/// O(n³) form of Studier & Keppler, Mol. Biol. Evol. 5 (1988), doi:10.1093/oxfordjournals.molbev.a040527.
///
/// # Errors
///
/// [`detect`](PhylogenyDetector::detect) returns the errors of [`Families::expected`] and of the selector.
///
/// ```
/// use neural_phylogeny::{Config, ModelSet, detect_phylogeny};
/// use neural_phylogeny::detect::NeighborJoining;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use neural_phylogeny::InMemory;
/// # use neural_phylogeny::rand::{Rng, SeedableRng};
/// # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
/// # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
/// # let base = trained(&[0.0; 4096], 1.0);
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// # let children = [trained(&base, 0.1), trained(&base, 0.1), trained(&base, 0.1)];
/// let [a, b, c] = children.map(model);
/// let models = ModelSet::from_models([("base", model(base)?), ("a", a?), ("b", b?), ("c", c?)])?;
/// let phylogeny = detect_phylogeny(&models, Config::default().with_detector(NeighborJoining::new()))?;
/// assert_eq!(phylogeny.roots().map(|m| phylogeny.name(m)).collect::<Vec<_>>(), ["base"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct NeighborJoining {
    families: Families,
}

impl NeighborJoining {
    /// The detector, with families by the independence test.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many families to expect. Default: as many as the independence test finds.
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }

    /// The undirected tree over some models, in whatever families they are.
    ///
    /// Branch lengths are squared distances over the parameters in scope that all members hold. The result does not depend on
    /// the order of `members`. A member given twice counts once.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when the members are not of one group.
    ///
    /// # Complexity
    ///
    /// O(n³) time and O(n²) memory for n members.
    ///
    /// ```
    /// use neural_phylogeny::ModelSet;
    /// use neural_phylogeny::detect::NeighborJoining;
    /// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
    /// use neural_phylogeny::write::write_newick_unrooted;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use neural_phylogeny::InMemory;
    /// # use neural_phylogeny::rand::{Rng, SeedableRng};
    /// # let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
    /// # let mut trained = |from: &[f32], by: f32| -> Vec<f32> { from.iter().map(|w| w + by * rng.gen_range(-1.0..1.0)).collect() };
    /// # let base = trained(&[0.0; 4096], 1.0);
    /// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
    /// # let children = [trained(&base, 0.1), trained(&base, 0.1), trained(&base, 0.1)];
    /// let [a, b, c] = children.map(model);
    /// let models = ModelSet::from_models([("base", model(base)?), ("a", a?), ("b", b?), ("c", c?)])?;
    /// let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
    /// let tree = NeighborJoining::tree(&geometry, geometry.models())?;
    /// assert_eq!((tree.nodes().len(), tree.branches().len()), (6, 5));
    /// write_newick_unrooted(&tree, &models, std::io::stdout())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tree(geometry: &Geometry, members: &[ModelId]) -> Result<UnrootedTree, Error> {
        // This refuses models of other groups or sets before their numbers are used as positions.
        geometry.compare(members)?;
        let mut given = vec![false; geometry.len()];
        members.iter().for_each(|m| given[m.index()] = true);
        let ordered: Vec<ModelId> = geometry.models().iter().copied().filter(|m| given[m.index()]).collect();
        let squared = geometry.compare(&ordered)?.squared_distances();
        Ok(UnrootedTree::new(ordered, joining::join(squared)))
    }

    /// The tree of one family: joined, contracted to models, and rooted at each of the best members.
    fn family(geometry: &Geometry, selector: &dyn ParentSelector, members: &[ModelId]) -> Result<FamilyTree, Error> {
        let choice = Choice::new(selector, geometry, members)?;
        let branches = joining::join(geometry.compare(members)?.squared_distances());
        let links = contract(&branches, &choice.scores);
        // The direction of every edge follows from one choice, that of the root.
        let distinctness = vec![choice.distinctness(); members.len()];
        let rootings = choice.best.iter().map(|&root| rooted(members.len(), &links, root)).collect();
        Ok(FamilyTree { rootings, scores: choice.scores, margin: Some(choice.margin), distinctness })
    }
}

/// What the detector is called.
pub(super) const NAMED: NamedDetector = NamedDetector::new(
    "neighbor-joining",
    "Families by the independence test, in each a tree by neighbor joining, rooted by the selector",
    &[],
    |families, _| Ok(Box::new(NeighborJoining::new().with_families(families))),
);

impl PhylogenyDetector for NeighborJoining {
    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        self.families.check(groups, models)
    }

    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        _: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        family_trees::detect(geometry, self.families, &|members| Self::family(geometry, selector, members))
    }
}

#[cfg(test)]
mod tests;
