use super::moments::Moments;
use super::packed::Packed;
use super::settings::Scope;
use super::sketch::OnDemand;
use crate::error::Error;
use crate::model_set::{Kind, ModelId};
use std::cmp::Ordering;
use std::sync::Arc;

/// One tensor in the models that hold it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) size: usize,
    /// One for each holder.
    pub(super) moments: Vec<Moments>,
    /// One for each holder; equal for equal values.
    pub(super) fingerprints: Vec<u128>,
}

/// One tensor, or a few that share a matrix to save memory, and what is known of each model by itself.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) kind: Kind,
    pub(super) tensors: Vec<Tensor>,
    /// Places, in the group, of the models that hold it; sorted.
    pub(super) holders: Vec<usize>,
}

impl Held {
    pub(super) fn size(&self) -> usize {
        self.tensors.iter().map(|t| t.size).sum()
    }

    /// Squared norm after each tensor's mean is taken off.
    pub(super) fn centred_norm(&self, a: usize) -> f64 {
        self.tensors.iter().map(|t| t.moments[a].m2).sum()
    }

    /// Where two models are among the holders.
    pub(super) fn both(&self, i: usize, j: usize) -> Option<(usize, usize)> {
        Some((self.holders.binary_search(&i).ok()?, self.holders.binary_search(&j).ok()?))
    }
}

/// Squared distances of one tensor, or of a few that share a matrix to save memory.
#[derive(Clone, Debug)]
pub(super) struct ParameterGeometry {
    pub(super) held: Held,
    /// Squared distances of holders; squared norms on the diagonal.
    pub(super) distances: Packed,
    /// Squared distances of holders to the initialization, unless that is zero.
    pub(super) to_initialization: Option<Vec<f64>>,
    /// Width of the sketches that distances were taken from; `None` when they are exact.
    pub(super) width: Option<usize>,
}

impl ParameterGeometry {
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
        let means: f64 = self.held.tensors.iter().map(|t| t.size as f64 * t.moments[a].mean * t.moments[b].mean).sum();
        self.inner(a, b) - means
    }
}

/// What is known of pairs of models.
#[derive(Clone, Debug)]
pub(super) enum Pairs {
    /// All there is.
    Kept {
        parameters: Vec<Arc<ParameterGeometry>>,
        /// Squared distances over the parameters that both models hold and the scope covers; nothing on the diagonal.
        total: Packed,
    },
    /// What sketches tell when they are asked.
    OnDemand(Arc<OnDemand>),
}

/// Everything known of one group of comparable models; places are an order by content.
#[derive(Clone, Debug)]
pub(super) struct GroupGeometry {
    pub(super) members: Vec<ModelId>,
    /// Per member, values that no other member holds.
    pub(super) unshared: Vec<usize>,
    pub(super) scope: Scope,
    /// Per member, the squared norm over the parameters that all models of the group hold and the scope covers.
    pub(super) norms: Vec<f64>,
    pub(super) pairs: Pairs,
}

impl GroupGeometry {
    /// Of matrices that hold every pair.
    pub(super) fn new(
        members: Vec<ModelId>,
        parameters: Vec<ParameterGeometry>,
        unshared: Vec<usize>,
        scope: Scope,
    ) -> Self {
        let n = members.len();
        let scope = within(n, scope, parameters.iter().map(|p| &p.held));
        let (mut total, mut norms) = (Packed::zeros(n), vec![0.0; n]);
        for p in parameters.iter().filter(|p| covers(scope, &p.held)) {
            for (a, &i) in p.held.holders.iter().enumerate() {
                if p.held.holders.len() == n {
                    norms[i] += p.distances.value(a, a);
                }
                for (b, &j) in p.held.holders[..a].iter().enumerate() {
                    total.add(i, j, p.distances.value(a, b));
                }
            }
        }
        let parameters = parameters.into_iter().map(Arc::new).collect();
        Self { members, unshared, scope, norms, pairs: Pairs::Kept { parameters, total } }
    }

    /// Of sketches that are read when a pair is asked for.
    pub(super) fn on_demand(members: Vec<ModelId>, sketches: OnDemand, unshared: Vec<usize>, scope: Scope) -> Self {
        let n = members.len();
        let scope = within(n, scope, sketches.held().iter());
        let norms = (0..n).map(|i| {
            let counted = sketches.held().iter().filter(|h| h.holders.len() == n && covers(scope, h));
            counted.flat_map(|h| &h.tensors).map(|t| t.moments[i].squared_norm()).sum()
        });
        Self { norms: norms.collect(), members, unshared, scope, pairs: Pairs::OnDemand(Arc::new(sketches)) }
    }

    /// Every parameter, and what is known of each model by itself.
    pub(super) fn held(&self) -> Box<dyn Iterator<Item = &Held> + '_> {
        match &self.pairs {
            Pairs::Kept { parameters, .. } => Box::new(parameters.iter().map(|p| &p.held)),
            Pairs::OnDemand(sketches) => Box::new(sketches.held().iter()),
        }
    }

    /// Every parameter that some of the models hold, with the distances of these models at least.
    pub(super) fn parameters(&self, places: &[usize]) -> Result<Vec<Arc<ParameterGeometry>>, Error> {
        match &self.pairs {
            Pairs::Kept { parameters, .. } => Ok(parameters.clone()),
            Pairs::OnDemand(sketches) => sketches.among(places),
        }
    }

    /// An order by names and values of the parameters, which the order of the models has no part in. Groups of one model hold no
    /// parameter that can be compared and are all equal.
    pub(super) fn by_content(&self, other: &Self) -> Ordering {
        fn content(group: &GroupGeometry) -> impl Iterator<Item = (&str, usize, &[u128])> {
            let tensors = group.held().flat_map(|h| &h.tensors);
            tensors.map(|t| (t.name.as_str(), t.size, t.fingerprints.as_slice()))
        }
        content(self).cmp(content(other))
    }

    /// Whether a parameter counts for distances; all do when no matrix is held by every model.
    pub(super) fn covers(&self, held: &Held) -> bool {
        covers(self.scope, held)
    }

    /// Whether the two hold the same tensors with the same values.
    pub(super) fn identical(&self, i: usize, j: usize) -> bool {
        let same = |h: &Held| match (h.holders.binary_search(&i), h.holders.binary_search(&j)) {
            (Ok(i), Ok(j)) => h.tensors.iter().all(|t| t.fingerprints[i] == t.fingerprints[j]),
            (Err(_), Err(_)) => true,
            _ => false,
        };
        // Cheaper to tell than to compare what both hold.
        if matches!(&self.pairs, Pairs::Kept { total, .. } if i != j && total.value(i, j) > 0.0) {
            return false;
        }
        i == j || (self.unshared[i] == 0 && self.unshared[j] == 0 && self.held().all(same))
    }
}

fn within<'h>(models: usize, scope: Scope, mut held: impl Iterator<Item = &'h Held>) -> Scope {
    if held.any(|h| h.kind == Kind::Matrix && h.holders.len() == models) { scope } else { Scope::All }
}

fn covers(scope: Scope, held: &Held) -> bool {
    match scope {
        Scope::All => true,
        Scope::Matrices => held.kind == Kind::Matrix,
    }
}
