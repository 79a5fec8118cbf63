//! Where a child lies among a few parents in one tensor: on the line, on the arc or in the plane that they span.

use super::affine::Squared;
use std::array::from_fn;

/// The most parents of a merge by tensor.
pub(super) const MOST: usize = 6;

/// A child in one tensor, as a combination of parents.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// Squared distance from the child to the combination.
    pub(super) left: f64,
    /// Squared distance from the child to the nearest parent.
    pub(super) nearest: f64,
    /// The largest squared distance of another parent from the first.
    pub(super) apart: f64,
    /// The share of each parent. They sum to 1. Equal parents count as the first of them.
    pub(super) weights: Vec<f64>,
}

impl Span {
    /// The nearest combination of the parents, with weights that sum to 1.
    ///
    /// `d` gives squared distances of different models, and the squared norm of one. With `arc`, two parents may be combined
    /// along the arc between them as well, as spherical interpolation does.
    pub(super) fn of<I: Copy + PartialEq>(d: &impl Squared<I>, child: I, parents: &[I], arc: bool) -> Self {
        let origin = parents[0];
        let nearest = parents.iter().map(|&p| d(child, p)).fold(f64::INFINITY, f64::min);
        let apart = parents[1..].iter().map(|&p| d(origin, p)).fold(0.0, f64::max);
        let mut weights = vec![0.0; parents.len()];
        if nearest <= 0.0 {
            let at = parents.iter().position(|&p| d(child, p) <= 0.0).unwrap_or_default();
            weights[at] = 1.0;
            return Self { left: 0.0, nearest: 0.0, apart, weights };
        }
        // Parents that are equal in this tensor span nothing, so one of each is enough.
        let mut distinct: Vec<usize> = vec![0];
        for i in 1..parents.len().min(MOST) {
            if distinct.iter().all(|&j| d(parents[i], parents[j]) > 0.0) {
                distinct.push(i);
            }
        }
        let some: Vec<I> = distinct.iter().map(|&i| parents[i]).collect();
        let (mut left, mut shares) = flat(d, child, &some);
        if arc && let [a, b] = some[..] {
            let (curved, share) = along_arc(d, child, a, b);
            if curved < left {
                (left, shares) = (curved, vec![1.0 - share, share]);
            }
        }
        for (i, share) in distinct.into_iter().zip(shares) {
            weights[i] = share;
        }
        Self { left, nearest, apart, weights }
    }
}

/// Whether no weight is below 0 or above 1 by more than `outside`.
pub(super) fn weights_within(weights: &[f64], outside: f64) -> bool {
    weights.iter().all(|w| (-outside..=1.0 + outside).contains(w))
}

/// Least squares in the plane of the parents: what is left over, and the weights. The parents must differ.
fn flat<I: Copy>(d: &impl Squared<I>, child: I, parents: &[I]) -> (f64, Vec<f64>) {
    let (origin, rest) = (parents[0], &parents[1..]);
    let k = rest.len();
    let inner = |a: I, b: I, ab: f64| (d(origin, a) + d(origin, b) - ab) / 2.0;
    let product = |i: usize, j: usize| match (rest.get(i), rest.get(j)) {
        (Some(&a), Some(_)) if i == j => d(origin, a),
        (Some(&a), Some(&b)) => inner(a, b, d(a, b)),
        _ => 0.0,
    };
    let gram: [[f64; MOST]; MOST] = from_fn(|i| from_fn(|j| product(i, j)));
    let toward: [f64; MOST] = from_fn(|i| rest.get(i).map_or(0.0, |&a| inner(a, child, d(a, child))));
    let solved = solve(gram, toward, k);
    let explained: f64 = (0..k).map(|i| solved[i] * toward[i]).sum();
    let mut weights = vec![1.0 - solved[..k].iter().sum::<f64>()];
    weights.extend(&solved[..k]);
    ((d(origin, child) - explained).max(0.0), weights)
}

/// The solution of a small positive definite system by Cholesky factors. A direction that others span gets 0.
fn solve(mut a: [[f64; MOST]; MOST], mut x: [f64; MOST], k: usize) -> [f64; MOST] {
    // Pivots below this share of the diagonal are rounding. Their factors are 0 and mark the direction.
    const SINGULAR: f64 = 1e-12;
    for j in 0..k {
        let pivot = a[j][j] - (0..j).map(|m| a[j][m] * a[j][m]).sum::<f64>();
        let used = pivot > SINGULAR * a[j][j];
        for i in j..k {
            let value = a[i][j] - (0..j).map(|m| a[i][m] * a[j][m]).sum::<f64>();
            a[i][j] = if used { value / pivot.sqrt() } else { 0.0 };
        }
    }
    let divided = |value: f64, pivot: f64| if pivot > 0.0 { value / pivot } else { 0.0 };
    for i in 0..k {
        let left = x[i] - (0..i).map(|m| a[i][m] * x[m]).sum::<f64>();
        x[i] = divided(left, a[i][i]);
    }
    for i in (0..k).rev() {
        let left = x[i] - (i + 1..k).map(|m| a[m][i] * x[m]).sum::<f64>();
        x[i] = divided(left, a[i][i]);
    }
    x
}

