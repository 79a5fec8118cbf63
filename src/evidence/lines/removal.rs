//! Lines from which one and the same share of some directions was taken.
//!
//! Let P project on a few directions, and let every column of a matrix change as `Δ_j = −s P r_j`. Then
//!
//! ```text
//! ⟨r_j, Δ_j⟩ = −s ‖P r_j‖²      ‖Δ_j‖² = s² ‖P r_j‖²      ⟨r_j, Δ_j⟩ = −q ‖Δ_j‖²  with  q = 1 / s  for every j
//! ```
//!
//! The same holds with the two models exchanged, for another q. Training scatters `⟨r_j, Δ_j⟩` by `‖r_j‖ ‖Δ_j‖ / √length`. So a
//! look at sums that are there anyway tells which pairs of models are worth another read.

use crate::geometry::{LineSpan, LineSums, MemberSums};

/// The fewest lines of one axis that say anything.
const FEWEST: usize = 4;

/// The most that lines scatter around one share, in squared units of what unrelated values do. Those scatter by 1, and rounding to
/// BF16 by 0.01 of a direction that holds as much of a matrix as any other.
const SCATTER: f64 = 0.25;

/// For each matrix that changed, whether it may have changed by a projection, along its rows or along its columns.
///
/// A matrix of which too few lines were taken says nothing and is left out. `least` is the share of a squared norm below which a
/// line was only rounded.
pub(super) fn projections(sums: &LineSums, member: &MemberSums, least: f64) -> impl Iterator<Item = bool> {
    // Each matrix has a span of rows and one of columns.
    sums.spans.chunks(2).filter_map(move |spans| {
        let scatters: Vec<f64> = spans.iter().filter_map(|span| scatter(span, sums, member, least)).collect();
        (!scatters.is_empty()).then(|| scatters.iter().any(|&scatter| scatter <= SCATTER))
    })
}

/// The mean squared scatter of the lines of one axis around their common share; `None` when too few of them changed.
fn scatter(span: &LineSpan, sums: &LineSums, member: &MemberSums, least: f64) -> Option<f64> {
    let line = |i: usize| {
        let (rr, rd, dd) = (sums.reference[i], member.reference_change[i], member.change[i]);
        // The change of a line of zeros has no share.
        (rr > 0.0 && dd > least * rr).then_some((rr, rd, dd))
    };
    let lines: Vec<(f64, f64, f64)> = span.positions.clone().filter_map(line).collect();
    if lines.len() < FEWEST {
        return None;
    }
    let (moved, change) = lines.iter().fold((0.0, 0.0), |(m, c), (rr, rd, dd)| (m + rd / rr, c + dd / rr));
    let q = -moved / change;
    let of = |(rr, rd, dd): &(f64, f64, f64)| (rd + q * dd).powi(2) * span.length as f64 / (rr * dd);
    Some(lines.iter().map(of).sum::<f64>() / lines.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const SIDE: usize = 24;

    /// The sums of b as seen from a, both square matrices, along rows and along columns.
    fn seen(a: &[f64], b: &[f64]) -> (LineSums, MemberSums) {
        let at = |line: usize, k: usize| if line < SIDE { line * SIDE + k } else { k * SIDE + line - SIDE };
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            (0..2 * SIDE).map(|line| (0..SIDE).map(|k| of(a[at(line, k)], b[at(line, k)])).sum()).collect()
        };
        let member = MemberSums {
            reference_change: sum(&|a, b| a * (b - a)),
            change: sum(&|a, b| (b - a).powi(2)),
            fourth: Vec::new(),
        };
        let span = |begin: usize| LineSpan { positions: begin..begin + SIDE, length: SIDE };
        let spans = vec![span(0), span(SIDE)];
        (LineSums { reference: sum(&|a, _| a * a), reference_fourth: Vec::new(), members: Vec::new(), spans }, member)
    }

    fn told(a: &[f64], b: &[f64]) -> [bool; 2] {
        [(a, b), (b, a)].map(|(a, b)| {
            let (sums, member) = seen(a, b);
            let found: Vec<bool> = projections(&sums, &member, 1e-12).collect();
            !found.is_empty() && found.iter().all(|&fits| fits)
        })
    }

    #[test]
    fn a_projection_shows_from_both_sides_and_training_does_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect() };
        let (a, u, noise, other) = (draw(SIDE * SIDE), draw(SIDE), draw(SIDE * SIDE), draw(SIDE));
        let norm: f64 = u.iter().map(|x| x * x).sum();
        for s in [0.5, 1.0, 1.5] {
            let along = |j: usize| (0..SIDE).map(|i| u[i] * a[i * SIDE + j]).sum::<f64>() / norm;
            let b: Vec<f64> = (0..SIDE * SIDE).map(|at| a[at] - s * u[at / SIDE] * along(at % SIDE)).collect();
            assert_eq!(told(&a, &b), [true, true], "{s}");
        }
        let trained: Vec<f64> = a.iter().zip(&noise).map(|(a, n)| a + 0.1 * n).collect();
        let adapted: Vec<f64> = (0..SIDE * SIDE).map(|at| a[at] + 0.1 * u[at / SIDE] * other[at % SIDE]).collect();
        assert_eq!([told(&a, &trained), told(&a, &adapted)], [[false; 2]; 2]);
        assert_eq!(told(&a, &a), [false; 2]);
    }
}
