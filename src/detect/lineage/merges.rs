//! Models that are combinations of others, found from distances alone, no candidates named.

use super::affine::{Combination, combination, spread, weights_by_parameter};
use crate::detect::families::components;
use crate::geometry::Comparison;
use crate::parent::Precedences;
use ndarray::Array2;
use rayon::prelude::*;

/// Most of its squared distance to the nearest parent that a merge may leave unexplained: rounding in storage leaves 1e-3,
/// spherical interpolation 0.02, the likest ordinary child 0.15.
const LEFT_OVER: f64 = 0.05;

/// The same for a merge that was trained on, which must look like one in every parameter.
const LEFT_OVER_TRAINED: f64 = 0.25;

/// Sum of absolute weights up to which nothing is subtracted but rounding.
const CONVEX: f64 = 1.05;

/// Sum of absolute weights beyond which the combination explains one of the parents better than the child.
const EXTRAPOLATED: f64 = 2.5;

/// Of a merge that was trained on: weights, how much they vary between parameters, parameters to tell from.
const TRAINED_WEIGHTS: std::ops::RangeInclusive<f64> = 0.15..=0.85;
const TRAINED_SPREAD: f64 = 0.1;
const TRAINED_PARAMETERS: usize = 3;

/// Parents of a merge point away from one another as seen from it; children of a parent do not.
const OPPOSED: f64 = 0.3;

/// Increments from the root nearer in direction than this are one lineage, not two.
const ONE_LINEAGE: f64 = 0.7;

/// A member made of others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merge {
    pub(super) child: usize,
    pub(super) combination: Combination,
    /// How it was recognized.
    pub(super) certainty: Certainty,
}

/// How a merge was recognized, surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// A mean of parents with nothing left over.
    Convex,
    /// With something subtracted: task arithmetic.
    Extrapolated,
    /// Something was added by training.
    Trained,
    /// Increments were masked before they were added up: TIES, DARE.
    Masked,
}

/// The merges among members, in the order in which they were recognized, and the members without them, by lineage.
///
/// One merge is taken out at a time, the surest first, because each is a candidate for others until it is: of a merge and its
/// two parents, each is a combination of the other two. Means of parents that are no kin of one another come first, and split
/// what they joined; after that the likeliest root of each lineage is no merge.
pub(super) fn merges(
    comparison: &Comparison,
    related: &(dyn Fn(usize, usize) -> bool + Sync),
) -> (Vec<Merge>, Vec<Vec<usize>>) {
    let n = comparison.len();
    let squared = comparison.squared_distances();
    let d = |a: usize, b: usize| squared[(a, b)];
    let logs = squared.mapv(|squared| if squared > 0.0 { squared.ln() } else { 0.0 });
    let active = (0..n).collect();
    let mut search = Search { d: &d, logs: &logs, comparison, active, found: Vec::new(), roots: Vec::new() };
    let mut proposals = search.propose(&(0..n).collect::<Vec<_>>());
    search.accept_all(&mut proposals, &|s, m| {
        let parents = &m.combination.parents;
        let strangers = parents.iter().enumerate().any(|(i, &a)| parents[..i].iter().any(|&b| !related(a, b)));
        (m.certainty == Certainty::Convex && strangers).then_some(()).filter(|()| s.active.len() > 2)
    });
    let lineages = search.lineages(related);
    search.roots = lineages.iter().filter(|l| l.len() > 2).map(|l| likeliest_root(comparison, l)).collect();
    search.accept_all(&mut proposals, &|s, m| {
        // Roots were not known when it was proposed.
        let still = m.certainty != Certainty::Trained || s.trained(m.child, &m.combination);
        (!s.roots.contains(&m.child) && still).then_some(())
    });
    let lineages = search.lineages(related);
    (search.found, lineages)
}

fn likeliest_root(comparison: &Comparison, members: &[usize]) -> usize {
    let scores = Precedences::of(&comparison.of(members)).scores();
    let lowest = (0..members.len()).min_by(|&i, &j| scores[i].total_cmp(&scores[j]));
    lowest.map_or(0, |i| members[i])
}

struct Search<'a, D> {
    d: &'a D,
    /// Logarithms of what `d` gives, 0 where it gives 0.
    logs: &'a Array2<f64>,
    comparison: &'a Comparison,
    /// Members that are not merges, sorted.
    active: Vec<usize>,
    found: Vec<Merge>,
    roots: Vec<usize>,
}

type Allowed<'f, 'a, D> = &'f dyn Fn(&Search<'a, D>, &Merge) -> Option<()>;

