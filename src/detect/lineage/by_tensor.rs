//! Merges whose weights differ by tensor: gradients over layers, block weights, other weights for attention and MLP.
//!
//! No sum over all tensors shows such a merge. In each tensor alone it lies on the line, or on the arc, from one parent to the
//! other. Training leaves no model there: of all children measured, the one that lies nearest leaves a third of its movement
//! over in its worst tensor, and a quarter in all tensors together.

use super::affine::Combination;
use super::index::Original;
use super::span::{Span, weights_within};
use super::weights::{ByTensor, Weights};
use crate::geometry::{Comparison, ParameterView};
use crate::model_set::Kind;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What rounding in storage adds to the squared distance of a model from where it should be, as a share of its squared norm.
pub(super) trait Rounding: Fn(Original) -> f64 + Sync {}

impl<F: Fn(Original) -> f64 + Sync> Rounding for F {}

/// The search for merges by tensor.
pub(super) struct Search<'a, D, R> {
    pub(super) d: &'a D,
    pub(super) comparison: &'a Comparison,
    pub(super) rounding: &'a R,
    pub(super) weights: &'a Weights,
}

/// What some parents leave over of a child.
struct Explained {
    /// Squared distance that is left over, in all tensors together.
    left: f64,
    /// Squared distance to the nearest parent of each tensor, together.
    nearest: f64,
    /// Whether the parents explain every tensor but for rounding, with weights within bounds.
    exact: bool,
    /// The weights of each tensor in which parents differ.
    spans: Vec<Option<Span>>,
}

