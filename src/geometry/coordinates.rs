use crate::error::Error;
use crate::kernel::symmetric_eigen;
use ndarray::Array2;

/// Points whose pairwise Euclidean distances are those of the models.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Coordinates {
    /// The points, shape (n_models, r) with r ≤ n_models − 1. Columns have falling variance. Every column sums to 0.
    pub values: Array2<f64>,
}

/// An eigenvalue of at most this number times n times the largest eigenvalue is a rounding error. It gives no coordinate.
const NULL: f64 = 1e-15;

/// Computes classical multidimensional scaling of symmetric squared distances of shape (n, n).
///
/// `B = −½ J D² J` with `J = 1 − 11ᵀ/n` is the Gram matrix of the centered models; `B = V Λ Vᵀ` gives `X = V Λ^½`. The sign of
/// a column is such that its entry of largest magnitude is positive. If several entries have it, the first one decides.
/// Source: Torgerson 1952, doi:10.1007/BF02288916.
pub(super) fn embed(squared: Array2<f64>) -> Result<Coordinates, Error> {
    let n = squared.nrows();
    if n == 0 {
        return Ok(Coordinates { values: Array2::zeros((0, 0)) });
    }
    let means: Vec<f64> = squared.rows().into_iter().map(|row| row.iter().sum::<f64>() / n as f64).collect();
    let mean = means.iter().sum::<f64>() / n as f64;
    // This works in place, because sets of thousands of models have no memory to spare for a second matrix.
    let mut gram = squared;
    for i in 0..n {
        for j in 0..=i {
            let value = -0.5 * (gram[(i, j)] - means[i] - means[j] + mean);
            gram[(i, j)] = value;
            gram[(j, i)] = value;
        }
    }
    // The array is in row-major order, as it was made.
    let gram = gram.into_raw_vec_and_offset().0;
    let (eigenvalues, vectors) = symmetric_eigen("the centered products of models", n, &gram)?;
    drop(gram);
    let largest = eigenvalues.first().copied().unwrap_or(0.0);
    let least = NULL * n as f64 * largest;
    // Centered points span at most n − 1 dimensions, so the last eigenvalue is never more than rounding.
    let r = eigenvalues.iter().take(n - 1).take_while(|&&l| l > least && l > 0.0).count();
    let mut values = Array2::zeros((n, r));
    for c in 0..r {
        let column = &vectors[c * n..(c + 1) * n];
        // Eigenvectors have no sign of their own. Without this rule, two backends would give different points.
        let extreme = column.iter().fold(0.0f64, |m, &x| if x.abs() > m.abs() { x } else { m });
        let scale = eigenvalues[c].sqrt().copysign(eigenvalues[c].sqrt() * extreme.signum());
        for (i, &x) in column.iter().enumerate() {
            values[[i, c]] = x * scale;
        }
    }
    Ok(Coordinates { values })
}
