//! A weight whose inputs are turned: by blocks (OFT, BOFT) or by mirrors (HRA).
//!
//! Qiu et al. 2023, <https://arxiv.org/abs/2306.07280>; Liu et al. 2024, <https://arxiv.org/abs/2311.06243>; Yuan et al. 2024,
//! <https://arxiv.org/abs/2405.17484>.

use super::cayley::{Blocks, Cayley};
use super::increment::pieces;
use super::kept::Kept;
use crate::error::SourceError;
use crate::source::ParameterSource;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Slice};

/// Most elements of the weight that are in memory at a time, but at least one row.
const HELD: usize = 1 << 16;

/// A turn of the rows of a weight, which counts as a matrix with one row for each output.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) turn: Turn,
    /// Length of a row.
    pub(super) columns: usize,
    /// Stored vector with one scale for each output.
    pub(super) output_scales: Option<String>,
}

/// How a row is turned.
#[derive(Debug)]
pub(super) enum Turn {
    /// Each stage turns blocks of the row. A stage may reorder the row before and order it back afterwards.
    Blocks { tensor: String, blocks: Blocks, cayley: Cayley, orders: Vec<Option<Vec<u32>>> },
    /// Each normal mirrors the row. If they are orthogonal, they are made so first, and the row is mirrored at their space.
    Mirrors { normals: String, count: usize, orthogonal: bool },
}

impl Rotation {
    /// Computes elements `offset ..` of the turned weight. `under` reads the weight before it is turned.
    ///
    /// Whole rows are read, also for a part of a row. The value of an element does not depend on which others are read.
    pub(super) fn read(
        &self,
        kept: &Kept,
        weight: &str,
        stored: &dyn ParameterSource,
        under: impl Fn(usize, &mut [f32]) -> Result<(), SourceError>,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        let columns = self.columns;
        let end = offset + out.len();
        let matrix = kept.get(weight, || self.matrix(stored))?;
        for rows in pieces(&(offset / columns..(end - 1) / columns + 1), (HELD / columns).max(1)) {
            let mut block = vec![0.0; rows.len() * columns];
            under(rows.start * columns, &mut block)?;
            self.turn(&matrix, &mut block);
            if let Some(tensor) = &self.output_scales {
                let scales = super::factor::vector(stored, tensor, rows.clone())?;
                for (row, scale) in block.chunks_exact_mut(columns).zip(scales) {
                    row.iter_mut().for_each(|v| *v *= scale);
                }
            }
            let (first, last) = (offset.max(rows.start * columns), end.min(rows.end * columns));
            let from = first - rows.start * columns;
            out[first - offset..last - offset].copy_from_slice(&block[from..from + (last - first)]);
        }
        Ok(())
    }

    /// Computes what a row is multiplied by: all blocks of all stages, or the normals as unit vectors, one in each row.
    fn matrix(&self, stored: &dyn ParameterSource) -> Result<Vec<f32>, SourceError> {
        match &self.turn {
            Turn::Blocks { tensor, blocks, cayley, orders } => {
                blocks.matrices(stored, tensor, cayley, orders.len().max(1))
            }
            Turn::Mirrors { normals, count, orthogonal } => {
                let values = super::factor::vector(stored, normals, 0..self.columns * count)?;
                Ok(units(&values, *count, *orthogonal))
            }
        }
    }

    fn turn(&self, matrix: &[f32], block: &mut [f32]) {
        match &self.turn {
            Turn::Blocks { blocks, orders, .. } => {
                let stage = blocks.stage();
                for (order, matrix) in orders.iter().zip(matrix.chunks_exact(stage)) {
                    if let Some(order) = order {
                        reorder(block, self.columns, |row, turned| {
                            order.iter().zip(row).for_each(|(&to, &v)| turned[to as usize] = v);
                        });
                    }
                    self.turn_blocks(blocks, matrix, block);
                    if let Some(order) = order {
                        reorder(block, self.columns, |row, turned| {
                            turned.iter_mut().zip(order).for_each(|(v, &from)| *v = row[from as usize]);
                        });
                    }
                }
            }
            Turn::Mirrors { orthogonal, .. } => {
                for row in block.chunks_exact_mut(self.columns) {
                    let original = orthogonal.then(|| row.to_vec());
                    for unit in matrix.chunks_exact(self.columns) {
                        // Orthogonal mirrors all see the row as it was.
                        let twice = 2.0 * dot(original.as_deref().unwrap_or(row), unit);
                        row.iter_mut().zip(unit).for_each(|(v, u)| *v = (f64::from(*v) - twice * f64::from(*u)) as f32);
                    }
                }
            }
        }
    }

    fn turn_blocks(&self, blocks: &Blocks, matrix: &[f32], block: &mut [f32]) {
        const SIZED: &str = "blocks are read with the sizes they are multiplied with";
        let side = blocks.side;
        let rows = block.len() / self.columns;
        let original = block.to_vec();
        let original = ArrayView2::from_shape((rows, self.columns), &original).expect(SIZED);
        let mut turned = ArrayViewMut2::from_shape((rows, self.columns), block).expect(SIZED);
        for (number, begin) in (0..self.columns).step_by(side).enumerate() {
            // A single block serves all places when it is shared.
            let at = if blocks.count == 1 { 0 } else { number } * side * side;
            let factor = ArrayView2::from_shape((side, side), &matrix[at..at + side * side]).expect(SIZED);
            let from = original.slice_axis(Axis(1), Slice::from(begin..begin + side));
            general_mat_mul(
                1.0,
                &from,
                &factor,
                0.0,
                &mut turned.slice_axis_mut(Axis(1), Slice::from(begin..begin + side)),
            );
        }
    }
}

/// Applies a permutation to each row.
fn reorder(block: &mut [f32], columns: usize, permute: impl Fn(&[f32], &mut [f32])) {
    for row in block.chunks_exact_mut(columns) {
        let original = row.to_vec();
        permute(&original, row);
    }
}

/// Returns the columns of a matrix as unit vectors, one in each row. If asked for, they are made orthogonal (Gram-Schmidt).
fn units(values: &[f32], count: usize, orthogonal: bool) -> Vec<f32> {
    let length = values.len() / count;
    let mut units: Vec<f32> = Vec::with_capacity(values.len());
    for column in 0..count {
        let mut unit: Vec<f64> = values.iter().skip(column).step_by(count).map(|&v| f64::from(v)).collect();
        if orthogonal {
            for other in units.chunks_exact(length) {
                let along: f64 = unit.iter().zip(other).map(|(v, u)| v * f64::from(*u)).sum();
                unit.iter_mut().zip(other).for_each(|(v, u)| *v -= along * f64::from(*u));
            }
        }
        let norm = unit.iter().map(|v| v * v).sum::<f64>().sqrt();
        units.extend(unit.into_iter().map(|v| (v / norm) as f32));
    }
    units
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}
