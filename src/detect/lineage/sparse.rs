//! Merges of masked increments: TIES and DARE set most of what each parent learned to zero before they add it up.
//!
//! Nothing is left of the distances that a plain combination would have. But values are where the root has them, exactly, in
//! many places and everywhere alike, which training does not do; and what is not masked still has a share of each parent.

use super::affine::{Combination, fit, pursued, spread, weights_by_parameter};
use super::index::Member;
use super::merges::Merge;
use super::solve::Solved;
use super::weights::{Masked, Weights};
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, PairEvidence};
use crate::model_set::{Kind, ModelId};

/// The members with masked increments of two or more others; `solved` tells who cannot be their parent.
pub(super) fn merges(
    geometry: &Geometry,
    models: &[ModelId],
    comparison: &Comparison,
    solved: &Solved,
    weights: &Weights,
) -> Result<Vec<Merge<Member>>, Error> {
    let Some(root) = solved.root else { return Ok(Vec::new()) };
    let plain = Member::all(comparison.len());
    let mut masked = Vec::new();
    for c in plain.clone().filter(|&c| c != root) {
        let pair = geometry.pair(models[root.index()], models[c.index()])?;
        if pair.is_some_and(|pair| is_masked(&pair, &weights.masked)) {
            masked.push(c);
        }
    }
    let found = masked.iter().filter_map(|&child| {
        let free = |&q: &Member| q != root && !masked.contains(&q) && !solved.descends(q, child);
        let candidates: Vec<Member> = plain.clone().filter(free).collect();
        let combination = combination(comparison, root, child, &candidates, weights)?;
        Some(Merge { child, combination, confidence: weights.merges.masked_confidence })
    });
    Ok(found.collect())
}

/// Every matrix that changed kept a good share of its values, and much the same share: dead inputs keep more of the first layer.
fn is_masked(pair: &PairEvidence, numbers: &Masked) -> bool {
    let changed = pair.parameters().iter().filter(|p| p.kind == Kind::Matrix && !p.is_untouched());
    let shares: Vec<f64> = changed.map(|p| p.equal as f64 / p.size.max(1) as f64).collect();
    is_alike(&shares, numbers)
}

fn is_alike(shares: &[f64], numbers: &Masked) -> bool {
    let (least, most) = shares.iter().fold((f64::INFINITY, 0.0f64), |(l, m), &s| (l.min(s), m.max(s)));
    !shares.is_empty() && least >= numbers.untouched && most <= numbers.alike * least
}

/// Parents whose share of the child is the same in every parameter.
fn combination(
    comparison: &Comparison,
    root: Member,
    child: Member,
    candidates: &[Member],
    weights: &Weights,
) -> Option<Combination<Member>> {
    let Masked { least_weight, spread: most_spread, .. } = weights.masked;
    let squared = |a: Member, b: Member| comparison.squared_distance(a.index(), b.index());
    let mut chosen = pursued(&squared, child, root, candidates, weights);
    loop {
        let all: Vec<Member> = std::iter::once(root).chain(chosen.iter().copied()).collect();
        let whole = fit(&squared, child, &all)?;
        let by_parameter = weights_by_parameter(comparison, child, &all);
        let weak = (1..all.len())
            .filter(|&i| whole.weights[i] < least_weight || spread(&by_parameter, i) > most_spread)
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
    (chosen.len() > 1 && parents_alone.weights.iter().all(|&w| w >= least_weight)).then_some(parents_alone)
}
