//! One job of the pass: blocks of all rows in f64, one symmetric rank-k update each.

use super::fingerprint::{Fingerprint, chain};
use super::moments::Moments;
use super::plan::Job;
use super::settings::Observer;
use crate::error::{Error, SourceError};
use crate::geometry::Progress;
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use crate::source::ParameterSource;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Reads values of one model and refuses those that are not finite.
pub(super) fn read_finite(
    models: &ModelSet,
    id: ModelId,
    name: &str,
    offset: usize,
    out: &mut [f32],
) -> Result<(), Error> {
    let named = |source| Error::Source { model: models.name(id).to_owned(), source };
    models.source(id).read(name, offset, out).and_then(|()| check_finite(name, offset, out)).map_err(named)
}

pub(super) fn check_finite(name: &str, offset: usize, values: &[f32]) -> Result<(), SourceError> {
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
    fn read(&self, models: &ModelSet, offset: usize, out: &mut [f32]) -> Result<(), Error> {
        match self {
            Self::Model { id, own_name } => read_finite(models, *id, own_name, offset, out),
            Self::Initialization { source, name } => {
                let result = source.read(name, offset, out).and_then(|()| check_finite(name, offset, out));
                result.map_err(|source| Error::Initialization { source })
            }
        }
    }
}

/// One model as a row of a parameter's blocks.
pub(super) struct Row<'a> {
    pub(super) from: From<'a>,
    /// The row this one is read as a difference from; itself for a reference.
    pub(super) reference: usize,
}

pub(super) struct Partial {
    /// Inner products of rows, column-major; only the lower triangle is filled.
    pub(super) products: Vec<f64>,
    pub(super) moments: Vec<Moments>,
    pub(super) fingerprints: Vec<u128>,
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
    let longest = block.min(job.length);
    let mut narrow = vec![0f32; longest];
    let mut wide = vec![0f64; k * longest];
    let mut fingerprints = vec![Fingerprint::new(); k];
    let mut partial =
        Partial { products: vec![0.0; k * k], moments: vec![Moments::default(); k], fingerprints: Vec::new() };
    for begin in (0..job.length).step_by(block) {
        let length = block.min(job.length - begin);
        let narrow = &mut narrow[..length];
        for (r, row) in rows.iter().enumerate() {
            row.from.read(models, offset + job.begin + begin, narrow)?;
            partial.moments[r] = partial.moments[r].merge(Moments::of(narrow));
            fingerprints[r].update(narrow);
            let (before, rest) = wide.split_at_mut(r * length);
            if row.reference == r {
                rest.iter_mut().zip(&*narrow).for_each(|(w, &x)| *w = f64::from(x));
            } else {
                let reference = &before[row.reference * length..][..length];
                rest.iter_mut().zip(&*narrow).zip(reference).for_each(|((w, &x), &r)| *w = f64::from(x) - r);
            }
        }
        let block = MatRef::from_row_major_slice(&wide[..k * length], k, length);
        triangular::matmul(
            MatMut::from_column_major_slice_mut(&mut partial.products, k, k),
            BlockStructure::TriangularLower,
            Accum::Add,
            block,
            BlockStructure::Rectangular,
            block.transpose(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        counter.advance((k * length) as u64)?;
    }
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
