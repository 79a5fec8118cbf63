//! Reading parameters a second time, for the few models that matter.

use super::block::read_finite;
use super::pair::PairEvidence;
use super::room::lent;
use super::settings::{GeometrySettings, Progress};
use crate::error::Error;
use crate::model_set::{Kind, ModelId, ModelSet};
use crate::source::Dtype;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Longest run of values that one job reads of one model: 4 MiB.
pub(super) const RUN: usize = 1 << 20;

/// Results of a pair waiting to be summed in the order of their jobs, some 150 KiB each.
pub(super) const WAVE: usize = 32;

/// Memory that a second thread and each further one must fit into: two runs, what waits to be summed, and what allocators keep
/// of these and of the first pass. 8 MiB are held, up to 15 MiB were seen resident.
const PER_THREAD: u64 = 32 << 20;

/// Pairs remembered; of some hundred bytes for each parameter.
const REMEMBERED: usize = 4096;

/// Runs of two models.
pub(super) type Both = [Vec<f32>; 2];

thread_local! {
    static BOTH: Cell<Both> = Cell::default();
}

/// Lends the room that this thread has for two runs.
pub(super) fn with_both<T>(use_them: impl FnOnce(&mut Both) -> T) -> T {
    lent(&BOTH, use_them)
}

type Pairs = HashMap<(ModelId, ModelId), Arc<PairEvidence>>;

/// Where the values of every model are.
#[derive(Debug)]
pub(super) struct Values {
    models: ModelSet,
    /// Per model, its group and its position there.
    positions: Vec<(usize, usize)>,
    settings: GeometrySettings,
    pairs: Mutex<Pairs>,
    /// Values read, and values to read as far as is known, those of the first pass included.
    read: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

/// A tensor that some models all hold: the values compared, with ranges that follow one another joined.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SharedTensor<'v> {
    pub(super) name: &'v str,
    pub(super) kind: Kind,
    /// Elements in one row: the product of every dimension but the first.
    pub(super) row_size: usize,
    pub(super) values: Range<usize>,
    /// One for each of the models.
    pub(super) own_names: Vec<&'v str>,
}

impl SharedTensor<'_> {
    pub(super) fn size(&self) -> usize {
        self.values.len()
    }

    /// Rows compared, the first and last perhaps in part.
    pub(super) fn rows(&self) -> usize {
        self.values.end.div_ceil(self.row_size) - self.values.start / self.row_size
    }

    /// Runs of whole rows, at most [`RUN`] values each; pieces of rows longer than that. They depend on the shape alone.
    pub(super) fn runs(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (end, row) = (self.values.end, self.row_size);
        let mut begin = self.values.start;
        std::iter::from_fn(move || {
            let next = if row <= RUN {
                let step = RUN / row * row;
                (begin / step + 1) * step
            } else {
                let first = begin / row * row;
                (first + ((begin - first) / RUN + 1) * RUN).min(first + row)
            };
            let run = begin..next.min(end);
            begin = run.end;
            (!run.is_empty()).then_some(run)
        })
    }
}

/// A run cut at the ends of rows: the number of each row, and the places of its values within the run.
pub(super) fn rows_of(run: &Range<usize>, row_size: usize) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
    let run = run.clone();
    let first = run.start / row_size;
    (first..run.end.div_ceil(row_size)).map(move |row| {
        let (begin, end) = ((row * row_size).max(run.start), ((row + 1) * row_size).min(run.end));
        (row, begin - run.start..end - run.start)
    })
}

impl Values {
    /// `read` values were read when the geometry was computed.
    pub(super) fn new(models: &ModelSet, settings: &GeometrySettings, read: u64) -> Self {
        let mut positions = vec![(0, 0); models.len()];
        for (g, group) in models.groups().iter().enumerate() {
            for (at, model) in group.models().iter().enumerate() {
                positions[model.index()] = (g, at);
            }
        }
        // What follows has no use for the caller's initialization.
        let fitting = (settings.memory.0 / PER_THREAD).max(1) as usize;
        let mut own = GeometrySettings::new().with_threads(settings.wanted_threads().min(fitting));
        own.observer.clone_from(&settings.observer);
        Self {
            models: models.clone(),
            positions,
            settings: own,
            pairs: Mutex::default(),
            read: AtomicU64::new(read),
            total: AtomicU64::new(read),
            stopped: AtomicBool::new(false),
        }
    }

    /// Says that so many values are going to be read, for whoever observes.
    pub(super) fn announce(&self, values: usize) {
        self.total.fetch_add(values as u64, Ordering::Relaxed);
    }

