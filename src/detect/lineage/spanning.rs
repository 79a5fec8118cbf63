//! The probability of each edge over all trees, where a tree is as likely as the product of its edges' weights.

use super::index::Member;
use crate::error::Error;
use crate::kernel::Square;
use faer::Mat;
use faer::linalg::solvers::DenseSolveCore;
use rayon::prelude::*;

/// The probability of each edge q → c under `P(tree) ∝ Π exp(w(q, c))`, over all arborescences of `root`.
///
/// `weights` are natural logarithms, shape `(n, n)`, indexed by (q, c). The result has the same shape. Weights into the root
/// are ignored. An edge is left out when the likeliest edge into the same child is heavier by more than `negligible` nats.
/// Edges from the root always stay.
///
/// Let `L(q, c) = −exp(w(q, c))` and `L(c, c) = Σ_q exp(w(q, c))` be the Laplacian without the row and column of the root. The
/// matrix-tree theorem gives `P(q → c) = exp(w(q, c)) · (L⁻¹(c, c) − L⁻¹(c, q))`, for the root without the second term.
///
/// Source: Tutte 1948; Koo, Globerson, Carreras & Collins, *Structured prediction models via the matrix-tree theorem*,
/// EMNLP 2007, <https://aclanthology.org/D07-1015>.
///
/// # Errors
///
/// [`Error::Detection`] when a child has no finite weight.
///
/// # Complexity
///
/// O(n³) time, O(n²) memory.
pub(super) fn edge_probabilities(weights: &Square<f64>, root: Member, negligible: f64) -> Result<Square<f64>, Error> {
    let n = weights.len();
    let likelihood = likelihoods(weights, root, negligible)?;
    let mut entering = vec![0.0; n];
    for row in likelihood.rows() {
        entering.iter_mut().zip(row).for_each(|(sum, l)| *sum += l);
    }
    let nodes: Vec<Member> = Member::all(n).filter(|&m| m != root).collect();
    let laplacian = Mat::from_fn(nodes.len(), nodes.len(), |i, j| {
        let (q, c) = (nodes[i], nodes[j]);
        if i == j { entering[c.index()] } else { -likelihood[(q, c)] }
    });
    // All edges share one inverse; without it, each edge would need a determinant of its own.
    let inverse = laplacian.partial_piv_lu().inverse();
    // At 4,000 members the matrix takes 128 MB, so it is freed before the result is filled in.
    drop(laplacian);
    let own: Vec<f64> = (0..nodes.len()).map(|j| inverse[(j, j)]).collect();
    let mut probabilities = likelihood;
    // The matrix leaves out the root, so members after the root move up by one place.
    let place = |m: usize| if m > root.index() { m - 1 } else { m };
    probabilities.par_rows_mut().for_each(|(q, row)| {
        for (c, p) in row.iter_mut().enumerate().filter(|&(c, _)| c != root.index() && c != q) {
            let j = place(c);
            let visits = if q == root.index() { own[j] } else { own[j] - inverse[(j, place(q))] };
            let probability = *p * visits;
            // Rounding can leave a probability slightly outside 0 to 1, and a singular matrix leaves none at all.
            *p = if probability.is_finite() { probability.clamp(0.0, 1.0) } else { 0.0 };
        }
    });
    Ok(probabilities)
}

/// The ratio of `exp(w(q, c))` to that of the likeliest edge into c.
///
/// Each child is a factor of its own, so dividing its column by one number changes no probability. It only prevents overflow.
/// Edges from the root are never left out.
fn likelihoods(weights: &Square<f64>, root: Member, negligible: f64) -> Result<Square<f64>, Error> {
    let (n, root) = (weights.len(), root.index());
    let mut best = vec![f64::NEG_INFINITY; n];
    for (q, row) in weights.rows().enumerate() {
        let others = best.iter_mut().zip(row).enumerate().filter(|&(c, _)| c != q);
        others.for_each(|(_, (best, &weight))| *best = best.max(weight));
    }
    // A child without a finite weight is in no tree, and the matrix would be singular.
    if best.iter().enumerate().any(|(c, best)| c != root && !best.is_finite()) {
        return Err(Error::Detection {
            detector: "LineageDetector",
            models: n,
            reason: "evidence that is not finite".to_owned(),
        });
    }
    let mut likelihood = Square::filled(n, 0.0);
    likelihood.par_rows_mut().for_each(|(q, row)| {
        for (c, likelihood) in row.iter_mut().enumerate().filter(|&(c, _)| c != root && c != q) {
            let below = weights[(q, c)] - best[c];
            // An edge from the root stays, however unlikely, so that every child can be reached.
            let kept = if q == root { below.max(-negligible) } else { below };
            if kept >= -negligible {
                *likelihood = kept.exp();
            }
        }
    });
    Ok(likelihood)
}

#[cfg(test)]
mod tests;
