//! One matrix of two models, whose increment is projected run by run.

use super::rank::{Gram, LANES, RowPair, RowProjection};
use crate::error::Error;
use crate::evidence::pair::unit_roundoff;
use crate::evidence::shared::{RUN, SharedTensor, rows_of};
use crate::evidence::values::Values;
use crate::model_set::{Kind, ModelId};
use std::collections::BTreeMap;
use std::ops::Range;

/// Random matrices by their number of columns. One serves all tensors with as many.
pub(in crate::evidence) type Projections = BTreeMap<usize, RowProjection>;

/// The random matrices that the ranks of some tensors need.
pub(in crate::evidence) fn projections<'t, 'v: 't>(
    tensors: impl IntoIterator<Item = &'t SharedTensor<'v>>,
) -> Projections {
    let mut projections = Projections::new();
    for columns in tensors.into_iter().filter(|t| is_projected(t)).map(|t| t.row_size) {
        projections.entry(columns).or_insert_with(|| RowProjection::new(columns));
    }
    projections
}

/// A row longer than a run is read in pieces by several jobs, and no single job could project it.
fn is_projected(tensor: &SharedTensor<'_>) -> bool {
    tensor.kind == Kind::Matrix && tensor.row_size <= RUN
}

/// One tensor of two models a and b: how exact its values are, and how the rank of `b − a` is found.
#[derive(Debug)]
pub(in crate::evidence) struct TensorPair<'v> {
    pub(in crate::evidence) tensor: SharedTensor<'v>,
    pub(in crate::evidence) models: [ModelId; 2],
    /// The roundoff of b's dtype.
    pub(in crate::evidence) roundoff: f64,
    /// The roundoff of the coarser of the two dtypes.
    coarser: f64,
    projection: Option<&'v RowProjection>,
    /// Every `every`-th row is projected first. It shows most increments that have full rank.
    pub(in crate::evidence) every: usize,
}

impl<'v> TensorPair<'v> {
    pub(in crate::evidence) fn new(
        values: &Values,
        projections: &'v Projections,
        tensor: SharedTensor<'v>,
        [a, b]: [ModelId; 2],
    ) -> Self {
        let roundoff = |model, name| values.dtype(model, name).map_or(0.0, unit_roundoff);
        let (of_a, of_b) = (roundoff(a, tensor.own_names[0]), roundoff(b, tensor.own_names[1]));
        let projection = if is_projected(&tensor) { projections.get(&tensor.row_size) } else { None };
        let every = projection.map_or(1, |projection| projection.sampled(tensor.rows()));
        Self { tensor, models: [a, b], roundoff: of_b, coarser: of_a.max(of_b), projection, every }
    }

    /// The two models, each with its own name of the tensor.
    pub(in crate::evidence) fn named(&self) -> [(ModelId, &'v str); 2] {
        let [a, b] = self.models;
        [(a, self.tensor.own_names[0]), (b, self.tensor.own_names[1])]
    }

    /// The projection of every `every`-th row of the tensor, over the rows in one run.
    ///
    /// The result is `None` when the tensor has no projection or nothing in the run changed.
    pub(in crate::evidence) fn gram(
        &self,
        run: &Range<usize>,
        [of_a, of_b]: [&[f32]; 2],
        every: usize,
    ) -> Option<Gram<'v>> {
        let mut gram = Gram::new(self.projection.filter(|_| of_a != of_b)?);
        let mut together: Vec<RowPair<'_>> = Vec::with_capacity(LANES);
        let mut column = 0;
        let row_size = self.tensor.row_size;
        for (row, at) in rows_of(run, row_size).filter(|(row, _)| row.is_multiple_of(every)) {
            let (a, b) = (&of_a[at.clone()], &of_b[at.clone()]);
            let begin = run.start + at.start - row * row_size;
            // Rows are projected in groups of eight. A group has pieces of one length that begin at one column.
            let alike = together.first().is_none_or(|(first, _)| begin == column && a.len() == first.len());
            if !alike || together.len() == LANES {
                gram.add_rows(column, &together);
                together.clear();
            }
            if a != b {
                together.push((a, b));
                column = begin;
            }
        }
        gram.add_rows(column, &together);
        gram.multiply();
        Some(gram)
    }

    /// The root of the summed squares of what storage may have rounded off.
    fn rounding(&self, squared_norm: f64) -> f64 {
        self.coarser * squared_norm.sqrt()
    }

    /// The rank of the increment by the projection of all its rows, for `‖b‖²`.
    ///
    /// # Errors
    ///
    /// [`Error::Decomposition`].
    pub(in crate::evidence) fn rank(&self, gram: &Gram<'_>, squared_norm: f64) -> Result<Option<usize>, Error> {
        gram.rank(self.tensor.rows(), self.tensor.row_size, self.rounding(squared_norm))
    }

    /// Whether a sample of rows shows already that the rank is full, for `‖b‖²` and `‖b − a‖²`.
    pub(in crate::evidence) fn is_full(&self, gram: &Gram<'_>, squared_norm: f64, change_squared: f64) -> bool {
        gram.is_full(self.tensor.rows(), self.rounding(squared_norm), change_squared)
    }
}

/// The sum of both, or the only one there is.
pub(in crate::evidence) fn either<'s>(a: Option<Gram<'s>>, b: Option<Gram<'s>>) -> Option<Gram<'s>> {
    match (a, b) {
        (Some(mut sum), Some(next)) => {
            sum.merge(&next);
            Some(sum)
        }
        (a, b) => a.or(b),
    }
}
