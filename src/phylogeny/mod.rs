//! The result: a directed acyclic graph of parent → child edges over all models.

#[cfg(test)]
pub(crate) mod arbitrary;
mod builder;
mod check;
mod checker;
mod descent;
mod edge;
mod evidence;
mod family;
mod link;
mod movement;
mod node;
mod reasons;
mod remark;
mod shared_part;
mod unobserved;
mod withhold;

pub use builder::PhylogenyBuilder;
pub use edge::{Edge, Relation, UnknownRelation};
pub use evidence::{Candidate, Evidence, Signal, Stage};
pub use family::{Family, FamilyId};
pub use link::Link;
pub use movement::Movement;
pub use node::{Node, UnobservedId};
pub use remark::Remark;
pub use shared_part::SharedPart;

use crate::error::Error;
use crate::model_set::{Inventory, ModelId, Skipped, unknown_model};
use petgraph::unionfind::UnionFind;
use reasons::Reasons;
use unobserved::Unobserved;

/// Which models descend from which, and what that was concluded from.
///
/// - Every model appears once, in exactly one family.
/// - Edges are acyclic; the weights of one child's parents sum to 1.
/// - Models that are not in the set may be part of it: [unobserved](Self::unobserved) roots, inner ones, parents of merges. They
///   have ids of their own, and [links](Self::links) in place of edges.
/// - A model without parent is a root, unless its parent is [withheld](Self::is_withheld) or unobserved; a family of one is
///   [isolated](Self::isolated).
/// - Edges are sorted by child, then parent; families by their first member.
///
/// A detector makes it, through [`PhylogenyBuilder`].
///
/// # Panics
///
/// Every method that takes a model or a family panics when it is not one of this phylogeny's. Ids of one result mean nothing in
/// another. [`find`](Self::find) and [`id`](Self::id) give ids for names.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // 0 ─┬─ 1 ── 3
/// //    └─ 2          4
/// let id = ModelId::new;
/// let edges = [(0, 1), (0, 2), (1, 3)].map(|(parent, child)| Edge::new(id(parent), id(child)));
/// let phylogeny = Phylogeny::from_edges(5, edges.to_vec())?;
///
/// assert_eq!(phylogeny.roots().collect::<Vec<_>>(), [id(0), id(4)]);
/// assert_eq!(phylogeny.parent(id(3)).map(|e| e.parent), Some(id(1)));
/// assert_eq!(phylogeny.ancestors(id(3)), [id(1), id(0)]);
/// assert_eq!(phylogeny.generation(id(3)), 2);
/// assert_eq!(phylogeny.isolated().collect::<Vec<_>>(), [id(4)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Phylogeny {
    names: Vec<String>,
    edges: Vec<Edge>,
    unobserved: Vec<Unobserved>,
    links: Vec<Link>,
    shared_parts: Vec<SharedPart>,
    families: Vec<Family>,
    family_of: Vec<FamilyId>,
    generations: Vec<usize>,
    scores: Vec<Option<f64>>,
    margins: Vec<Option<f64>>,
    reasons: Reasons,
    remarks: Vec<Remark>,
    skipped: Vec<Skipped>,
    inventory: Inventory,
}

impl Phylogeny {
    /// Makes a phylogeny of `models` models from edges alone, in any order. It is short for a [`PhylogenyBuilder`].
    ///
    /// Models are named by their number until [`with_names`](Self::with_names).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPhylogeny`] when
    ///
    /// - a model is out of range;
    /// - an edge is repeated or joins a model to itself, or edges form a cycle;
    /// - a weight, distance or confidence is out of its range, or the weights of one child's parents do not sum to 1.
    pub fn from_edges(models: usize, edges: Vec<Edge>) -> Result<Self, Error> {
        PhylogenyBuilder::new(models).with_edges(edges).build()
    }

