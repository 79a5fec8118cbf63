use super::{Phylogeny, Remark};
use crate::model_set::ModelId;
use std::collections::BTreeSet;

impl Phylogeny {
    /// Withholds what is less sure than `minimum`, in [0, 1]: better no parent than a likely wrong one.
    ///
    /// - An edge of lower confidence is left out, and of a merge all edges when one of them is.
    /// - A child without edges is a root and stays in its family; its [`candidates`](Self::candidates) stay with it.
    /// - [`Remark::Withheld`] says how many edges were left out, when any was.
    ///
    /// NaN withholds nothing.
    ///
    /// ```
    /// use neural_phylogeny::{Edge, ModelId, Phylogeny};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let edge = |child, confidence| Edge::new(ModelId::new(0), ModelId::new(child)).with_confidence(confidence);
    /// let phylogeny = Phylogeny::from_edges(3, vec![edge(1, 0.95), edge(2, 0.6)])?.with_minimum_confidence(0.9);
    /// assert_eq!(phylogeny.edges().len(), 1);
    /// assert_eq!(phylogeny.families().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_minimum_confidence(self, minimum: f64) -> Self {
        let unsure: BTreeSet<ModelId> = self.edges.iter().filter(|e| e.confidence < minimum).map(|e| e.child).collect();
        if unsure.is_empty() {
            return self;
        }
        let kept: Vec<_> = self.edges.iter().filter(|e| !unsure.contains(&e.child)).copied().collect();
        let withheld = self.edges.len() - kept.len();
        let kin: Vec<Vec<ModelId>> = self.families.iter().map(|f| f.members.clone()).collect();
        // Never refused: fewer edges make no cycle, and the parents of one child go together.
        let Ok(sure) = Self::named(self.names.clone(), kept, &kin) else { return self };
        let mut reasons = self.reasons;
        reasons.movements.retain(|(child, _), _| !unsure.contains(child));
        reasons.residuals.retain(|child, _| !unsure.contains(child));
        Self { edges: sure.edges, families: sure.families, generations: sure.generations, reasons, ..self }
            .with_remark(Remark::Withheld { edges: withheld, minimum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::arbitrary::any_phylogeny;
    use crate::phylogeny::{Candidate, Edge, Movement};
    use proptest::prelude::*;

    fn edge(parent: usize, child: usize, weight: f64, confidence: f64) -> Edge {
        Edge::new(ModelId::new(parent), ModelId::new(child)).with_weight(weight).with_confidence(confidence)
    }

    #[test]
    fn a_merge_is_withheld_whole_and_the_family_stays() {
        let id = ModelId::new;
        let edges = vec![edge(0, 1, 1.0, 0.9), edge(0, 2, 0.5, 0.9), edge(1, 2, 0.5, 0.4), edge(2, 3, 1.0, 0.8)];
        let phylogeny = Phylogeny::from_edges(5, edges)
            .unwrap()
            .with_residual(id(2), 0.1)
            .with_movements(id(0), id(2), vec![Movement::new("w", 4, 0.5)])
            .with_candidates(id(2), vec![Candidate::new(Some(id(0)), 0.4, Vec::new())])
            .with_margin(id(0), 0.25);
        let sure = phylogeny.with_minimum_confidence(0.5);
        assert_eq!(sure.edges(), [edge(0, 1, 1.0, 0.9), edge(2, 3, 1.0, 0.8)]);
        assert_eq!(sure.families().len(), 2);
        assert_eq!(sure.families()[0].roots, [id(0), id(2)]);
        assert_eq!((sure.generation(id(2)), sure.generation(id(3))), (0, 1));
        assert_eq!((sure.residual(id(2)), sure.movements(id(0), id(2)).len()), (None, 0));
        assert_eq!((sure.candidates(id(2)).len(), sure.margin(0)), (1, Some(0.25)));
        assert_eq!(sure.remarks(), [Remark::Withheld { edges: 2, minimum: 0.5 }]);
    }

    proptest! {
        #[test]
        fn families_stay_and_what_is_left_is_sure(phylogeny in any_phylogeny(), minimum in 0.0..=1.0f64) {
            let sure = phylogeny.clone().with_minimum_confidence(minimum);
            prop_assert!(sure.edges().iter().all(|e| e.confidence >= minimum));
            let members = |p: &Phylogeny| p.families().iter().map(|f| f.members.clone()).collect::<Vec<_>>();
            prop_assert_eq!(members(&sure), members(&phylogeny));
            let all = phylogeny.edges().iter().all(|e| e.confidence >= minimum);
            prop_assert_eq!(sure == phylogeny, all);
        }
    }
}
