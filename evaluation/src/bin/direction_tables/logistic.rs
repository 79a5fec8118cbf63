//! Logistic weights without a constant: exchanging the two models of a pair must change nothing but the sign.

/// Steps of Newton's method; it needs some eight.
const STEPS: usize = 40;

/// What keeps weights finite, in pairs, where all pairs are right.
const RIDGE: f64 = 1.0;

/// The weights by which `P(right) = 1 / (1 + exp(−Σ w x))` is largest over the rows.
pub(crate) fn fitted<const N: usize>(rows: &[[f64; N]]) -> [f64; N] {
    // Signals are measured in units of their own, so that the ridge is the same for all.
    let unit: [f64; N] = std::array::from_fn(|k| {
        (rows.iter().map(|x| x[k] * x[k]).sum::<f64>() / rows.len().max(1) as f64).sqrt().max(1e-12)
    });
    let mut weights = [0.0; N];
    for _ in 0..STEPS {
        let mut gradient: [f64; N] = std::array::from_fn(|k| RIDGE * weights[k]);
        let mut hessian = [[0.0; N]; N];
        (0..N).for_each(|k| hessian[k][k] = RIDGE);
        for row in rows {
            let x: [f64; N] = std::array::from_fn(|k| row[k] / unit[k]);
            let wrong = 1.0 / (1.0 + said(&weights, &x).exp());
            for i in 0..N {
                gradient[i] -= wrong * x[i];
                (0..N).for_each(|j| hessian[i][j] += wrong * (1.0 - wrong) * x[i] * x[j]);
            }
        }
        let step = solved(hessian, gradient);
        weights.iter_mut().zip(step).for_each(|(w, s)| *w -= s);
    }
    std::array::from_fn(|k| weights[k] / unit[k])
}

/// The log odds that weights give a row.
pub(crate) fn said<const N: usize>(weights: &[f64; N], row: &[f64; N]) -> f64 {
    weights.iter().zip(row).map(|(w, x)| w * x).sum()
}

/// Solves `a x = b` for a positive definite matrix, by elimination.
fn solved<const N: usize>(mut a: [[f64; N]; N], mut b: [f64; N]) -> [f64; N] {
    for k in 0..N {
        for i in k + 1..N {
            let factor = a[i][k] / a[k][k];
            (k..N).for_each(|j| a[i][j] -= factor * a[k][j]);
            b[i] -= factor * b[k];
        }
    }
    let mut x = [0.0; N];
    for k in (0..N).rev() {
        x[k] = (b[k] - (k + 1..N).map(|j| a[k][j] * x[j]).sum::<f64>()) / a[k][k];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_odds() {
        // Three of four rows with a signal of 1 are right: log odds of ln 3, up to the ridge.
        let rows: Vec<[f64; 1]> = (0..4000).map(|i| [if i % 4 == 0 { -1.0 } else { 1.0 }]).collect();
        assert!((fitted(&rows)[0] - 3f64.ln()).abs() < 1e-2);
        assert_eq!(solved([[2.0, 1.0], [1.0, 3.0]], [5.0, 10.0]), [1.0, 3.0]);
    }
}
