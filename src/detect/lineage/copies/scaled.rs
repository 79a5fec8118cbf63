//! Models that are a multiple of another one, or the same values in another order.

use super::link::Link;
use super::search::{Distinct, Search};
use crate::geometry::ParameterView;
use crate::phylogeny::Relation;
use rayon::prelude::*;

impl Search<'_> {
    /// Links models that are a multiple of another one, or the same values in another order.
    pub(super) fn link_scaled_and_permuted(&mut self) {
        let n = self.models.len();
        let relation = |a, b| match collinear(&self.parameters, a, b, self.weights.tolerances.collinear) {
            true => Some(Relation::Scaled),
            false => self.geometry.permuted(self.model(a), self.model(b)).then_some(Relation::Permuted),
        };
        let relations = |a: usize| Distinct::all(a).filter_map(|b| Some((b, relation(Distinct::new(a), b)?))).collect();
        let related: Vec<Vec<(Distinct, Relation)>> = (0..n).into_par_iter().map(relations).collect();
        // What is linked already has the surer relation.
        let linked: Vec<bool> = self.all().map(|m| self.links.iter().any(|link| link.other(m).is_some())).collect();
        for (a, related) in self.all().zip(related) {
            for (b, relation) in related {
                let is_free = !self.is_derived(a) && !self.is_derived(b);
                if is_free && (!linked[a.index()] || !linked[b.index()]) {
                    self.links.push(Link::open(a, b, relation));
                }
            }
        }
    }
}

/// Whether b is a positive multiple of a in every parameter, and differs from a in at least one.
///
/// Distances of all pairs are at hand, so this test costs no read. [`PairEvidence::scaled`] reads the values of one pair. It
/// allows for the rounding of b's dtype, and it gives the factor.
///
/// [`PairEvidence::scaled`]: crate::geometry::PairEvidence::scaled
fn collinear(parameters: &[&ParameterView], a: Distinct, b: Distinct, tolerance: f64) -> bool {
    let mut changed = false;
    let every = parameters.iter().all(|p| {
        let (aa, bb, inner) = (p.squared_norm(a), p.squared_norm(b), p.inner(a, b));
        changed |= p.squared_distance(a, b) > tolerance * aa;
        // Parallel vectors have a sine of 0. A negative factor is no scaling.
        inner > 0.0 && aa * bb - inner * inner <= tolerance * aa * bb
    });
    every && changed
}
