//! Merges of masked increments: TIES and DARE set most of what each parent learned to zero before they add it up.
//!
//! Nothing is left of the distances that a plain combination would have. Traces remain in the values: places where the base
//! was left alone, and places where one exact factor times one parent's increment was added. The base is a common ancestor of
//! the parents: the root or any other.

use super::affine::{Combination, fit, pursued, spread, weights_by_parameter};
use super::index::Member;
use super::masks::{Traces, traces};
use super::merges::Merge;
use super::solve::Solution;
use super::weights::{Masked, Weights};
use crate::error::Error;
use crate::geometry::{Comparison, Geometry};
use crate::model_set::ModelId;
use ndarray::Array2;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The members that carry masked increments of two or more other members. `solved` shows which members descend from which.
///
/// Distances tell which members a child has increments of. Values are read for these alone.
///
/// # Errors
///
/// [`Error::Source`] for a model that cannot be read any more.
pub(super) fn merges(
    geometry: &Geometry,
    models: &[ModelId],
    comparison: &Comparison,
    solved: &Solution,
    weights: &Weights,
) -> Result<Vec<Merge<Member>>, Error> {
    // Without values nothing is to be seen, and distances need not be gone through.
    if !geometry.has_values(&models[..1]) {
        return Ok(Vec::new());
    }
    let squared = comparison.squared_distances();
    let search = Search { geometry, models, comparison, squared: &squared, solved, weights };
    let donors = |child: Member| -> Vec<(Member, Vec<Member>)> {
        search.bases(child).into_iter().map(|base| (base, search.donors(base, child))).collect()
    };
    let children: Vec<Member> = Member::all(comparison.len()).collect();
    let donors: Vec<_> = children.into_par_iter().map(|child| (child, donors(child))).collect();
    let mut masked = Vec::new();
    for (child, donors) in donors {
        if let Some(found) = search.best(child, &donors)? {
            masked.push((child, found));
        }
    }
    let found: Vec<Merge<Member>> = masked
        .iter()
        .filter_map(|(child, found)| {
            // Masked models are not parents of one another.
            let is_masked = |q: &Member| masked.iter().any(|(m, _)| m == q);
            let combination = search.combination(*child, found, &is_masked)?;
            Some(Merge { child: *child, combination, confidence: weights.merges.masked_confidence })
        })
        .collect();
    Ok(found)
}

/// A child whose values carry masked increments.
struct Found {
    base: Member,
    /// The members whose increments are there with one exact factor, with the share of the values that are.
    exact: Vec<(Member, f64)>,
}

struct Search<'a> {
    geometry: &'a Geometry,
    models: &'a [ModelId],
    comparison: &'a Comparison,
    /// Squared distances, shape (members, members).
    squared: &'a Array2<f64>,
    solved: &'a Solution,
    weights: &'a Weights,
}

