//! Merges of masked increments: TIES and DARE set most of what each parent learned to zero before they add it up.
//!
//! Nothing is left of the distances that a plain combination would have. Two traces remain. In many places, and in all
//! matrices alike, values are exactly those of the root, which training does not do. And what is not masked still has a
//! share of each parent.

use super::affine::{Combination, fit, pursued, spread, weights_by_parameter};
use super::index::Member;
use super::merges::Merge;
use super::solve::Solution;
use super::weights::{Masked, Weights};
use crate::error::Error;
use crate::geometry::{Comparison, Geometry, PairEvidence};
use crate::model_set::{Kind, ModelId};

/// The members that carry masked increments of two or more other members. `solved` shows which members descend from which.
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
    let Some(root) = solved.root else { return Ok(Vec::new()) };
    let plain = Member::all(comparison.len());
    let mut masked = Vec::new();
    for c in plain.clone().filter(|&c| c != root) {
        // Only values show which of them are exactly the root's; distances do not.
        let pair = geometry.read_pair(models[root.index()], models[c.index()])?;
        if pair.is_some_and(|pair| is_masked(&pair, &weights.masked)) {
            masked.push(c);
        }
    }
    let found = masked.iter().filter_map(|&child| {
        // A descendant of the child cannot be its parent, and masked models are not parents of one another.
        let free = |&q: &Member| q != root && !masked.contains(&q) && !solved.descends(q, child);
        let candidates: Vec<Member> = plain.clone().filter(free).collect();
        let combination = combination(comparison, root, child, &candidates, weights)?;
        Some(Merge { child, combination, confidence: weights.merges.masked_confidence })
    });
    Ok(found.collect())
}

/// Whether every changed matrix kept a good share of its values, and all of them much the same share.
///
/// Dead inputs are no masks: they keep more of the first layer than of others.
fn is_masked(pair: &PairEvidence, numbers: &Masked) -> bool {
    let changed = pair.parameters().iter().filter(|p| p.kind == Kind::Matrix && !p.is_untouched());
    let shares: Vec<f64> = changed.map(|p| p.equal as f64 / p.size.max(1) as f64).collect();
    is_alike(&shares, numbers)
}

/// Whether the least share is large enough and the largest is not much larger.
fn is_alike(shares: &[f64], numbers: &Masked) -> bool {
    let (least, most) = shares.iter().fold((f64::INFINITY, 0.0f64), |(l, m), &s| (l.min(s), m.max(s)));
    !shares.is_empty() && least >= numbers.untouched && most <= numbers.alike * least
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
            answers: vec![(0.0, 0.0); 3],
            candidates: vec![Vec::new(); 3],
            scores: vec![0.0; 3],
            margin: 1.0,
            absent: Vec::new(),
            root: Some(m(0)),
        };
        let comparison = geometry.compare(&ids).unwrap();
        assert_eq!(merges(&geometry, &ids, &comparison, &solved, &Weights::default()).unwrap(), []);
    }
}
