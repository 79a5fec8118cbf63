//! Models that are combinations of others, found from distances alone, no candidates named.

use super::affine::{Combination, combination, spread, weights_by_parameter};
use super::index::Original;
use super::weights::Weights;
use crate::detect::families::components;
use crate::geometry::Comparison;
use crate::parent::Precedences;
use ndarray::Array2;
use rayon::prelude::*;

/// A model made of others, all numbered alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merge<I> {
    pub(super) child: I,
    pub(super) combination: Combination<I>,
    /// That it is a merge.
    pub(super) confidence: f64,
}

/// How a merge was recognized, surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Certainty {
    /// A mean of parents with nothing left over.
    Convex,
    /// With something subtracted: task arithmetic.
    Extrapolated,
    /// Something was added by training.
    Trained,
}

impl Certainty {
    fn confidence(self, weights: &Weights) -> f64 {
        match self {
            Self::Convex => weights.merges.convex_confidence,
            Self::Extrapolated => weights.merges.extrapolated_confidence,
            Self::Trained => weights.merges.trained_confidence,
        }
    }
}

/// What a model would be a merge of.
#[derive(Clone, Debug, PartialEq)]
struct Proposal {
    child: Original,
    combination: Combination<Original>,
    certainty: Certainty,
}

/// The merges among originals, in the order in which they were recognized, and the rest, by lineage.
///
/// One merge is taken out at a time, the surest first, because each is a candidate for others until it is: of a merge and its
/// two parents, each is a combination of the other two. Means of parents that are no kin of one another come first, and split
/// what they joined; after that the likeliest root of each lineage is no merge.
pub(super) fn merges(
    comparison: &Comparison,
    related: &(dyn Fn(Original, Original) -> bool + Sync),
    weights: &Weights,
) -> (Vec<Merge<Original>>, Vec<Vec<Original>>) {
    let all: Vec<Original> = Original::all(comparison.len()).collect();
    let squared = comparison.squared_distances();
    let d = |a: Original, b: Original| squared[(a.index(), b.index())];
    let logs = squared.mapv(|squared| if squared > 0.0 { squared.ln() } else { 0.0 });
    let active = all.clone();
    let mut search = Search { d: &d, logs: &logs, comparison, weights, active, found: Vec::new(), roots: Vec::new() };
    let mut proposals = search.propose(&all);
    let fewest = weights.merges.fewest;
    // Means of strangers first: they hold lineages together that are none of each other's kin.
    search.accept_all(&mut proposals, &|s, m| {
        let parents = &m.combination.parents;
        let strangers = parents.iter().enumerate().any(|(i, &a)| parents[..i].iter().any(|&b| !related(a, b)));
        m.certainty == Certainty::Convex && strangers && s.active.len() >= fewest
    });
    // A root between a child and a negated child is a mean of the two, and yet no merge.
    let lineages = search.lineages(related);
    let root = |lineage: &Vec<Original>| likeliest_root(comparison, lineage, weights);
    search.roots = lineages.iter().filter(|l| l.len() >= fewest).filter_map(root).collect();
    search.accept_all(&mut proposals, &|s, m| {
        // Roots were not known when it was proposed.
        let still = m.certainty != Certainty::Trained || s.trained(m.child, &m.combination);
        !s.roots.contains(&m.child) && still
    });
    let lineages = search.lineages(related);
    let merge =
        |m: Proposal| Merge { child: m.child, combination: m.combination, confidence: m.certainty.confidence(weights) };
    (search.found.into_iter().map(merge).collect(), lineages)
}

fn likeliest_root(comparison: &Comparison, members: &[Original], weights: &Weights) -> Option<Original> {
    let positions: Vec<usize> = members.iter().map(|m| m.index()).collect();
    let scores = Precedences::of(&comparison.of(&positions), &weights.precedence).scores();
    let lowest = (0..members.len()).min_by(|&i, &j| scores[i].total_cmp(&scores[j]));
    lowest.map(|i| members[i])
}

struct Search<'a, D> {
    d: &'a D,
    /// Logarithms of what `d` gives, 0 where it gives 0.
    logs: &'a Array2<f64>,
    comparison: &'a Comparison,
    weights: &'a Weights,
    /// Members that are not merges, sorted.
    active: Vec<Original>,
    found: Vec<Proposal>,
    roots: Vec<Original>,
}

/// Whether a proposal may be accepted at this point.
type Allowed<'f, 'a, D> = &'f dyn Fn(&Search<'a, D>, &Proposal) -> bool;

