//! One job of the pass: blocks of all rows, and of each a few strips in f64 with a symmetric rank-k update each.

use super::fingerprint::{Fingerprint, chain};
use super::moments::Moments;
use super::plan::Job;
use super::rank_update::{APART, Rows, STRIP, rank_update};
use super::room::lent;
use super::settings::Observer;
use crate::error::{Error, SourceError};
use crate::geometry::Progress;
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use crate::source::ParameterSource;
use pulp::{Arch, Simd, WithSimd};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Reads values of one model and refuses those that are not finite.
pub(super) fn read_finite(
    models: &ModelSet,
    id: ModelId,
    name: &str,
    offset: usize,
    out: &mut [f32],
) -> Result<(), Error> {
    let named = |source| Error::of_model(models.name(id), source);
    models.source(id).read(name, offset, out).and_then(|()| check_finite(name, offset, out)).map_err(named)
}

/// Reads values, refuses those that are not finite, and gives the moments of the others.
pub(super) fn read_with_moments(
    source: &dyn ParameterSource,
    name: &str,
    offset: usize,
    out: &mut [f32],
) -> Result<Moments, SourceError> {
    source.read(name, offset, out)?;
    let moments = Moments::of(out);
    if moments.is_finite() { Ok(moments) } else { check_finite(name, offset, out).map(|()| moments) }
}

fn check_finite(name: &str, offset: usize, values: &[f32]) -> Result<(), SourceError> {
    // All of them first, without a branch: there is hardly ever one.
    if values.iter().fold(true, |finite, x| finite & x.is_finite()) {
        return Ok(());
    }
    match values.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(SourceError::NotFinite { parameter: name.to_owned(), index: offset + at, value: values[at] }),
        None => Ok(()),
    }
}

/// What has been read, and whether to go on.
pub(super) struct Counter<'a> {
    observer: Option<&'a Observer>,
    read: AtomicU64,
    total: u64,
    stop: AtomicBool,
}

impl<'a> Counter<'a> {
    /// `read` values were read before.
    pub(super) fn new(observer: Option<&'a Observer>, read: u64, total: u64) -> Self {
        Self { observer, read: AtomicU64::new(read), total, stop: AtomicBool::new(false) }
    }

    pub(super) fn advance(&self, values: u64) -> Result<(), Error> {
        let read = self.read.fetch_add(values, Ordering::Relaxed) + values;
        if self.observer.is_some_and(|observe| observe(Progress { read, total: self.total }).is_break()) {
            self.stop.store(true, Ordering::Relaxed);
        }
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Whose values a row holds.
pub(super) enum From<'a> {
    Model { id: ModelId, own_name: &'a str },
    Initialization { source: &'a dyn ParameterSource, name: String },
}

impl From<'_> {
    fn source<'s>(&'s self, models: &'s ModelSet) -> (&'s dyn ParameterSource, &'s str) {
        match self {
            Self::Model { id, own_name } => (models.source(*id), own_name),
            Self::Initialization { source, name } => (*source, name),
        }
    }

    fn read(&self, models: &ModelSet, offset: usize, out: &mut [f32]) -> Result<Moments, Error> {
        let (source, name) = self.source(models);
        read_with_moments(source, name, offset, out).map_err(|source| match self {
            Self::Model { id, .. } => Error::of_model(models.name(*id), source),
            Self::Initialization { .. } => Error::Initialization { source: source.into() },
        })
    }
}

/// Values in f64, as they are or as differences from a reference: exact, so that no processor comes to other bits.
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
pub(super) struct Row<'a> {
    pub(super) from: From<'a>,
    /// The row this one is read as a difference from; itself for a reference.
    pub(super) reference: usize,
}

impl Row<'_> {
    /// Has the values of a job loaded while others are computed with.
    pub(super) fn prefetch(&self, models: &ModelSet, group: &LayoutGroup, job: Job) {
        let (source, name) = self.from.source(models);
        source.prefetch(name, group.parameters()[job.parameter].offset() + job.begin, job.length);
    }
}

pub(super) struct Partial {
    /// Inner products of rows, column-major; only the lower triangle is filled.
    pub(super) products: Vec<f64>,
    pub(super) moments: Vec<Moments>,
    pub(super) fingerprints: Vec<u128>,
}

/// What a thread needs for its jobs, kept from one to the next.
#[derive(Default)]
struct Buffers {
    /// A block of every row, as read.
    narrow: Vec<f32>,
    /// A strip of it in f64.
    wide: Vec<f64>,
}

thread_local! {
    static BUFFERS: Cell<Buffers> = Cell::default();
}

/// Adds the inner products of all rows over one block, strip by strip.
fn add_products(products: &mut [f64], rows: &[Row<'_>], narrow: &[f32], length: usize, wide: &mut Vec<f64>) {
    let stride = STRIP + APART;
    wide.resize(rows.len() * stride, 0.0);
    for begin in (0..length).step_by(STRIP) {
        let taken = STRIP.min(length - begin);
        for (r, row) in rows.iter().enumerate() {
            let narrow = &narrow[r * length + begin..][..taken];
            let (before, rest) = wide.split_at_mut(r * stride);
            let reference = (row.reference != r).then(|| &before[row.reference * stride..][..taken]);
            Arch::new().dispatch(Widen { narrow, reference, wide: &mut rest[..taken] });
        }
        rank_update(products, Rows { values: wide, stride, length: taken }, rows.len());
    }
}

pub(super) fn run(
    models: &ModelSet,
    group: &LayoutGroup,
    job: Job,
    rows: &[Row<'_>],
    block: usize,
    counter: &Counter<'_>,
) -> Result<Partial, Error> {
    let k = rows.len();
    let offset = group.parameters()[job.parameter].offset();
    let mut fingerprints = vec![Fingerprint::new(); k];
    let mut partial =
        Partial { products: vec![0.0; k * k], moments: vec![Moments::default(); k], fingerprints: Vec::new() };
    lent(&BUFFERS, |Buffers { narrow, wide }| {
        for begin in (0..job.length).step_by(block) {
            let length = block.min(job.length - begin);
            narrow.resize(k * length, 0.0);
            for (r, row) in rows.iter().enumerate() {
                let narrow = &mut narrow[r * length..][..length];
                let moments = row.from.read(models, offset + job.begin + begin, narrow)?;
                partial.moments[r] = partial.moments[r].merge(moments);
                fingerprints[r].update(narrow);
            }
            add_products(&mut partial.products, rows, narrow, length, wide);
            counter.advance((k * length) as u64)?;
        }
        Ok::<(), Error>(())
    })?;
    partial.fingerprints = fingerprints.iter().map(Fingerprint::value).collect();
    Ok(partial)
}

impl Partial {
    pub(super) fn plus(mut self, next: &Self) -> Self {
        self.products.iter_mut().zip(&next.products).for_each(|(a, b)| *a += b);
        self.moments.iter_mut().zip(&next.moments).for_each(|(a, b)| *a = a.merge(*b));
        self.fingerprints.iter_mut().zip(&next.fingerprints).for_each(|(a, b)| *a = chain(*a, *b));
        self
    }
}
