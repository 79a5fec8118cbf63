//! What edges were concluded from.

use super::movement::Movements;
use super::{Candidate, Evidence, Phylogeny};
use crate::model_set::ModelId;
use std::collections::{BTreeMap, BTreeSet};

/// All but scores and margins. Kept by model, by (child, parent), by child, and by family; what a detector does not tell is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reasons {
    pub(super) candidates: BTreeMap<ModelId, Vec<Candidate>>,
    pub(super) movements: BTreeMap<(ModelId, ModelId), Movements>,
    pub(super) residuals: BTreeMap<ModelId, f64>,
    pub(super) unobserved_roots: BTreeSet<usize>,
}

impl Phylogeny {
    /// Keeps the parent selector's score of a model, lowest = parent; ignored when out of range or not finite.
    pub fn with_score(mut self, model: ModelId, score: f64) -> Self {
        if let Some(slot) = self.scores.get_mut(model.index()).filter(|_| score.is_finite()) {
            *slot = Some(score);
        }
        self
    }

    /// Keeps the margin between the best and second best score in the family of `model`; ignored when out of range.
    pub fn with_margin(mut self, model: ModelId, margin: f64) -> Self {
        if let Some(&family) = self.family_of.get(model.index()).filter(|_| margin.is_finite()) {
            self.margins[family] = Some(margin);
        }
        self
    }

