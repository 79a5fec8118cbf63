//! Rotations of blocks from skew-symmetric matrices, by the transform of Cayley.

use crate::error::SourceError;
use crate::source::ParameterSource;
use ndarray::Array2;

/// Blocks along the rows of a weight.
#[derive(Debug)]
pub(super) struct Blocks {
    /// Number of stored blocks of one stage. One block serves the whole row when it is shared.
    pub(super) count: usize,
    /// Side of a block.
    pub(super) side: usize,
    pub(super) form: Form,
}

/// How a skew-symmetric matrix S is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The elements above the diagonal, row by row.
    Triangle,
    /// A whole matrix M, of which S is half of M minus its transpose.
    Whole,
}

/// How a rotation is computed from a skew-symmetric matrix S.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cayley {
    /// Number of terms of the series of (I - S)(I + S)⁻¹ in S, as peft counts them. `None` for the exact inverse.
    ///
    /// peft has the sign of S the other way around in its series, and this crate follows it.
    pub(super) terms: Option<usize>,
    /// Largest norm of S, for the constrained variant.
    pub(super) limit: Option<f64>,
}

impl Blocks {
    /// Number of elements of the rotations of one stage.
    pub(super) fn stage(&self) -> usize {
        self.count * self.side * self.side
    }

    /// Number of stored elements of one block.
    pub(super) fn stored(&self) -> usize {
        match self.form {
            Form::Triangle => self.side * (self.side - 1) / 2,
            Form::Whole => self.side * self.side,
        }
    }

    /// Computes, for each block of each stage, the matrix that a piece of a row is multiplied by: the transposed rotation.
    pub(super) fn matrices(
        &self,
        stored: &dyn ParameterSource,
        tensor: &str,
        cayley: &Cayley,
        stages: usize,
    ) -> Result<Vec<f32>, SourceError> {
        let mut matrices = Vec::with_capacity(stages * self.stage());
        let mut values = vec![0.0; self.stored()];
        for block in 0..stages * self.count {
            stored.read(tensor, block * values.len(), &mut values)?;
            let mut skew = self.skew(&values);
            if let Some(limit) = cayley.limit {
                let norm = skew.iter().map(|v| v * v).sum::<f64>().sqrt();
                if norm > limit {
                    skew *= limit / norm;
                }
            }
            let matrix = match cayley.terms {
                Some(terms) => series(&skew, terms).reversed_axes(),
                None => inverse(&skew),
            };
            matrices.extend(matrix.iter().map(|&v| v as f32));
        }
        Ok(matrices)
    }

    fn skew(&self, values: &[f32]) -> Array2<f64> {
        let side = self.side;
        match self.form {
            Form::Triangle => {
                let mut skew = Array2::zeros((side, side));
                let places = (0..side).flat_map(|row| (row + 1..side).map(move |column| (row, column)));
                for ((row, column), &value) in places.zip(values) {
                    skew[[row, column]] = f64::from(value);
                    skew[[column, row]] = -f64::from(value);
                }
                skew
            }
            Form::Whole => Array2::from_shape_fn((side, side), |(row, column)| {
                0.5 * (f64::from(values[row * side + column]) - f64::from(values[column * side + row]))
            }),
        }
    }
}

/// Returns I + 2S + 2S² + … + Sⁿ, as peft truncates the series.
fn series(skew: &Array2<f64>, terms: usize) -> Array2<f64> {
    let mut sum = Array2::eye(skew.nrows());
    if terms > 1 {
        sum.scaled_add(2.0, skew);
    }
    if terms > 2 {
        let mut power = skew.dot(skew);
        sum.scaled_add(2.0, &power);
        for _ in 3..terms.saturating_sub(1) {
            power = power.dot(skew);
            sum.scaled_add(2.0, &power);
        }
        power = power.dot(skew);
        sum += &power;
    }
    sum
}

/// Returns (I - S)⁻¹(I + S), the transposed rotation (I - S)(I + S)⁻¹.
///
/// I - S has an inverse for every skew-symmetric S, so elimination with pivots does not fail.
fn inverse(skew: &Array2<f64>) -> Array2<f64> {
    let side = skew.nrows();
    let mut left: Array2<f64> = Array2::eye(side) - skew;
    let mut right: Array2<f64> = Array2::eye(side) + skew;
    for column in 0..side {
        let size = |row: &usize| left[[*row, column]].abs();
        let pivot = (column..side).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        for k in 0..side {
            left.swap([column, k], [pivot, k]);
            right.swap([column, k], [pivot, k]);
        }
        let divisor = left[[column, column]];
        left.row_mut(column).mapv_inplace(|v| v / divisor);
        right.row_mut(column).mapv_inplace(|v| v / divisor);
        let (source_left, source_right) = (left.row(column).to_owned(), right.row(column).to_owned());
        for row in (0..side).filter(|&row| row != column) {
            let factor = left[[row, column]];
            left.row_mut(row).scaled_add(-factor, &source_left);
            right.row_mut(row).scaled_add(-factor, &source_right);
        }
    }
    right
}
