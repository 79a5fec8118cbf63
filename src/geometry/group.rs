use super::kept_pairs::KeptPairs;
use super::marginals::{Marginals, Place};
use super::pairwise::{Pairwise, ParameterGeometry};
use super::settings::Scope;
use crate::error::Error;
use crate::model_set::{Kind, ModelId};
use std::cmp::Ordering;
use std::sync::Arc;

/// Everything known of one group of comparable models, in an order by content.
#[derive(Clone, Debug)]
pub(crate) struct GroupGeometry {
    pub(crate) members: Vec<ModelId>,
    /// Per member, values that no other member holds.
    unshared: Vec<usize>,
    scope: Scope,
    /// Per member, the squared norm over the parameters that all models of the group hold and the scope covers.
    pub(super) norms: Vec<f64>,
    pub(super) pairs: Arc<dyn Pairwise>,
}

impl GroupGeometry {
    /// A group of which every pair is kept.
    pub(super) fn new(
        members: Vec<ModelId>,
        parameters: Vec<ParameterGeometry>,
        unshared: Vec<usize>,
        scope: Scope,
    ) -> Self {
        let n = members.len();
        let scope = within(n, scope, parameters.iter().map(|p| &p.marginals));
        let mut norms = vec![0.0; n];
        let everywhere = |p: &&ParameterGeometry| p.marginals.holders.len() == n && covers(scope, &p.marginals);
        for p in parameters.iter().filter(everywhere) {
            norms.iter_mut().enumerate().for_each(|(i, norm)| *norm += p.distances.value(i, i));
        }
        let pairs = Arc::new(KeptPairs::new(n, parameters, |marginals| covers(scope, marginals)));
        Self { members, unshared, scope, norms, pairs }
    }

    /// A group whose pairs are looked at when they are needed; norms are those of the moments.
    pub(crate) fn with_pairs(
        members: Vec<ModelId>,
        pairs: Arc<dyn Pairwise>,
        unshared: Vec<usize>,
        scope: Scope,
    ) -> Self {
        let n = members.len();
        let scope = within(n, scope, pairs.marginals());
        let norm = |i: usize| {
            let counted = pairs.marginals().filter(|m| m.holders.len() == n && covers(scope, m));
            counted.flat_map(|m| &m.tensors).map(|t| t.moments[i].squared_norm()).sum()
        };
        let norms = (0..n).map(norm).collect();
        Self { norms, members, unshared, scope, pairs }
    }

    /// Every parameter, and what is known of each model by itself.
    pub(crate) fn marginals(&self) -> Box<dyn Iterator<Item = &Marginals> + '_> {
        self.pairs.marginals()
    }

    /// Every parameter that some of the models hold, with the distances of these models at least.
    pub(super) fn parameters(&self, places: &[Place]) -> Result<Vec<Arc<ParameterGeometry>>, Error> {
        self.pairs.parameters(places)
    }

    /// An order by names and values of the parameters, which the order of the models has no part in. Groups of one model hold no
    /// parameter that can be compared and are all equal.
    pub(crate) fn by_content(&self, other: &Self) -> Ordering {
        fn content(group: &GroupGeometry) -> impl Iterator<Item = (&str, usize, &[u128])> {
            let tensors = group.marginals().flat_map(|m| &m.tensors);
            tensors.map(|t| (t.name.as_str(), t.size, t.fingerprints.as_slice()))
        }
        content(self).cmp(content(other))
    }

    /// Whether a parameter counts for distances; all do when no matrix is held by every model.
    pub(super) fn covers(&self, marginals: &Marginals) -> bool {
        covers(self.scope, marginals)
    }

    /// Whether the two hold the same tensors with the same values.
    pub(super) fn identical(&self, i: Place, j: Place) -> bool {
        let same = |m: &Marginals| match (m.holder(i), m.holder(j)) {
            (Some(i), Some(j)) => m.same_values(i, j),
            (None, None) => true,
            _ => false,
        };
        // A kept distance tells at once what the values of all tensors would.
        if self.pairs.kept_squared_distance(i, j).is_some_and(|squared| squared > 0.0) {
            return false;
        }
        i == j || (self.unshared[i.0] == 0 && self.unshared[j.0] == 0 && self.marginals().all(same))
    }
}

fn within<'h>(models: usize, scope: Scope, mut all: impl Iterator<Item = &'h Marginals>) -> Scope {
    if all.any(|m| m.kind == Kind::Matrix && m.holders.len() == models) { scope } else { Scope::All }
}

fn covers(scope: Scope, marginals: &Marginals) -> bool {
    match scope {
        Scope::All => true,
        Scope::Matrices => marginals.kind == Kind::Matrix,
    }
}
