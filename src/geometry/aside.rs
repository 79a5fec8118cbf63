//! Values that the pass sets aside while it reads them, so that they need not be read again.

use crate::model_set::ModelId;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Runs of values to set aside, and those that were.
///
/// A pass that goes on from a resume file does not see all values. What it did not see whole is left out.
#[derive(Debug, Default)]
pub(crate) struct Aside {
    /// For each group of the model set and each parameter of it: runs of the tensor, in order and apart from one another.
    wanted: Vec<Vec<Vec<Range<usize>>>>,
    /// Pieces of these runs, by what they are of and where they begin.
    pieces: Mutex<BTreeMap<Of, BTreeMap<usize, Vec<f32>>>>,
}

/// One parameter of a group in one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Of {
    model: ModelId,
    group: usize,
    parameter: usize,
}

/// What is to be set aside of one parameter in one model.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowAside<'a> {
    aside: &'a Aside,
    of: Of,
}

/// A run that was set aside: the model, its group, the parameter, and where in the tensor the run begins.
pub(crate) type Run = (ModelId, usize, usize, usize);

impl Aside {
    /// Sets aside these runs, by group and parameter.
    pub(crate) fn new(wanted: Vec<Vec<Vec<Range<usize>>>>) -> Self {
        Self { wanted, pieces: Mutex::default() }
    }

    /// What is to be set aside of one parameter of a group in one model; `None` for nothing.
    pub(super) fn of(&self, group: usize, parameter: usize, model: ModelId) -> Option<RowAside<'_>> {
        let wanted = self.wanted.get(group)?.get(parameter)?;
        (!wanted.is_empty()).then_some(RowAside { aside: self, of: Of { model, group, parameter } })
    }

    /// The runs that were set aside whole.
    pub(crate) fn runs(self) -> Vec<(Run, Vec<f32>)> {
        let pieces = self.pieces.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut runs = Vec::new();
        for (Of { model, group, parameter }, pieces) in pieces {
            for run in &self.wanted[group][parameter] {
                let mut whole: Vec<f32> = Vec::with_capacity(run.len());
                for (&begin, piece) in pieces.range(run.clone()) {
                    if begin == run.start + whole.len() {
                        whole.extend_from_slice(piece);
                    }
                }
                if whole.len() == run.len() {
                    runs.push(((model, group, parameter, run.start), whole));
                }
            }
        }
        runs
    }
}

impl RowAside<'_> {
    /// Sets aside what is wanted of some values, which begin at `begin` in the tensor.
    pub(super) fn take(&self, begin: usize, values: &[f32]) {
        let wanted = &self.aside.wanted[self.of.group][self.of.parameter];
        let end = begin + values.len();
        for run in &wanted[wanted.partition_point(|run| run.end <= begin)..] {
            if run.start >= end {
                break;
            }
            let piece = run.start.max(begin)..run.end.min(end);
            let taken = values[piece.start - begin..piece.end - begin].to_vec();
            let mut pieces = self.aside.pieces.lock().unwrap_or_else(PoisonError::into_inner);
            pieces.entry(self.of).or_default().insert(piece.start, taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_put_together_from_the_blocks_that_were_read() {
        let model = ModelId::new(3);
        let aside = Aside::new(vec![vec![Vec::new(), vec![2..6, 9..10, 12..16]]]);
        assert!(aside.of(0, 0, model).is_none() && aside.of(1, 0, model).is_none());
        let row = aside.of(0, 1, model).unwrap();
        let block = |range: Range<usize>| range.map(|x| x as f32).collect::<Vec<f32>>();
        // Blocks come in any order. The end of the last run is not seen.
        for range in [8..14, 0..4, 4..8] {
            row.take(range.start, &block(range));
        }
        let runs = aside.runs();
        assert_eq!(runs, [((model, 0, 1, 2), block(2..6)), ((model, 0, 1, 9), block(9..10))]);
    }
}
