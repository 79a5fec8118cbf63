//! Witness: the dtypes of two models, and values that reveal an earlier dtype.

use super::{Hypothesis, Member, Witness};
use crate::evidence::Lines;
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::parent::numbers;
use crate::phylogeny::Signal;
use crate::source::Dtype;

numbers! {
    /// The numbers of [`StoredDtype`].
    pub struct DtypeWeights {
        /// Fewer lines than this are chance.
        least_lines: usize = 2, "lines", 1.0..=1e9,
            "One line may come back to what it was.";
    }
}

/// A child with the exact lines of the root cannot have them through a candidate stored with fewer digits. Used for parents.
#[derive(Clone, Copy, Debug)]
pub struct StoredDtype;

impl Witness for StoredDtype {
    fn signal(&self) -> Signal {
        Signal::new("dtype", "the dtypes the two are stored in, and values that betray an earlier one")
    }

    fn forbids(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let (lineage, weights) = (hypothesis.lineage(), hypothesis.lineage().weights());
        let exact = |lines: &Lines| {
            lines.kept_in_b_not_in_a(parent.within(), child.within()) >= weights.witnesses.dtype.least_lines
        };
        let coarser = coarser(lineage.geometry(), lineage.model(parent), lineage.model(child));
        if coarser && hypothesis.lines().is_some_and(exact) { weights.parents.excluded } else { 0.0 }
    }
}

/// Whether a is stored with fewer digits than b. What b has beyond these digits, it does not have from a.
fn coarser(geometry: &Geometry, a: ModelId, b: ModelId) -> bool {
    let digits = |m: ModelId| geometry.dtype(m).and_then(Dtype::digits);
    digits(a).zip(digits(b)).is_some_and(|(of_a, of_b)| of_a < of_b)
}
