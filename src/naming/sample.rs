//! A bounded sample of a matrix, at places that follow from its shape alone.

use super::correlation::Centred;
use super::side::{OwnTensor, Piece};
use crate::source::{ParameterSource, Part};

/// Most blocks of a sample. They lie along the diagonal, so that the sample of a turned matrix is the turned sample.
const BLOCKS: usize = 4;

/// The places of a sample in a matrix: blocks of consecutive rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    rows: usize,
    columns: usize,
    height: usize,
    width: usize,
    blocks: usize,
}

impl Places {
    /// Chooses about `values` places of a matrix, or all of it where it has no more.
    pub(crate) fn of(rows: usize, columns: usize, values: usize) -> Self {
        if rows.saturating_mul(columns) <= values {
            return Self { rows, columns, height: rows, width: columns, blocks: 1 };
        }
        let block = (values / BLOCKS).max(1);
        let side = block.isqrt().max(1);
        // What one direction is short of, the other one adds.
        let (mut height, mut width) = (rows.min(side), columns.min(side));
        if height < side {
            width = columns.min(block / height);
        } else if width < side {
            height = rows.min(block / width);
        }
        // Blocks do not overlap, so that no value counts twice.
        let blocks = (rows / height).max(columns / width).clamp(1, BLOCKS);
        Self { rows, columns, height, width, blocks }
    }

    pub(crate) fn count(&self) -> usize {
        self.blocks * self.height * self.width
    }

    /// Returns the first row and column of each block.
    fn corners(&self) -> impl Iterator<Item = (usize, usize)> {
        let of = self.blocks.saturating_sub(1).max(1);
        let (down, across) = (self.rows - self.height, self.columns - self.width);
        (0..self.blocks).map(move |b| (b * down / of, b * across / of))
    }
}

/// Reads a sample of a piece. `None` where it cannot be read, or a value is no finite number: others report that.
pub(crate) fn read(from: &dyn ParameterSource, tensor: &OwnTensor, piece: &Piece, places: Places) -> Option<Vec<f32>> {
    let mut out = vec![0.0; places.count()];
    let mut lines = out.chunks_exact_mut(places.width);
    for (row, column) in places.corners() {
        for r in row..row + places.height {
            from.read(&tensor.name, piece.start + r * piece.columns() + column, lines.next()?).ok()?;
        }
    }
    out.iter().all(|x| x.is_finite()).then_some(out)
}

/// Reads the sample of an array whose axes are turned. Its rows are read whole.
pub(crate) fn read_turned(from: &dyn ParameterSource, part: &Part, places: Places) -> Option<Vec<f32>> {
    let mut out = Vec::with_capacity(places.count());
    let mut rows = vec![0.0; places.height * places.columns];
    for (row, column) in places.corners() {
        part.read(from, row * places.columns, &mut rows).ok()?;
        for line in rows.chunks_exact(places.columns) {
            out.extend_from_slice(&line[column..column + places.width]);
        }
    }
    out.iter().all(|x| x.is_finite()).then_some(out)
}

/// Returns the sample of the turned matrix, given the sample of a matrix.
pub(crate) fn turned(sample: &Centred, places: Places) -> Vec<f32> {
    let mut out = Vec::with_capacity(sample.values().len());
    for block in sample.values().chunks_exact(places.height * places.width) {
        for c in 0..places.width {
            out.extend(block.iter().skip(c).step_by(places.width));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::InMemory;

    #[test]
    fn no_value_counts_twice_and_the_turned_sample_is_that_of_the_turned_matrix() {
        for rows in [1, 2, 3, 8, 31, 33, 64, 100, 129, 1000] {
            for columns in [1, 2, 5, 16, 40, 65, 100, 300] {
                for values in [1, 64, 256, 4096] {
                    let places = Places::of(rows, columns, values);
                    assert!(places.count() <= values.max(BLOCKS), "{places:?}");
                    let name = "w".into();
                    let number = |r: usize, c: usize| (r * columns + c) as f32;
                    let all = (0..rows).flat_map(|r| (0..columns).map(move |c| number(r, c))).collect();
                    let model = InMemory::new().with_parameter("w", [rows, columns], all).unwrap();
                    let piece = Piece { tensor: 0, start: 0, dims: vec![rows, columns] };
                    let tensor = OwnTensor { name, shape: vec![rows, columns] };
                    let sample = read(&model, &tensor, &piece, places).unwrap();
                    let mut distinct = sample.clone();
                    distinct.sort_by(f32::total_cmp);
                    distinct.dedup();
                    assert_eq!(distinct.len(), places.count(), "{places:?}");

                    let other = Places::of(columns, rows, values);
                    let all = (0..columns).flat_map(|c| (0..rows).map(move |r| number(r, c))).collect();
                    let model = InMemory::new().with_parameter("w", [columns, rows], all).unwrap();
                    let piece = Piece { tensor: 0, start: 0, dims: vec![columns, rows] };
                    let tensor = OwnTensor { name: "w".into(), shape: vec![columns, rows] };
                    let theirs = Centred::new(read(&model, &tensor, &piece, other).unwrap());
                    assert_eq!(turned(&theirs, other), Centred::new(sample.clone()).values());
                    let part = Part::turned("w", &[columns, rows], &[1, 0], &[rows, columns]);
                    assert_eq!(read_turned(&model, &part, places).unwrap(), sample);
                }
            }
        }
    }
}