impl Search<'_> {
    fn squared(&self, a: Member, b: Member) -> f64 {
        self.squared[(a.index(), b.index())]
    }

    /// The masked increments of a child over the ancestor that shows most of them, given the possible donors over each.
    fn best(&self, child: Member, over: &[(Member, Vec<Member>)]) -> Result<Option<Found>, Error> {
        let mut best: Option<(f64, Found)> = None;
        for &(base, ref donors) in over.iter().filter(|(_, donors)| donors.len() > 1) {
            let models =
                |members: &[Member]| -> Vec<ModelId> { members.iter().map(|m| self.models[m.index()]).collect() };
            // Most children have next to no value of their base, so that donors need not be read.
            let Some(pair) = self.geometry.read_sample(&models(&[base, child]))? else { return Ok(None) };
            let seen = traces(&pair, &self.weights.masked).is_some_and(|t| t.untouched >= self.weights.masked.seen);
            if !seen {
                continue;
            }
            let all: Vec<Member> = [base, child].iter().chain(donors).copied().collect();
            let Some(sample) = self.geometry.read_sample(&models(&all))? else { return Ok(None) };
            let Some(traces) = traces(&sample, &self.weights.masked) else { continue };
            if let Some((clarity, exact)) = recognized(&traces, &self.weights.masked) {
                let exact = exact.into_iter().map(|(d, share)| (donors[d], share)).collect();
                if best.as_ref().is_none_or(|(least, _)| clarity > *least) {
                    best = Some((clarity, Found { base, exact }));
                }
            }
        }
        Ok(best.map(|(_, found)| found))
    }

    /// The ancestors of a child, the nearest first. The last is the root.
    fn bases(&self, child: Member) -> Vec<Member> {
        let up = |m: Member| self.solved.parents[m.index()].filter(|p| p.index() < self.comparison.len());
        let mut bases: Vec<Member> = std::iter::successors(up(child), |&p| up(p)).collect();
        bases.extend(self.solved.root.filter(|&r| r != child && !bases.contains(&r)));
        bases
    }

    /// The members of whose increments from the base the child seems to have a share.
    fn donors(&self, base: Member, child: Member) -> Vec<Member> {
        let squared = |a: Member, b: Member| self.squared(a, b);
        let differs = |q: &Member| *q != base && *q != child && squared(base, *q) > 0.0 && squared(child, *q) > 0.0;
        let candidates: Vec<Member> = Member::all(self.comparison.len()).filter(differs).collect();
        let chosen = pursued(&squared, child, base, &candidates, self.weights);
        let all: Vec<Member> = std::iter::once(base).chain(chosen.iter().copied()).collect();
        let Some(whole) = fit(&squared, child, &all) else { return Vec::new() };
        let weighty = |&(_, &w): &(&Member, &f64)| w >= self.weights.masked.donor;
        let mut donors: Vec<Member> = chosen.iter().zip(&whole.weights[1..]).filter(weighty).map(|(&q, _)| q).collect();
        if donors.len() < 2 {
            return donors;
        }
        // Of one lineage, distances may name another member than the parent. Values tell them apart.
        for donor in donors.clone() {
            let cosine = |q: Member| {
                let (to_donor, to_q) = (squared(base, donor), squared(base, q));
                (to_donor + to_q - squared(donor, q)) / (2.0 * (to_donor * to_q).sqrt())
            };
            let beside = candidates.iter().copied().filter(|q| !donors.contains(q)).map(|q| (cosine(q), q));
            let mut mates: Vec<(f64, Member)> =
                beside.filter(|(cosine, _)| *cosine >= self.weights.merges.one_lineage).collect();
            mates.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            donors.extend(mates.into_iter().take(self.weights.masked.mates).map(|(_, q)| q));
        }
        donors
    }

    /// The parents of a masked merge with their weights.
    fn combination(
        &self,
        child: Member,
        found: &Found,
        is_masked: &dyn Fn(&Member) -> bool,
    ) -> Option<Combination<Member>> {
        // Parents may hang on the child in the tree, which took it for one of them.
        let free = |q: &Member| *q != found.base && *q != child && !is_masked(q);
        if found.exact.len() < 2 {
            let candidates: Vec<Member> = Member::all(self.comparison.len()).filter(free).collect();
            let combination = combination(self.comparison, found.base, child, &candidates, self.weights);
            return combination.filter(|c| self.of_different_lineages(found.base, &c.parents));
        }
        let parents: Vec<Member> = found.exact.iter().map(|&(q, _)| q).filter(free).collect();
        let total: f64 = found.exact.iter().map(|(_, share)| share).sum();
        // Masks let weights of distances stray; those of the values do not.
        let weights = found.exact.iter().filter(|(q, _)| parents.contains(q)).map(|(_, share)| share / total).collect();
        let squared = |a: Member, b: Member| self.squared(a, b);
        let residual = fit(&squared, child, &parents)?.residual;
        let by_tensor = BTreeMap::new();
        (parents.len() == found.exact.len()).then_some(Combination { parents, weights, residual, by_tensor })
    }

    /// Whether no two parents lie in nearly one direction from the base, as children of the merge do.
    fn of_different_lineages(&self, base: Member, parents: &[Member]) -> bool {
        parents.iter().enumerate().all(|(i, &a)| {
            parents[..i].iter().all(|&b| {
                let (to_a, to_b) = (self.squared(base, a), self.squared(base, b));
                (to_a + to_b - self.squared(a, b)) / 2.0 <= self.weights.merges.one_lineage * (to_a * to_b).sqrt()
            })
        })
    }
}

/// Whether the traces are those of masked increments: how clear they are, and the donors that values name.
///
/// Where values name fewer than two donors, distances have to tell which they are.
fn recognized(traces: &Traces, numbers: &Masked) -> Option<(f64, Vec<(usize, f64)>)> {
    let largest = traces.donors.iter().map(|d| d.share).fold(0.0, f64::max);
    let strong = |share: f64| share >= numbers.share && share >= numbers.beside * largest;
    let exact: Vec<(usize, f64)> =
        traces.donors.iter().enumerate().filter(|(_, d)| strong(d.share)).map(|(i, d)| (i, d.share)).collect();
    let followed = exact.iter().any(|&(d, _)| traces.donors[d].followed);
    let total: f64 = exact.iter().map(|(_, share)| share).sum();
    let sure = exact.iter().all(|&(_, share)| share >= numbers.share_alone);
    if exact.len() >= 2 && !followed && (sure || traces.untouched >= numbers.untouched) {
        return Some((1.0 + total, exact));
    }
    let masked = traces.untouched >= numbers.untouched_alone && traces.least >= numbers.least;
    (masked && traces.resolved >= numbers.moved).then_some((traces.untouched, Vec::new()))
}

/// The parents that have the same share of the child in every parameter; `None` with fewer than two of them.
fn combination(
    comparison: &Comparison,
    root: Member,
    child: Member,
    candidates: &[Member],
    weights: &Weights,
) -> Option<Combination<Member>> {
    let Masked { least_weight, spread: most_spread, .. } = weights.masked;
    let squared = |a: Member, b: Member| comparison.squared_distance(a.within(), b.within());
    let mut chosen = pursued(&squared, child, root, candidates, weights);
    loop {
        let all: Vec<Member> = std::iter::once(root).chain(chosen.iter().copied()).collect();
        let whole = fit(&squared, child, &all)?;
        let by_parameter = weights_by_parameter(comparison, child, &all);
        // A real parent has the same weight everywhere; a chance one varies. Without the weakest, the rest is fitted again.
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
    // The root is part of each parent, so the final weights are those of the parents alone.
    let parents_alone = fit(&squared, child, &chosen)?;
    (chosen.len() > 1 && parents_alone.weights.iter().all(|&w| w >= least_weight)).then_some(parents_alone)
}

#[cfg(test)]
mod tests;
