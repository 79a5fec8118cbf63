use super::kept_pairs::KeptPairs;
use super::marginals::{Marginals, Place};
use super::pairwise::{Pairwise, ParameterGeometry};
use super::settings::Scope;
use crate::error::Error;
use crate::model_set::{Kind, ModelId};
use std::cmp::Ordering;
use std::sync::Arc;

/// The geometry of one group of comparable models, in an order by content.
#[derive(Clone, Debug)]
pub(crate) struct GroupGeometry {
    pub(crate) members: Vec<ModelId>,
    /// For each member, the number of values that no other member holds.
    unshared: Vec<usize>,
    scope: Scope,
    /// For each member, the squared norm over the parameters that all models of the group hold and that are in the scope.
    pub(super) norms: Vec<f64>,
    pub(super) pairs: Arc<dyn Pairwise>,
}

impl GroupGeometry {
    /// Creates a group that keeps the distances of all pairs.
    pub(super) fn new(
        members: Vec<ModelId>,
        parameters: Vec<ParameterGeometry>,
        unshared: Vec<usize>,
        scope: Scope,
    ) -> Self {
        let n = members.len();
        let scope = within(n, scope, parameters.iter().map(|p| &p.marginals));
        let mut norms = vec![0.0; n];
        // Norms are compared across models, so they cover only what all models hold.
        let everywhere = |p: &&ParameterGeometry| p.marginals.holders.len() == n && covers(scope, &p.marginals);
        for p in parameters.iter().filter(everywhere) {
            norms.iter_mut().enumerate().for_each(|(i, norm)| *norm += p.distances.value(i, i));
        }
        let pairs = Arc::new(KeptPairs::new(n, parameters, |marginals| covers(scope, marginals)));
        Self { members, unshared, scope, norms, pairs }
    }

    /// Creates a group that computes the distances of pairs on demand. Norms come from the moments.
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

    /// Returns every parameter, with the facts about each model by itself.
    pub(crate) fn marginals(&self) -> Box<dyn Iterator<Item = &Marginals> + '_> {
        self.pairs.marginals()
    }

    /// Returns every parameter that some of the models hold, with at least the distances of these models.
    pub(super) fn parameters(&self, places: &[Place]) -> Result<Vec<Arc<ParameterGeometry>>, Error> {
        self.pairs.parameters(places)
    }

    /// Compares two groups by the names and values of their parameters, so the order of the models does not matter.
    ///
    /// Groups of one model have no parameter that can be compared, and are all equal.
    pub(crate) fn by_content(&self, other: &Self) -> Ordering {
        fn content(group: &GroupGeometry) -> impl Iterator<Item = (&str, usize, &[u128])> {
            let tensors = group.marginals().flat_map(|m| &m.tensors);
            tensors.map(|t| (t.name.as_str(), t.size, t.fingerprints.as_slice()))
        }
        content(self).cmp(content(other))
    }

    /// Whether a parameter is in the scope. When no matrix is held by every model, all parameters are.
    pub(super) fn covers(&self, marginals: &Marginals) -> bool {
        covers(self.scope, marginals)
    }

    /// The number of values of a member that no other member holds.
    pub(super) fn unshared(&self, i: Place) -> usize {
        self.unshared[i.0]
    }

    /// Whether the two hold the same tensors with the same values.
    pub(super) fn identical(&self, i: Place, j: Place) -> bool {
        let same = |m: &Marginals| match (m.holder(i), m.holder(j)) {
            (Some(i), Some(j)) => m.same_values(i, j),
            (None, None) => true,
            _ => false,
        };
        // A kept distance above 0 gives the answer without comparing all tensors.
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
