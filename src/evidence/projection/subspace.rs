//! Panels: tall matrices of few columns, and the leading directions of their columns.

use crate::error::Error;
use crate::kernel::symmetric_eigen;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A direction whose squared singular value is below this share of the largest is rounding of f64.
const FLOOR: f64 = 1e-12;

/// A matrix of few columns, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Panel {
    pub(super) width: usize,
    pub(super) values: Vec<f64>,
}

impl Panel {
    pub(super) fn zeros(rows: usize, width: usize) -> Self {
        Self { width, values: vec![0.0; rows * width] }
    }

    /// Random signs. They depend on the shape alone, so that results repeat.
    pub(super) fn signs(rows: usize, width: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(rows as u64);
        let signs = (0..rows * width).map(|_| if rng.next_u32() & 1 == 0 { 1.0 } else { -1.0 });
        Self { width, values: signs.collect() }
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.width..][..self.width]
    }

    /// Adds other values of the same shape.
    pub(super) fn add(&mut self, other: &[f64]) {
        self.values.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
    }

    /// The columns, one after another.
    pub(super) fn columns(&self) -> Vec<Vec<f64>> {
        (0..self.width).map(|k| self.values.iter().skip(k).step_by(self.width).copied().collect()).collect()
    }

    /// The inner products of all columns, row by row.
    fn products(&self) -> Vec<f64> {
        let width = self.width;
        let mut products = vec![0.0; width * width];
        for row in self.values.chunks_exact(width) {
            for (i, x) in row.iter().enumerate() {
                for (j, y) in row.iter().enumerate() {
                    products[i * width + j] += x * y;
                }
            }
        }
        products
    }
}

/// The `count` leading left singular vectors of a panel, and the last of their singular values.
///
/// The result is `None` when it has fewer directions. A row of zeros gives a row of zeros.
///
/// # Errors
///
/// [`Error::Decomposition`] when the eigenvalues cannot be computed.
pub(super) fn leading(panel: &Panel, count: usize) -> Result<Option<(Panel, f64)>, Error> {
    let width = panel.width;
    let (squared, vectors) = symmetric_eigen("the products of an increment's directions", width, &panel.products())?;
    let (Some(&largest), Some(&least)) = (squared.first(), squared.get(count.wrapping_sub(1))) else { return Ok(None) };
    if least <= FLOOR * largest || least <= 0.0 {
        return Ok(None);
    }
    let rows = panel.values.len() / width;
    let mut found = Panel::zeros(rows, count);
    for (row, out) in panel.values.chunks_exact(width).zip(found.values.chunks_exact_mut(count)) {
        for ((out, vector), value) in out.iter_mut().zip(vectors.chunks_exact(width)).zip(&squared) {
            *out = row.iter().zip(vector).fold(0.0, |sum, (x, y)| sum + x * y) / value.sqrt();
        }
    }
    Ok(Some((found, least.sqrt())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_directions_are_orthonormal_and_span_what_was_put_in() {
        // 3 along the first axis and 2 along the third, mixed over four columns.
        let mixed = [[1.0, 2.0, 0.5, -1.0], [0.5, -1.0, 2.0, 1.0]];
        let mut panel = Panel::zeros(5, 4);
        for (k, (x, y)) in mixed[0].iter().zip(&mixed[1]).enumerate() {
            panel.values[k] = 3.0 * x;
            panel.values[2 * 4 + k] = 2.0 * y;
        }
        let (found, least) = leading(&panel, 2).unwrap().unwrap();
        let [p, q] = &found.columns()[..] else { unreachable!() };
        let inner = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        assert!((inner(p, p) - 1.0).abs() < 1e-12 && (inner(q, q) - 1.0).abs() < 1e-12 && inner(p, q).abs() < 1e-12);
        assert!([1, 3, 4].iter().all(|&row| found.row(row) == [0.0, 0.0]) && least > 1.0);
        assert_eq!(leading(&panel, 3).unwrap(), None);
        assert_eq!(leading(&Panel::zeros(5, 2), 1).unwrap(), None);
    }
}