impl<D: Fn(Original, Original) -> f64 + Sync, R: Rounding> Search<'_, D, R> {
    fn numbers(&self) -> &ByTensor {
        &self.weights.by_tensor
    }

    /// The parents among `active` whose combination in each tensor is the child. `None` when there are none.
    ///
    /// O(n) for n models and a few parents, and O(n T) for a child that two parents explain in part.
    pub(super) fn combination(&self, child: Original, active: &[Original]) -> Option<Combination<Original>> {
        let mut pairs = self.opposed_pairs(child, active);
        let nearest = self.nearest_pairs(child, active);
        pairs.extend(nearest.into_iter().filter(|pair| !pairs.contains(pair)).collect::<Vec<_>>());
        let explained: Vec<(Vec<Original>, Explained)> =
            pairs.into_iter().map(|pair| (pair.to_vec(), self.explained(child, &pair))).collect();
        let exact = explained.iter().filter(|(_, e)| e.exact).min_by(|(_, a), (_, b)| a.left.total_cmp(&b.left));
        if let Some((parents, explained)) = exact {
            return self.combined(parents, explained);
        }
        let best = explained.into_iter().min_by(|(_, a), (_, b)| a.left.total_cmp(&b.left))?;
        self.extended(child, active, best)
    }

    /// The pairs of models that lie farthest apart as seen from the child. One of each pair is among the nearest to it.
    ///
    /// A model between two others sees them in opposite directions. From a child of one, they lie in nearly the same direction.
    fn opposed_pairs(&self, child: Original, active: &[Original]) -> Vec<[Original; 2]> {
        let from_child = |q: Original| (self.d)(child, q);
        let mut near: Vec<Original> = active.iter().copied().filter(|&q| q != child && from_child(q) > 0.0).collect();
        let others = near.clone();
        let reach = self.numbers().reach.min(near.len());
        if reach < near.len() {
            near.select_nth_unstable_by(reach, |&a, &b| from_child(a).total_cmp(&from_child(b)).then(a.cmp(&b)));
        }
        near.truncate(reach);
        let mut pairs: Vec<(f64, [Original; 2])> = Vec::new();
        let order = |a: &(f64, [Original; 2]), b: &(f64, [Original; 2])| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        for &p in &near {
            for &q in &others {
                // A pair whose members are both near is looked at once.
                if p == q || (q < p && near.contains(&q)) {
                    continue;
                }
                let (to_p, to_q) = (from_child(p), from_child(q));
                let cosine = (to_p + to_q - (self.d)(p, q)) / (2.0 * (to_p * to_q).sqrt());
                if cosine > self.numbers().opposed {
                    continue;
                }
                let pair = (cosine, [p.min(q), p.max(q)]);
                let at = pairs.partition_point(|other| order(other, &pair) == Ordering::Less);
                if at < self.numbers().pairs {
                    pairs.insert(at, pair);
                    pairs.truncate(self.numbers().pairs);
                }
            }
        }
        pairs.into_iter().map(|(_, pair)| pair).collect()
    }

    /// The pairs among the models that are nearest to the child in most of a few matrices.
    ///
    /// Where weights go from 0 to 1, each parent is the nearest model in some tensor, whatever others are between them in all
    /// tensors together.
    fn nearest_pairs(&self, child: Original, active: &[Original]) -> Vec<[Original; 2]> {
        let matrices: Vec<&ParameterView> = self.comparison.scoped().filter(|p| p.kind() == Kind::Matrix).collect();
        let step = matrices.len().div_ceil(self.numbers().matrices).max(1);
        let mut votes: BTreeMap<Original, usize> = BTreeMap::new();
        for p in matrices.into_iter().step_by(step) {
            let from_child = |q: &Original| p.squared_distance(child.within(), q.within());
            let others = active.iter().copied().filter(|&q| q != child && (self.d)(child, q) > 0.0);
            if let Some(q) = others.min_by(|a, b| from_child(a).total_cmp(&from_child(b)).then(a.cmp(b))) {
                *votes.entry(q).or_default() += 1;
            }
        }
        let mut votes: Vec<(usize, Original)> = votes.into_iter().map(|(q, votes)| (votes, q)).collect();
        votes.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        votes.truncate(self.numbers().most);
        let mut pairs = Vec::new();
        for (i, &(_, p)) in votes.iter().enumerate() {
            pairs.extend(votes[..i].iter().map(|&(_, q)| [p.min(q), p.max(q)]));
        }
        pairs
    }

    /// What the parents leave over in each tensor.
    fn explained(&self, child: Original, parents: &[Original]) -> Explained {
        let numbers = self.numbers();
        let noise = (self.rounding)(child).max(numbers.least_rounding);
        let (mut left, mut nearest, mut rounded) = (0.0, 0.0, 0.0);
        let (mut telling, mut taken) = (0, 0);
        let mut exact = true;
        let mut spans = Vec::new();
        for p in self.comparison.scoped() {
            let span = Span::of(&of_tensor(p), child, parents, parents.len() == 2);
            let rounding = noise * p.squared_norm(child.within());
            left += span.left;
            nearest += span.nearest;
            exact &= span.left <= numbers.tensor_left_over * span.nearest + numbers.tensor_rounding * rounding;
            // Where rounding is all that there is, any weights will do.
            let tells = span.nearest > numbers.above_rounding * rounding;
            if tells {
                rounded += rounding;
                telling += 1;
                exact &= weights_within(&span.weights, numbers.outside);
            }
            // A tensor that equals that of a parent has a weight of 1 for it, if the parents differ there.
            let apart = span.apart > numbers.above_rounding * rounding;
            taken += usize::from(!tells && apart);
            let known = tells || apart;
            spans.push(Some(span).filter(|_| known));
        }
        // Tensors that are a parent's count as one that tells.
        exact &= telling + usize::from(taken > 0) >= numbers.tensors
            && left <= numbers.left_over * nearest + numbers.rounding * rounded
            && nearest >= numbers.above_rounding * rounded;
        Explained { left, nearest, exact, spans }
    }

    /// Adds parents to a pair that explains a good part of the child, until all of it is explained.
    fn extended(
        &self,
        child: Original,
        active: &[Original],
        (mut parents, mut best): (Vec<Original>, Explained),
    ) -> Option<Combination<Original>> {
        while parents.len() < self.numbers().most && best.left <= self.numbers().extended * best.nearest {
            let with = |q: Original| -> Vec<Original> { parents.iter().copied().chain([q]).collect() };
            let free = |q: &Original| *q != child && !parents.contains(q) && (self.d)(child, *q) > 0.0;
            let left = |q: Original| -> f64 {
                let all = with(q);
                self.comparison.scoped().map(|p| Span::of(&of_tensor(p), child, &all, false).left).sum()
            };
            let candidates = active.iter().copied().filter(free).map(|q| (left(q), q));
            let (_, q) = candidates.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))?;
            parents = with(q);
            best = self.explained(child, &parents);
            if best.exact {
                return self.combined(&parents, &best);
            }
        }
        None
    }

    /// The combination, unless one of the parents has next to no share in the child.
    fn combined(&self, parents: &[Original], explained: &Explained) -> Option<Combination<Original>> {
        let mut weights = vec![0.0; parents.len()];
        let mut size = 0.0;
        let mut by_tensor: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (p, span) in self.comparison.scoped().zip(&explained.spans) {
            let Some(span) = span else { continue };
            let values = p.size() as f64;
            size += values;
            weights.iter_mut().zip(&span.weights).for_each(|(sum, w)| *sum += values * w);
            by_tensor.insert(p.name().to_owned(), span.weights.clone());
        }
        weights.iter_mut().for_each(|w| *w /= size);
        let residual = if explained.nearest > 0.0 { explained.left / explained.nearest } else { 0.0 };
        // Where all tensors have one weight, a list of them says nothing.
        let values: f64 = self.comparison.scoped().map(|p| p.size() as f64).sum();
        let deviation = |i: usize| -> f64 {
            let spans = self.comparison.scoped().zip(&explained.spans).filter_map(|(p, s)| Some((p, s.as_ref()?)));
            spans.map(|(p, s)| p.size() as f64 * (s.weights[i] - weights[i]).abs()).sum()
        };
        if (0..parents.len()).all(|i| deviation(i) <= self.numbers().same * values) {
            by_tensor.clear();
        }
        let enough = weights.iter().all(|w| *w >= self.weights.merges.least_weight);
        enough.then(|| Combination { parents: parents.to_vec(), weights, residual, by_tensor })
    }
}

/// The squared distances and norms of one tensor.
pub(super) fn of_tensor(p: &ParameterView) -> impl Fn(Original, Original) -> f64 + '_ {
    // The distance of a model to itself stands for its norm, which no combination asks for otherwise.
    |a, b| if a == b { p.squared_norm(a.within()) } else { p.squared_distance(a.within(), b.within()) }
}

#[cfg(test)]
mod tests;
