//! Eigendecomposition of symmetric matrices, by faer, or by LAPACK when one of its features is on.

use crate::error::Error;

/// Eigenvalues in falling order, and their eigenvectors in the same order, each n consecutive values.
pub(crate) type Eigen = (Vec<f64>, Vec<f64>);

/// Decomposes a symmetric matrix of shape (n, n), n ≥ 1, with both triangles filled. Error messages name it by `what`.
///
/// # Errors
///
/// [`Error::Decomposition`] when a value is not finite, which neither backend refuses by itself, or when the backend does not
/// converge.
///
/// # Complexity
///
/// O(n³) time and O(n²) memory.
pub(crate) fn symmetric_eigen(what: &'static str, n: usize, matrix: &[f64]) -> Result<Eigen, Error> {
    // The check names the place of the value, which no backend would do.
    if let Some(at) = matrix.iter().position(|x| !x.is_finite()) {
        let reason = format!("found {} at ({}, {}), expected finite values", matrix[at], at / n, at % n);
        return Err(Error::Decomposition { matrix: what, size: n, reason });
    }
    #[cfg(any(feature = "openblas-system", feature = "netlib-static"))]
    return lapack(what, n, matrix);
    #[cfg(not(any(feature = "openblas-system", feature = "netlib-static")))]
    return faer(what, n, matrix);
}

/// Decomposes with faer. It runs sequentially, so that bits do not depend on the number of threads.
#[cfg(any(test, not(any(feature = "openblas-system", feature = "netlib-static"))))]
fn faer(what: &'static str, n: usize, matrix: &[f64]) -> Result<Eigen, Error> {
    use faer::dyn_stack::{MemBuffer, MemStack};
    use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
    use faer::{Col, Mat, MatRef, Par};

    let matrix = MatRef::from_row_major_slice(matrix, n, n);
    let mut values = Col::<f64>::zeros(n);
    let mut vectors = Mat::<f64>::zeros(n, n);
    let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut buffer = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut buffer);
    self_adjoint_evd(matrix, values.as_diagonal_mut(), Some(vectors.as_mut()), Par::Seq, stack, Default::default())
        .map_err(|e| Error::Decomposition { matrix: what, size: n, reason: format!("{e:?}") })?;
    // The buffer and the copy that comes next are each as large as the matrix, so only one of them is in memory at a time.
    drop(buffer);
    Ok(falling(n, |c| values[c], |i, c| vectors[(i, c)]))
}

/// Decomposes with LAPACK. Both triangles must be filled, because ndarray-linalg 0.17 inverts `UPLO` for row-major arrays.
#[cfg(any(feature = "openblas-system", feature = "netlib-static"))]
fn lapack(what: &'static str, n: usize, matrix: &[f64]) -> Result<Eigen, Error> {
    use ndarray::ArrayView2;
    use ndarray_linalg::{Eigh, UPLO};

    let failed = |reason: String| Error::Decomposition { matrix: what, size: n, reason };
    let view = ArrayView2::from_shape((n, n), matrix).map_err(|e| failed(e.to_string()))?;
    let (values, vectors) = view.eigh(UPLO::Lower).map_err(|e| failed(e.to_string()))?;
    Ok(falling(n, |c| values[c], |i, c| vectors[[i, c]]))
}

/// Sorts by falling eigenvalue, because the backends promise no order.
fn falling(n: usize, value: impl Fn(usize) -> f64, vector: impl Fn(usize, usize) -> f64) -> Eigen {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    let values = order.iter().map(|&c| value(c)).collect();
    let vectors = order.iter().flat_map(|&c| (0..n).map(move |i| (i, c))).map(|(i, c)| vector(i, c)).collect();
    (values, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    type Backend = (&'static str, fn(&'static str, usize, &[f64]) -> Result<Eigen, Error>);

    /// Every backend that is built; the table below runs on all of them.
    fn backends() -> Vec<Backend> {
        vec![
            ("in use", symmetric_eigen),
            ("faer", faer),
            #[cfg(any(feature = "openblas-system", feature = "netlib-static"))]
            ("lapack", lapack),
        ]
    }

    /// Gram matrix of n random points in r dimensions: rank min(n, r).
    fn gram(n: usize, r: usize, scale: f64) -> Vec<f64> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(n as u64);
        let points: Vec<f64> = (0..n * r).map(|_| scale * rng.gen_range(-1.0..1.0)).collect();
        let dot = |i: usize, j: usize| (0..r).map(|k| points[i * r + k] * points[j * r + k]).sum::<f64>();
        (0..n * n).map(|at| dot((at / n).max(at % n), (at / n).min(at % n))).collect()
    }

    #[test]
    fn values_fall_and_vectors_are_orthonormal_and_rebuild_the_matrix() {
        let cases =
            [gram(1, 1, 1.0), gram(7, 7, 1.0), gram(40, 5, 1e-150), gram(90, 120, 1e6), vec![0.0; 16], vec![1.0; 25]];
        for (name, backend) in backends() {
            for matrix in &cases {
                let n = matrix.len().isqrt();
                let (values, vectors) = backend(name, n, matrix).unwrap();
                assert!(values.windows(2).all(|v| v[0] >= v[1]), "{name}");
                let largest = matrix.iter().fold(f64::MIN_POSITIVE, |m, x| m.max(x.abs())) * n as f64;
                let vector = |c: usize| &vectors[c * n..(c + 1) * n];
                for i in 0..n {
                    for j in 0..n {
                        let product: f64 = vector(i).iter().zip(vector(j)).map(|(x, y)| x * y).sum();
                        let expected = if i == j { 1.0 } else { 0.0 };
                        assert!((product - expected).abs() < 1e-12, "{name} {n} {i} {j}: {product}");
                        let rebuilt: f64 = (0..n).map(|c| values[c] * vector(c)[i] * vector(c)[j]).sum();
                        assert!((rebuilt - matrix[i * n + j]).abs() <= 1e-12 * largest, "{name} {n} {i} {j}");
                    }
                }
            }
        }
    }

    #[test]
    fn both_triangles_are_what_was_meant() {
        // The row-major lower triangle of [[1, 0], [5, 2]] read as if it were the upper one gives 1 and 2.
        for (name, backend) in backends() {
            let (values, _) = backend(name, 2, &[1.0, 5.0, 5.0, 2.0]).unwrap();
            let root = (0.25f64 + 25.0).sqrt();
            assert!((values[0] - (1.5 + root)).abs() < 1e-12 && (values[1] - (1.5 - root)).abs() < 1e-12, "{name}");
        }
    }

    #[test]
    fn values_that_are_not_finite_are_refused() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = symmetric_eigen("a test's matrix", 2, &[1.0, value, value, 1.0]).unwrap_err();
            assert!(error.to_string().contains("at (0, 1)"), "{error}");
        }
    }
}
