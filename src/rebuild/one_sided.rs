//! One-sided rotations: singular values and vectors of a matrix that converge for every finite one.
//!
//! Source: Golub & Van Loan, *Matrix Computations*, 4th edition, section 8.6.3. It is the last resort, and slow.

use super::span::Decomposed;
use faer::{Mat, MatRef};

/// Sweeps over all pairs of columns after which the rest counts as rounding.
const SWEEPS: usize = 60;

/// The thin decomposition of a finite matrix that is not empty, values in falling order.
pub(super) fn decomposed(matrix: MatRef<'_, f64>) -> Decomposed {
    if matrix.nrows() < matrix.ncols() {
        let Decomposed { left, values, right } = decomposed(matrix.transpose());
        return Decomposed { left: right, values, right: left };
    }
    let (m, n) = (matrix.nrows(), matrix.ncols());
    // In units of the largest entry, no square overflows.
    let largest = (0..n).flat_map(|j| (0..m).map(move |i| (i, j))).fold(0.0f64, |l, at| l.max(matrix[at].abs()));
    let unit = if largest > 0.0 { largest } else { 1.0 };
    let mut columns: Vec<Vec<f64>> = (0..n).map(|j| (0..m).map(|i| matrix[(i, j)] / unit).collect()).collect();
    let mut right: Vec<Vec<f64>> = (0..n).map(|j| (0..n).map(|i| if i == j { 1.0 } else { 0.0 }).collect()).collect();
    for _ in 0..SWEEPS {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                turned |= orthogonalize(&mut columns, &mut right, p, q);
            }
        }
        if !turned {
            break;
        }
    }
    let mut order: Vec<(f64, usize)> = columns.iter().map(|c| dot(c, c).sqrt()).zip(0..n).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut left: Vec<Vec<f64>> = Vec::with_capacity(n);
    for &(value, j) in &order {
        let unit = columns[j].iter().map(|x| x / value).collect();
        left.push(if value > 0.0 { unit } else { another(&left, m) });
    }
    Decomposed {
        left: Mat::from_fn(m, n, |i, j| left[j][i]),
        values: order.iter().map(|(value, _)| value * unit).collect(),
        right: Mat::from_fn(n, n, |i, j| right[order[j].1][i]),
    }
}

/// Turns two columns until they are orthogonal. The result is false where they are so already.
fn orthogonalize(columns: &mut [Vec<f64>], right: &mut [Vec<f64>], p: usize, q: usize) -> bool {
    let (a, b, product) = (dot(&columns[p], &columns[p]), dot(&columns[q], &columns[q]), dot(&columns[p], &columns[q]));
    if product.abs() <= f64::EPSILON * (a * b).sqrt() {
        return false;
    }
    let ratio = (b - a) / (2.0 * product);
    let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    for side in [columns, right] {
        let (before, rest) = side.split_at_mut(q);
        for (x, y) in before[p].iter_mut().zip(&mut rest[0]) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }
    true
}

/// A unit vector that is orthogonal to fewer than m others.
fn another(others: &[Vec<f64>], m: usize) -> Vec<f64> {
    let away = |axis: usize| {
        let mut vector: Vec<f64> = (0..m).map(|i| if i == axis { 1.0 } else { 0.0 }).collect();
        // The second round removes what rounding left of the first.
        for other in others.iter().chain(others) {
            let share = dot(&vector, other);
            vector.iter_mut().zip(other).for_each(|(x, o)| *x -= share * o);
        }
        let length = dot(&vector, &vector).sqrt();
        (length, vector)
    };
    let (length, vector) =
        (0..m).map(away).fold((0.0, Vec::new()), |best, next| if next.0 > best.0 { next } else { best });
    vector.into_iter().map(|x| x / length).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_orthonormal_and_rebuild_the_matrix() {
        let dense = |i: usize, j: usize| ((i * 7 + j * 3) % 11) as f64 - 5.0;
        let cases = [
            Mat::from_fn(9, 5, dense),
            Mat::from_fn(5, 9, dense),
            Mat::from_fn(8, 6, |i, j| 1e30 * (i + 1) as f64 * (j + 1) as f64),
            Mat::from_fn(6, 6, |i, j| if (i, j) == (4, 1) { 5e-324 } else { 0.0 }),
            Mat::zeros(4, 3),
        ];
        for matrix in cases {
            let Decomposed { left, values, right } = decomposed(matrix.as_ref());
            let k = matrix.nrows().min(matrix.ncols());
            assert!(values.len() == k && values.windows(2).all(|v| v[0] >= v[1]));
            for side in [&left, &right] {
                let products = side.transpose() * side;
                let off = |at: (usize, usize)| (products[at] - if at.0 == at.1 { 1.0 } else { 0.0 }).abs();
                assert!((0..k * k).all(|at| off((at / k, at % k)) < 1e-12), "{products:?}");
            }
            let scaled = Mat::from_fn(left.nrows(), k, |i, j| left[(i, j)] * values[j]);
            let rebuilt = scaled * right.transpose();
            let close = |i: usize, j: usize| (rebuilt[(i, j)] - matrix[(i, j)]).abs() <= 1e-12 * values[0];
            assert!((0..matrix.nrows()).all(|i| (0..matrix.ncols()).all(|j| close(i, j))));
        }
    }
}
