use super::check::{self, invalid};
use super::checker::Checker;
use super::movement::Movements;
use super::reasons::Reasons;
use super::shared_part::{self, SharedPart};
use super::unobserved::{self, Unobserved};
use super::{Candidate, Edge, Link, Movement, Phylogeny, Remark, UnobservedId};
use crate::error::Error;
use crate::model_set::{Inventory, ModelId, Skipped};
use std::collections::{BTreeMap, BTreeSet};

/// Collects what is known of a set of models, and makes a [`Phylogeny`] of it.
///
/// Nothing is checked before [`build`](Self::build), which checks everything and ignores nothing. The order of the calls
/// matters for remarks and skipped models alone.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId};
/// use neural_phylogeny::phylogeny::{Candidate, PhylogenyBuilder};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let [base, chat, code, twin] = [0, 1, 2, 3].map(ModelId::new);
/// let phylogeny = PhylogenyBuilder::new(5)
///     .with_names(["base", "chat", "code", "twin", "stranger"])
///     .with_edges([Edge::new(base, chat).with_confidence(0.9), Edge::new(base, code)])
///     .with_candidates(chat, vec![Candidate::new(Some(base), 0.9, Vec::new())])
///     .with_kin([code, twin]) // One family, although nothing tells which was first.
///     .with_score(base, -1.5)
///     .build()?;
/// assert_eq!(phylogeny.families().len(), 2);
/// assert_eq!(phylogeny.candidates(chat)[0].parent, Some(base));
///
/// let error = PhylogenyBuilder::new(2).with_score(twin, 0.5).build().unwrap_err();
/// assert_eq!(error.to_string(), "invalid phylogeny: a score names model 3 beyond the 2 there are");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct PhylogenyBuilder {
    models: usize,
    names: Option<Vec<String>>,
    edges: Vec<Edge>,
    unobserved: Vec<Option<f64>>,
    links: Vec<Link>,
    kin: Vec<Vec<ModelId>>,
    scores: Vec<(ModelId, f64)>,
    margins: Vec<(ModelId, f64)>,
    candidates: Vec<(ModelId, Vec<Candidate>)>,
    movements: Vec<(ModelId, ModelId, Vec<Movement>)>,
    counts: Vec<(ModelId, ModelId, Counts)>,
    residuals: Vec<(ModelId, f64)>,
    methods: Vec<(ModelId, String)>,
    unobserved_roots: Vec<ModelId>,
    withheld: Vec<ModelId>,
    shared_parts: Vec<SharedPart>,
    remarks: Vec<Remark>,
    skipped: Vec<Skipped>,
}

/// How many parameters were compared along an edge, and how many of them are untouched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) compared: usize,
    pub(super) untouched: usize,
}

impl PhylogenyBuilder {
    /// Begins with `models` models and nothing known of them. Each is named by its number.
    pub fn new(models: usize) -> Self {
        Self { models, ..Self::default() }
    }

    /// Names the models, in the order of their ids. Names must be unique.
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Adds an edge.
    pub fn with_edge(mut self, edge: Edge) -> Self {
        self.edges.push(edge);
        self
    }

    /// Adds edges.
    pub fn with_edges(mut self, edges: impl IntoIterator<Item = Edge>) -> Self {
        self.edges.extend(edges);
        self
    }

    /// Adds an unobserved model: one that is not in the set, and that models of the set descend from. The first one added has
    /// the id 0. Every one needs a [link](Self::with_links) to a child.
    ///
    /// `probability` says how probable it is that there is such a model and that it is not in the set, in [0, 1]. `None` stands
    /// for not stated.
    pub fn with_unobserved(mut self, probability: Option<f64>) -> Self {
        self.unobserved.push(probability);
        self
    }

    /// The number of unobserved models added so far: the position of the next one's id.
    pub fn unobserved_len(&self) -> usize {
        self.unobserved.len()
    }

    /// Adds links, in any order: steps of descent of which one end or both are unobserved.
    pub fn with_links(mut self, links: impl IntoIterator<Item = Link>) -> Self {
        self.links.extend(links);
        self
    }

    /// States that models are of one family, whether edges join them or not. Siblings without a parent and ties are such
    /// models.
    pub fn with_kin(mut self, members: impl IntoIterator<Item = ModelId>) -> Self {
        self.kin.push(members.into_iter().collect());
        self
    }

    /// Adds the parent selector's score of a model, a finite number. The lowest score in a family is its parent's. A model has
    /// at most one.
    pub fn with_score(mut self, model: ModelId, score: f64) -> Self {
        self.scores.push((model, score));
        self
    }

    /// Adds the margin of the family of `model`: its second best score less the best. It is finite; 0 is a tie. A family has at
    /// most one.
    pub fn with_margin(mut self, model: ModelId, margin: f64) -> Self {
        self.margins.push((model, margin));
        self
    }

    /// Adds the parents that were considered for a model, in any order. Probabilities are in [0, 1]. A model has at most one
    /// list.
    pub fn with_candidates(mut self, model: ModelId, candidates: Vec<Candidate>) -> Self {
        self.candidates.push((model, candidates));
        self
    }

