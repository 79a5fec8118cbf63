//! Merges of masked increments: TIES and DARE set most of what each parent learned to zero before they add it up.
//!
//! Nothing is left of the distances that a plain combination would have. But values are where the root has them, exactly, in
//! many places and everywhere alike, which training does not do; and what is not masked still has a share of each parent.

use super::affine::{Combination, fit, pursued, spread, weights_by_parameter};
use super::family::Solved;
use super::merges::{Certainty, Merge};
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, PairEvidence};
use crate::model_set::{Kind, ModelId};

/// Least share of values, in every matrix that changed, that are where the root has them. Masks of density ½ leave ¼.
const UNTOUCHED: f64 = 0.1;

/// Most that one such share may be of another.
const ALIKE: f64 = 2.0;

/// Least weight of a parent, in all parameters together,
const LEAST_WEIGHT: f64 = 0.15;
/// and how much it may vary between parameters.
const SPREAD: f64 = 0.15;

/// The members with masked increments of two or more others; `solved` tells who cannot be their parent.
pub(super) fn merges(
    geometry: &Geometry,
    models: &[ModelId],
    comparison: &Comparison,
    solved: &Solved,
) -> Result<Vec<Merge>, Error> {
    let Some(root) = solved.root else { return Ok(Vec::new()) };
    let n = comparison.len();
    let mut masked = Vec::new();
    for c in (0..n).filter(|&c| c != root) {
        if geometry.read_pair(models[root], models[c])?.is_some_and(|pair| is_masked(&pair)) {
            masked.push(c);
        }
    }
    let found = masked.iter().filter_map(|&child| {
        let free = |&q: &usize| q != root && !masked.contains(&q) && !solved.descends(q, child);
        let candidates: Vec<usize> = (0..n).filter(free).collect();
        let combination = combination(comparison, root, child, &candidates)?;
        Some(Merge { child, combination, certainty: Certainty::Masked })
    });
    Ok(found.collect())
}

/// Every matrix that changed kept a good share of its values, and much the same share: dead inputs keep more of the first layer.
fn is_masked(pair: &PairEvidence) -> bool {
    let changed = pair.parameters().iter().filter(|p| p.kind == Kind::Matrix && !p.is_untouched());
    let shares: Vec<f64> = changed.map(|p| p.equal as f64 / p.size.max(1) as f64).collect();
    let (least, most) = shares.iter().fold((f64::INFINITY, 0.0f64), |(l, m), &s| (l.min(s), m.max(s)));
    !shares.is_empty() && least >= UNTOUCHED && most <= ALIKE * least
}

/// Parents whose share of the child is the same in every parameter.
fn combination(comparison: &Comparison, root: usize, child: usize, candidates: &[usize]) -> Option<Combination> {
    let squared = |a: usize, b: usize| comparison.squared_distance(a, b);
    let mut chosen = pursued(&squared, child, root, candidates);
    loop {
        let all: Vec<usize> = std::iter::once(root).chain(chosen.iter().copied()).collect();
        let whole = fit(&squared, child, &all)?;
        let by_parameter = weights_by_parameter(comparison, child, &all);
        let weak = (1..all.len())
            .filter(|&i| whole.weights[i] < LEAST_WEIGHT || spread(&by_parameter, i) > SPREAD)
            .min_by(|&i, &j| whole.weights[i].total_cmp(&whole.weights[j]));
        match weak {
            Some(i) => {
                chosen.remove(i - 1);
            }
            None => break,
        }
        if chosen.len() < 2 {
            return None;
        }
    }
    // The root had its part in each of them.
    let parents_alone = fit(&squared, child, &chosen)?;
    (chosen.len() > 1 && parents_alone.weights.iter().all(|&w| w >= LEAST_WEIGHT)).then_some(parents_alone)
}