impl<'a, D: Fn(usize, usize) -> f64 + Sync> Search<'a, D> {
    /// Accepts what is allowed, the surest and then the best first, and looks again at whatever was made of it.
    fn accept_all(&mut self, proposals: &mut Vec<Merge>, allowed: Allowed<'_, 'a, D>) {
        loop {
            let best = proposals
                .iter()
                .filter(|m| allowed(self, m).is_some())
                .min_by(|a, b| {
                    let key = |m: &Merge| (m.certainty, m.combination.residual);
                    key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal).then(a.child.cmp(&b.child))
                })
                .cloned();
            let Some(merge) = best else { return };
            let child = merge.child;
            self.active.retain(|&m| m != child);
            let stale: Vec<usize> =
                proposals.iter().filter(|m| m.combination.parents.contains(&child)).map(|m| m.child).collect();
            proposals.retain(|m| m.child != child && !stale.contains(&m.child));
            self.found.push(merge);
            proposals.extend(self.propose(&stale));
        }
    }

    /// What each of some members would be a merge of, if any.
    fn propose(&self, children: &[usize]) -> Vec<Merge> {
        if children.is_empty() {
            return Vec::new();
        }
        let central = self.central();
        children
            .par_iter()
            .filter_map(|&child| {
                let candidates: Vec<usize> =
                    central.iter().copied().filter(|&q| q != child && (self.d)(q, child) > 0.0).collect();
                let combination = combination(self.d, child, &candidates)?;
                let certainty = self.certainty(child, &combination)?;
                Some(Merge { child, combination, certainty })
            })
            .collect()
    }

    /// Active members, the one nearest to all in log distance first: increments are measured from it.
    fn central(&self) -> Vec<usize> {
        let total = |&a: &usize| -> f64 {
            let row = self.logs.row(a);
            self.active.iter().map(|&b| row[b]).sum()
        };
        let totals: Vec<f64> = self.active.par_iter().map(total).collect();
        let mut order = self.active.clone();
        if let Some(first) = (0..order.len()).min_by(|&i, &j| totals[i].total_cmp(&totals[j])) {
            order[..=first].rotate_right(1);
        }
        order
    }

    fn certainty(&self, child: usize, found: &Combination) -> Option<Certainty> {
        let size: f64 = found.weights.iter().map(|w| w.abs()).sum();
        if found.residual <= LEFT_OVER {
            return match size {
                s if s <= CONVEX => Some(Certainty::Convex),
                s if s <= EXTRAPOLATED => Some(Certainty::Extrapolated),
                _ => None,
            };
        }
        self.trained(child, found).then_some(Certainty::Trained)
    }

    /// A mean of several lineages in every parameter alike, to which training added less than lies between them.
    fn trained(&self, child: usize, found: &Combination) -> bool {
        if found.residual > LEFT_OVER_TRAINED || !found.weights.iter().all(|w| TRAINED_WEIGHTS.contains(w)) {
            return false;
        }
        let nearest = found.parents.iter().map(|&p| (self.d)(child, p)).fold(f64::INFINITY, f64::min);
        let unopposed: f64 = found.parents.iter().zip(&found.weights).map(|(&p, w)| w * w * (self.d)(child, p)).sum();
        if found.residual * nearest > OPPOSED * unopposed || !self.of_different_lineages(&found.parents) {
            return false;
        }
        let by_parameter = weights_by_parameter(self.comparison, child, &found.parents);
        by_parameter.len() >= TRAINED_PARAMETERS
            && (0..found.parents.len()).all(|i| spread(&by_parameter, i) <= TRAINED_SPREAD)
    }

    /// A point between a root and its child, or further along one training run, is no merge.
    fn of_different_lineages(&self, parents: &[usize]) -> bool {
        if parents.iter().any(|p| self.roots.contains(p)) {
            return false;
        }
        self.roots.iter().all(|&root| {
            parents.iter().enumerate().all(|(i, &a)| {
                parents[..i].iter().all(|&b| {
                    let (to_a, to_b) = ((self.d)(root, a), (self.d)(root, b));
                    (to_a + to_b - (self.d)(a, b)) / 2.0 <= ONE_LINEAGE * (to_a * to_b).sqrt()
                })
            })
        })
    }

    /// Connected components of the members that are no merges. What is nearest to a merge across lineages was made from it,
    /// is kin of all of them, and goes with its heaviest parent.
    fn lineages(&self, related: &(dyn Fn(usize, usize) -> bool + Sync)) -> Vec<Vec<usize>> {
        let merged: Vec<usize> = self.found.iter().map(|m| m.child).collect();
        let nearest = |m: usize| {
            let others = self.active.iter().chain(&merged).copied().filter(|&o| o != m);
            others.min_by(|&a, &b| (self.d)(m, a).total_cmp(&(self.d)(m, b)))
        };
        let made_from = |m: usize| {
            let merge = self.found.iter().find(|f| Some(f.child) == nearest(m))?;
            let parents = &merge.combination.parents;
            let across = parents.iter().any(|&a| parents.iter().any(|&b| a != b && !related(a, b)));
            (across && !parents.contains(&m)).then(|| merge.heaviest())
        };
        let attached: Vec<Option<usize>> = self.active.iter().map(|&m| made_from(m)).collect();
        let free = |i: usize| attached[i].is_none();
        let joined = |i: usize, j: usize| match (attached[i], attached[j]) {
            (None, None) => related(self.active[i], self.active[j]),
            (Some(parent), _) => free(j) && parent == self.active[j],
            (_, Some(parent)) => free(i) && parent == self.active[i],
        };
        let found = components(self.active.len(), joined);
        found.into_iter().map(|c| c.into_iter().map(|i| self.active[i]).collect()).collect()
    }
}

impl Merge {
    /// Parents with their weights, the largest weight first.
    pub(super) fn heaviest_first(&self) -> impl Iterator<Item = (usize, f64)> {
        let Combination { parents, weights, .. } = &self.combination;
        let mut all: Vec<(usize, f64)> = parents.iter().copied().zip(weights.iter().copied()).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.into_iter()
    }

    /// The parent of largest weight.
    pub(super) fn heaviest(&self) -> usize {
        self.heaviest_first().next().map_or(self.child, |(parent, _)| parent)
    }
}
