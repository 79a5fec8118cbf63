//! Merges: models that are combinations of others, found from distances alone, without named candidates.

use super::affine::{Combination, combination, nearest, spread, weights_by_parameter};
use super::by_tensor::{self, Rounding};
use super::index::Original;
use super::swapped;
use super::weights::Weights;
use crate::detect::families::components;
use crate::geometry::Comparison;
use crate::parent::Precedences;
use ndarray::Array2;
use rayon::prelude::*;

/// A model made of others. `I` is the type that numbers child and parents.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Merge<I> {
    pub(super) child: I,
    pub(super) combination: Combination<I>,
    /// Probability that the child is a merge.
    pub(super) confidence: f64,
}

/// How a merge was recognized. The surest way comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Certainty {
    /// A mean of its parents, with nothing left over.
    Convex,
    /// A combination of its parents in every tensor, with other weights in each.
    ByTensor,
    /// A combination with something subtracted: task arithmetic.
    Extrapolated,
    /// A mean to which training added something.
    Trained,
}

impl Certainty {
    /// The probability that a merge recognized in this way is one.
    fn confidence(self, weights: &Weights) -> f64 {
        match self {
            Self::Convex => weights.merges.convex_confidence,
            Self::ByTensor => weights.by_tensor.confidence,
            Self::Extrapolated => weights.merges.extrapolated_confidence,
            Self::Trained => weights.merges.trained_confidence,
        }
    }
}

/// The merge that a model may be.
#[derive(Clone, Debug, PartialEq)]
struct Proposal {
    child: Original,
    combination: Combination<Original>,
    certainty: Certainty,
}

/// The merges among originals, in the order of their recognition, and the other originals by lineage.
///
/// Merges are taken out one at a time, the surest first. Until then each is a candidate for others: of a merge and its two
/// parents, each is a combination of the other two.
///
/// Means of parents that are not kin come first, and the lineages that they joined become separate. After that, the likeliest
/// root of each lineage cannot be a merge.
pub(super) fn merges(
    comparison: &Comparison,
    related: &(dyn Fn(Original, Original) -> bool + Sync),
    rounding: &impl Rounding,
    weights: &Weights,
) -> (Vec<Merge<Original>>, Vec<Vec<Original>>) {
    let all: Vec<Original> = Original::all(comparison.len()).collect();
    let squared = comparison.squared_distances();
    let d = |a: Original, b: Original| squared[(a.index(), b.index())];
    // A distance of 0, as of a model to itself, adds nothing.
    let logs = squared.mapv(|squared| if squared > 0.0 { squared.ln() } else { 0.0 });
    let active = all.clone();
    let by_tensor = by_tensor::Search { d: &d, comparison, rounding, weights };
    let swapped = swapped::Search { d: &d, comparison, rounding, weights };
    let (found, roots) = (Vec::new(), Vec::new());
    let mut search = Search { d: &d, logs: &logs, comparison, by_tensor, swapped, weights, active, found, roots };
    let mut proposals = search.propose(&all);
    let fewest = weights.merges.fewest;
    // Means of strangers go first: they hold lineages together whose members are not kin.
    search.accept_all(&mut proposals, &|s, m| {
        let parents = &m.combination.parents;
        let strangers = parents.iter().enumerate().any(|(i, &a)| parents[..i].iter().any(|&b| !related(a, b)));
        m.certainty <= Certainty::ByTensor && strangers && s.active.len() >= fewest
    });
    // A root between a child and a negated child is a mean of the two, and yet no merge. Such a mean has one weight in all tensors.
    let likeliest = |search: &Search<'_, _, _>| -> Vec<Original> {
        let lineages = search.lineages(related);
        lineages.iter().filter(|l| l.len() >= fewest).filter_map(|l| likeliest_root(comparison, l, weights)).collect()
    };
    search.roots = likeliest(&search);
    search.accept_all(&mut proposals, &|s, m| {
        let free = !m.combination.by_tensor.is_empty() || !s.roots.contains(&m.child);
        m.certainty <= Certainty::ByTensor && free
    });
    // A merge may have looked like the root, so that the roots are known only now.
    search.roots = likeliest(&search);
    search.accept_all(&mut proposals, &|s, m| {
        // The proposal was made before roots were known, so its test runs again.
        let still = m.certainty != Certainty::Trained || s.trained(m.child, &m.combination);
        !s.roots.contains(&m.child) && still
    });
    let lineages = search.lineages(related);
    let merge =
        |m: Proposal| Merge { child: m.child, combination: m.combination, confidence: m.certainty.confidence(weights) };
    (search.found.into_iter().map(merge).collect(), lineages)
}

