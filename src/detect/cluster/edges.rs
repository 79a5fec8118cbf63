use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::ModelId;
use crate::parent::{Choice, ParentSelector};
use crate::phylogeny::{Edge, Phylogeny, Relation, Remark};

/// Gathers the edges of clusters, one after the other.
pub(super) struct Edges<'g> {
    geometry: &'g Geometry,
    independence: Independence,
    pairs: f64,
    edges: Vec<Edge>,
    kin: Vec<Vec<ModelId>>,
    scores: Vec<(ModelId, f64)>,
    margins: Vec<(ModelId, f64)>,
    ties: usize,
}

impl<'g> Edges<'g> {
    pub(super) fn new(geometry: &'g Geometry) -> Self {
        let pairs = geometry.groups().map(|g| g.len() * (g.len() - 1) / 2).sum::<usize>() as f64;
        Self {
            geometry,
            independence: geometry.independence(),
            pairs,
            edges: Vec::new(),
            kin: Vec::new(),
            scores: Vec::new(),
            margins: Vec::new(),
            ties: 0,
        }
    }

    /// Joins the members of one cluster to its parent.
    pub(super) fn family(&mut self, selector: &dyn ParentSelector, members: &[ModelId]) -> Result<(), Error> {
        if members.len() < 2 {
            return Ok(());
        }
        let choice = Choice::of(selector, self.geometry, members)?;
        self.kin.push(members.to_vec());
        self.scores.extend(members.iter().copied().zip(choice.scores.iter().copied()));

        let (roots, duplicates) = self.without_duplicates(choice.best.iter().map(|&b| members[b]).collect());
        let tied = roots.len() > 1;
        self.ties += usize::from(tied);
        let margin = if tied { 0.0 } else { choice.margin };
        self.margins.push((members[0], margin));
        for (original, copy) in duplicates {
            self.join(original, copy, 0.5);
        }
        let distinctness = choice.distinctness();
        for (i, &member) in members.iter().enumerate() {
            if choice.best.contains(&i) {
                continue;
            }
            if let Some(parent) = self.nearest(member, &roots) {
                self.join(parent, member, if tied { 0.0 } else { distinctness });
            }
        }
        Ok(())
    }

    /// One of each set of identical models, the one of lowest id, and pairs of it and its copies.
    fn without_duplicates(&self, mut models: Vec<ModelId>) -> (Vec<ModelId>, Vec<(ModelId, ModelId)>) {
        models.sort_unstable();
        let mut originals: Vec<ModelId> = Vec::new();
        let mut copies = Vec::new();
        for model in models {
            match originals.iter().find(|&&o| self.geometry.identical(o, model)) {
                Some(&original) => copies.push((original, model)),
                None => originals.push(model),
            }
        }
        (originals, copies)
    }

    /// The nearest of some models; `None` when two are equally near.
    fn nearest(&self, model: ModelId, among: &[ModelId]) -> Option<ModelId> {
        let mut found: Vec<(f64, ModelId)> =
            among.iter().filter_map(|&a| Some((self.geometry.squared_distance(a, model)?, a))).collect();
        found.sort_by(|x, y| x.0.total_cmp(&y.0));
        match found[..] {
            [(first, _), (second, _), ..] if first == second => None,
            _ => found.first().map(|f| f.1),
        }
    }

    /// Confidence is that of kinship (one less the probability that any unrelated pair of the set looks so related) times
    /// that of direction: one half when nothing tells, one when the parent stands out from the rest.
    fn join(&mut self, parent: ModelId, child: ModelId, distinctness: f64) {
        let identical = self.geometry.identical(parent, child);
        let z = self.independence.z(parent, child).unwrap_or(0.0);
        let kinship = (1.0 - self.pairs * Independence::p_value(z)).max(0.0);
        let direction = if identical { 0.5 } else { 0.5 + 0.5 * distinctness };
        let relation = if identical { Relation::Duplicate } else { Relation::FineTune };
        let mut edge = Edge::new(parent, child).with_relation(relation).with_confidence(kinship * direction);
        edge.distance = self.geometry.distance(parent, child);
        self.edges.push(edge);
    }

    pub(super) fn phylogeny(self, mut remarks: Vec<Remark>) -> Result<Phylogeny, Error> {
        if self.ties > 0 {
            remarks.push(Remark::Ties { count: self.ties });
        }
        let mut phylogeny = Phylogeny::with_families(self.geometry.len(), self.edges, &self.kin)?;
        for (model, score) in self.scores {
            phylogeny = phylogeny.with_score(model, score);
        }
        for (model, margin) in self.margins {
            phylogeny = phylogeny.with_margin(model, margin);
        }
        Ok(remarks.into_iter().fold(phylogeny, Phylogeny::with_remark))
    }
}
