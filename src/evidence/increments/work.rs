//! The increments of some pairs of models, added up run by run.

use super::change::Change;
use super::matrix::{Projections, TensorPair, either, projections};
use super::rank::Gram;
use crate::error::Error;
use crate::evidence::shared::SharedTensor;
use crate::evidence::values::Values;
use crate::geometry::{Increment, Increments};
use crate::model_set::{Kind, ModelId};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The memory that one pair takes while increments are added up, in bytes: the sums of one matrix, and what waits to be added.
pub(in crate::evidence) const PAIR: u64 = 512 << 10;

/// The matrices that some pairs of models share, and the random matrices for them.
pub(in crate::evidence) struct SharedMatrices<'v> {
    of_pairs: Vec<([ModelId; 2], Vec<SharedTensor<'v>>)>,
    projections: Projections,
}

/// What is to be added up of some pairs.
pub(in crate::evidence) struct IncrementWork<'v> {
    pairs: Vec<Pair<'v>>,
}

struct Pair<'v> {
    matrices: Vec<Matrix<'v>>,
    /// Whether a matrix proved not to be full in a sample of its rows. The others of the two models then seldom are.
    low: AtomicBool,
}

struct Matrix<'v> {
    of: TensorPair<'v>,
    /// Of the rows, every so many are projected. The first run decides for all.
    every: OnceLock<usize>,
}

/// The place of a pair, and of a matrix among those of the pair.
pub(in crate::evidence) type At = (usize, usize);

/// One run of a matrix of two models, or several.
pub(in crate::evidence) struct RunChange<'v> {
    change: Change,
    gram: Option<Gram<'v>>,
}

/// The increments of one pair, as far as a sample of rows tells.
#[derive(Clone, Debug)]
pub(in crate::evidence) struct Sampled {
    pub(in crate::evidence) increments: Increments,
    /// The places of the matrices whose rank is known only when all rows were projected.
    pub(in crate::evidence) unsettled: Vec<usize>,
}

/// The sums so far.
pub(in crate::evidence) struct IncrementTotals<'v> {
    /// For each matrix that is open, the number of runs to come, and the sum of those before.
    open: BTreeMap<At, (usize, RunChange<'v>)>,
    pub(in crate::evidence) found: Vec<Sampled>,
}

impl<'v> SharedMatrices<'v> {
    /// Looks up the matrices that the models of each pair share.
    pub(in crate::evidence) fn new(values: &'v Values, pairs: &[(ModelId, ModelId)]) -> Result<Self, Error> {
        let of_pair = |&(a, b): &(ModelId, ModelId)| {
            let shared = values.shared(&[a, b])?;
            Ok(([a, b], shared.into_iter().filter(|t| t.kind == Kind::Matrix && t.size() > 0).collect()))
        };
        let of_pairs: Vec<([ModelId; 2], Vec<SharedTensor<'v>>)> =
            pairs.iter().map(of_pair).collect::<Result<_, Error>>()?;
        let projections = projections(of_pairs.iter().flat_map(|(_, tensors)| tensors));
        Ok(Self { of_pairs, projections })
    }

    /// The work for some of the pairs.
    pub(in crate::evidence) fn work<'s>(&'s self, values: &Values, some: &[usize]) -> IncrementWork<'s> {
        let pair = |&p: &usize| {
            let (models, tensors) = &self.of_pairs[p];
            let of = |t: &SharedTensor<'s>| TensorPair::new(values, &self.projections, t.clone(), *models);
            let matrices = tensors.iter().map(|t| Matrix { of: of(t), every: OnceLock::new() }).collect();
            Pair { matrices, low: AtomicBool::new(false) }
        };
        IncrementWork { pairs: some.iter().map(pair).collect() }
    }
}

impl<'v> IncrementWork<'v> {
    /// Every matrix of every pair: its place, its tensor, and the two models with their own names of it.
    pub(in crate::evidence) fn all(&self) -> impl Iterator<Item = (At, &TensorPair<'v>)> {
        let of_pair = |(p, pair): (usize, &'_ Pair<'v>)| (p, pair.matrices.len());
        let places = self.pairs.iter().enumerate().map(of_pair).collect::<Vec<_>>();
        let places = places.into_iter().flat_map(|(p, matrices)| (0..matrices).map(move |t| (p, t)));
        places.map(|(p, t)| ((p, t), &self.pairs[p].matrices[t].of))
    }

    /// The sums of one run.
    pub(in crate::evidence) fn part(&self, (p, t): At, run: &Range<usize>, [a, b]: [&[f32]; 2]) -> RunChange<'v> {
        let pair = &self.pairs[p];
        let Matrix { of, every } = &pair.matrices[t];
        // A matrix that was not full makes the others of the pair worth projecting whole, which saves another reading.
        let every = *every.get_or_init(|| if pair.low.load(Ordering::Relaxed) { 1 } else { of.every });
        RunChange { change: Change::of(a, b), gram: of.gram(run, [a, b], every) }
    }

    /// Totals without any run.
    pub(in crate::evidence) fn totals(&self) -> IncrementTotals<'v> {
        let none = || Sampled { increments: Increments::default(), unsettled: Vec::new() };
        IncrementTotals { open: BTreeMap::new(), found: self.pairs.iter().map(|_| none()).collect() }
    }

    /// Adds one run to the totals. The runs of a matrix come in their order, and so do matrices.
    pub(in crate::evidence) fn add(&self, totals: &mut IncrementTotals<'v>, at: At, part: RunChange<'v>) {
        let (p, t) = at;
        let Matrix { of, every } = &self.pairs[p].matrices[t];
        let (left, sum) = match totals.open.remove(&at) {
            Some((left, before)) => (left - 1, before.plus(part)),
            None => (of.tensor.runs().count() - 1, part),
        };
        if left > 0 {
            totals.open.insert(at, (left, sum));
            return;
        }
        let Sampled { increments, unsettled } = &mut totals.found[p];
        let mut increment = sum.increment(of);
        let squared_norm = sum.change.squared[1];
        match sum.gram.filter(|gram| !of.is_full(gram, squared_norm, sum.change.change_squared)) {
            // Nothing moved, or the rank is full.
            None => {}
            _ if sum.change.change_squared == 0.0 => {}
            Some(gram) => {
                self.pairs[p].low.store(true, Ordering::Relaxed);
                if every.get() == Some(&1) {
                    increment.set_rank(of.rank(&gram, squared_norm));
                } else {
                    unsettled.push(t);
                }
            }
        }
        debug_assert_eq!(increments.matrices.len(), t, "matrices are complete in their order");
        increments.matrices.push(increment);
    }
}

impl RunChange<'_> {
    fn plus(mut self, next: Self) -> Self {
        self.change.merge(&next.change);
        Self { change: self.change, gram: either(self.gram, next.gram) }
    }

    /// The increment without its rank.
    fn increment(&self, of: &TensorPair<'_>) -> Increment {
        let tensor = &of.tensor;
        Increment {
            name: tensor.name.to_owned(),
            shape: [tensor.rows(), tensor.row_size],
            size: tensor.size(),
            equal: self.change.equal,
            squared_norms: self.change.squared,
            rank: None,
            undecomposed: false,
        }
    }
}

impl Increment {
    /// Sets the rank. A matrix that cannot be decomposed costs this one witness and no more. A remark tells of it.
    pub(in crate::evidence) fn set_rank(&mut self, found: Result<Option<usize>, Error>) {
        match found {
            Ok(rank) => self.rank = rank,
            Err(_) => self.undecomposed = true,
        }
    }
}
