//! Eigendecomposition of symmetric matrices: faer, or LAPACK when one of its features is on.

use crate::error::Error;

/// Eigenvalues in falling order and as many eigenvectors, each n consecutive values.
pub(super) type Eigen = (Vec<f64>, Vec<f64>);

/// Decomposes a symmetric matrix of shape (n, n), n ≥ 1, both triangles filled.
///
/// # Errors
///
/// [`Error::Decomposition`] when a value is not finite (neither backend refuses that by itself) or the backend gives up.
pub(super) fn symmetric(n: usize, matrix: &[f64]) -> Result<Eigen, Error> {
    if let Some(at) = matrix.iter().position(|x| !x.is_finite()) {
        let reason = format!("found {} at ({}, {}), expected finite values", matrix[at], at / n, at % n);
        return Err(Error::Decomposition { size: n, reason });
    }
    #[cfg(any(feature = "openblas-system", feature = "netlib-static"))]
    return lapack(n, matrix);
    #[cfg(not(any(feature = "openblas-system", feature = "netlib-static")))]
    return faer(n, matrix);
}

/// Sequential inside, so that bits do not depend on the number of threads.
#[cfg(any(test, not(any(feature = "openblas-system", feature = "netlib-static"))))]
fn faer(n: usize, matrix: &[f64]) -> Result<Eigen, Error> {
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
        .map_err(|e| Error::Decomposition { size: n, reason: format!("{e:?}") })?;
    Ok(falling(n, |c| values[c], |i, c| vectors[(i, c)]))
}

/// Both triangles are filled, because `UPLO` is inverted for row-major arrays in ndarray-linalg 0.17.
#[cfg(any(feature = "openblas-system", feature = "netlib-static"))]
fn lapack(n: usize, matrix: &[f64]) -> Result<Eigen, Error> {
    use ndarray::ArrayView2;
    use ndarray_linalg::{Eigh, UPLO};

    let failed = |reason: String| Error::Decomposition { size: n, reason };
    let view = ArrayView2::from_shape((n, n), matrix).map_err(|e| failed(e.to_string()))?;
    let (values, vectors) = view.eigh(UPLO::Lower).map_err(|e| failed(e.to_string()))?;
    Ok(falling(n, |c| values[c], |i, c| vectors[[i, c]]))
}

/// Sorted by falling eigenvalue; the backends' orders are not promised.
fn falling(n: usize, value: impl Fn(usize) -> f64, vector: impl Fn(usize, usize) -> f64) -> Eigen {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    let values = order.iter().map(|&c| value(c)).collect();
    let vectors = order.iter().flat_map(|&c| (0..n).map(move |i| (i, c))).map(|(i, c)| vector(i, c)).collect();
    (values, vectors)
}
