//! A Kronecker product of two matrices (LoKr): each element of the first scales a copy of the second.
//!
//! Yeh et al. 2024, <https://arxiv.org/abs/2309.14859>.

use super::increment::{pieces, rectangles};
use super::low_rank::LowRank;
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::ops::Range;

/// Most elements of the second matrix that are in memory at a time, but at least one row of it.
const HELD: usize = 1 << 16;

/// The increment `scale * first ⊗ second`. Kernel dimensions of the second matrix belong to its columns.
#[derive(Debug)]
pub(super) struct Kronecker {
    pub(super) first: Matrix,
    pub(super) second: Matrix,
    pub(super) scale: f32,
}

/// A matrix of the adapter.
#[derive(Debug)]
pub(super) enum Matrix {
    Stored { tensor: String, rows: usize, columns: usize },
    Product(Box<LowRank>),
}

impl Matrix {
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Stored { rows, .. } => *rows,
            Self::Product(product) => product.rows(),
        }
    }

    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Stored { columns, .. } => *columns,
            Self::Product(product) => product.columns(),
        }
    }

    /// Reads whole rows.
    fn read(&self, stored: &dyn ParameterSource, rows: &Range<usize>) -> Result<Vec<f32>, SourceError> {
        let columns = self.columns();
        let mut values = vec![0.0; rows.len() * columns];
        match self {
            Self::Stored { tensor, .. } => stored.read(tensor, rows.start * columns, &mut values)?,
            Self::Product(product) => product.add(stored, rows.start * columns, &mut values)?,
        }
        Ok(values)
    }
}

impl Kronecker {
    /// Adds the increment to elements `offset ..` of the weight, in row-major order.
    pub(super) fn add(&self, stored: &dyn ParameterSource, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let (inner_rows, inner) = (self.second.rows(), self.second.columns());
        let columns = self.first.columns() * inner;
        rectangles(columns, offset, out, |rows, places, out| {
            for block in pieces_at(&rows, inner_rows) {
                let first = self.first.read(stored, &(block.start / inner_rows..block.start / inner_rows + 1))?;
                for block in pieces(&block, (HELD / inner).max(1)) {
                    let start = block.start % inner_rows;
                    let second = self.second.read(stored, &(start..start + block.len()))?;
                    let begin = (block.start - rows.start) * places.len();
                    let lines = out[begin..begin + block.len() * places.len()].chunks_exact_mut(places.len());
                    for (line, row) in lines.zip(second.chunks_exact(inner)) {
                        for (value, place) in line.iter_mut().zip(places.clone()) {
                            *value += first[place / inner] * row[place % inner] * self.scale;
                        }
                    }
                }
            }
            Ok(())
        })
    }
}

/// Splits a range where it crosses a multiple of `length`.
fn pieces_at(range: &Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let Range { start, end } = range.clone();
    let first = start / length;
    let last = if start == end { first } else { (end - 1) / length + 1 };
    (first..last).map(move |n| start.max(n * length)..end.min((n + 1) * length))
}
