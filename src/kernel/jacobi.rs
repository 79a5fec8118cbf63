//! Jacobi's rotations: eigenvalues and eigenvectors of a symmetric matrix that converge for every finite matrix.
//!
//! Source: Golub & Van Loan, *Matrix Computations*, 4th edition, section 8.5.3. It is the last resort, slower than reduction to
//! three diagonals by a factor of some ten.

/// Sweeps over all pairs after which the rest counts as rounding. Convergence is quadratic and takes about ten.
const SWEEPS: usize = 60;

/// The eigenvalues and, row by row in the same order, the eigenvectors of a finite symmetric matrix of shape (n, n).
///
/// Its entries are near 1 in magnitude, so that squares neither overflow nor vanish.
pub(super) fn rotated(n: usize, matrix: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let mut vectors: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { 1.0 } else { 0.0 }).collect();
    let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt();
    for _ in 0..SWEEPS {
        let beside: f64 = (0..n).map(|p| a[p * n + p + 1..(p + 1) * n].iter().map(|x| x * x).sum::<f64>()).sum();
        if beside.sqrt() <= f64::EPSILON * f64::EPSILON * norm {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(n, &mut a, &mut vectors, p, q);
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

/// Turns axes p and q so that the entry at (p, q) becomes 0.
fn rotate(n: usize, a: &mut [f64], vectors: &mut [f64], p: usize, q: usize) {
    let entry = a[p * n + q];
    if entry == 0.0 {
        return;
    }
    // The smaller of the two angles. An infinite ratio leaves the axes as they are.
    let ratio = (a[q * n + q] - a[p * n + p]) / (2.0 * entry);
    let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turned = |x: f64, y: f64| (cosine * x - sine * y, sine * x + cosine * y);
    for k in 0..n {
        (a[k * n + p], a[k * n + q]) = turned(a[k * n + p], a[k * n + q]);
    }
    for k in 0..n {
        (a[p * n + k], a[q * n + k]) = turned(a[p * n + k], a[q * n + k]);
        (vectors[p * n + k], vectors[q * n + k]) = turned(vectors[p * n + k], vectors[q * n + k]);
    }
    a[p * n + q] = 0.0;
    a[q * n + p] = 0.0;
}
