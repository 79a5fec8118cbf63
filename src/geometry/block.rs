//! One job of the pass. It reads blocks of all rows, and sums what squared distances, moments and fingerprints need.

use super::aside::RowAside;
use super::direct::Squared;
use super::faults::Faults;
use super::notes::Note;
use super::plan::Job;
use super::progress::Counter;
use super::read::read_with_moments;
use super::steps::{Doubtful, StepBuffers, StepSums};
use crate::error::Error;
use crate::kernel::{Fingerprint, Moments, Packed, STRIP, chain, with_buffer};
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use crate::source::ParameterSource;
use std::cell::Cell;

/// The model or initialization whose values a row holds.
pub(super) enum RowSource<'a> {
    Model { id: ModelId, own_name: &'a str },
    Initialization { source: &'a dyn ParameterSource, name: String },
}

impl RowSource<'_> {
    fn of<'s>(&'s self, models: &'s ModelSet) -> (&'s dyn ParameterSource, &'s str) {
        match self {
            Self::Model { id, own_name } => (models.source(*id), own_name),
            Self::Initialization { source, name } => (*source, name),
        }
    }

    /// Reads values. A model that cannot be read is noted as faulty, and not read on.
    fn read(&self, models: &ModelSet, offset: usize, out: &mut [f32], faults: &Faults) -> Result<Moments, Error> {
        let (source, name) = self.of(models);
        match self {
            Self::Model { id, .. } if faults.has(*id) => Ok(Moments::default()),
            Self::Model { id, .. } => read_with_moments(source, name, offset, out)
                .or_else(|error| faults.note(models, *id, error).map(|()| Moments::default())),
            Self::Initialization { .. } => read_with_moments(source, name, offset, out)
                .map_err(|source| Error::Initialization { source: source.into() }),
        }
    }
}

/// One model, or the initialization, as a row of a parameter's blocks.
pub(super) struct PassRow<'a> {
    pub(super) source: RowSource<'a>,
    pub(super) aside: Option<RowAside<'a>>,
}

impl PassRow<'_> {
    /// Announces the values of a job to the source, which may load them during other computations.
    pub(super) fn prefetch(&self, models: &ModelSet, group: &LayoutGroup, job: Job) {
        let (source, name) = self.source.of(models);
        source.prefetch(name, group.parameters()[job.parameter].offset() + job.begin, job.length);
    }
}

/// The sums over one job, or over several jobs of one parameter.
pub(super) struct Partial {
    /// Squared distances of rows.
    pub(super) squared: Packed,
    pub(super) moments: Vec<Moments>,
    pub(super) fingerprints: Vec<u128>,
    pub(super) notes: Vec<Note>,
}

/// The buffers of a thread, which it keeps from one job to the next.
#[derive(Default)]
struct Buffers {
    /// A block of every row, as read.
    narrow: Vec<f32>,
    strips: StepBuffers,
}

thread_local! {
    static BUFFERS: Cell<Buffers> = Cell::default();
}

/// The sums of one job from which squared distances follow.
enum JobSums {
    /// Of a short job, or of some of its rows that steps do not give exactly.
    Direct(Squared),
    Steps(StepSums),
}

/// What all jobs of a pass share.
pub(super) struct Reading<'a> {
    pub(super) models: &'a ModelSet,
    pub(super) group: &'a LayoutGroup,
    /// Number of values of one row that are read at a time.
    pub(super) block: usize,
    pub(super) counter: &'a Counter,
    pub(super) faults: &'a Faults,
}

