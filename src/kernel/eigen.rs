//! Eigendecomposition of symmetric matrices, by faer, or by LAPACK when one of its features is on.

use super::jacobi;
use crate::error::Error;

/// Eigenvalues in falling order, and their eigenvectors in the same order, each n consecutive values.
pub(crate) type Eigen = (Vec<f64>, Vec<f64>);

/// Decomposes a symmetric matrix of shape (n, n), n ≥ 1, with both triangles filled. Error messages name it by `what`.
///
/// A backend that does not converge is asked again for the matrix scaled to 1, and then [Jacobi's rotations](super::jacobi) are
/// used. They are slower and need no luck.
///
/// # Errors
///
/// [`Error::Decomposition`] when a value is not finite, which neither backend refuses by itself.
///
/// # Complexity
///
/// O(n³) time and O(n²) memory.
pub(crate) fn symmetric_eigen(what: &'static str, n: usize, matrix: &[f64]) -> Result<Eigen, Error> {
    check_finite(what, n, matrix)?;
    Ok(in_turn(n, matrix, backend::decomposed))
}

/// Decomposes by a backend: the matrix as it is, then scaled. Rotations come last.
fn in_turn(n: usize, matrix: &[f64], backend: impl Fn(usize, &[f64]) -> Option<Eigen>) -> Eigen {
    if let Some(found) = backend(n, matrix) {
        return found;
    }
    let (scaled, unit) = scaled(matrix);
    let (values, vectors) = backend(n, &scaled).unwrap_or_else(|| rotated(n, &scaled));
    (values.into_iter().map(|value| value * unit).collect(), vectors)
}

/// The eigenvalues of a symmetric matrix in falling order, without vectors. It is several times as fast as [`symmetric_eigen`].
///
/// The fallbacks are the same. The matrix is scaled to 1 from the start, so that its unit has no part in convergence.
///
/// # Errors
///
/// [`Error::Decomposition`] when a value is not finite.
pub(crate) fn symmetric_eigenvalues(what: &'static str, n: usize, matrix: &[f64]) -> Result<Vec<f64>, Error> {
    check_finite(what, n, matrix)?;
    let (scaled, unit) = scaled(matrix);
    let mut values = backend::values(n, &scaled).unwrap_or_else(|| rotated(n, &scaled).0);
    values.sort_by(|a, b| b.total_cmp(a));
    values.iter_mut().for_each(|value| *value *= unit);
    Ok(values)
}

/// Refuses what no backend would: it names the place of the value.
fn check_finite(what: &'static str, n: usize, matrix: &[f64]) -> Result<(), Error> {
    let Some(at) = matrix.iter().position(|x| !x.is_finite()) else { return Ok(()) };
    let reason = format!("found {} at ({}, {}), expected finite values", matrix[at], at / n, at % n);
    Err(Error::Decomposition { matrix: what, size: n, reason })
}

/// The matrix in units of a power of two near its largest entry, and that unit. Scaling is exact but for what underflows.
fn scaled(matrix: &[f64]) -> (Vec<f64>, f64) {
    let largest = matrix.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    // A unit below the normal numbers has no finite inverse.
    let exponent = if largest > 0.0 { largest.log2().floor().clamp(-1000.0, 1000.0) } else { 0.0 };
    let unit = exponent.exp2();
    (matrix.iter().map(|x| x / unit).collect(), unit)
}

/// Decomposes by Jacobi's rotations, in the order of the backends.
fn rotated(n: usize, matrix: &[f64]) -> Eigen {
    let (values, vectors) = jacobi::rotated(n, matrix);
    falling(n, |c| values[c], |i, c| vectors[c * n + i])
}

#[cfg(any(feature = "openblas-system", feature = "netlib-static"))]
use lapack as backend;

#[cfg(not(any(feature = "openblas-system", feature = "netlib-static")))]
use by_faer as backend;

/// Decompositions by faer. They run sequentially, so that bits do not depend on the number of threads.
#[cfg(any(test, not(any(feature = "openblas-system", feature = "netlib-static"))))]
mod by_faer {
    use super::{Eigen, falling};
    use faer::dyn_stack::{MemBuffer, MemStack};
    use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
    use faer::{Col, Mat, MatRef, Par};

