//! What two models have in common: the values that both hold, and what only one of them holds.

use super::comparison::Comparison;
use super::group::GroupGeometry;
use super::marginals::{Holder, Marginals, Place};
use super::pairwise::ParameterGeometry;
use super::{Geometry, ModelFacts};
use crate::error::Error;
use crate::model_set::{Kind, ModelId, Position};
use crate::source::Dtype;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where the values that two models both hold are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// Everywhere.
    Everywhere,
    /// In every matrix, and not in every vector.
    InMatrices,
    /// Not in every matrix.
    Nowhere,
}

/// The most matrices by which heads for other tasks differ.
const HEADS: usize = 4;

/// The least cosine of rows of two matrices of unlike height that are rows of one matrix.
const SAME_ROWS: f64 = 0.5;

impl Geometry {
    /// Where the values that both hold are the same.
    ///
    /// Matrices of unlike height are compared on the rows that both have. Where these rows have nothing to do with one another,
    /// as in heads for other classes, these are two matrices, and neither model holds that of the other.
    ///
    /// # Errors
    ///
    /// The errors of [`compare`](Self::compare).
    pub(crate) fn agreement(&self, a: ModelId, b: ModelId) -> Result<Agreement, Error> {
        let Some((group, i, j)) = self.together(a, b) else { return Ok(Agreement::Nowhere) };
        let layouts =
            self.evidence().map(|e| [e.facts(a), e.facts(b)]).filter(|[a, b]| !Arc::ptr_eq(&a.listed, &b.listed));
        // A kept distance above 0 gives the answer without comparing all tensors.
        if layouts.is_none() && group.pairs.kept_squared_distance(i, j).is_some_and(|squared| squared > 0.0) {
            return Ok(Agreement::Nowhere);
        }
        let mut differing = BTreeSet::new();
        let (mut agreement, mut varied) = (Agreement::Everywhere, false);
        for (marginals, (at, other)) in group.marginals().filter_map(|m| Some((m, m.both(i, j)?))) {
            match (marginals.same_values(at, other), marginals.kind) {
                (true, kind) => varied |= kind == Kind::Matrix && varies(marginals, at),
                (false, Kind::Vector) => agreement = Agreement::InMatrices,
                (false, Kind::Matrix) => {
                    differing.insert(name(marginals));
                    if layouts.is_none() || differing.len() > HEADS {
                        return Ok(Agreement::Nowhere);
                    }
                }
            }
        }
        let unlike = |name: &&str| layouts.is_some_and(|[a, b]| height(a, name) != height(b, name));
        if !differing.iter().all(unlike) || (!differing.is_empty() && related(group, [i, j], &differing)?) {
            return Ok(Agreement::Nowhere);
        }
        // Constants are the same in networks that have nothing to do with one another.
        Ok(if varied || self.identical(a, b) { agreement } else { Agreement::Nowhere })
    }

    /// Whether two models have unlike numbers of rows of one matrix, as where a vocabulary was padded or trimmed.
    pub(crate) fn is_resized(&self, a: ModelId, b: ModelId) -> bool {
        let (Some((group, i, j)), Some(evidence)) = (self.together(a, b), self.evidence()) else { return false };
        let (of_a, of_b) = (evidence.facts(a), evidence.facts(b));
        let resized = |m: &Marginals| {
            let same = m.both(i, j).is_some_and(|(i, j)| m.same_values(i, j));
            same && m.kind == Kind::Matrix && height(of_a, name(m)) != height(of_b, name(m))
        };
        !Arc::ptr_eq(&of_a.listed, &of_b.listed) && group.marginals().any(resized)
    }

    /// How much sets a model apart from others by what it holds: the number of values that it holds and none of them does, and
    /// of those that it lacks and more than half of them hold. It is 0 for every model where there is one other or none.
    ///
    /// Rows that have nothing to do with one another, as of heads for other classes, are of different matrices.
    ///
    /// # Errors
    ///
    /// The errors of [`compare`](Self::compare).
    ///
    /// # Complexity
    ///
    /// O(n T) time for n models and T parameters, and O(n²) for each parameter that the model lacks.
    pub(crate) fn strangeness(&self, model: ModelId, others: &[ModelId]) -> Result<usize, Error> {
        let Some((group, own, _)) = self.together(model, model) else { return Ok(0) };
        let at = |m: ModelId| self.together(model, m).map(|(_, _, place)| place);
        let others: Vec<Place> = others.iter().filter(|&&m| m != model).filter_map(|&m| at(m)).collect();
        // Two models alone differ from each other, and neither is the odd one.
        if others.len() < 2 {
            return Ok(0);
        }
        let mut strange = group.unshared(own);
        let places: Vec<Place> = std::iter::once(own).chain(others.iter().copied()).collect();
        for parameter in group.parameters(&places)? {
            let marginals = &parameter.marginals;
            let holders: Vec<Holder> = others.iter().filter_map(|&place| marginals.holder(place)).collect();
            let alike = |a: Holder| holders.iter().filter(|&&b| is_alike(&parameter, a, b)).count();
            let odd = match marginals.holder(own) {
                Some(own) => alike(own) == 0,
                None => holders.iter().any(|&a| 2 * alike(a) > others.len()),
            };
            strange += if odd { marginals.size() } else { 0 };
        }
        Ok(strange)
    }