/// The member that distances and angles make the likeliest root.
fn likeliest_root(comparison: &Comparison, members: &[Original], weights: &Weights) -> Option<Original> {
    let positions: Vec<_> = members.iter().map(|m| m.within()).collect();
    let scores = Precedences::of(&comparison.of(&positions), &weights.precedence).scores();
    let lowest = (0..members.len()).min_by(|&i, &j| scores[i].total_cmp(&scores[j]));
    lowest.map(|i| members[i])
}

/// The state of the search for merges.
struct Search<'a, D, R> {
    d: &'a D,
    /// Logarithms of the distances `d`, and 0 where `d` is 0.
    logs: &'a Array2<f64>,
    comparison: &'a Comparison,
    by_tensor: by_tensor::Search<'a, D, R>,
    swapped: swapped::Search<'a, D, R>,
    weights: &'a Weights,
    /// Members that are no merges so far, sorted.
    active: Vec<Original>,
    found: Vec<Proposal>,
    roots: Vec<Original>,
}

/// A test whether a proposal may be accepted at this point.
type Allowed<'f, 'a, D, R> = &'f dyn Fn(&Search<'a, D, R>, &Proposal) -> bool;

impl<'a, D: Fn(Original, Original) -> f64 + Sync, R: Rounding> Search<'a, D, R> {
    /// Accepts every proposal that is allowed, the surest first, then the one that leaves least over.
    ///
    /// Proposals with an accepted merge as a parent are made again without it.
    fn accept_all(&mut self, proposals: &mut Vec<Proposal>, allowed: Allowed<'_, 'a, D, R>) {
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
            // Proposals that used this child as a parent have to do without it.
            let stale: Vec<Original> =
                proposals.iter().filter(|m| m.combination.parents.contains(&child)).map(|m| m.child).collect();
            proposals.retain(|m| m.child != child && !stale.contains(&m.child));
            self.found.push(merge);
            proposals.extend(self.propose(&stale));
        }
    }

    /// Proposals for some members; a member that looks like no merge has none.
    fn propose(&self, children: &[Original]) -> Vec<Proposal> {
        if children.is_empty() {
            return Vec::new();
        }
        let central = self.central();
        children
            .par_iter()
            .filter_map(|&child| {
                // Identical models are no candidates: a copy would explain the child completely.
                let candidates: Vec<Original> =
                    central.iter().copied().filter(|&q| q != child && (self.d)(q, child) > 0.0).collect();
                let whole = combination(self.d, child, &candidates, self.weights);
                let whole = whole.and_then(|c| Some((self.certainty(child, &c)?, c)));
                // One weight in all tensors says the same with less, unless it leaves much more over.
                let exact = |&(certainty, ref c): &(Certainty, Combination<Original>)| {
                    certainty == Certainty::Convex && c.residual <= self.weights.merges.exact
                };
                let (certainty, combination) = match whole {
                    Some(whole) if exact(&whole) => whole,
                    whole => {
                        let by_tensor = self.by_tensor.combination(child, &self.active);
                        let by_tensor = by_tensor.or_else(|| self.swapped.combination(child, &self.active));
                        match (whole, by_tensor) {
                            (Some(whole), Some(by_tensor))
                                if whole.1.residual <= self.weights.merges.superfluous * by_tensor.residual =>
                            {
                                whole
                            }
                            (_, Some(by_tensor)) => (Certainty::ByTensor, by_tensor),
                            (whole, None) => whole?,
                        }
                    }
                };
                Some(Proposal { child, combination, certainty })
            })
            .collect()
    }

    /// Active members in order, but the one nearest to all others (in log distance) first. Increments are measured from it.
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

    /// How sure the combination is a merge; `None` when it is none.
    fn certainty(&self, child: Original, found: &Combination<Original>) -> Option<Certainty> {
        // For a mean this sum is 1. It grows with what is subtracted.
        let size: f64 = found.weights.iter().map(|w| w.abs()).sum();
        if self.beside_rounding(child, found) <= self.weights.merges.left_over {
            return match size {
                s if s <= self.weights.merges.convex => Some(Certainty::Convex),
                s if s <= self.weights.merges.extrapolated => Some(Certainty::Extrapolated),
                _ => None,
            };
        }
        self.trained(child, found).then_some(Certainty::Trained)
    }

    /// What a combination leaves over beside the rounding of the child's dtype, as a share of the distance to the nearest parent.
    ///
    /// The middle one of three checkpoints of one run lies near the line between the others, and never on it. A merge lies on it.
    fn beside_rounding(&self, child: Original, found: &Combination<Original>) -> f64 {
        let nearest = nearest(self.d, child, &found.parents);
        let norm: f64 = self.comparison.scoped().map(|p| p.squared_norm(child.within())).sum();
        let rounding = (self.by_tensor.rounding)(child) * norm / nearest;
        (found.residual - self.weights.by_tensor.rounding * rounding).max(0.0)
    }

    /// Whether the child is a mean of several lineages that was trained on. Its weights are nearly the same in every parameter.
    ///
    /// Training must have added less than the distance between the parents.
    fn trained(&self, child: Original, found: &Combination<Original>) -> bool {
        let merges = &self.weights.merges;
        let shares = merges.trained_least..=merges.trained_most;
        if found.residual > merges.trained_left_over || !found.weights.iter().all(|w| shares.contains(w)) {
            return false;
        }
        let nearest = nearest(self.d, child, &found.parents);
        let unopposed: f64 = found.parents.iter().zip(&found.weights).map(|(&p, w)| w * w * (self.d)(child, p)).sum();
        // Seen from a real merge, parents point away from one another. Children with unrelated increments leave all of it.
        if found.residual * nearest > merges.opposed * unopposed || !self.of_different_lineages(&found.parents) {
            return false;
        }
        // A mean has one weight in all parameters, a drift has not. This test is the most expensive, so it comes last.
        let by_parameter = weights_by_parameter(self.comparison, child, &found.parents);
        by_parameter.len() >= merges.trained_parameters
            && (0..found.parents.len()).all(|i| spread(&by_parameter, i) <= merges.trained_spread)
    }

    /// Whether no two parents lie on one lineage and no parent is a root.
    ///
    /// A point between a root and its child, or further along one training run, is no merge.
    fn of_different_lineages(&self, parents: &[Original]) -> bool {
        if parents.iter().any(|p| self.roots.contains(p)) {
            return false;
        }
        self.roots.iter().all(|&root| {
            parents.iter().enumerate().all(|(i, &a)| {
                parents[..i].iter().all(|&b| {
                    // Seen from the root, two models of one lineage lie in nearly one direction.
                    let (to_a, to_b) = ((self.d)(root, a), (self.d)(root, b));
                    (to_a + to_b - (self.d)(a, b)) / 2.0 <= self.weights.merges.one_lineage * (to_a * to_b).sqrt()
                })
            })
        })
    }

    /// Connected components of the members that are no merges.
    ///
    /// A member whose nearest model is a merge across lineages was made from that merge. It is kin to all of these
    /// lineages, and joins the lineage of the merge's heaviest parent.
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
        // An attached member joins through one parent alone. Otherwise it would connect all lineages of its merge.
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
    /// Parents with their weights, the largest weight first. Equal weights are in the order of the parents' numbers.
    pub(super) fn heaviest_first(&self) -> Vec<(I, f64)> {
        let mut all: Vec<(I, f64)> = self.parents.iter().copied().zip(self.weights.iter().copied()).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all
    }

    /// The parent with the largest weight; `None` when there is no parent.
    pub(super) fn heaviest(&self) -> Option<I> {
        self.heaviest_first().first().map(|(parent, _)| *parent)
    }

    /// The same combination with other numbers for the parents.
    fn renumbered<J>(&self, number: impl Fn(I) -> J) -> Combination<J> {
        let parents = self.parents.iter().map(|&p| number(p)).collect();
        Combination {
            parents,
            weights: self.weights.clone(),
            residual: self.residual,
            by_tensor: self.by_tensor.clone(),
        }
    }
}

impl<I: Copy + Ord> Merge<I> {
    /// The same merge with other numbers for the models.
    pub(super) fn renumbered<J>(&self, number: impl Fn(I) -> J) -> Merge<J> {
        let combination = self.combination.renumbered(&number);
        Merge { child: number(self.child), combination, confidence: self.confidence }
    }
}

#[cfg(test)]
mod tests;
