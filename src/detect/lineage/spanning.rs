//! All trees at once: how probable each edge is when trees are as likely as the product of their edges' weights.

use crate::error::Error;
use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;
use rayon::prelude::*;

/// Edges this many times less likely than the likeliest into the same child are left out: their trees add nothing.
const NEGLIGIBLE: f64 = 40.0;

/// Probability of each edge q → c under `P(tree) ∝ Π exp(w(q, c))` over all arborescences of `root`, shape (n, n).
///
/// `weights` has shape (n, n), natural logarithms; those into the root are not looked at. With the Laplacian
/// `L(q, c) = −exp(w(q, c))`, `L(c, c) = Σ_q exp(w(q, c))`, row and column of the root removed, the matrix-tree theorem gives
/// `P(q → c) = exp(w(q, c)) · (L⁻¹(c, c) − L⁻¹(c, q))`, without the second term for the root.
///
/// Source: Tutte 1948; Koo, Globerson, Carreras & Collins, *Structured prediction models via the matrix-tree theorem*,
/// EMNLP 2007, <https://aclanthology.org/D07-1015>.
///
/// # Errors
///
/// [`Error::Detection`] when the weights are not finite.
///
/// # Complexity
///
/// O(n³) time, O(n²) memory.
pub(super) fn edge_probabilities(weights: &[f64], n: usize, root: usize) -> Result<Vec<f64>, Error> {
    let likelihood = likelihoods(weights, n, root)?;
    let mut entering = vec![0.0; n];
    for row in likelihood.chunks(n) {
        entering.iter_mut().zip(row).for_each(|(sum, l)| *sum += l);
    }
    let nodes: Vec<usize> = (0..n).filter(|&i| i != root).collect();
    let laplacian = Mat::from_fn(nodes.len(), nodes.len(), |i, j| {
        let (q, c) = (nodes[i], nodes[j]);
        if i == j { entering[c] } else { -likelihood[q * n + c] }
    });
    let inverse = laplacian.partial_piv_lu().inverse();
    drop(laplacian);
    let own: Vec<f64> = (0..nodes.len()).map(|j| inverse[(j, j)]).collect();
    let mut probabilities = likelihood;
    let place = |m: usize| if m > root { m - 1 } else { m };
    probabilities.par_chunks_mut(n).enumerate().for_each(|(q, row)| {
        for (c, p) in row.iter_mut().enumerate().filter(|&(c, _)| c != root && c != q) {
            let j = place(c);
            let visits = if q == root { own[j] } else { own[j] - inverse[(j, place(q))] };
            let probability = *p * visits;
            *p = if probability.is_finite() { probability.clamp(0.0, 1.0) } else { 0.0 };
        }
    });
    Ok(probabilities)
}

/// `exp(w(q, c))` over that of the likeliest edge into c, shape (n, n): each child is a factor of its own, and dividing its
/// column by one number changes no probability. The root always stays.
fn likelihoods(weights: &[f64], n: usize, root: usize) -> Result<Vec<f64>, Error> {
    let mut best = vec![f64::NEG_INFINITY; n];
    for (q, row) in weights.chunks(n).enumerate() {
        let others = best.iter_mut().zip(row).enumerate().filter(|&(c, _)| c != q);
        others.for_each(|(_, (best, &weight))| *best = best.max(weight));
    }
    if best.iter().enumerate().any(|(c, best)| c != root && !best.is_finite()) {
        return Err(Error::Detection {
            detector: "LineageDetector",
            models: n,
            reason: "evidence that is not finite".to_owned(),
        });
    }
    let mut likelihood = vec![0.0; n * n];
    likelihood.par_chunks_mut(n).enumerate().for_each(|(q, row)| {
        for (c, likelihood) in row.iter_mut().enumerate().filter(|&(c, _)| c != root && c != q) {
            let below = weights[q * n + c] - best[c];
            let kept = if q == root { below.max(-NEGLIGIBLE) } else { below };
            if kept >= -NEGLIGIBLE {
                *likelihood = kept.exp();
            }
        }
    });
    Ok(likelihood)
}