impl<'a, D: Fn(Original, Original) -> f64 + Sync> Search<'a, D> {
    /// Accepts what is allowed, the surest and then the best first, and looks again at whatever was made of it.
    fn accept_all(&mut self, proposals: &mut Vec<Proposal>, allowed: Allowed<'_, 'a, D>) {
        loop {
            let best = proposals
                .iter()
                .filter(|m| allowed(self, m))
                .min_by(|a, b| {
                    let key = |m: &Proposal| (m.certainty, m.combination.residual);
                    key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal).then(a.child.cmp(&b.child))
                })
                .cloned();
            let Some(merge) = best else { return };
            let child = merge.child;
            self.active.retain(|&m| m != child);
            // What had it as a parent has to do without it.
            let stale: Vec<Original> =
                proposals.iter().filter(|m| m.combination.parents.contains(&child)).map(|m| m.child).collect();
            proposals.retain(|m| m.child != child && !stale.contains(&m.child));
            self.found.push(merge);
            proposals.extend(self.propose(&stale));
        }
    }

    /// What each of some members would be a merge of, if any.
    fn propose(&self, children: &[Original]) -> Vec<Proposal> {
        if children.is_empty() {
            return Vec::new();
        }
        let central = self.central();
        children
            .par_iter()
            .filter_map(|&child| {
                let candidates: Vec<Original> =
                    central.iter().copied().filter(|&q| q != child && (self.d)(q, child) > 0.0).collect();
                let combination = combination(self.d, child, &candidates, self.weights)?;
                let certainty = self.certainty(child, &combination)?;
                Some(Proposal { child, combination, certainty })
            })
            .collect()
    }

    /// Active members, the one nearest to all in log distance first: increments are measured from it.
    fn central(&self) -> Vec<Original> {
        let total = |a: &Original| -> f64 {
            let row = self.logs.row(a.index());
            self.active.iter().map(|b| row[b.index()]).sum()
        };
        let totals: Vec<f64> = self.active.par_iter().map(total).collect();
        let mut order = self.active.clone();
        if let Some(first) = (0..order.len()).min_by(|&i, &j| totals[i].total_cmp(&totals[j])) {
            order[..=first].rotate_right(1);
        }
        order
    }

    fn certainty(&self, child: Original, found: &Combination<Original>) -> Option<Certainty> {
        let size: f64 = found.weights.iter().map(|w| w.abs()).sum();
        if found.residual <= self.weights.merges.left_over {
            return match size {
                s if s <= self.weights.merges.convex => Some(Certainty::Convex),
                s if s <= self.weights.merges.extrapolated => Some(Certainty::Extrapolated),
                _ => None,
            };
        }
        self.trained(child, found).then_some(Certainty::Trained)
    }

    /// A mean of several lineages in every parameter alike, to which training added less than lies between them.
    fn trained(&self, child: Original, found: &Combination<Original>) -> bool {
        let merges = &self.weights.merges;
        let shares = merges.trained_least..=merges.trained_most;
        if found.residual > merges.trained_left_over || !found.weights.iter().all(|w| shares.contains(w)) {
            return false;
        }
        let nearest = found.parents.iter().map(|&p| (self.d)(child, p)).fold(f64::INFINITY, f64::min);
        let unopposed: f64 = found.parents.iter().zip(&found.weights).map(|(&p, w)| w * w * (self.d)(child, p)).sum();
        if found.residual * nearest > merges.opposed * unopposed || !self.of_different_lineages(&found.parents) {
            return false;
        }
        let by_parameter = weights_by_parameter(self.comparison, child, &found.parents);
        by_parameter.len() >= merges.trained_parameters
            && (0..found.parents.len()).all(|i| spread(&by_parameter, i) <= merges.trained_spread)
    }

    /// A point between a root and its child, or further along one training run, is no merge.
    fn of_different_lineages(&self, parents: &[Original]) -> bool {
        if parents.iter().any(|p| self.roots.contains(p)) {
            return false;
        }
        self.roots.iter().all(|&root| {
            parents.iter().enumerate().all(|(i, &a)| {
                parents[..i].iter().all(|&b| {
                    let (to_a, to_b) = ((self.d)(root, a), (self.d)(root, b));
                    (to_a + to_b - (self.d)(a, b)) / 2.0 <= self.weights.merges.one_lineage * (to_a * to_b).sqrt()
                })
            })
        })
    }

    /// Connected components of the members that are no merges. What is nearest to a merge across lineages was made from it,
    /// is kin of all of them, and goes with its heaviest parent.
    fn lineages(&self, related: &(dyn Fn(Original, Original) -> bool + Sync)) -> Vec<Vec<Original>> {
        let merged: Vec<Original> = self.found.iter().map(|m| m.child).collect();
        let nearest = |m: Original| {
            let others = self.active.iter().chain(&merged).copied().filter(|&o| o != m);
            others.min_by(|&a, &b| (self.d)(m, a).total_cmp(&(self.d)(m, b)))
        };
        let made_from = |m: Original| {
            let merge = self.found.iter().find(|f| Some(f.child) == nearest(m))?;
            let parents = &merge.combination.parents;
            let across = parents.iter().any(|&a| parents.iter().any(|&b| a != b && !related(a, b)));
            if across && !parents.contains(&m) { merge.combination.heaviest() } else { None }
        };
        let attached: Vec<Option<Original>> = self.active.iter().map(|&m| made_from(m)).collect();
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

impl<I: Copy + Ord> Combination<I> {
    /// Parents with their weights, the largest weight first.
    pub(super) fn heaviest_first(&self) -> Vec<(I, f64)> {
        let mut all: Vec<(I, f64)> = self.parents.iter().copied().zip(self.weights.iter().copied()).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all
    }

    /// The parent of largest weight; `None` when there is none.
    pub(super) fn heaviest(&self) -> Option<I> {
        self.heaviest_first().first().map(|(parent, _)| *parent)
    }

    /// The same combination of models that are numbered otherwise.
    fn renumbered<J>(&self, number: impl Fn(I) -> J) -> Combination<J> {
        let parents = self.parents.iter().map(|&p| number(p)).collect();
        Combination { parents, weights: self.weights.clone(), residual: self.residual }
    }
}

impl<I: Copy + Ord> Merge<I> {
    /// The same merge of models that are numbered otherwise.
    pub(super) fn renumbered<J>(&self, number: impl Fn(I) -> J) -> Merge<J> {
        let combination = self.combination.renumbered(&number);
        Merge { child: number(self.child), combination, confidence: self.confidence }
    }
}

#[cfg(test)]
mod tests;
