//! Merges of one layout whose tensors are each that of one parent: layers of two models in turn, or the attention of one and
//! the MLPs of another.

use super::affine::Combination;
use super::by_tensor::Rounding;
use super::index::Original;
use super::weights::Weights;
use crate::geometry::{Comparison, ParameterView};
use std::collections::BTreeMap;

/// The search for models of whole tensors of others.
pub(super) struct Search<'a, D, R> {
    pub(super) d: &'a D,
    pub(super) comparison: &'a Comparison,
    pub(super) rounding: &'a R,
    pub(super) weights: &'a Weights,
}

impl<D: Fn(Original, Original) -> f64 + Sync, R: Rounding> Search<'_, D, R> {
    /// The parents among `active` of whose tensors the child consists. `None` when there are none.
    ///
    /// O(T) for a child that shares no tensor with one of its nearest models, O(n T) for others.
    pub(super) fn combination(&self, child: Original, active: &[Original]) -> Option<Combination<Original>> {
        let tensors: Vec<&ParameterView> = self.comparison.scoped().collect();
        let mut near: Vec<Original> = active.iter().copied().filter(|&q| self.differs(child, q)).collect();
        near.sort_by(|&a, &b| (self.d)(child, a).total_cmp(&(self.d)(child, b)).then(a.cmp(&b)));
        let first = |&p: &Original| self.covered(child, p, &tensors, active);
        near.iter().take(self.weights.by_tensor.reach).find_map(first)
    }

    fn differs(&self, child: Original, other: Original) -> bool {
        other != child && (self.d)(child, other) > 0.0
    }

    /// Whether a tensor of the child is that of another model but for rounding.
    fn same(&self, p: &ParameterView, child: Original, other: Original) -> bool {
        let rounding = (self.rounding)(child) * p.squared_norm(child.within());
        p.squared_distance(child.within(), other.within()) <= self.weights.by_tensor.tensor_rounding * rounding
    }

    /// Parents that have all tensors of the child between them, `first` among them.
    fn covered(
        &self,
        child: Original,
        first: Original,
        tensors: &[&ParameterView],
        active: &[Original],
    ) -> Option<Combination<Original>> {
        let has = |q: Original| -> Vec<bool> { tensors.iter().map(|p| self.same(p, child, q)).collect() };
        let mut parents = vec![first];
        let mut had = vec![has(first)];
        if !had[0].contains(&true) {
            return None;
        }
        while let Some(open) =
            (0..tensors.len()).filter(|&t| had.iter().all(|h| !h[t])).max_by_key(|&t| tensors[t].size())
        {
            if parents.len() >= self.weights.by_tensor.most {
                return None;
            }
            // The next parent has the largest tensor that is still open, and of such models the most tensors.
            let next = active.iter().copied().filter(|&q| self.differs(child, q) && self.same(tensors[open], child, q));
            let gain = |q: &Original| -> usize {
                let theirs = has(*q);
                (0..tensors.len()).filter(|&t| theirs[t] && had.iter().all(|h| !h[t])).map(|t| tensors[t].size()).sum()
            };
            let q = next.max_by_key(|q| (gain(q), std::cmp::Reverse(*q)))?;
            had.push(has(q));
            parents.push(q);
        }
        self.combined(parents, &had, tensors)
    }

    /// The combination, if every parent gave a good share and no chain of training explains it.
    fn combined(
        &self,
        parents: Vec<Original>,
        had: &[Vec<bool>],
        tensors: &[&ParameterView],
    ) -> Option<Combination<Original>> {
        let alone = |i: usize| -> Vec<&ParameterView> {
            let only = |t: &usize| had[i][*t] && had.iter().enumerate().all(|(j, h)| j == i || !h[*t]);
            (0..tensors.len()).filter(only).map(|t| tensors[t]).collect()
        };
        let parts: Vec<Vec<&ParameterView>> = (0..parents.len()).map(alone).collect();
        let sizes: Vec<f64> = parts.iter().map(|part| part.iter().map(|p| p.size() as f64).sum()).collect();
        let total: f64 = sizes.iter().sum();
        let enough = sizes.iter().all(|&size| size >= self.weights.merges.least_weight * total);
        let apart = (0..parents.len()).all(|i| {
            (0..i).all(|j| [&parts[i], &parts[j]].into_iter().all(|part| self.is_apart(parents[i], parents[j], part)))
        });
        if parents.len() < 2 || !enough || !apart {
            return None;
        }
        let mut by_tensor = BTreeMap::new();
        for (i, part) in parts.iter().enumerate() {
            let weights: Vec<f64> = (0..parents.len()).map(|j| f64::from(u8::from(i == j))).collect();
            by_tensor.extend(part.iter().map(|p| (p.name().to_owned(), weights.clone())));
        }
        let weights = sizes.iter().map(|size| size / total).collect();
        Some(Combination { parents, weights, residual: 0.0, by_tensor })
    }

    /// Whether two models went different ways in some tensors: from a model that lies between them, or as strangers.
    ///
    /// Training in stages, first some tensors and then the others, gives three models of which the middle one has all its
    /// tensors from the two others. They lie on one way from their ancestor then, and no model lies between.
    fn is_apart(&self, a: Original, b: Original, part: &[&ParameterView]) -> bool {
        let sum =
            |x: Original, y: Original| -> f64 { part.iter().map(|p| p.squared_distance(x.within(), y.within())).sum() };
        let norm = |x: Original| -> f64 { part.iter().map(|p| p.squared_norm(x.within())).sum() };
        let numbers = &self.weights.by_tensor;
        let ab = sum(a, b);
        let separate = |from_a: f64, from_b: f64| {
            from_a.min(from_b) >= numbers.between * ab
                && from_a + from_b - ab <= 2.0 * numbers.apart * (from_a * from_b).sqrt()
        };
        let between = |r: Original| r != a && r != b && separate(sum(r, a), sum(r, b));
        // Seen from zero, only strangers lie in different directions.
        separate(norm(a), norm(b)) || Original::all(self.comparison.len()).any(between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::lineage::tests::fixture::{ids, noticed, of_points, point};

    fn found(points: &[Vec<Vec<f64>>], weights: &Weights) -> Option<Combination<Original>> {
        let geometry = of_points(points);
        let comparison = geometry.compare(&ids(&geometry)).unwrap();
        let d = |a: Original, b: Original| comparison.squared_distance(a.within(), b.within());
        let models: Vec<Original> = Original::all(geometry.len()).collect();
        let search = Search { d: &d, comparison: &comparison, rounding: &|_| 0.0, weights };
        search.combination(models[models.len() - 1], &models[..models.len() - 1])
    }

    /// A root, two children of it, and a model that has the tensors of the one or the other.
    fn swapped(from: &[usize]) -> Vec<Vec<Vec<f64>>> {
        let child = |axis: usize| point(&[(0, 10.0), (axis, 1.0)]);
        from.iter().map(|&i| vec![point(&[(0, 10.0)]), child(1), child(2), child(i)]).collect()
    }

    #[test]
    fn layers_in_turn_are_a_merge() {
        let merge = found(&swapped(&[1, 2, 1, 2, 1]), &Weights::default()).unwrap();
        assert_eq!((merge.parents, merge.residual), (vec![Original::new(1), Original::new(2)], 0.0));
        assert!((merge.weights[0] - 0.6).abs() < 1e-9);
        assert_eq!(merge.by_tensor["w1"], [0.0, 1.0]);
        // A model that has a tensor of its own is none.
        assert_eq!(found(&swapped(&[1, 2, 3, 2, 1]), &Weights::default()), None);
        assert_eq!(found(&swapped(&[1, 1, 1]), &Weights::default()), None);
    }

    #[test]
    fn stages_of_training_are_a_chain() {
        // The root trains the first tensor, then the second: the last model stands between in every tensor.
        let at = |x: f64| point(&[(0, 10.0), (1, x)]);
        let stages = vec![vec![at(0.0), at(1.0), at(1.0)], vec![at(0.0), at(1.0), at(0.0)]];
        assert_eq!(found(&stages, &Weights::default()), None);
    }

    #[test]
    fn strangers_need_no_model_between_them() {
        let points = [1, 2, 1, 2].map(|axis| vec![point(&[(1, 10.0)]), point(&[(2, 10.0)]), point(&[(axis, 10.0)])]);
        assert!(found(&points, &Weights::default()).is_some());
    }

    #[test]
    fn numbers_are_noticed() {
        // The model between sees both parents under an angle, and one of them from nearby.
        let seen = |cosine: f64, near: f64| -> Vec<Vec<Vec<f64>>> {
            let other = point(&[(0, 10.0), (1, cosine), (2, (1.0 - cosine * cosine).sqrt())]);
            [0, 1]
                .map(|i| {
                    let parents = [point(&[(0, 10.0), (1, near)]), other.clone()];
                    vec![point(&[(0, 10.0)]), parents[0].clone(), parents[1].clone(), parents[i].clone()]
                })
                .to_vec()
        };
        noticed("by_tensor", &["apart", "between"], |w| {
            [(0.3, 1.0), (0.4, 1.0), (0.0, 0.5), (0.0, 0.3)]
                .map(|(c, n)| found(&seen(c, n), w).is_some().to_string())
                .join(" ")
        });
    }
}
