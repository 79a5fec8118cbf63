//! Models that are not in the set, and that those in the set show.

use super::{FamilyId, Link, Node, Phylogeny, UnobservedId, check};
use crate::error::Error;
use crate::model_set::ModelId;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of one unobserved model, besides its links.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unobserved {
    /// Probability that there is such a model and that it is not in the set.
    pub(super) probability: Option<f64>,
    pub(super) family: FamilyId,
}

impl Phylogeny {
    /// All unobserved models, in the order of their ids. Most results have none.
    ///
    /// ```
    /// use neural_phylogeny::ModelId;
    /// use neural_phylogeny::phylogeny::{Link, Node, PhylogenyBuilder, UnobservedId};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // Two siblings, whose parent is not in the set.
    /// let [a, b] = [0, 1].map(ModelId::new);
    /// let base = UnobservedId::new(0);
    /// let phylogeny = PhylogenyBuilder::new(2)
    ///     .with_unobserved(Some(0.9))
    ///     .with_links([Link::new(base, a), Link::new(base, b)])
    ///     .build()?;
    /// assert_eq!(phylogeny.unobserved().collect::<Vec<_>>(), [base]);
    /// assert_eq!(phylogeny.common_ancestor(a, b), Some(Node::Unobserved(base)));
    /// assert_eq!(phylogeny.roots().count(), 0);
    /// assert_eq!(phylogeny.edges(), []);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unobserved(&self) -> impl ExactSizeIterator<Item = UnobservedId> + use<> {
        (0..self.unobserved.len()).map(UnobservedId::new)
    }

    /// Probability that there is such a model and that it is not in the set, in [0, 1]. `None` when the detector does not say.
    ///
    /// # Panics
    ///
    /// When `id` is not one of this phylogeny's.
    pub fn unobserved_probability(&self, id: UnobservedId) -> Option<f64> {
        self.unobserved[id.index()].probability
    }

    /// The family of a node.
    ///
    /// # Panics
    ///
    /// When `node` is not one of this phylogeny's.
    pub fn family_of_node(&self, node: impl Into<Node>) -> FamilyId {
        match node.into() {
            Node::Model(model) => self.family_of(model),
            Node::Unobserved(id) => self.unobserved[id.index()].family,
        }
    }

    /// The links of unobserved models: every step of descent of which one end or both are not in the set. They are sorted by
    /// child, then parent.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The links to a node. To a model, they are those from unobserved parents alone.
    pub fn links_to(&self, node: impl Into<Node>) -> &[Link] {
        let node = node.into();
        let begin = self.links.partition_point(|link| link.child < node);
        let length = self.links[begin..].partition_point(|link| link.child == node);
        &self.links[begin..begin + length]
    }

    /// The links from a node, sorted by child. From a model, they are those to unobserved children alone. O(n_links).
    pub fn links_from(&self, node: impl Into<Node>) -> impl Iterator<Item = &Link> {
        let node = node.into();
        self.links.iter().filter(move |link| link.parent == node)
    }

    /// The unobserved models of a family, in the order of their ids.
    ///
    /// # Panics
    ///
    /// When `family` is not one of this phylogeny's.
    pub fn unobserved_in(&self, family: FamilyId) -> impl Iterator<Item = UnobservedId> + '_ {
        let _ = self.family(family);
        self.unobserved().filter(move |id| self.unobserved[id.index()].family == family)
    }

    /// Whether a family has a root that is not in the set: an unobserved model without parents.
    ///
    /// # Panics
    ///
    /// When `family` is not one of this phylogeny's.
    pub fn unobserved_root(&self, family: FamilyId) -> bool {
        self.unobserved_in(family).any(|id| self.links_to(id).is_empty())
    }

    /// Whether a model has a parent that is not in the set, as far as the detector can tell.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn has_unobserved_parent(&self, model: ModelId) -> bool {
        !self.links_to(self.own(model)).is_empty()
    }

    /// All steps of descent, observed or not, sorted by child, then parent.
    pub(super) fn steps(&self) -> Vec<Link> {
        let mut steps: Vec<Link> =
            self.edges.iter().map(|&edge| edge.into()).chain(self.links.iter().copied()).collect();
        steps.sort_by_key(|step| (step.child, step.parent));
        steps
    }

    /// Takes out the links to some models, then every unobserved model that has no child left. Ids close up.
    pub(super) fn unlink(&mut self, children: &BTreeSet<ModelId>) {
        self.links.retain(|link| link.child.model().is_none_or(|model| !children.contains(&model)));
        loop {
            let kept: BTreeSet<Node> = self.links.iter().map(|link| link.parent).collect();
            let before = self.links.len();
            self.links.retain(|link| link.child.model().is_some() || kept.contains(&link.child));
            if self.links.len() == before {
                break;
            }
        }
        let parents: BTreeSet<UnobservedId> = self.links.iter().filter_map(|link| link.parent.unobserved()).collect();
        let renumbered: BTreeMap<UnobservedId, UnobservedId> =
            parents.iter().enumerate().map(|(new, &old)| (old, UnobservedId::new(new))).collect();
        self.unobserved = parents.iter().map(|id| self.unobserved[id.index()]).collect();
        let moved = |node: Node| match node {
            Node::Unobserved(id) => Node::Unobserved(renumbered[&id]),
            model => model,
        };
        for link in &mut self.links {
            (link.parent, link.child) = (moved(link.parent), moved(link.child));
        }
        self.links.sort_by_key(|link| (link.child, link.parent));
    }
}

