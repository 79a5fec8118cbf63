//! What edges were concluded from.

use super::movement::Movements;
use super::{Candidate, FamilyId, Phylogeny};
use crate::model_set::ModelId;
use std::collections::{BTreeMap, BTreeSet};

/// All reasons but scores and margins. They are kept by model, by (child, parent), by child and by family. What a detector does
/// not report has no entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reasons {
    pub(super) candidates: BTreeMap<ModelId, Vec<Candidate>>,
    pub(super) movements: BTreeMap<(ModelId, ModelId), Movements>,
    pub(super) residuals: BTreeMap<ModelId, f64>,
    /// How models were quantized, by child.
    pub(super) methods: BTreeMap<ModelId, String>,
    /// Children whose parents are not named.
    pub(super) withheld: BTreeSet<ModelId>,
}

impl Phylogeny {
    /// The parent selector's score of a model, where a selector was used. The lowest score of a family is its parent's.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn score(&self, model: ModelId) -> Option<f64> {
        self.scores[model.index()]
    }

    /// The margin of a family, where a selector was used: its second best score less the best. 0 is a tie.
    ///
    /// # Panics
    ///
    /// When `family` is not one of this phylogeny's.
    pub fn margin(&self, family: FamilyId) -> Option<f64> {
        self.margins[family.index()]
    }

    /// The parents that were considered for a model: most probable first, of equal ones the higher score first. The list is
    /// empty when the detector gave none.
    ///
    /// A file of the first, shorter form of version 1 holds the five most probable alone.
    ///
    /// ```
    /// use neural_phylogeny::ModelId;
    /// use neural_phylogeny::phylogeny::{Candidate, PhylogenyBuilder};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let [a, b] = [0, 1].map(ModelId::new);
    /// let candidates = vec![Candidate::new(None, 0.25, Vec::new()), Candidate::new(Some(a), 0.75, Vec::new())];
    /// let phylogeny = PhylogenyBuilder::new(2).with_candidates(b, candidates).build()?;
    /// assert_eq!(phylogeny.candidates(b)[0].parent, Some(a));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn candidates(&self, model: ModelId) -> &[Candidate] {
        self.reasons.candidates.get(&self.own(model)).map_or(&[], Vec::as_slice)
    }

    /// The share of a merge's squared distance to its nearest parent that the affine combination of its parents leaves
    /// unexplained, in [0, 1]. `None` when the model is no merge, or the share was not measured.
    ///
    /// # Panics
    ///
    /// When `child` is not one of this phylogeny's.
    pub fn residual(&self, child: ModelId) -> Option<f64> {
        self.reasons.residuals.get(&self.own(child)).copied()
    }

    /// The method by which a model was made from its parent: how it was quantized, as in `Q8_0`, or what was taken out, as in
    /// `one direction`. `None` where nothing tells.
    ///
    /// # Panics
    ///
    /// When `child` is not one of this phylogeny's.
    pub fn method(&self, child: ModelId) -> Option<&str> {
        self.reasons.methods.get(&self.own(child)).map(String::as_str)
    }

    /// Whether a model has a parent in the set that is not named, because it is less sure than
    /// [wanted](Self::with_minimum_confidence). Such a model is no [root](Self::roots).
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn is_withheld(&self, model: ModelId) -> bool {
        self.reasons.withheld.contains(&self.own(model))
    }
}