    /// The number of values that a model holds, as far as any other model of its group holds them too.
    pub(crate) fn held(&self, model: ModelId) -> usize {
        let Some((group, own, _)) = self.together(model, model) else { return 0 };
        let shared: usize = group.marginals().filter(|m| m.holder(own).is_some()).map(Marginals::size).sum();
        shared + group.unshared(own)
    }

    /// Orders models of one group by their values, then by how they are stored. Names have no part.
    ///
    /// Models that are equal in this order differ in nothing that was read of them.
    pub(crate) fn by_content(&self, a: ModelId, b: ModelId) -> Ordering {
        let Some((group, i, j)) = self.together(a, b) else { return Ordering::Equal };
        let prints = |m: &Marginals, place: Place| -> Option<Vec<u128>> {
            let Holder(at) = m.holder(place)?;
            Some(m.tensors.iter().map(|t| t.fingerprints[at]).collect())
        };
        let values = group.marginals().map(|m| prints(m, i).cmp(&prints(m, j))).find(|order| order.is_ne());
        values.unwrap_or_else(|| {
            let Some(evidence) = self.evidence() else { return Ordering::Equal };
            let (a, b) = (evidence.facts(a), evidence.facts(b));
            // The narrower dtype tells how the same values were rounded, and the wider one hides it.
            let digits = |facts: &ModelFacts| facts.dtype.and_then(Dtype::digits).unwrap_or(u32::MAX);
            let counters = || {
                let of = |facts: &ModelFacts| facts.counters.iter().map(|(n, c)| (n.clone(), c.to_bits())).collect();
                let [a, b]: [Vec<(String, u64)>; 2] = [of(a), of(b)];
                a.cmp(&b)
            };
            digits(a).cmp(&digits(b)).then_with(|| a.listed.cmp(&b.listed)).then_with(counters)
        })
    }
}

fn name(marginals: &Marginals) -> &str {
    marginals.tensors.first().map_or("", |t| t.name.as_str())
}

/// Whether the values of a holder are not all the same.
fn varies(marginals: &Marginals, at: Holder) -> bool {
    marginals.tensors.iter().any(|t| t.moments[at.0].m2 > 0.0)
}

/// Whether what two models hold of a parameter is one matrix, at two times. Vectors have too few values to tell.
fn is_alike(parameter: &ParameterGeometry, a: Holder, b: Holder) -> bool {
    let norms = parameter.squared_norm(a) * parameter.squared_norm(b);
    a == b || parameter.marginals.kind == Kind::Vector || parameter.inner(a, b) >= SAME_ROWS * norms.sqrt()
}

/// Whether some of the named matrices have rows that are rows of one matrix.
fn related(group: &GroupGeometry, places: [Place; 2], names: &BTreeSet<&str>) -> Result<bool, Error> {
    let comparison = Comparison::new(Some(group), &places)?;
    let (first, second) = (Position::FIRST, Position::SECOND);
    let cosine = |name: &str| {
        let ranges = comparison.parameters().iter().filter(|p| p.name() == name);
        let (inner, norms) = ranges.fold((0.0, [0.0; 2]), |(inner, [x, y]), p| {
            (inner + p.inner(first, second), [x + p.squared_norm(first), y + p.squared_norm(second)])
        });
        inner / (norms[0] * norms[1]).sqrt()
    };
    Ok(names.iter().any(|name| cosine(name) >= SAME_ROWS))
}

/// The number of rows of a tensor, given its name without a wrapper.
fn height(facts: &ModelFacts, name: &str) -> Option<usize> {
    let is_named = |own: &str| own == name || own.strip_suffix(name).is_some_and(|before| before.ends_with('.'));
    facts.listed.iter().find(|info| is_named(&info.name)).and_then(|info| info.shape.first().copied())
}
