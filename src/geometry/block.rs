//! One job of the pass. It reads blocks of all rows, and adds a symmetric rank-k update for each strip of a block, in f64.

use super::aside::RowAside;
use super::faults::Faults;
use super::notes::Note;
use super::plan::Job;
use super::progress::Counter;
use super::read::read_with_moments;
use crate::error::Error;
use crate::kernel::{APART, Fingerprint, Moments, Rows, STRIP, chain, rank_update, with_buffer};
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use crate::source::ParameterSource;
use pulp::{Arch, Simd, WithSimd};
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

/// Widens values to f64, as they are or as differences from a reference. Each operation is exact, so the bits are the same on
/// every processor.
struct Widen<'a> {
    narrow: &'a [f32],
    reference: Option<&'a [f64]>,
    wide: &'a mut [f64],
}

impl WithSimd for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let both = self.wide.iter_mut().zip(self.narrow);
        match self.reference {
            None => both.for_each(|(w, &x)| *w = f64::from(x)),
            Some(reference) => both.zip(reference).for_each(|((w, &x), &r)| *w = f64::from(x) - r),
        }
    }
}

/// One model as a row of a parameter's blocks.
pub(super) struct PassRow<'a> {
    pub(super) source: RowSource<'a>,
    /// The row from which this one is subtracted when it is read. A reference row names itself.
    pub(super) reference: usize,
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
    /// Inner products of rows, column-major. Only the lower triangle is filled.
    pub(super) products: Vec<f64>,
    pub(super) moments: Vec<Moments>,
    pub(super) fingerprints: Vec<u128>,
    pub(super) notes: Vec<Note>,
}

/// The buffers of a thread, which it keeps from one job to the next.
#[derive(Default)]
struct Buffers {
    /// A block of every row, as read.
    narrow: Vec<f32>,
    /// One strip of every row, in f64.
    wide: Vec<f64>,
}

thread_local! {
    static BUFFERS: Cell<Buffers> = Cell::default();
}

/// Adds the inner products of all rows over one block, strip by strip.
fn add_products(products: &mut [f64], rows: &[PassRow<'_>], narrow: &[f32], length: usize, wide: &mut Vec<f64>) {
    let stride = STRIP + APART;
    wide.resize(rows.len() * stride, 0.0);
    for begin in (0..length).step_by(STRIP) {
        let taken = STRIP.min(length - begin);
        for (r, row) in rows.iter().enumerate() {
            let narrow = &narrow[r * length + begin..][..taken];
            // A reference comes before the rows that use it, so its strip is already in f64.
            let (before, rest) = wide.split_at_mut(r * stride);
            let reference = (row.reference != r).then(|| &before[row.reference * stride..][..taken]);
            Arch::new().dispatch(Widen { narrow, reference, wide: &mut rest[..taken] });
        }
        rank_update(products, Rows { values: wide, stride, length: taken }, rows.len());
    }
}

/// Reads the values of one job in every row and computes their sums.
pub(super) fn run(
    models: &ModelSet,
    group: &LayoutGroup,
    job: Job,
    rows: &[PassRow<'_>],
    block: usize,
    counter: &Counter,
    faults: &Faults,
) -> Result<Partial, Error> {
    let k = rows.len();
    let offset = group.parameters()[job.parameter].offset();
    let mut fingerprints = vec![Fingerprint::new(); k];
    let mut partial = Partial { fingerprints: Vec::new(), ..Partial::none(k) };
    with_buffer(&BUFFERS, |Buffers { narrow, wide }| {
        for begin in (0..job.length).step_by(block) {
            let length = block.min(job.length - begin);
            narrow.resize(k * length, 0.0);
            for (r, row) in rows.iter().enumerate() {
                let narrow = &mut narrow[r * length..][..length];
                // Moments and fingerprints are those of the values as read, and not of differences.
                let moments = row.source.read(models, offset + job.begin + begin, narrow, faults)?;
                if let Some(aside) = &row.aside {
                    aside.take(offset + job.begin + begin, narrow);
                }
                partial.moments[r] = partial.moments[r].merge(moments);
                fingerprints[r].update(narrow);
                partial.notes[r] = partial.notes[r].merge(Note::of(narrow));
            }
            // Once a model is faulty, the pass only looks for others that are.
            if !faults.any() {
                add_products(&mut partial.products, rows, narrow, length, wide);
            }
            // A job is long, so an observer can also interrupt between its blocks.
            counter.advance((k * length) as u64)?;
        }
        Ok::<(), Error>(())
    })?;
    partial.fingerprints = fingerprints.iter().map(Fingerprint::value).collect();
    Ok(partial)
}

impl Partial {
    /// The sums over no job of `rows` rows.
    pub(super) fn none(rows: usize) -> Self {
        Self {
            products: vec![0.0; rows * rows],
            moments: vec![Moments::default(); rows],
            fingerprints: vec![0; rows],
            notes: vec![Note::NONE; rows],
        }
    }

    /// Adds the sums over the jobs that follow. The order matters for fingerprints and for rounding.
    pub(super) fn plus(mut self, next: &Self) -> Self {
        self.products.iter_mut().zip(&next.products).for_each(|(a, b)| *a += b);
        self.moments.iter_mut().zip(&next.moments).for_each(|(a, b)| *a = a.merge(*b));
        self.fingerprints.iter_mut().zip(&next.fingerprints).for_each(|(a, b)| *a = chain(*a, *b));
        self.notes.iter_mut().zip(&next.notes).for_each(|(a, b)| *a = a.merge(*b));
        self
    }
}
