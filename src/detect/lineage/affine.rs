//! Affine combinations: which few models add up to another one, and what is left over.

use super::weights::Weights;
use crate::geometry::Comparison;
use crate::kernel::upper_median;
use crate::model_set::Position;
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use std::collections::BTreeMap;

/// A function that gives the squared distance of two models, over one parameter or over all.
///
/// `I` is the type that numbers the models.
pub(super) trait Squared<I>: Fn(I, I) -> f64 {}

impl<I, F: Fn(I, I) -> f64> Squared<I> for F {}

/// A child as an affine combination of parents.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Combination<I> {
    pub(super) parents: Vec<I>,
    /// One weight for each parent, in the same order. They sum to 1.
    pub(super) weights: Vec<f64>,
    /// What the combination leaves over: the squared distance from the child to it. It is a share of the squared distance
    /// from the child to its nearest parent. At least 0.
    pub(super) residual: f64,
    /// For tensors whose weights differ from those of others, the weight of each parent. Empty where all have one weight.
    pub(super) by_tensor: BTreeMap<String, Vec<f64>>,
}

/// The inner product `⟨a − origin, b − origin⟩`, from squared distances.
fn inner<I: Copy>(d: &impl Squared<I>, origin: I, a: I, b: I) -> f64 {
    (d(origin, a) + d(origin, b) - d(a, b)) / 2.0
}

/// The combination of a few `candidates` that comes nearest to `child`.
///
/// Orthogonal matching pursuit adds parents; backward elimination then removes those that are not needed. The result is `None`
/// with fewer than two candidates. Candidates must differ from the child and from one another. O(n) time for n candidates.
pub(super) fn combination<I: Copy + Eq>(
    d: &impl Squared<I>,
    child: I,
    candidates: &[I],
    weights: &Weights,
) -> Option<Combination<I>> {
    let (&origin, rest) = candidates.split_first()?;
    let mut chosen = pursued(d, child, origin, rest, weights);
    if chosen.is_empty() {
        return None;
    }
    // The origin is a parent too. Elimination removes it if it is not needed.
    chosen.push(origin);
    eliminate(d, child, chosen, weights)
}

/// The models of `rest` whose increments from `origin` together come nearest to the increment of `child`.
///
/// The choice is greedy: the model that explains most is chosen first.
pub(super) fn pursued<I: Copy>(d: &impl Squared<I>, child: I, origin: I, rest: &[I], weights: &Weights) -> Vec<I> {
    let mut chosen: Vec<I> = Vec::new();
    // Gram–Schmidt on inner products: each step removes the directions chosen so far from every candidate and from the child.
    let mut along: Vec<Vec<f64>> = Vec::new();
    let from_origin: Vec<f64> = rest.iter().map(|&q| d(origin, q)).collect();
    let mut left = from_origin.clone();
    let mut with_child: Vec<f64> = rest.iter().map(|&q| inner(d, origin, q, child)).collect();
    for _ in 0..weights.merges.steps.min(rest.len()) {
        let gains = (0..rest.len()).map(|i| {
            let new = left[i] > weights.tolerances.new_direction * from_origin[i];
            if new { with_child[i] * with_child[i] / left[i] } else { 0.0 }
        });
        let (best, gain) = gains.enumerate().max_by(|(i, x), (j, y)| x.total_cmp(y).then(j.cmp(i))).unwrap_or_default();
        if gain <= 0.0 {
            break;
        }
        chosen.push(rest[best]);
        // The part of the best increment that earlier directions do not span becomes the next direction.
        let length = left[best].sqrt();
        let mut direction = vec![0.0; rest.len()];
        for earlier in &along {
            let share = earlier[best];
            direction.iter_mut().zip(earlier).for_each(|(before, e)| *before += e * share);
        }
        for (i, before) in direction.iter_mut().enumerate() {
            let product = (from_origin[i] + from_origin[best] - d(rest[best], rest[i])) / 2.0;
            *before = (product - *before) / length;
        }
        // That direction must not count twice, so it is removed from all candidates and from the child.
        let toward = with_child[best] / length;
        for i in 0..rest.len() {
            left[i] -= direction[i] * direction[i];
            with_child[i] -= direction[i] * toward;
        }
        // Rounding may leave a little of the chosen candidate; an exact 0 keeps it from being chosen again.
        left[best] = 0.0;
        along.push(direction);
    }
    chosen
}

