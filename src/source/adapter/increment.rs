//! What an adapter adds to a weight, computed only for the elements of each read.

use super::kronecker::Kronecker;
use super::low_rank::LowRank;
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::ops::Range;

/// An increment of a weight.
#[derive(Debug)]
pub(super) enum Increment {
    /// A product of two thin matrices.
    LowRank(LowRank),
    /// The scaled elementwise product of two such products (LoHa).
    Hadamard { halves: Box<[LowRank; 2]>, scale: f32 },
    /// A Kronecker product of two matrices (LoKr).
    Kronecker(Kronecker),
    /// A scaled tensor of the adapter with the same number of elements.
    Difference { tensor: String, scale: f32 },
}

impl Increment {
    /// Adds the increment to elements `offset ..` of the weight, in row-major order.
    ///
    /// The value of an element does not depend on which other elements are read with it. Memory: as much as `out`, and a
    /// bounded amount for the factors.
    pub(super) fn add(&self, stored: &dyn ParameterSource, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        match self {
            Self::LowRank(product) => product.add(stored, offset, out),
            Self::Hadamard { halves, scale } => {
                let [first, second] = &**halves;
                let mut product = vec![0.0; out.len()];
                first.add(stored, offset, &mut product)?;
                let mut other = vec![0.0; out.len()];
                second.add(stored, offset, &mut other)?;
                let products = product.iter().zip(&other).map(|(a, b)| a * b * scale);
                out.iter_mut().zip(products).for_each(|(value, d)| *value += d);
                Ok(())
            }
            Self::Kronecker(product) => product.add(stored, offset, out),
            Self::Difference { tensor, scale } => {
                let mut difference = vec![0.0; out.len()];
                stored.read(tensor, offset, &mut difference)?;
                out.iter_mut().zip(difference).for_each(|(value, d)| *value += d * scale);
                Ok(())
            }
        }
    }
}

/// Splits elements `offset ..` of a matrix into rectangles: a run within one row, or as many whole rows as there are.
pub(super) fn rectangles(
    columns: usize,
    offset: usize,
    out: &mut [f32],
    mut add: impl FnMut(Range<usize>, Range<usize>, &mut [f32]) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut at = offset;
    let mut rest = out;
    while !rest.is_empty() {
        let (row, column) = (at / columns, at % columns);
        let (rows, width) = match column {
            0 if rest.len() >= columns => (rest.len() / columns, columns),
            _ => (1, rest.len().min(columns - column)),
        };
        let (rectangle, after) = rest.split_at_mut(rows * width);
        add(row..row + rows, column..column + width, rectangle)?;
        at += rectangle.len();
        rest = after;
    }
    Ok(())
}

/// Splits a range into pieces of at most `length`.
pub(super) fn pieces(range: &Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = range.end;
    range.clone().step_by(length).map(move |begin| begin..end.min(begin + length))
}