/// The nearest point on the arc from a to b, at the lengths that spherical interpolation gives: what is left over, and the
/// share of b on the way. Infinity where there is no arc.
fn along_arc<I: Copy>(d: &impl Squared<I>, child: I, a: I, b: I) -> (f64, f64) {
    const NONE: (f64, f64) = (f64::INFINITY, 0.0);
    let (norm_a, norm_b, norm_c) = (d(a, a), d(b, b), d(child, child));
    let (ab, ac, bc) = (d(a, b), d(a, child), d(b, child));
    // Products are those of the increments u = b − a and c − a and of a, so that small movements keep their digits.
    let (u_c, u_a, c_a) = ((ab + ac - bc) / 2.0, (norm_b - norm_a - ab) / 2.0, (norm_c - norm_a - ac) / 2.0);
    let determinant = ab * norm_a - u_a * u_a;
    let cosine = (norm_a + norm_b - ab) / (2.0 * (norm_a * norm_b).sqrt());
    let spans = determinant > 1e-12 * ab * norm_a;
    if !spans || cosine.is_nan() || cosine.abs() >= 1.0 {
        return NONE;
    }
    // c ≈ first·a + second·b; the ratio of the two tells how far along the arc the child is.
    let second = (u_c * norm_a - c_a * u_a) / determinant;
    let first = 1.0 + (c_a * ab - u_c * u_a) / determinant - second;
    let angle = cosine.acos();
    let share = (second * angle.sin()).atan2(first + second * cosine) / angle;
    let (first, second) = (((1.0 - share) * angle).sin() / angle.sin(), (share * angle).sin() / angle.sin());
    let longer = first + second - 1.0;
    let left = ac + second * second * ab + longer * longer * norm_a - 2.0 * second * u_c - 2.0 * longer * c_a
        + 2.0 * second * longer * u_a;
    if left.is_finite() { (left.max(0.0), share) } else { NONE }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Squared distances of points, and their squared norms.
    fn between(points: &[[f64; 4]]) -> impl Fn(usize, usize) -> f64 + '_ {
        |a, b| {
            let origin = if a == b { &[0.0; 4] } else { &points[b] };
            points[a].iter().zip(origin).map(|(x, y)| (x - y) * (x - y)).sum()
        }
    }

    #[test]
    fn weights_are_those_of_the_combination() {
        let points = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.2, 0.3, 0.5, 0.1]];
        let span = Span::of(&between(&points), 3, &[0, 1, 2], false);
        assert!((span.left - 0.01).abs() < 1e-12, "{span:?}");
        assert!(span.weights.iter().zip([0.2, 0.3, 0.5]).all(|(w, share)| (w - share).abs() < 1e-12), "{span:?}");
        assert!((span.nearest - (0.04 + 0.09 + 0.25 + 0.01)).abs() < 1e-12 && span.apart == 2.0);
    }

    #[test]
    fn equal_parents_count_once_and_a_parent_itself_wholly() {
        let points = [[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.4, 0.6, 0.0, 0.0]];
        let span = Span::of(&between(&points), 3, &[0, 1, 2], false);
        assert!(span.left < 1e-12 && (span.weights[0] - 0.4).abs() < 1e-12 && span.weights[1] == 0.0, "{span:?}");
        let same = Span::of(&between(&points), 1, &[2, 0], false);
        assert_eq!((same.left, same.nearest, same.weights), (0.0, 0.0, vec![0.0, 1.0]));
    }

    #[test]
    fn a_point_on_the_arc_is_farther_out_than_the_line() {
        let angle = 0.9f64;
        let at = |share: f64| {
            let (first, second) = (((1.0 - share) * angle).sin() / angle.sin(), (share * angle).sin() / angle.sin());
            [2.0 * first + 3.0 * second * angle.cos(), 3.0 * second * angle.sin(), 0.0, 0.0]
        };
        let points = [at(0.0), at(1.0), at(0.3)];
        let curved = Span::of(&between(&points), 2, &[0, 1], true);
        assert!(curved.left < 1e-12 && (curved.weights[1] - 0.3).abs() < 1e-9, "{curved:?}");
        assert!(Span::of(&between(&points), 2, &[0, 1], false).left > 1e-3);
    }
}