    /// `None` when the iteration does not converge, as it does for some matrices of low rank.
    pub(super) fn decomposed(n: usize, matrix: &[f64]) -> Option<Eigen> {
        let matrix = MatRef::from_row_major_slice(matrix, n, n);
        let mut values = Col::<f64>::zeros(n);
        let mut vectors = Mat::<f64>::zeros(n, n);
        let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
        let mut buffer = MemBuffer::new(scratch);
        let stack = MemStack::new(&mut buffer);
        let (diagonal, columns) = (values.as_diagonal_mut(), Some(vectors.as_mut()));
        self_adjoint_evd(matrix, diagonal, columns, Par::Seq, stack, Default::default()).ok()?;
        // The buffer and the copy that comes next are each as large as the matrix, so only one of them is in memory at a time.
        drop(buffer);
        let is_finite = values.iter().all(|value| value.is_finite());
        is_finite.then(|| falling(n, |c| values[c], |i, c| vectors[(i, c)]))
    }

    /// The eigenvalues in any order; `None` when the iteration does not converge.
    pub(super) fn values(n: usize, matrix: &[f64]) -> Option<Vec<f64>> {
        let matrix = MatRef::from_row_major_slice(matrix, n, n);
        let mut values = Col::<f64>::zeros(n);
        let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::No, Par::Seq, Default::default());
        let mut buffer = MemBuffer::new(scratch);
        let stack = MemStack::new(&mut buffer);
        self_adjoint_evd(matrix, values.as_diagonal_mut(), None, Par::Seq, stack, Default::default()).ok()?;
        values.iter().all(|value| value.is_finite()).then(|| values.iter().copied().collect())
    }
}

/// Decompositions by LAPACK. Both triangles must be filled, because ndarray-linalg 0.17 inverts `UPLO` for row-major arrays.
#[cfg(any(feature = "openblas-system", feature = "netlib-static"))]
mod lapack {
    use super::{Eigen, falling};
    use ndarray::ArrayView2;
    use ndarray_linalg::{EigValsh, Eigh, UPLO};

    pub(super) fn decomposed(n: usize, matrix: &[f64]) -> Option<Eigen> {
        let view = ArrayView2::from_shape((n, n), matrix).ok()?;
        let (values, vectors) = view.eigh(UPLO::Lower).ok()?;
        Some(falling(n, |c| values[c], |i, c| vectors[[i, c]]))
    }

    pub(super) fn values(n: usize, matrix: &[f64]) -> Option<Vec<f64>> {
        let view = ArrayView2::from_shape((n, n), matrix).ok()?;
        Some(view.eigvalsh(UPLO::Lower).ok()?.to_vec())
    }
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

    type Way = (&'static str, fn(usize, &[f64]) -> Option<Eigen>);

    /// Every way that is built; the table below runs on all of them.
    fn ways() -> Vec<Way> {
        vec![
            ("in use", |n, matrix| symmetric_eigen("a test's matrix", n, matrix).ok()),
            ("faer", by_faer::decomposed),
            ("rotations", |n, matrix| Some(in_turn(n, matrix, |_, _| None))),
            #[cfg(any(feature = "openblas-system", feature = "netlib-static"))]
            ("lapack", lapack::decomposed),
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
        for (name, way) in ways() {
            for matrix in &cases {
                let n = matrix.len().isqrt();
                let (values, vectors) = way(n, matrix).unwrap();
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
        for (name, way) in ways() {
            let (values, _) = way(2, &[1.0, 5.0, 5.0, 2.0]).unwrap();
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

    /// Gram matrix of a matrix of few nonzero values, as the projection of a small change gives it: integers times a square.
    fn sparse(n: usize, seed: u64, scale: f64) -> Vec<f64> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut entry = || if rng.gen_bool(0.06) { scale * f64::from(rng.gen_range(-1i8..=1)) } else { 0.0 };
        let row: Vec<f64> = (0..n).map(|_| entry()).collect();
        (0..n * n).map(|at| row[at / n] * row[at % n]).collect()
    }

    #[test]
    fn matrices_of_rank_one_in_any_unit_have_one_value() {
        for seed in 0..24 {
            let scale = [1.0, 0.683_441_162, 1e-160, 1e-30, 1e30, 1e150][seed as usize % 6];
            let matrix = sparse(136, seed, scale);
            let trace: f64 = (0..136).map(|i| matrix[i * 137]).sum();
            let values = symmetric_eigenvalues("a test's matrix", 136, &matrix).unwrap();
            assert!((values[0] - trace).abs() <= 1e-12 * trace, "{seed}: {} {trace}", values[0]);
            assert!(values[1..].iter().all(|value| value.abs() <= 1e-12 * trace), "{seed}");
        }
    }
}
