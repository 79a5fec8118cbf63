//! The increment of one weight: a product of two thin matrices, computed only for the elements of each read.

use super::factor::Factor;
use super::increment::{pieces, rectangles};
use crate::error::SourceError;
use crate::source::ParameterSource;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use std::ops::Range;

/// Most elements of a factor that are in memory at a time, but at least one row or column of it.
const HELD: usize = 1 << 16;

/// The increment `scale * B * A` of a weight, which counts as a matrix of shape (rows, columns).
///
/// A has shape (rank, inputs) and B has shape (outputs, rank), kernel dimensions flattened.
#[derive(Debug)]
pub(super) struct LowRank {
    pub(super) a: Factor,
    pub(super) b: Factor,
    pub(super) rank: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) scale: f32,
    /// Whether the weight has inputs as rows.
    pub(super) transposed: bool,
}

impl LowRank {
    /// Returns the number of rows of the weight, seen as a matrix.
    pub(super) fn rows(&self) -> usize {
        if self.transposed { self.inputs } else { self.outputs }
    }

    /// Returns the number of columns of the weight, seen as a matrix.
    pub(super) fn columns(&self) -> usize {
        if self.transposed { self.outputs } else { self.inputs }
    }

    /// Adds the increment to elements `offset ..` of the weight, in row-major order.
    ///
    /// Product, scaling and sum are computed in f32 and in the order of peft, so the result equals peft's merged weights. The
    /// value of an element does not depend on which other elements are read with it. Memory: as much as `out`, and a bounded
    /// amount for the factors.
    pub(super) fn add(&self, stored: &dyn ParameterSource, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        rectangles(self.columns(), offset, out, |rows, columns, rectangle| {
            self.add_rectangle(stored, rows, columns, rectangle)
        })
    }

    fn add_rectangle(
        &self,
        stored: &dyn ParameterSource,
        rows: Range<usize>,
        columns: Range<usize>,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        // Both pieces of a pair have the whole rank, so each product is complete and no sum depends on the size of pieces.
        let side = (HELD / self.rank.max(self.a.middle()).max(self.b.middle())).max(1);
        let width = columns.len();
        let mut product = Vec::new();
        for left in pieces(&rows, side) {
            let left_factor = match self.transposed {
                false => self.b.places_first(stored, self.rank, &left)?,
                true => self.a.ranks_first(stored, self.rank, &left)?,
            };
            for right in pieces(&columns, side) {
                let right_factor = match self.transposed {
                    false => self.a.ranks_first(stored, self.rank, &right)?,
                    true => self.b.places_first(stored, self.rank, &right)?,
                };
                product.resize(left.len() * right.len(), 0.0);
                self.multiply(&left_factor, &right_factor, (left.len(), right.len()), &mut product);
                for (line, row) in product.chunks_exact(right.len()).zip(left.clone()) {
                    let begin = (row - rows.start) * width + (right.start - columns.start);
                    out[begin..begin + line.len()].iter_mut().zip(line).for_each(|(v, d)| *v += d * self.scale);
                }
            }
        }
        Ok(())
    }

    /// Multiplies two factors as they were read: inputs have shape (rank, n), outputs have shape (n, rank).
    fn multiply(&self, left: &[f32], right: &[f32], (rows, columns): (usize, usize), product: &mut [f32]) {
        let (left, right) = match self.transposed {
            false => (matrix((rows, self.rank), left), matrix((self.rank, columns), right)),
            true => {
                (matrix((self.rank, rows), left).reversed_axes(), matrix((columns, self.rank), right).reversed_axes())
            }
        };
        let mut product = ArrayViewMut2::from_shape((rows, columns), product).expect(SIZED);
        general_mat_mul(1.0, &left, &right, 0.0, &mut product);
    }
}

const SIZED: &str = "factors are read with the sizes they are multiplied with";

fn matrix(shape: (usize, usize), values: &[f32]) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape(shape, values).expect(SIZED)
}