    /// The parent selector's score of a model, when one was used; lowest in its family = parent.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn score(&self, model: ModelId) -> Option<f64> {
        self.scores[model.index()]
    }

    /// Margin between the best and second best score of a family, when a selector was used; 0 is a tie.
    ///
    /// # Panics
    ///
    /// When `family` is not a position in [`families`](Self::families).
    pub fn margin(&self, family: usize) -> Option<f64> {
        self.margins[family]
    }

    /// Keeps the parents that were considered for a model; replaces what was kept.
    ///
    /// Ignored when `model` is out of range. A candidate that is out of range or the model itself, or whose probability is not in
    /// [0, 1], is left out.
    pub fn with_candidates(mut self, model: ModelId, mut candidates: Vec<Candidate>) -> Self {
        let models = self.len();
        let possible = |p: ModelId| p != model && p.index() < models;
        candidates.retain(|c| (0.0..=1.0).contains(&c.probability) && c.parent.is_none_or(possible));
        for evidence in candidates.iter_mut().flat_map(|c| &mut c.evidence) {
            evidence.weight = Evidence::cut(evidence.weight);
        }
        candidates.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(b.score().total_cmp(&a.score())));
        if model.index() < models {
            if candidates.is_empty() {
                self.reasons.candidates.remove(&model);
            } else {
                self.reasons.candidates.insert(model, candidates);
            }
        }
        self
    }

    /// The parents that were considered for a model, most probable first, of equal ones the higher score first; empty when the
    /// detector gave none.
    ///
    /// A phylogeny that was read from a file has the most probable alone.
    ///
    /// ```
    /// use neural_phylogeny::{Candidate, ModelId, Phylogeny};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let [a, b] = [0, 1].map(ModelId::new);
    /// let candidates = vec![Candidate::new(None, 0.25, Vec::new()), Candidate::new(Some(a), 0.75, Vec::new())];
    /// let phylogeny = Phylogeny::from_edges(2, Vec::new())?.with_candidates(b, candidates);
    /// assert_eq!(phylogeny.candidates(b)[0].parent, Some(a));
    /// # Ok(())
    /// # }
    /// ```
    pub fn candidates(&self, model: ModelId) -> &[Candidate] {
        self.reasons.candidates.get(&model).map_or(&[], Vec::as_slice)
    }

    /// Keeps what the affine combination of a merge's parents leaves unexplained, cut off to [0, 1].
    ///
    /// Ignored when NaN or when `child` has fewer than two parents.
    pub fn with_residual(mut self, child: ModelId, residual: f64) -> Self {
        if self.parents(child).len() > 1 && !residual.is_nan() {
            self.reasons.residuals.insert(child, residual.clamp(0.0, 1.0));
        }
        self
    }

    /// Share of a merge's squared distance to its nearest parent that the affine combination of its parents leaves unexplained,
    /// in [0, 1]; `None` when it is no merge or was not measured.
    pub fn residual(&self, child: ModelId) -> Option<f64> {
        self.reasons.residuals.get(&child).copied()
    }

    /// Says that the common parent of siblings in the family of `model` is not in the set; ignored when out of range.
    pub fn with_unobserved_root(mut self, model: ModelId) -> Self {
        self.reasons.unobserved_roots.extend(self.family_of.get(model.index()));
        self
    }

    /// Whether a family, a position in [`families`](Self::families), has siblings whose common parent is not in the set.
    pub fn unobserved_root(&self, family: usize) -> bool {
        self.reasons.unobserved_roots.contains(&family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::arbitrary::family;
    use crate::phylogeny::{Movement, Signal, Stage};

    fn id(model: usize) -> ModelId {
        ModelId::new(model)
    }

    #[test]
    fn candidates_are_sorted_by_probability_then_score() {
        let candidate = |parent, probability, weight| {
            Candidate::new(parent, probability, vec![Evidence::new(Stage::Parent, Signal::PRIOR, weight)])
        };
        let given = vec![
            candidate(None, 0.2, 9.0),
            candidate(Some(id(0)), 0.4, 1.0),
            candidate(Some(id(2)), 0.4, 2.0),
            candidate(Some(id(1)), 0.9, 0.0),
            candidate(Some(id(7)), 0.9, 0.0),
            candidate(Some(id(0)), f64::NAN, 0.0),
        ];
        let phylogeny =
            family(3, &[]).with_candidates(id(1), given).with_candidates(id(3), vec![candidate(None, 1.0, 0.0)]);
        let order: Vec<Option<ModelId>> = phylogeny.candidates(id(1)).iter().map(|c| c.parent).collect();
        assert_eq!(order, [Some(id(2)), Some(id(0)), None]);
        assert!(phylogeny.candidates(id(0)).is_empty() && phylogeny.candidates(id(3)).is_empty());
    }

    #[test]
    fn evidence_set_by_hand_is_made_finite() {
        let mut evidence = Evidence::new(Stage::Parent, Signal::COPY, 0.0);
        evidence.weight = f64::INFINITY;
        let phylogeny = family(2, &[]).with_candidates(id(0), vec![Candidate::new(None, 1.0, vec![evidence])]);
        assert_eq!(phylogeny.candidates(id(0))[0].score(), 1000.0);
    }

    #[test]
    fn movements_need_an_edge_and_are_largest_first() {
        let moves = |relative: [f64; 4]| {
            relative.iter().zip(["a", "b", "c", "d"]).map(|(&r, name)| Movement::new(name, 1, r)).collect::<Vec<_>>()
        };
        let phylogeny = family(3, &[(0, 1, 1.0)])
            .with_movements(id(0), id(1), moves([0.0, f64::INFINITY, f64::NAN, 0.5]))
            .with_movements(id(1), id(0), moves([1.0; 4]))
            .with_movements(id(0), id(9), moves([1.0; 4]));
        let order: Vec<&str> = phylogeny.movements(id(0), id(1)).iter().map(|m| m.parameter.as_str()).collect();
        assert_eq!(order, ["b", "d", "a"]);
        assert_eq!((phylogeny.compared(id(0), id(1)), phylogeny.untouched(id(0), id(1))), (3, 1));
        assert!(phylogeny.movements(id(1), id(0)).is_empty() && phylogeny.compared(id(0), id(9)) == 0);
    }

    #[test]
    fn residuals_are_of_merges_and_shares() {
        let phylogeny = family(4, &[(0, 2, 0.5), (1, 2, 0.5), (2, 3, 1.0)]);
        let phylogeny = phylogeny.with_residual(id(2), 1.5).with_residual(id(3), 0.5).with_residual(id(8), 0.5);
        assert_eq!([2, 3, 8].map(|m| phylogeny.residual(id(m))), [Some(1.0), None, None]);
        assert_eq!(phylogeny.clone().with_residual(id(2), f64::NAN), phylogeny);
    }

    #[test]
    fn reasons_survive_names_and_count_in_comparisons() {
        let plain = family(3, &[(0, 1, 1.0)]);
        let reasoned = plain.clone().with_unobserved_root(id(1)).with_unobserved_root(id(9));
        assert_ne!(reasoned, plain);
        let named = reasoned.with_names(["x", "y", "z"]).unwrap();
        assert!(named.unobserved_root(0) && !named.unobserved_root(1) && !named.unobserved_root(7));
    }
}
