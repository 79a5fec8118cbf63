use crate::detect::draft::Draft;
use crate::detect::family_trees::FamilyTree;
use crate::error::Error;
use crate::geometry::{Geometry, Independence};
use crate::model_set::{ModelId, Position};
use crate::parent::{Choice, ParentSelector};
use crate::phylogeny::{Phylogeny, Relation, Remark};

/// Collects the edges of clusters, one cluster after the other, into a phylogeny.
pub(in crate::detect) struct Edges<'g> {
    draft: Draft<'g>,
}

impl<'g> Edges<'g> {
    /// A phylogeny without edges yet.
    pub(in crate::detect) fn new(geometry: &'g Geometry, independence: &'g Independence) -> Self {
        Self { draft: Draft::new(geometry, independence) }
    }

    /// Adds the selector's score of each member.
    fn add_scores(&mut self, members: &[ModelId], scores: &[f64]) {
        let scores = members.iter().zip(scores);
        self.draft.add(|builder| scores.fold(builder, |b, (&member, &score)| b.with_score(member, score)));
    }

    /// Adds edges from the parent of one cluster to its members, and from originals to copies.
    pub(super) fn family(&mut self, selector: &dyn ParentSelector, members: &[ModelId]) -> Result<(), Error> {
        let originals = self.with_copies_joined(members)?;
        if originals.len() < 2 {
            return Ok(());
        }
        // Copies are out by now, so that equal scores are real ties.
        let choice = Choice::new(selector, self.draft.geometry, &originals)?;
        self.draft.add(|builder| builder.with_margin(originals[0], choice.margin));
        self.add_scores(&originals, &choice.scores);
        // In a tie nothing gives an edge between tied members a direction, so all of them are roots.
        let roots: Vec<ModelId> = choice.best.iter().map(|&b| originals[b]).collect();
        self.draft.count_tie(roots.len() > 1);
        let distinctness = choice.distinctness();
        for &member in originals.iter().filter(|m| !roots.contains(m)) {
            if let Some(parent) = self.nearest(member, &roots)? {
                self.join(parent, member, distinctness)?;
            }
        }
        Ok(())
    }

    /// Adds a tree over the originals of one family, and edges from originals to copies.
    pub(in crate::detect) fn tree(
        &mut self,
        members: &[ModelId],
        grow: &dyn Fn(&[ModelId]) -> Result<FamilyTree, Error>,
    ) -> Result<(), Error> {
        let originals = self.with_copies_joined(members)?;
        if originals.len() < 2 {
            return Ok(());
        }
        let tree = grow(&originals)?;
        self.add_scores(&originals, &tree.scores);
        if let Some(margin) = tree.margin {
            self.draft.add(|builder| builder.with_margin(originals[0], margin));
        }
        self.draft.count_tie(tree.is_tie());
        for (child, parent) in tree.agreed() {
            self.join(originals[parent], originals[child], tree.distinctness[child])?;
        }
        Ok(())
    }

    /// Notes that members are kin, joins copies to their original, and returns the originals.
    fn with_copies_joined(&mut self, members: &[ModelId]) -> Result<Vec<ModelId>, Error> {
        if members.len() < 2 {
            return Ok(members.to_vec());
        }
        self.draft.add(|builder| builder.with_kin(members.iter().copied()));
        let (originals, copies) = self.without_copies(members);
        for &(original, copy) in &copies {
            self.join(original, copy, 0.0)?;
        }
        Ok(originals)
    }

    /// The originals, in the order given, and the pairs (original, copy).
    ///
    /// In each set of identical models, the one with the lowest id is the original.
    fn without_copies(&self, members: &[ModelId]) -> (Vec<ModelId>, Vec<(ModelId, ModelId)>) {
        let original =
            |m: ModelId| members.iter().copied().filter(|&o| self.draft.geometry.identical(o, m)).min().unwrap_or(m);
        let (originals, copies): (Vec<_>, Vec<_>) =
            members.iter().map(|&m| (original(m), m)).partition(|(o, m)| o == m);
        (originals.into_iter().map(|(o, _)| o).collect(), copies)
    }

    /// The nearest of some models; `None` when two are equally near.
    fn nearest(&self, model: ModelId, among: &[ModelId]) -> Result<Option<ModelId>, Error> {
        let mut found = Vec::with_capacity(among.len());
        for &other in among {
            found.push((
                self.draft.geometry.compare(&[other, model])?.squared_distance(Position::FIRST, Position::SECOND),
                other,
            ));
        }
        found.sort_by(|x, y| x.0.total_cmp(&y.0));
        Ok(match found[..] {
            [(first, _), (second, _), ..] if first == second => None,
            _ => found.first().map(|f| f.1),
        })
    }

    /// Adds an edge. Its confidence is the probability of kinship times that of the direction.
    ///
    /// The direction has probability one half when no evidence decides it, and one when the parent stands out from the rest.
    fn join(&mut self, parent: ModelId, child: ModelId, distinctness: f64) -> Result<(), Error> {
        let identical = self.draft.geometry.identical(parent, child);
        let kinship = self.draft.independence.kinship(parent, child);
        let direction = if identical { 0.5 } else { 0.5 + 0.5 * distinctness };
        let relation = if identical { Relation::Duplicate } else { Relation::FineTune };
        let edge = self.draft.edge(parent, child, relation, kinship * direction)?;
        self.draft.add(|builder| builder.with_edge(edge));
        Ok(())
    }

    /// The phylogeny of all edges added.
    pub(in crate::detect) fn phylogeny(self, remarks: Vec<Remark>) -> Result<Phylogeny, Error> {
        self.draft.phylogeny(remarks)
    }
}