    /// Names the models, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPhylogeny`] when there are more or fewer names than models. [`Error::DuplicateName`] when two are equal.
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let names = names.into_iter().map(Into::into).collect();
        self.names = check::named(self.len(), names)?;
        Ok(self)
    }

    /// Adds a remark on how the result came about.
    #[must_use]
    pub fn with_remark(mut self, remark: Remark) -> Self {
        self.remarks.push(remark);
        self
    }

    /// Lists models that could not be read and were left out.
    #[must_use]
    pub fn with_skipped(mut self, skipped: Vec<Skipped>) -> Self {
        self.skipped = skipped;
        self
    }

    /// Adds what the models were read from, and what was compared with what.
    ///
    /// A model that has kin was compared. Its [reason](crate::model_set::ModelRecord::not_comparable) why it could not be is
    /// dropped. An inventory of another number of models is dropped as a whole, but for what was passed over.
    #[must_use]
    pub fn with_inventory(mut self, mut inventory: Inventory) -> Self {
        if inventory.models.len() != self.len() {
            inventory.models.clear();
            inventory.groups.clear();
        }
        for (at, record) in inventory.models.iter_mut().enumerate() {
            if self.families[self.family_of[at].index()].members.len() > 1 {
                record.not_comparable = None;
            }
        }
        self.inventory = inventory;
        self
    }

    /// What the models were read from, and what was compared with what. It is empty where nobody added it.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Why a model without kin could not be compared, as the end of a sentence. `None` when it was compared or has kin.
    ///
    /// "No kin" is a finding only for a model that was compared.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn not_comparable(&self, model: ModelId) -> Option<&str> {
        let model = self.own(model);
        self.inventory.models.get(model.index())?.not_comparable.as_deref()
    }

    /// Number of models.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no model.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// All models, in the order of their ids.
    pub fn models(&self) -> impl ExactSizeIterator<Item = ModelId> + use<> {
        (0..self.len()).map(ModelId::new)
    }

    /// A model's name.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn name(&self, model: ModelId) -> &str {
        &self.names[model.index()]
    }

    /// The model of a name; `None` when no model has it. O(n_models).
    pub fn id(&self, name: &str) -> Option<ModelId> {
        self.names.iter().position(|n| n == name).map(ModelId::new)
    }

    /// The model of a name, or an error that suggests similar names.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownModel`], with the names nearest to it.
    pub fn find(&self, name: &str) -> Result<ModelId, Error> {
        self.id(name).ok_or_else(|| unknown_model(name, self.names.iter().map(String::as_str)))
    }

    /// All edges, sorted by child, then parent.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The edges from the parents of a model: none for a root, several for a merge.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn parents(&self, model: ModelId) -> &[Edge] {
        let model = self.own(model);
        let begin = self.edges.partition_point(|e| e.child < model);
        let length = self.edges[begin..].partition_point(|e| e.child == model);
        &self.edges[begin..begin + length]
    }

    /// The edges to the children of a model, sorted by child. O(n_edges).
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn children(&self, model: ModelId) -> impl Iterator<Item = &Edge> {
        let model = self.own(model);
        self.edges.iter().filter(move |e| e.parent == model)
    }

    /// Models without a parent, sorted. Isolated models are among them. Models whose parent is
    /// [withheld](Self::is_withheld) or [unobserved](Self::has_unobserved_parent) are not.
    pub fn roots(&self) -> impl Iterator<Item = ModelId> + '_ {
        self.models().filter(|&m| self.is_top(m) && !self.is_withheld(m))
    }

    /// Whether nothing leads to a model, no edge and no link.
    fn is_top(&self, model: ModelId) -> bool {
        self.parents(model).is_empty() && self.links_to(model).is_empty()
    }

    /// All families, sorted by their first member.
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// One family.
    ///
    /// # Panics
    ///
    /// When `family` is not one of this phylogeny's.
    pub fn family(&self, family: FamilyId) -> &Family {
        &self.families[family.index()]
    }

    /// The family of a model.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn family_of(&self, model: ModelId) -> FamilyId {
        self.family_of[model.index()]
    }

    /// The members of a family that neither edge nor link leads to, sorted: its roots, and the members whose parent is withheld.
    ///
    /// # Panics
    ///
    /// When `family` is not one of this phylogeny's.
    pub(crate) fn tops(&self, family: FamilyId) -> impl Iterator<Item = ModelId> + '_ {
        self.family(family).members.iter().copied().filter(|&m| self.is_top(m))
    }

    /// The number of pieces into which a family falls when only edges and links join models. It is above 1 where siblings or a
    /// tie have no parent.
    ///
    /// # Panics
    ///
    /// When `family` is not one of this phylogeny's.
    pub(crate) fn edge_components(&self, family: FamilyId) -> usize {
        let members = &self.family(family).members;
        let position = |m: ModelId| members.partition_point(|&other| other < m);
        let unobserved: Vec<UnobservedId> = self.unobserved_in(family).collect();
        let place = |node: Node| match node {
            Node::Model(model) => position(model),
            Node::Unobserved(id) => members.len() + unobserved.partition_point(|&other| other < id),
        };
        let nodes = members.len() + unobserved.len();
        let mut components = UnionFind::<usize>::new(nodes);
        let edges = members.iter().flat_map(|&m| self.parents(m)).map(|e| (position(e.parent), position(e.child)));
        let links = self.links.iter().filter(|link| self.family_of_node(link.child) == family);
        let links = links.map(|link| (place(link.parent), place(link.child)));
        nodes - edges.chain(links).filter(|&(a, b)| components.union(a, b)).count()
    }

    /// Steps on the longest way up from a model, links included: 0 for a root, and for a model whose parent is withheld.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn generation(&self, model: ModelId) -> usize {
        self.generations[model.index()]
    }

    /// Models that are a family by themselves, sorted.
    pub fn isolated(&self) -> impl Iterator<Item = ModelId> + '_ {
        self.families.iter().filter(|f| f.members.len() == 1).map(|f| f.members[0])
    }

    /// How the result came about: which settings were estimated, and which limits were met.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Models that could not be read and were left out, as the caller allowed.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The model itself, when it is one of this phylogeny's.
    fn own(&self, model: ModelId) -> ModelId {
        assert!(model.index() < self.len(), "model {model} is not one of the {} of this phylogeny", self.len());
        model
    }
}
