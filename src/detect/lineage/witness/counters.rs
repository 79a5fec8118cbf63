//! Witness: stored counters that only grow, such as the number of batches seen.

use super::{Hypothesis, Lineage, Member, Witness};
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::parent::numbers;
use crate::phylogeny::Signal;
use std::cmp::Ordering;

numbers! {
    /// The numbers of [`Counters`].
    pub struct CounterWeights {
        /// What counters that are behind say of two rivals.
        root: f64 = 4.0, "nats", 0.0..=1e3,
            "Counters only ever go one way, unless training set them back.";
    }
}

/// The model whose step counters are behind came first. Used for root and parents.
#[derive(Clone, Copy, Debug)]
pub struct Counters;

impl Witness for Counters {
    fn signal(&self) -> Signal {
        Signal::new("counter", "stored counters, such as batches seen, that only grow")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        let ahead = compare(lineage.geometry(), lineage.model(later), lineage.model(first));
        lineage.weights().witnesses.counters.root * f64::from(ahead as i8)
    }

    fn forbids(&self, hypothesis: &Hypothesis<'_>, parent: Member, child: Member) -> f64 {
        let lineage = hypothesis.lineage();
        let ahead = compare(lineage.geometry(), lineage.model(parent), lineage.model(child));
        if ahead == Ordering::Greater { lineage.weights().parents.excluded } else { 0.0 }
    }
}

/// Compares step counters: `Greater` when those of a are ahead of those of b.
///
/// The result is `Equal` when the models share no counter or their counters disagree.
fn compare(geometry: &Geometry, a: ModelId, b: ModelId) -> Ordering {
    let of_b = geometry.counters(b);
    let place = |name: &String| of_b.binary_search_by(|(other, _)| other.cmp(name)).ok();
    let differences = geometry.counters(a).iter().filter_map(|(name, count)| Some(count - of_b[place(name)?].1));
    let (mut more, mut less) = (false, false);
    for difference in differences {
        more |= difference > 0.0;
        less |= difference < 0.0;
    }
    // Counters that disagree cannot order two models.
    match (more, less) {
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ => Ordering::Equal,
    }
}
