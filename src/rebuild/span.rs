//! Small dense matrices: ranks, bases, and the common part of two spans.

use super::one_sided;
use faer::{Mat, MatRef};

/// A thin singular value decomposition: values in falling order.
pub(super) struct Decomposed {
    pub(super) left: Mat<f64>,
    pub(super) values: Vec<f64>,
    pub(super) right: Mat<f64>,
}

/// Decomposes a finite matrix; `None` when a value is not finite.
///
/// An iteration that does not converge is tried again for the transposed matrix, and then by one-sided rotations.
pub(super) fn decomposed(matrix: MatRef<'_, f64>) -> Option<Decomposed> {
    if matrix.nrows() == 0 || matrix.ncols() == 0 {
        let (left, right) = (Mat::zeros(matrix.nrows(), 0), Mat::zeros(matrix.ncols(), 0));
        return Some(Decomposed { left, values: Vec::new(), right });
    }
    if !is_finite(matrix) {
        return None;
    }
    if let Ok(svd) = matrix.thin_svd() {
        let values = svd.S().column_vector().iter().copied().collect();
        return Some(Decomposed { left: svd.U().to_owned(), values, right: svd.V().to_owned() });
    }
    if let Ok(svd) = matrix.transpose().thin_svd() {
        let values = svd.S().column_vector().iter().copied().collect();
        return Some(Decomposed { left: svd.V().to_owned(), values, right: svd.U().to_owned() });
    }
    Some(one_sided::decomposed(matrix))
}

/// The singular values in falling order; `None` when a value is not finite.
///
/// Without vectors fewer iterations are needed, and none of them was seen to fail.
pub(super) fn singular_values(matrix: MatRef<'_, f64>) -> Option<Vec<f64>> {
    if matrix.nrows() == 0 || matrix.ncols() == 0 {
        return Some(Vec::new());
    }
    if !is_finite(matrix) {
        return None;
    }
    Some(matrix.singular_values().unwrap_or_else(|_| one_sided::decomposed(matrix).values))
}

/// The number of singular values above a limit.
pub(super) fn rank(values: &[f64], limit: f64) -> usize {
    values.iter().take_while(|value| **value > limit).count()
}

fn is_finite(matrix: MatRef<'_, f64>) -> bool {
    (0..matrix.ncols()).all(|j| (0..matrix.nrows()).all(|i| matrix[(i, j)].is_finite()))
}

impl Decomposed {
    /// The number of singular values above a limit.
    pub(super) fn rank(&self, limit: f64) -> usize {
        rank(&self.values, limit)
    }

    /// The first singular vectors of the left side.
    pub(super) fn columns(&self, rank: usize) -> Mat<f64> {
        self.left.subcols(0, rank).to_owned()
    }

    /// The first singular vectors of the right side.
    pub(super) fn rows(&self, rank: usize) -> Mat<f64> {
        self.right.subcols(0, rank).to_owned()
    }

    /// The nearest matrix of a rank.
    pub(super) fn cut(&self, rank: usize) -> Mat<f64> {
        let rank = rank.min(self.values.len());
        let scaled = Mat::from_fn(self.left.nrows(), rank, |i, j| self.left[(i, j)] * self.values[j]);
        &scaled * self.right.subcols(0, rank).transpose()
    }
}

/// The `rank` directions that two orthonormal bases have most in common, as a basis in the first one's span.
pub(super) fn common(a: &Mat<f64>, b: &Mat<f64>, rank: usize) -> Option<Mat<f64>> {
    let angles = decomposed((a.transpose() * b).as_ref())?;
    Some(a * angles.columns(rank.min(angles.values.len())))
}

/// The pseudoinverse, for columns that are independent.
pub(super) fn pseudoinverse(matrix: &Mat<f64>) -> Option<Mat<f64>> {
    let svd = decomposed(matrix.as_ref())?;
    let largest = svd.values.first().copied().unwrap_or_default();
    let rank = svd.rank(1e-12 * largest);
    let scaled = Mat::from_fn(svd.right.nrows(), rank, |i, j| svd.right[(i, j)] / svd.values[j]);
    Some(&scaled * svd.left.subcols(0, rank).transpose())
}

/// Two matrices side by side.
pub(super) fn beside(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols() + b.ncols(), |i, j| if j < a.ncols() { a[(i, j)] } else { b[(i, j - a.ncols())] })
}

/// The squared Frobenius norm.
pub(super) fn squared(matrix: MatRef<'_, f64>) -> f64 {
    (0..matrix.ncols()).map(|j| (0..matrix.nrows()).map(|i| matrix[(i, j)] * matrix[(i, j)]).sum::<f64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_direction_is_found_and_inverted() {
        let axis = |at: &[usize]| Mat::from_fn(4, at.len(), |i, j| if i == at[j] { 1.0 } else { 0.0 });
        let common = common(&axis(&[0, 1]), &axis(&[1, 2]), 1).unwrap();
        assert!((common[(1, 0)].abs() - 1.0).abs() < 1e-12 && common.ncols() == 1);
        let skew = Mat::from_fn(3, 2, |i, j| (1 + i * 2 + j * j) as f64);
        let identity = pseudoinverse(&skew).unwrap() * &skew;
        assert!((squared(identity.as_ref()) - 2.0).abs() < 1e-9);
        assert_eq!(decomposed(Mat::<f64>::zeros(3, 0).as_ref()).unwrap().rank(0.0), 0);
    }

    #[test]
    fn a_cut_keeps_the_largest_parts() {
        let diagonal = Mat::from_fn(3, 3, |i, j| if i == j { [3.0, 1.0, 2.0][i] } else { 0.0 });
        let cut = decomposed(diagonal.as_ref()).unwrap().cut(2);
        assert!((squared(cut.as_ref()) - 13.0).abs() < 1e-9 && cut[(1, 1)].abs() < 1e-12);
    }
}