/// Removes parents without which the combination is as good.
fn eliminate<I: Copy + Eq>(
    d: &impl Squared<I>,
    child: I,
    mut parents: Vec<I>,
    weights: &Weights,
) -> Option<Combination<I>> {
    loop {
        let fitted = fit(d, child, &parents)?;
        if parents.len() <= 2 {
            return Some(fitted);
        }
        let without =
            |i: usize| -> Vec<I> { parents.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, &p)| p).collect() };
        // A parent of tiny weight goes first: a share this small is met by chance among many models.
        let tiny = (0..parents.len())
            .filter(|&i| fitted.weights[i].abs() < weights.merges.least_weight)
            .min_by(|&i, &j| fitted.weights[i].abs().total_cmp(&fitted.weights[j].abs()));
        let superfluous = || {
            let mut order: Vec<usize> = (0..parents.len()).collect();
            // The lightest parent is the likeliest to be superfluous, and a fit for each is expensive.
            order.sort_by(|&i, &j| fitted.weights[i].abs().total_cmp(&fitted.weights[j].abs()));
            let nearest = nearest(d, child, &parents);
            // The second term lets rounding pass where the combination is exact and leaves nothing over.
            let bound =
                weights.merges.superfluous * fitted.residual * nearest + weights.tolerances.superfluous * nearest;
            order.into_iter().find(|&i| absolute(d, child, &without(i)).is_some_and(|left| left <= bound))
        };
        match tiny.or_else(superfluous) {
            Some(i) => parents = without(i),
            None => return Some(fitted),
        }
    }
}

/// Squared distance from the child to its nearest parent.
pub(super) fn nearest<I: Copy>(d: &impl Squared<I>, child: I, parents: &[I]) -> f64 {
    parents.iter().map(|&p| d(child, p)).fold(f64::INFINITY, f64::min)
}

/// Squared distance from the child to the combination of these parents; `None` where [`fit`] is.
fn absolute<I: Copy>(d: &impl Squared<I>, child: I, parents: &[I]) -> Option<f64> {
    Some(fit(d, child, parents)?.residual * nearest(d, child, parents))
}

/// The least-squares combination with weights that sum to 1.
///
/// `None` when the parents do not differ from one another, or when one of them equals the child.
pub(super) fn fit<I: Copy>(d: &impl Squared<I>, child: I, parents: &[I]) -> Option<Combination<I>> {
    let (&origin, rest) = parents.split_first()?;
    let whole = d(origin, child);
    let nearest = nearest(d, child, parents);
    if nearest <= 0.0 {
        return None;
    }
    let k = rest.len();
    // Increments from one of the parents turn the constraint on the sum of weights into plain least squares.
    let gram = Mat::from_fn(k, k, |i, j| inner(d, origin, rest[i], rest[j]));
    let with_child = Mat::from_fn(k, 1, |i, _| inner(d, origin, rest[i], child));
    // Parents that do not differ make the matrix singular; then it has no Cholesky factor.
    let solved = gram.llt(Side::Lower).ok()?.solve(&with_child);
    let explained: f64 = (0..k).map(|i| solved[(i, 0)] * with_child[(i, 0)]).sum();
    let mut weights = vec![1.0 - (0..k).map(|i| solved[(i, 0)]).sum::<f64>()];
    weights.extend((0..k).map(|i| solved[(i, 0)]));
    let finite = weights.iter().all(|w| w.is_finite());
    let residual = ((whole - explained) / nearest).max(0.0);
    finite.then(|| Combination { parents: parents.to_vec(), weights, residual, by_tensor: BTreeMap::new() })
}

/// The weights of [`fit`] in each parameter alone, for the parameters in which it succeeds.
pub(super) fn weights_by_parameter<I: Copy + Into<usize>>(
    comparison: &Comparison,
    child: I,
    parents: &[I],
) -> Vec<Vec<f64>> {
    let fits = comparison.scoped().filter_map(|p| {
        fit(&|a: I, b: I| p.squared_distance(Position::new(a.into()), Position::new(b.into())), child, parents)
    });
    fits.map(|fitted| fitted.weights).collect()
}