    /// Adds how far parameters moved along an edge, in any order. Relative movements are at least 0, infinity included. An edge
    /// has at most one list. An empty list states that nothing was measured.
    pub fn with_movements(mut self, parent: ModelId, child: ModelId, movements: Vec<Movement>) -> Self {
        self.movements.push((parent, child, movements));
        self
    }

    /// Adds how many parameters were compared along an edge, and how many of them are untouched. It serves where the list of
    /// [movements](Self::with_movements) is not complete. An edge has at most one such pair of counts.
    pub fn with_movement_counts(mut self, parent: ModelId, child: ModelId, compared: usize, untouched: usize) -> Self {
        self.counts.push((parent, child, Counts { compared, untouched }));
        self
    }

    /// Adds the residual of a merge, in [0, 1]. It is the share of the squared distance to the nearest parent that the affine
    /// combination of the parents leaves unexplained. A merge has at most one.
    pub fn with_residual(mut self, child: ModelId, residual: f64) -> Self {
        self.residuals.push((child, residual));
        self
    }

    /// Adds the method by which a model was made from its only parent: how it was quantized, as in `Q8_0`, or what was taken out, as
    /// in `one direction`. A model has at most one.
    pub fn with_method(mut self, child: ModelId, method: impl Into<String>) -> Self {
        self.methods.push((child, method.into()));
        self
    }

    /// States that the family of `model` has siblings whose common parent is not in the set: an unobserved model is added above
    /// every member that has neither a parent nor a withheld one. At least one member must be so.
    pub fn with_unobserved_root(mut self, model: ModelId) -> Self {
        self.unobserved_roots.push(model);
        self
    }

    /// States that a model has a parent in the set that is not named, because it is less sure than the caller wanted.
    pub fn with_withheld_parent(mut self, child: ModelId) -> Self {
        self.withheld.push(child);
        self
    }

    /// Adds a part that models of unlike families have in common.
    pub fn with_shared_part(mut self, part: SharedPart) -> Self {
        self.shared_parts.push(part);
        self
    }

    /// Adds a remark on how the result came about.
    pub fn with_remark(mut self, remark: Remark) -> Self {
        self.remarks.push(remark);
        self
    }

    /// Adds remarks.
    pub fn with_remarks(mut self, remarks: impl IntoIterator<Item = Remark>) -> Self {
        self.remarks.extend(remarks);
        self
    }

    /// Adds models that could not be read and were left out.
    pub fn with_skipped(mut self, skipped: impl IntoIterator<Item = Skipped>) -> Self {
        self.skipped.extend(skipped);
        self
    }