impl Reading<'_> {
    /// Reads the values of one job in every row and computes their sums.
    pub(super) fn run(&self, job: Job, rows: &[PassRow<'_>]) -> Result<Partial, Error> {
        with_buffer(&BUFFERS, |buffers| {
            let k = rows.len();
            let mut fingerprints = vec![Fingerprint::new(); k];
            let mut partial = Partial { fingerprints: Vec::new(), ..Partial::none(k) };
            let mut sums = None;
            for (offset, length) in self.blocks(job) {
                buffers.narrow.resize(k * length, 0.0);
                for (r, row) in rows.iter().enumerate() {
                    let narrow = &mut buffers.narrow[r * length..][..length];
                    let moments = row.source.read(self.models, offset, narrow, self.faults)?;
                    if let Some(aside) = &row.aside {
                        aside.take(offset, narrow);
                    }
                    partial.moments[r] = partial.moments[r].merge(moments);
                    fingerprints[r].update(narrow);
                    partial.notes[r] = partial.notes[r].merge(Note::of(narrow));
                }
                // Once a model is faulty, the pass only looks for others that are.
                if !self.faults.any() {
                    let Buffers { narrow, strips } = buffers;
                    let new = || match job.length {
                        ..=STRIP => JobSums::Direct(Squared::new(k)),
                        columns => JobSums::Steps(StepSums::new(narrow, length, columns, k, &mut strips.wide)),
                    };
                    match sums.get_or_insert_with(new) {
                        JobSums::Direct(sums) => sums.add(narrow, length, length, &mut strips.wide),
                        JobSums::Steps(sums) => sums.add(narrow, length, strips),
                    }
                }
                // A job is long, so an observer can also interrupt between its blocks.
                self.counter.advance((k * length) as u64)?;
            }
            partial.fingerprints = fingerprints.iter().map(Fingerprint::value).collect();
            if !self.faults.any() {
                self.finish(job, rows, sums, &mut partial, buffers)?;
            }
            Ok(partial)
        })
    }

    /// Returns offset and length of each block of a job.
    fn blocks(&self, job: Job) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (offset, block) = (self.group.parameters()[job.parameter].offset() + job.begin, self.block);
        (0..job.length).step_by(block).map(move |begin| (offset + begin, block.min(job.length - begin)))
    }

    fn finish(
        &self,
        job: Job,
        rows: &[PassRow<'_>],
        sums: Option<JobSums>,
        partial: &mut Partial,
        buffers: &mut Buffers,
    ) -> Result<(), Error> {
        let Partial { squared, fingerprints, .. } = partial;
        match sums {
            None => {}
            Some(JobSums::Direct(sums)) => {
                let pairs = (0..rows.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
                pairs.for_each(|(i, j)| squared.set(i, j, sums.value(i, j)));
            }
            Some(JobSums::Steps(sums)) => {
                let doubtful = sums.squared_distances(fingerprints, squared);
                self.correct(job, rows, &doubtful, squared, buffers)?;
            }
        }
        Ok(())
    }

    /// Reads the rows of some pairs once more, and sums the squared distances of these pairs directly.
    fn correct(
        &self,
        job: Job,
        rows: &[PassRow<'_>],
        pairs: &[Doubtful],
        squared: &mut Packed,
        Buffers { narrow, strips }: &mut Buffers,
    ) -> Result<(), Error> {
        let mut among: Vec<usize> = pairs.iter().flat_map(|&(i, j)| [i, j]).collect();
        among.sort_unstable();
        among.dedup();
        if among.is_empty() {
            return Ok(());
        }
        let mut sums = Squared::new(among.len());
        for (offset, length) in self.blocks(job) {
            narrow.resize(among.len() * length, 0.0);
            for (&row, narrow) in among.iter().zip(narrow.chunks_exact_mut(length)) {
                rows[row].source.read(self.models, offset, narrow, self.faults)?;
            }
            sums.add(narrow, length, length, &mut strips.wide);
            self.counter.advance(0)?;
        }
        let at = |row: usize| among.partition_point(|&other| other < row);
        pairs.iter().for_each(|&(i, j)| squared.set(i, j, sums.value(at(i), at(j))));
        Ok(())
    }
}

impl Partial {
    /// The sums over no job of `rows` rows.
    pub(super) fn none(rows: usize) -> Self {
        Self {
            squared: Packed::zeros(rows),
            moments: vec![Moments::default(); rows],
            fingerprints: vec![0; rows],
            notes: vec![Note::NONE; rows],
        }
    }

    /// Adds the sums over the jobs that follow. The order matters for fingerprints and for rounding.
    pub(super) fn plus(mut self, next: &Self) -> Self {
        self.squared.values_mut().iter_mut().zip(next.squared.values()).for_each(|(a, b)| *a += b);
        self.moments.iter_mut().zip(&next.moments).for_each(|(a, b)| *a = a.merge(*b));
        self.fingerprints.iter_mut().zip(&next.fingerprints).for_each(|(a, b)| *a = chain(*a, *b));
        self.notes.iter_mut().zip(&next.notes).for_each(|(a, b)| *a = a.merge(*b));
        self
    }
}
