//! The increments that were found so far.

use super::{Sampled, settle};
use crate::error::Error;
use crate::evidence::together::together;
use crate::evidence::values::Values;
use crate::geometry::{Increments, LineSums};
use crate::model_set::ModelId;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most pairs whose increments are kept. Each takes some hundred bytes for each matrix.
const MOST: usize = 4096;

/// A pair (a, b) of models.
type Pair = (ModelId, ModelId);

/// The increments of pairs that were found so far. Beyond a bound, a pair is read again each time.
#[derive(Debug, Default)]
pub(in crate::evidence) struct KnownIncrements {
    pairs: Mutex<HashMap<Pair, Known>>,
}

/// What is known of the increments of a pair.
#[derive(Clone, Debug)]
enum Known {
    /// What a sample of rows tells. Nobody asked for it yet.
    Sampled(Sampled),
    /// All that was asked for.
    Whole(Arc<Increments>),
}

impl KnownIncrements {
    fn pairs(&self) -> MutexGuard<'_, HashMap<Pair, Known>> {
        // A panic in another thread leaves the map whole, so a poisoned lock can still be used.
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, pair: Pair, found: Known) {
        let mut pairs = self.pairs();
        if pairs.len() < MOST || pairs.contains_key(&pair) {
            pairs.insert(pair, found);
        }
    }

    /// Keeps what a sample of rows tells of a pair.
    pub(in crate::evidence) fn keep_sampled(&self, pair: Pair, sampled: Sampled) {
        self.keep(pair, Known::Sampled(sampled));
    }

    /// Drops what nobody asked for: it was foreseen for a lineage that is solved by now.
    pub(in crate::evidence) fn forget_unasked(&self) {
        self.pairs().retain(|_, known| matches!(known, Known::Whole(_)));
    }

    /// Keeps what a comparison in full tells of a pair.
    pub(in crate::evidence) fn keep_whole(&self, pair: Pair, increments: Increments) {
        self.keep(pair, Known::Whole(Arc::new(increments)));
    }

    /// The pairs of which nothing is known, sorted.
    pub(in crate::evidence) fn unknown(&self, pairs: &[Pair]) -> Vec<Pair> {
        let known = self.pairs();
        let mut unknown: Vec<Pair> = pairs.iter().copied().filter(|pair| !known.contains_key(pair)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Returns in how many matrices of the pairs asked for the rank could not be computed.
    pub(in crate::evidence) fn undecomposed(&self) -> usize {
        let count = |known: &Known| match known {
            Known::Whole(increments) => increments.matrices.iter().filter(|m| m.undecomposed).count(),
            Known::Sampled(_) => 0,
        };
        self.pairs().values().map(count).sum()
    }
}

/// The increments of some pairs. What is not known is read.
pub(in crate::evidence) fn increments(
    values: &Values,
    known: &KnownIncrements,
    pairs: &[Pair],
) -> Result<Vec<Option<Arc<Increments>>>, Error> {
    let mut found: BTreeMap<Pair, Known> = BTreeMap::new();
    let unknown = known.unknown(pairs);
    together(values, &[], &unknown, &mut |_: usize, _: usize, _: LineSums| Ok(()), &mut |at, sampled| {
        found.insert(unknown[at], Known::Sampled(sampled));
    })?;
    {
        let known = known.pairs();
        found.extend(pairs.iter().filter_map(|pair| Some((*pair, known.get(pair)?.clone()))));
    }
    // What is asked for is needed whole.
    let (mut whole, mut sampled, mut open) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (pair, of) in found {
        match of {
            Known::Whole(increments) => drop(whole.insert(pair, increments)),
            Known::Sampled(of) if of.unsettled.is_empty() => sampled.push((pair, of)),
            Known::Sampled(of) => open.push((pair, of)),
        }
    }
    settle(values, &mut open)?;
    for (pair, Sampled { increments, .. }) in sampled.into_iter().chain(open) {
        let increments = Arc::new(increments);
        known.keep(pair, Known::Whole(Arc::clone(&increments)));
        whole.insert(pair, increments);
    }
    Ok(pairs.iter().map(|pair| whole.get(pair).cloned()).collect())
}