/// Checks the links of unobserved models; they are sorted by child, then parent.
pub(super) fn checked(names: &[String], unobserved: &[Option<f64>], links: &[Link]) -> Result<(), Error> {
    let shown = |node: Node| match node {
        Node::Model(model) => names.get(model.index()).map(|name| format!("`{name}`")),
        Node::Unobserved(id) => unobserved.get(id.index()).map(|_| id.to_string()),
    };
    for (index, probability) in unobserved.iter().enumerate() {
        let id = UnobservedId::new(index);
        if let Some(found) = probability.filter(|p| !(0.0..=1.0).contains(p)) {
            return check::invalid(format!("unobserved model {id} has probability {found}, expected 0 to 1"));
        }
        if !links.iter().any(|link| link.parent == Node::Unobserved(id)) {
            return check::invalid(format!("unobserved model {id} has no child"));
        }
    }
    for link in links {
        let (Some(p), Some(c)) = (shown(link.parent), shown(link.child)) else {
            let (models, unobserved) = (names.len(), unobserved.len());
            return check::invalid(format!(
                "link {} -> {} names a model beyond the {models} there are and the {unobserved} unobserved",
                link.parent, link.child
            ));
        };
        if link.parent == link.child {
            return check::invalid(format!("unobserved model {p} is its own parent"));
        }
        if link.parent.model().is_some() && link.child.model().is_some() {
            return check::invalid(format!("link {p} -> {c} joins two models of the set, which is an edge"));
        }
        let length = |value: f64| value.is_finite() && value >= 0.0;
        let problem = if !link.weight.is_finite() {
            Some(format!("weight {}, expected a finite one", link.weight))
        } else if let Some(found) = link.confidence.filter(|c| !(0.0..=1.0).contains(c)) {
            Some(format!("confidence {found}, expected 0 to 1"))
        } else {
            link.distance.filter(|d| !length(*d)).map(|d| format!("distance {d}, expected a finite one of at least 0"))
        };
        if let Some(problem) = problem {
            return check::invalid(format!("link {p} -> {c} has {problem}"));
        }
    }
    for pair in links.windows(2) {
        if (pair[0].child, pair[0].parent) == (pair[1].child, pair[1].parent) {
            let [p, c] = [pair[0].parent, pair[0].child].map(|node| shown(node).unwrap_or_default());
            return check::invalid(format!("link {p} -> {c} is given twice"));
        }
    }
    Ok(())
}
