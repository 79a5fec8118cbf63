use super::{Phylogeny, Remark, check};
use crate::model_set::ModelId;
use std::collections::BTreeSet;

impl Phylogeny {
    /// Leaves out edges less sure than `minimum`, in [0, 1]: no parent is better than a likely wrong one.
    ///
    /// - An edge of lower confidence is left out, and so is a link from an unobserved parent to a model. A merge loses all its
    ///   edges and links when one of them is that unsure. What has no stated confidence stays. An unobserved model that is left
    ///   without children goes too.
    /// - A child that loses its edges is [withheld](Self::is_withheld). It stays in its family, is no root of it, and keeps its
    ///   [`candidates`](Self::candidates).
    /// - [`Remark::Withheld`] gives the number of edges that were left out, if there are any.
    ///
    /// A `minimum` of NaN withholds nothing. Below 0 it counts as 0, above 1 as 1.
    ///
    /// ```
    /// use neural_phylogeny::{Edge, ModelId, Phylogeny};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let edge = |child, confidence| Edge::new(ModelId::new(0), ModelId::new(child)).with_confidence(confidence);
    /// let phylogeny = Phylogeny::from_edges(3, vec![edge(1, 0.95), edge(2, 0.6)])?.with_minimum_confidence(0.9);
    /// assert_eq!(phylogeny.edges().len(), 1);
    /// assert_eq!(phylogeny.families().len(), 1);
    /// assert!(phylogeny.is_withheld(ModelId::new(2)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_minimum_confidence(mut self, minimum: f64) -> Self {
        let minimum = minimum.clamp(0.0, 1.0);
        let unsure = |confidence: Option<f64>| confidence.is_some_and(|c| c < minimum);
        let edges = self.edges.iter().filter(|e| unsure(e.confidence)).map(|e| e.child);
        let links = self.links.iter().filter(|link| unsure(link.confidence)).filter_map(|link| link.child.model());
        let unsure: BTreeSet<ModelId> = edges.chain(links).collect();
        if unsure.is_empty() {
            return self;
        }
        let before = self.edges.len() + self.links.len();
        self.edges.retain(|e| !unsure.contains(&e.child));
        self.unlink(&unsure);
        // Steps that form no cycle form none when some of them go.
        let generations = check::generations(&self.names, self.unobserved.len(), &self.steps());
        self.generations = generations.unwrap_or(self.generations);
        self.reasons.movements.retain(|(child, _), _| !unsure.contains(child));
        self.reasons.residuals.retain(|child, _| !unsure.contains(child));
        self.reasons.methods.retain(|child, _| !unsure.contains(child));
        let withheld = before - self.edges.len() - self.links.len();
        self.reasons.withheld.extend(unsure);
        self.with_remark(Remark::Withheld { edges: withheld, minimum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::arbitrary::any_phylogeny;
    use crate::phylogeny::{Candidate, Edge, FamilyId, Movement, PhylogenyBuilder};
    use proptest::prelude::*;

    fn edge(parent: usize, child: usize, weight: f64, confidence: f64) -> Edge {
        Edge::new(ModelId::new(parent), ModelId::new(child)).with_weight(weight).with_confidence(confidence)
    }

    #[test]
    fn a_merge_is_withheld_whole_and_the_family_stays() {
        let id = ModelId::new;
        let edges = vec![edge(0, 1, 1.0, 0.9), edge(0, 2, 0.5, 0.9), edge(1, 2, 0.5, 0.4), edge(2, 3, 1.0, 0.8)];
        let phylogeny = PhylogenyBuilder::new(5)
            .with_edges(edges)
            .with_residual(id(2), 0.1)
            .with_movements(id(0), id(2), vec![Movement::new("w", 4, 0.5)])
            .with_candidates(id(2), vec![Candidate::new(Some(id(0)), 0.4, Vec::new())])
            .with_margin(id(0), 0.25)
            .build()
            .unwrap();
        let sure = phylogeny.with_minimum_confidence(0.5);
        assert_eq!(sure.edges(), [edge(0, 1, 1.0, 0.9), edge(2, 3, 1.0, 0.8)]);
        assert_eq!(sure.families().len(), 2);
        assert_eq!(sure.families()[0].roots, [id(0)]);
        assert_eq!(sure.roots().collect::<Vec<_>>(), [id(0), id(4)]);
        assert_eq!((sure.generation(id(2)), sure.generation(id(3))), (0, 1));
        assert_eq!((sure.residual(id(2)), sure.movements(id(0), id(2)).len()), (None, 0));
        assert_eq!((sure.candidates(id(2)).len(), sure.margin(FamilyId::new(0))), (1, Some(0.25)));
        assert_eq!([0, 1, 2, 3].map(|m| sure.is_withheld(id(m))), [false, false, true, false]);
        assert_eq!(sure.remarks(), [Remark::Withheld { edges: 2, minimum: 0.5 }]);
    }

    proptest! {
        #[test]
        fn families_stay_and_what_is_left_is_sure(phylogeny in any_phylogeny(), minimum in 0.0..=1.0f64) {
            let sure = phylogeny.clone().with_minimum_confidence(minimum);
            prop_assert!(sure.edges().iter().all(|e| e.confidence.is_none_or(|c| c >= minimum)));
            let members = |p: &Phylogeny| p.families().iter().map(|f| f.members.clone()).collect::<Vec<_>>();
            prop_assert_eq!(members(&sure), members(&phylogeny));
            let all = phylogeny.edges().iter().all(|e| e.confidence.is_none_or(|c| c >= minimum));
            prop_assert_eq!(sure == phylogeny, all);
            for m in sure.models() {
                let gone = sure.parents(m).is_empty() && !phylogeny.parents(m).is_empty();
                prop_assert_eq!(sure.is_withheld(m), gone || phylogeny.is_withheld(m));
                prop_assert_eq!(sure.families()[sure.family_of(m).index()].roots.contains(&m), phylogeny.roots().any(|r| r == m));
            }
        }
    }
}
