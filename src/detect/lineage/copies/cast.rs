//! Models in another dtype: a cast of one another, or of one absent model.

use super::link::Link;
use super::search::{Distinct, Search};
use crate::error::Error;
use crate::geometry::{Apart, Nearness};
use crate::phylogeny::Relation;

impl Search<'_> {
    /// What links two models that are no farther apart than rounding explains; `None` where values contradict it.
    ///
    /// - The values of one, rounded, are those of the other: it is the source.
    /// - Both are a third model, rounded: neither is the source.
    /// - They are one unit apart: one was rounded in another way. The one of fewer digits is the cast, and with as many digits
    ///   nothing tells.
    pub(super) fn rounded(&self, a: Distinct, b: Distinct, seen: &Nearness) -> Result<Option<Link>, Error> {
        if seen.apart == Apart::Farther {
            return Ok(None);
        }
        // This reading stops early where values are farther apart than the sample shows.
        let apart = self.geometry.apart(self.model(a), self.model(b), seen.spacing)?;
        if apart.is_none_or(|apart| apart == Apart::Farther) {
            return Ok(None);
        }
        for (source, copy, pair) in self.both_ways(a, b)? {
            if pair.is_some_and(|pair| pair.is_cast().is_some()) {
                return Ok(Some(Link::proved(source, copy, Relation::Cast)));
            }
        }
        let [of_a, of_b] = seen.spacing.map(|spacing| spacing.digits);
        Ok(match apart {
            Some(Apart::Rounding) if of_a != of_b && of_a.max(of_b) < F32 => Some(Link::siblings(a, b)),
            Some(Apart::Rounding | Apart::Unit) if of_a > of_b => Some(Link::proved(a, b, Relation::Cast)),
            Some(Apart::Rounding | Apart::Unit) if of_a < of_b => Some(Link::proved(b, a, Relation::Cast)),
            Some(Apart::Rounding | Apart::Unit) => Some(Link::open(a, b, Relation::Perturbed)),
            _ => None,
        })
    }
}

/// The digits of F32, which is rounded from nothing that was trained.
const F32: u32 = 24;