/// Median absolute deviation of the `i`-th weight between parameters; 0 without parameters.
pub(super) fn spread(by_parameter: &[Vec<f64>], i: usize) -> f64 {
    let middle = median(by_parameter.iter().map(|w| w[i]).collect());
    median(by_parameter.iter().map(|w| (w[i] - middle).abs()).collect())
}

/// The upper median; 0 without values.
fn median(mut values: Vec<f64>) -> f64 {
    upper_median(&mut values).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{noticed, point};

    /// Points of a few dimensions; squared distances between them.
    fn distances(points: &[Vec<f64>]) -> impl Fn(usize, usize) -> f64 + '_ {
        |a, b| points[a].iter().zip(&points[b]).map(|(x, y)| (x - y) * (x - y)).sum()
    }

    fn axes(n: usize) -> Vec<Vec<f64>> {
        (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 + i as f64 / 10.0 } else { 0.0 }).collect()).collect()
    }

    #[test]
    fn an_exact_combination_is_found_among_others() {
        let mut points = axes(8);
        let merged = (0..8).map(|j| 0.25 * points[2][j] + 0.75 * points[5][j]).collect();
        points.push(merged);
        let candidates: Vec<usize> = (0..8).collect();
        let mut found = combination(&distances(&points), 8, &candidates, &Weights::default()).unwrap();
        if found.parents == [5, 2] {
            found.parents.reverse();
            found.weights.reverse();
        }
        assert_eq!(found.parents, [2, 5]);
        assert!((found.weights[0] - 0.25).abs() < 1e-9 && found.residual < 1e-9, "{found:?}");
    }

    #[test]
    fn a_model_of_its_own_leaves_most_of_itself_over() {
        let points = axes(8);
        let found = combination(&distances(&points), 7, &[0, 1, 2, 3, 4, 5, 6], &Weights::default()).unwrap();
        assert!(found.residual > 0.3, "{found:?}");
    }

    /// Points of some axes with a child of theirs.
    fn found(weights: &Weights, mut points: Vec<Vec<f64>>, child: Vec<f64>) -> String {
        let parents: Vec<usize> = (0..points.len()).collect();
        points.push(child);
        format!("{:?}", combination(&distances(&points), parents.len(), &parents, weights))
    }

    #[test]
    fn numbers_are_noticed_at_their_edges() {
        let axis = |i: usize| point(&[(i, 1.0)]);
        noticed("merges", &["steps", "least_weight", "superfluous"], |w| {
            let even: Vec<(usize, f64)> = (0..10).map(|i| (i, 0.1)).collect();
            let many = found(w, (0..10).map(axis).collect(), point(&even));
            let small = found(w, (0..3).map(axis).collect(), point(&[(0, 0.04), (1, 0.46), (2, 0.5)]));
            // The third parent halves what is left.
            let slight = found(w, (0..3).map(axis).collect(), point(&[(0, 0.47), (1, 0.47), (2, 0.06), (9, 0.07)]));
            format!("{many} {small} {slight}")
        });
        noticed("tolerances", &["new_direction", "superfluous"], |w| {
            // Two candidates whose directions differ by a share of 1.4e-12.
            let line = [point(&[]), axis(1), point(&[(1, 1.0), (2, 1.2e-6)]), point(&[(1, 0.5), (2, 0.5), (3, 0.5)])];
            let chosen = pursued(&distances(&line), 3, 0, &[1, 2], w);
            // A parent without which 1.5e-8 of the distance to the nearest is left.
            let near = found(
                w,
                vec![axis(0), axis(1), point(&[(0, 1.0), (2, 2.3e-4)])],
                point(&[(0, 0.6), (1, 0.4), (2, 0.69e-4)]),
            );
            format!("{chosen:?} {near}")
        });
    }

    #[test]
    fn nothing_is_made_of_one_candidate_or_of_equal_ones() {
        let points = vec![vec![0.0, 0.0], vec![1.0, 0.0], vec![1.0, 0.0]];
        assert_eq!(combination(&distances(&points), 0, &[1], &Weights::default()), None);
        assert_eq!(fit(&distances(&points), 0, &[1, 2]), None);
    }
}
