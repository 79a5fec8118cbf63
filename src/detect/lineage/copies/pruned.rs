//! Models with some values of another one set to zero.

use super::link::Link;
use super::search::{Distinct, Search};
use crate::error::Error;
use crate::geometry::{ParameterView, Zeros};
use crate::phylogeny::Relation;
use rayon::prelude::*;

impl Search<'_> {
    /// Links models with some values of another one set to zero.
    ///
    /// Distances find them, and values prove them: a cast that rounds a few small values to zero has the same distances.
    pub(super) fn link_pruned(&mut self) -> Result<(), Error> {
        let n = self.models.len();
        let (exact, rounded) = (self.weights.tolerances.projected, self.weights.tolerances.pruned_and_rounded);
        let sources =
            |b: Distinct| self.all().filter(|&a| a != b && projected(&self.parameters, a, b, rounded)).collect();
        let of_pruned: Vec<Vec<Distinct>> = (0..n).into_par_iter().map(|b| sources(Distinct::new(b))).collect();
        for (copy, mut sources) in self.all().zip(of_pruned) {
            sources.sort_by(|&a, &b| self.squared(copy, a).total_cmp(&self.squared(copy, b)));
            for source in sources {
                // An increment at right angles to its source has the distances of values set to zero. The zeros were counted.
                let zeros = self.geometry.zeros(self.model(source), self.model(copy));
                if zeros.is_some_and(|zeros| !zeros.may_be_pruned()) {
                    continue;
                }
                let pair = self.geometry.read_pair(self.model(source), self.model(copy))?;
                let proved = match pair {
                    Some(pair) => {
                        let share = || pair.pruned_share().or_else(|| pair.pruned_and_cast_share());
                        Zeros::of(&pair).may_be_pruned() && share().is_some()
                    }
                    // Where values cannot be read, distances must do.
                    None => projected(&self.parameters, source, copy, exact),
                };
                if proved {
                    self.links.push(Link::proved(source, copy, Relation::Pruned));
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Whether b is a projection of a: `⟨a, b⟩ = ‖b‖²` in every parameter. This holds when b is a with some values set to zero.
///
/// Distances of all pairs are at hand, so this test costs no read.
fn projected(parameters: &[&ParameterView], a: Distinct, b: Distinct, tolerance: f64) -> bool {
    let mut changed = false;
    let every = parameters.iter().all(|p| {
        let (apart, own) = (p.squared_distance(a, b), p.squared_norm(a));
        changed |= apart > 0.0;
        // `⟨a, b⟩ = ‖b‖²` is the same as `d² = ‖a‖² − ‖b‖²`.
        (own - p.squared_norm(b) - apart).abs() <= tolerance * own
    });
    every && changed
}