    fn advance(&self, values: usize) -> Result<(), Error> {
        let read = self.read.fetch_add(values as u64, Ordering::Relaxed) + values as u64;
        let total = self.total.load(Ordering::Relaxed).max(read);
        if self.settings.observer.as_ref().is_some_and(|observe| observe(Progress { read, total }).is_break()) {
            self.stopped.store(true, Ordering::Relaxed);
        }
        if self.stopped.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }

    pub(super) fn thread_pool(&self) -> Result<rayon::ThreadPool, Error> {
        self.settings.thread_pool()
    }

    /// The tensors that all of some models hold, sorted by name, then values.
    pub(super) fn shared(&self, models: &[ModelId]) -> Result<Vec<SharedTensor<'_>>, Error> {
        let Some(&first) = models.first() else { return Ok(Vec::new()) };
        let mut at = Vec::with_capacity(models.len());
        let mut group = None;
        for model in models {
            let apart = || Error::NotComparable { first: first.index(), second: model.index() };
            let &(g, position) = self.positions.get(model.index()).ok_or_else(apart)?;
            if *group.get_or_insert(g) != g {
                return Err(apart());
            }
            at.push(position);
        }
        let group = &self.models.groups()[group.unwrap_or_default()];
        let mut tensors: Vec<SharedTensor<'_>> = Vec::new();
        for (p, parameter) in group.parameters().iter().enumerate() {
            let Some(own_names) = at.iter().map(|&m| group.own_name(m, p)).collect::<Option<Vec<&str>>>() else {
                continue;
            };
            let (name, row_size) = (parameter.name.as_str(), parameter.row_size);
            match tensors.last_mut() {
                Some(before)
                    if before.own_names == own_names
                        && before.row_size == row_size
                        && before.values.end == parameter.values.start =>
                {
                    before.values.end = parameter.values.end;
                }
                _ => tensors.push(SharedTensor {
                    name,
                    kind: parameter.kind,
                    row_size,
                    values: parameter.values.clone(),
                    own_names,
                }),
            }
        }
        Ok(tensors)
    }

    /// How a model stores one of its tensors.
    pub(super) fn dtype(&self, model: ModelId, own_name: &str) -> Option<Dtype> {
        self.models.dtype(model, own_name)
    }

    pub(super) fn read(
        &self,
        model: ModelId,
        own_name: &str,
        run: &Range<usize>,
        out: &mut Vec<f32>,
    ) -> Result<(), Error> {
        // What is kept of a longer run is read over.
        out.resize(run.len(), 0.0);
        read_finite(&self.models, model, own_name, run.start, out)?;
        self.advance(run.len())
    }

    pub(super) fn remembered(&self, a: ModelId, b: ModelId) -> Option<Arc<PairEvidence>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).get(&(a, b)).cloned()
    }

    pub(super) fn remember(&self, a: ModelId, b: ModelId, evidence: &Arc<PairEvidence>) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() < REMEMBERED {
            pairs.insert((a, b), Arc::clone(evidence));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(row_size: usize, values: Range<usize>) -> SharedTensor<'static> {
        SharedTensor { name: "w", kind: Kind::Matrix, row_size, values, own_names: Vec::new() }
    }

    #[test]
    fn runs_are_whole_rows_or_pieces_of_one() {
        for (row_size, values) in [(1, 0..3 * RUN + 5), (1000, 7..5 * RUN), (RUN + 3, 2..3 * RUN + 1), (RUN, 0..RUN)] {
            let t = tensor(row_size, values.clone());
            let runs: Vec<Range<usize>> = t.runs().collect();
            assert_eq!((runs[0].start, runs[runs.len() - 1].end), (values.start, values.end));
            assert!(runs.windows(2).all(|w| w[0].end == w[1].start));
            for run in &runs {
                assert!(!run.is_empty() && run.len() <= RUN);
                let inner = [run.start, run.end].into_iter().filter(|&at| at != values.start && at != values.end);
                for at in inner {
                    assert!(at.is_multiple_of(row_size) || row_size > RUN);
                }
                assert!(row_size <= RUN || rows_of(run, row_size).count() == 1);
            }
        }
    }

    #[test]
    fn a_run_is_cut_at_the_ends_of_rows() {
        let rows: Vec<_> = rows_of(&(7..22), 5).collect();
        assert_eq!(rows, [(1, 0..3), (2, 3..8), (3, 8..13), (4, 13..15)]);
    }
}
