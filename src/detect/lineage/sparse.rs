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
    let search = Search { geometry, models, comparison, solved, weights };
    let children: Vec<Member> = Member::all(comparison.len()).collect();
    // Children one after another: each reads values, and readers use all threads.
    let mut masked = Vec::new();
    for child in children {
        if let Some(found) = search.best(child)? {
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
    solved: &'a Solution,
    weights: &'a Weights,
}

impl Search<'_> {
    fn squared(&self, a: Member, b: Member) -> f64 {
        self.comparison.squared_distance(a.within(), b.within())
    }

    /// The masked increments of a child over the ancestor that shows most of them.
    fn best(&self, child: Member) -> Result<Option<Found>, Error> {
        let mut best: Option<(f64, Found)> = None;
        for base in self.bases(child) {
            let donors = self.donors(base, child);
            if donors.len() < 2 {
                continue;
            }
            let all: Vec<ModelId> =
                [base, child].iter().chain(&donors).map(|m| self.models[m.index()]).collect();
            let Some(sample) = self.geometry.read_sample(&all)? else { return Ok(None) };
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
        chosen.iter().zip(&whole.weights[1..]).filter(weighty).map(|(&q, _)| q).collect()
    }

    /// The parents of a masked merge with their weights.
    fn combination(
        &self,
        child: Member,
        found: &Found,
        is_masked: &dyn Fn(&Member) -> bool,
    ) -> Option<Combination<Member>> {
        // A descendant of the child cannot be its parent.
        let free = |q: &Member| *q != found.base && *q != child && !is_masked(q) && !self.solved.descends(*q, child);
        if found.exact.len() < 2 {
            let candidates: Vec<Member> = Member::all(self.comparison.len()).filter(free).collect();
            return combination(self.comparison, found.base, child, &candidates, self.weights);
        }
        let parents: Vec<Member> = found.exact.iter().map(|&(q, _)| q).filter(free).collect();
        let total: f64 = found.exact.iter().map(|(_, share)| share).sum();
        // Masks let weights of distances stray; those of the values do not.
        let weights = found.exact.iter().filter(|(q, _)| parents.contains(q)).map(|(_, share)| share / total).collect();
        let squared = |a: Member, b: Member| self.squared(a, b);
        let residual = fit(&squared, child, &parents)?.residual;
        let by_tensor = std::collections::BTreeMap::new();
        (parents.len() == found.exact.len()).then_some(Combination { parents, weights, residual, by_tensor })
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
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{alike, ids, m, noticed, of_points, point};

    #[test]
    fn masks_of_density_a_half_are_seen_and_dead_lines_are_not() {
        let numbers = Weights::default().masked;
        // Two masks of density ½ leave a quarter of the values alone.
        assert!(is_alike(&[0.25, 0.24, 0.26], &numbers));
        assert!(!is_alike(&[0.0, 0.25], &numbers) && !is_alike(&[0.25, 0.05], &numbers) && !is_alike(&[], &numbers));
        noticed("masked", &["untouched", "alike"], |w| {
            [[0.19, 0.19], [0.5, 0.3]].map(|shares| is_alike(&shares, &w.masked).to_string()).join(" ")
        });
    }

    #[test]
    fn parents_have_the_same_share_in_every_parameter() {
        let found = |w: &Weights, shares: [[f64; 2]; 3]| {
            let of = |share: [f64; 2]| {
                let child = point(&[(0, 10.0), (1, share[0]), (2, share[1]), (9, 1.0)]);
                vec![point(&[(0, 10.0)]), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (2, 1.0)]), child]
            };
            let geometry = of_points(&shares.map(of));
            let comparison = geometry.compare(&ids(&geometry)).unwrap();
            combination(&comparison, m(0), m(3), &[m(1), m(2)], w)
        };
        let weights = Weights::default();
        let merge = found(&weights, [[0.5, 0.5]; 3]).unwrap();
        assert_eq!(merge.parents.len(), 2);
        assert!(found(&weights, [[0.5, 0.1]; 3]).is_none());
        noticed("masked", &["least_weight", "spread"], |w| {
            format!("{:?} {:?}", found(w, [[0.5, 0.25]; 3]), found(w, [[0.4, 0.4], [0.5, 0.5], [0.6, 0.6]]))
        });
    }

    #[test]
    fn distances_alone_have_no_masks() {
        let geometry = alike(1, &[point(&[(0, 10.0)]), point(&[(0, 10.0), (1, 1.0)]), point(&[(0, 10.0), (2, 1.0)])]);
        let ids = ids(&geometry);
        let solved = Solution {
            parents: vec![None, Some(m(0)), Some(m(0))],
            confidences: vec![0.0; 3],
            candidates: vec![Vec::new(); 3],
            scores: vec![0.0; 3],
            margin: 1.0,
            contradicted: false,
            root: Some(m(0)),
        };
        let comparison = geometry.compare(&ids).unwrap();
        assert_eq!(merges(&geometry, &ids, &comparison, &solved, &Weights::default()).unwrap(), []);
    }
}