    /// Makes the phylogeny. Families are the connected components of edges and kin together.
    ///
    /// # Complexity
    ///
    /// O(n log n) time, with n the number of all items that were added.
    ///
    /// # Errors
    ///
    /// - [`Error::DuplicateName`] when two names are equal.
    /// - [`Error::InvalidPhylogeny`], which names the model, when
    ///   - there are more or fewer names than models;
    ///   - anything names a model beyond the models there are;
    ///   - an edge is repeated or joins a model to itself, or edges form a cycle;
    ///   - a weight, distance or confidence is out of its range, or the weights of one child's parents do not sum to 1;
    ///   - a score, margin, candidate, movement or residual is out of its range or given twice;
    ///   - movements are of two models that no edge joins, or a residual is of a model with fewer than two parents;
    ///   - a method is given twice, or of a model that has not one parent;
    ///   - a model has both a parent, observed or not, and a withheld one;
    ///   - an unobserved model has no child, or a link joins two models of the set;
    ///   - a shared part is of fewer than two models or of one twice, or a share of it is out of its range.
    pub fn build(self) -> Result<Phylogeny, Error> {
        let names = match self.names {
            Some(names) => check::named(self.models, names)?,
            None => (0..self.models).map(|i| i.to_string()).collect(),
        };
        let mut edges = self.edges;
        // All lookups of a model's parents are searches in this order.
        edges.sort_by_key(|e| (e.child, e.parent));
        check::edges(&names, &edges)?;
        let (mut unobserved, mut links) = (self.unobserved, self.links);
        links.sort_by_key(|link| (link.child, link.parent));
        unobserved::checked(&names, &unobserved, &links)?;
        let withheld: BTreeSet<ModelId> = self.withheld.iter().copied().collect();
        let joined = |links: &[Link]| -> Vec<Link> {
            let mut steps: Vec<Link> = edges.iter().map(|&edge| edge.into()).chain(links.iter().copied()).collect();
            steps.sort_by_key(|step| (step.child, step.parent));
            steps
        };
        let (families, family_of) = check::families(self.models, unobserved.len(), &joined(&links), &self.kin)?;
        let flagged = Checker { names: &names, edges: &edges, links: &links };
        let mut rootless = BTreeSet::new();
        for model in self.unobserved_roots {
            flagged.model(model, "an unobserved root")?;
            rootless.insert(family_of[model.index()]);
        }
        let mut above = Vec::new();
        for family in rootless {
            let id = UnobservedId::new(unobserved.len());
            let children = families[family.index()].roots.iter().filter(|root| !withheld.contains(root));
            let before = above.len();
            above.extend(children.map(|&child| Link::new(id, child)));
            if above.len() == before {
                let first = &names[families[family.index()].members[0].index()];
                return invalid(format!(
                    "the family of model `{first}` has an unobserved root and no model without a parent"
                ));
            }
            unobserved.push(None);
        }
        links.extend(above);
        links.sort_by_key(|link| (link.child, link.parent));
        let steps = joined(&links);
        check::weights(&names, &steps)?;
        let generations = check::generations(&names, unobserved.len(), &steps)?;
        let (mut families, mut family_of) = check::families(self.models, unobserved.len(), &steps, &self.kin)?;
        let of_unobserved = family_of.split_off(self.models);
        let unobserved: Vec<Unobserved> = unobserved
            .into_iter()
            .zip(of_unobserved)
            .map(|(probability, family)| Unobserved { probability, family })
            .collect();

        // All that follows refers to models, edges and families, so that these are checked first.
        let checker = Checker { names: &names, edges: &edges, links: &links };
        let mut scores = vec![None; self.models];
        for (model, score) in self.scores {
            checker.model(model, "a score")?;
            checker.finite(model, "score", score)?;
            checker.once(model, "score", scores[model.index()].replace(score).is_none())?;
        }
        let mut margins = vec![None; families.len()];
        for (model, margin) in self.margins {
            checker.model(model, "a margin")?;
            checker.finite(model, "margin", margin)?;
            let family = family_of[model.index()];
            checker.once(model, "margin of its family", margins[family.index()].replace(margin).is_none())?;
        }
        let mut reasons = Reasons::default();
        for (model, candidates) in self.candidates {
            let candidates = checker.candidates(model, candidates)?;
            // A detector that keeps no candidates may give an empty list. It is the same as no list, and may be repeated.
            if !candidates.is_empty() {
                checker.once(model, "list of candidates", reasons.candidates.insert(model, candidates).is_none())?;
            }
        }
        reasons.movements = movements(&checker, self.movements, self.counts)?;
        for (child, residual) in self.residuals {
            checker.residual(child, residual)?;
            checker.once(child, "residual", reasons.residuals.insert(child, residual).is_none())?;
        }
        for (child, method) in self.methods {
            checker.method(child)?;
            checker.once(child, "method", reasons.methods.insert(child, method).is_none())?;
        }
        for child in self.withheld {
            checker.withheld(child)?;
            reasons.withheld.insert(child);
        }
        // Such a child has a parent in the set, although no edge names it.
        for family in &mut families {
            family.roots.retain(|root| !reasons.withheld.contains(root));
        }
        let shared_parts = shared_part::checked(&names, self.shared_parts)?;
        let (remarks, skipped) = (self.remarks, self.skipped);
        let inventory = Inventory::default();
        Ok(Phylogeny {
            names,
            edges,
            unobserved,
            links,
            shared_parts,
            families,
            family_of,
            generations,
            scores,
            margins,
            reasons,
            remarks,
            skipped,
            inventory,
        })
    }
}

/// Joins the lists of movements with the counts that go with them, by child and parent.
fn movements(
    checker: &Checker<'_>,
    lists: Vec<(ModelId, ModelId, Vec<Movement>)>,
    counts: Vec<(ModelId, ModelId, Counts)>,
) -> Result<BTreeMap<(ModelId, ModelId), Movements>, Error> {
    let mut all = BTreeMap::new();
    for (parent, child, list) in lists {
        checker.edge(parent, child, "movements")?;
        checker.movements(child, &list)?;
        if !list.is_empty() {
            checker.once(child, "list of movements", all.insert((child, parent), Movements::new(list)).is_none())?;
        }
    }
    // Counts may come before or after their list, so that both are joined only when all are known.
    let mut counted = BTreeMap::new();
    for (parent, child, count) in counts {
        checker.edge(parent, child, "movements")?;
        checker.once(child, "number of movements", counted.insert((child, parent), count).is_none())?;
    }
    for ((child, parent), Counts { compared, untouched }) in counted {
        let list = all.remove(&(child, parent)).unwrap_or_default();
        let (listed, still) = (list.compared, list.untouched);
        // The counts include the listed parameters: neither the moved nor the untouched ones may be fewer than listed.
        if compared < listed || untouched < still || untouched > compared || compared - untouched < listed - still {
            let (name, from) = (&checker.names[child.index()], &checker.names[parent.index()]);
            return invalid(format!(
                "model `{name}` has {compared} parameters compared with `{from}`, {untouched} untouched, \
                 expected no fewer than the {listed} listed, {still} untouched"
            ));
        }
        if compared > 0 {
            all.insert((child, parent), Movements { compared, untouched, ..list });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
