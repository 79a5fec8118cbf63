//! Some rows of some matrices of two models.

use crate::error::Error;
use crate::evidence::shared::SharedTensor;
use crate::evidence::values::Values;
use crate::model_set::{Kind, ModelId};

/// The most matrices that are sampled.
const MATRICES: usize = 9;

/// The most rows of a matrix that are sampled. Of 64 rows there are 2,016 pairs.
const ROWS: usize = 64;

/// The most values of a row that are sampled, from its first on.
const COLUMNS: usize = 4096;

/// The least rows, and the least values of a row, of a matrix that tells noise from training.
const LEAST: usize = 16;

/// Equally many rows of one matrix in both models.
pub(super) struct Sample {
    columns: usize,
    values: [Vec<f32>; 2],
}

impl Sample {
    /// A sample of rows of `columns` values.
    #[cfg(test)]
    pub(super) fn new(columns: usize, a: Vec<f32>, b: Vec<f32>) -> Self {
        Self { columns, values: [a, b] }
    }

    /// The number of values of one model.
    pub(super) fn len(&self) -> usize {
        self.values[0].len()
    }

    /// The number of values that are the same.
    pub(super) fn equal(&self) -> usize {
        let [a, b] = &self.values;
        a.iter().zip(b).filter(|(a, b)| a == b).count()
    }

    /// The values of the first model or of the second, row by row.
    pub(super) fn values(&self, which: usize) -> &[f32] {
        &self.values[which]
    }

    /// The number of values of one row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Whether it has enough rows and columns to tell noise from training.
    pub(super) fn is_large(&self) -> bool {
        self.columns >= LEAST && self.len() / self.columns.max(1) >= LEAST
    }
}

/// Samples of matrices that both models hold: of large ones if there are any, spread over the network.
pub(super) fn samples(values: &Values, a: ModelId, b: ModelId) -> Result<Vec<Sample>, Error> {
    let matrices: Vec<SharedTensor<'_>> =
        values.shared(&[a, b])?.into_iter().filter(|t| t.kind == Kind::Matrix && t.size() > 0).collect();
    let large = |t: &&SharedTensor<'_>| t.rows() >= LEAST && t.row_size >= LEAST;
    let mut chosen: Vec<&SharedTensor<'_>> = matrices.iter().filter(large).collect();
    if chosen.is_empty() {
        chosen = matrices.iter().collect();
    }
    spread(chosen.len(), MATRICES).map(|t| sample(values, chosen[t], [a, b])).collect()
}

/// At most `most` of the numbers below `count`, evenly spread.
fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let taken = count.min(most);
    (0..taken).map(move |i| i * count / taken)
}

/// Some rows of one matrix.
fn sample(values: &Values, tensor: &SharedTensor<'_>, models: [ModelId; 2]) -> Result<Sample, Error> {
    let (range, row_size) = (&tensor.values, tensor.row_size);
    // The first and the last row may be compared in part. Only whole rows are sampled, if there are any.
    let (first, last) = (range.start.div_ceil(row_size), range.end / row_size);
    let columns = row_size.min(COLUMNS);
    let mut sample = Sample { columns, values: [Vec::new(), Vec::new()] };
    let mut row_values = Vec::new();
    for row in spread(last.saturating_sub(first), ROWS).map(|row| first + row) {
        let run = row * row_size..row * row_size + columns;
        values.announce(models.len() * run.len());
        for ((model, name), out) in models.iter().zip(&tensor.own_names).zip(&mut sample.values) {
            values.read(*model, name, &run, &mut row_values)?;
            out.extend_from_slice(&row_values);
        }
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_evenly() {
        let spread = |count, most| spread(count, most).collect::<Vec<_>>();
        assert_eq!((spread(0, 3), spread(2, 3), spread(10, 3)), (vec![], vec![0, 1], vec![0, 3, 6]));
    }

    #[test]
    fn equal_values_and_rows_are_counted() {
        let sample = Sample::new(2, vec![1.0, 2.0, 3.0, 4.0], vec![1.0, 2.5, 3.0, 4.0]);
        assert_eq!((sample.len(), sample.equal(), sample.columns(), sample.is_large()), (4, 3, 2, false));
    }
}
