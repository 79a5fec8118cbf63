//! Passes over the rows of one matrix of all children.

use super::{Child, RebuildError};
use crate::format::ParameterInfo;
use faer::Mat;

/// Values that one piece has, over all children some megabytes.
const PIECE: usize = 1 << 18;

/// One matrix of all children, which is read in pieces of whole rows.
pub(super) struct Rows<'c, 'm> {
    pub(super) info: &'c ParameterInfo,
    pub(super) children: &'c [Child<'m>],
    pub(super) rows: usize,
    pub(super) row: usize,
}

impl<'c, 'm> Rows<'c, 'm> {
    /// A tensor as a matrix: its first dimension against all others. A vector is one row.
    pub(super) fn of(info: &'c ParameterInfo, children: &'c [Child<'m>]) -> Self {
        let (rows, row) = match info.shape.split_first() {
            Some((&rows, rest)) if !rest.is_empty() => (rows, rest.iter().product()),
            Some((&values, _)) => (1, values),
            None => (1, 1),
        };
        Self { info, children, rows, row }
    }

    /// Calls `each` with the first row of a piece and the values of every child, piece by piece.
    pub(super) fn each(
        &self,
        mut each: impl FnMut(usize, &[Vec<f32>]) -> Result<(), RebuildError>,
    ) -> Result<(), RebuildError> {
        if self.rows == 0 || self.row == 0 {
            return Ok(());
        }
        let step = (PIECE / self.row).max(1);
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); self.children.len()];
        for first in (0..self.rows).step_by(step) {
            let rows = step.min(self.rows - first);
            for (child, values) in self.children.iter().zip(&mut values) {
                values.resize(rows * self.row, 0.0);
                child.read(&self.info.name, first * self.row, values)?;
            }
            each(first, &values)?;
        }
        Ok(())
    }

    /// Differences of some rows from the first child's, shape (rows, row).
    pub(super) fn apart(&self, first: &[f32], other: &[f32]) -> Mat<f64> {
        let rows = first.len() / self.row;
        Mat::from_fn(rows, self.row, |i, j| {
            let at = i * self.row + j;
            f64::from(other[at]) - f64::from(first[at])
        })
    }
}
