use super::moments::Moments;
use super::packed::Packed;
use super::settings::Scope;
use crate::model_set::{Kind, ModelId};
use std::cmp::Ordering;

/// One tensor of a [`ParameterGeometry`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) size: usize,
    /// One for each holder.
    pub(super) moments: Vec<Moments>,
    /// One for each holder; equal for equal values.
    pub(super) fingerprints: Vec<u128>,
}

/// Squared distances of one tensor, or of a few that share a matrix to save memory.
#[derive(Clone, Debug)]
pub(super) struct ParameterGeometry {
    pub(super) kind: Kind,
    pub(super) tensors: Vec<Tensor>,
    /// Places, in the group, of the models that hold it; sorted.
    pub(super) holders: Vec<usize>,
    /// Squared distances of holders; squared norms on the diagonal.
    pub(super) distances: Packed,
    /// Squared distances of holders to the initialization, unless that is zero.
    pub(super) to_initialization: Option<Vec<f64>>,
    /// Width of the sketches that distances were taken from; `None` when they are exact.
    pub(super) width: Option<usize>,
}

impl ParameterGeometry {
    pub(super) fn size(&self) -> usize {
        self.tensors.iter().map(|t| t.size).sum()
    }

    /// Variance of the error of a squared distance: `2 d⁴ / width`, of several tensors together at most that.
    pub(super) fn variance(&self, a: usize, b: usize) -> f64 {
        let squared = if a == b { 0.0 } else { self.distances.value(a, b) };
        self.width.map_or(0.0, |width| 2.0 * squared * squared / width as f64)
    }

    pub(super) fn inner(&self, a: usize, b: usize) -> f64 {
        if a == b {
            return self.distances.value(a, a);
        }
        (self.distances.value(a, a) + self.distances.value(b, b) - self.distances.value(a, b)) / 2.0
    }

    /// Inner product after each tensor's mean is taken off.
    pub(super) fn centred_inner(&self, a: usize, b: usize) -> f64 {
        let means: f64 = self.tensors.iter().map(|t| t.size as f64 * t.moments[a].mean * t.moments[b].mean).sum();
        self.inner(a, b) - means
    }

    pub(super) fn centred_norm(&self, a: usize) -> f64 {
        self.tensors.iter().map(|t| t.moments[a].m2).sum()
    }
}

/// Everything known of one group of comparable models; places are an order by content.
#[derive(Clone, Debug)]
pub(super) struct GroupGeometry {
    pub(super) members: Vec<ModelId>,
    pub(super) parameters: Vec<ParameterGeometry>,
    /// Per member, values that no other member holds.
    pub(super) unshared: Vec<usize>,
    /// Squared distances over the parameters that both models hold and the scope covers; squared norms, on the diagonal, over
    /// those that all models of the group hold.
    pub(super) total: Packed,
    pub(super) scope: Scope,
}

impl GroupGeometry {
    pub(super) fn new(members: Vec<ModelId>, parameters: Vec<ParameterGeometry>, unshared: Vec<usize>) -> Self {
        let total = Packed::zeros(members.len());
        Self { members, parameters, unshared, total, scope: Scope::All }
    }

    /// An order by names and values of the parameters, which the order of the models has no part in. Groups of one model hold no
    /// parameter that can be compared and are all equal.
    pub(super) fn by_content(&self, other: &Self) -> Ordering {
        fn content(group: &GroupGeometry) -> impl Iterator<Item = (&str, usize, &[u128])> {
            let tensors = group.parameters.iter().flat_map(|p| &p.tensors);
            tensors.map(|t| (t.name.as_str(), t.size, t.fingerprints.as_slice()))
        }
        content(self).cmp(content(other))
    }

    /// Whether a parameter counts for distances; all do when no matrix is held by every model.
    pub(super) fn covers(&self, parameter: &ParameterGeometry) -> bool {
        match self.scope {
            Scope::All => true,
            Scope::Matrices => parameter.kind == Kind::Matrix,
        }
    }

    pub(super) fn with_scope(mut self, scope: Scope) -> Self {
        let n = self.members.len();
        let has_matrix = self.parameters.iter().any(|p| p.kind == Kind::Matrix && p.holders.len() == n);
        self.scope = if has_matrix { scope } else { Scope::All };
        let mut total = Packed::zeros(n);
        for p in self.parameters.iter().filter(|p| self.covers(p)) {
            for (a, &i) in p.holders.iter().enumerate() {
                if p.holders.len() == n {
                    total.add(i, i, p.distances.value(a, a));
                }
                for (b, &j) in p.holders[..a].iter().enumerate() {
                    total.add(i, j, p.distances.value(a, b));
                }
            }
        }
        self.total = total;
        self
    }
}
