//! One streamed pass over all parameters: blocks in f64, one symmetric rank-k update each, sums in a fixed order.
//!
//! A raw Gram matrix loses small distances: at a relative movement of 1e-6 the squared distance is 1e-12 of what it is the
//! difference of. Models that are near to one another (by the [pilot](super::pilot)) are therefore read as differences from
//! one of them, `Δ_i = θ_i − θ_r`, exact in f64; the rows multiplied are `θ_r` and the `Δ_i`, as many as there are models. All
//! inner products follow by expanding `θ_i = θ_r + Δ_i`, and distances between near models from the small `Δ` alone.

use super::moments::Moments;
use super::packed::Packed;
use super::plan::{Job, Plan, jobs};
use super::settings::Observer;
use super::{GroupGeometry, ParameterGeometry, Tensor};
use crate::error::{Error, SourceError};
use crate::geometry::Progress;
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use crate::source::ParameterSource;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use xxhash_rust::xxh3::xxh3_128;

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

fn check_finite(name: &str, offset: usize, values: &[f32]) -> Result<(), SourceError> {
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
    pub(super) fn new(observer: Option<&'a Observer>, total: u64) -> Self {
        Self { observer, read: AtomicU64::new(0), total, stop: AtomicBool::new(false) }
    }

    fn advance(&self, values: u64) -> Result<(), Error> {
        let read = self.read.fetch_add(values, Ordering::Relaxed) + values;
        if self.observer.is_some_and(|observe| observe(Progress { read, total: self.total }).is_break()) {
            self.stop.store(true, Ordering::Relaxed);
        }
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Whose values a row holds.
enum From<'a> {
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
struct Row<'a> {
    from: From<'a>,
    /// The row this one is read as a difference from; itself for a reference.
    reference: usize,
}

struct Partial {
    /// Inner products of rows, column-major; only the lower triangle is filled.
    products: Vec<f64>,
    moments: Vec<Moments>,
    fingerprints: Vec<u128>,
}

/// Streams one group of comparable models.
pub(super) fn stream(
    models: &ModelSet,
    group: &LayoutGroup,
    places: &[usize],
    class: &[usize],
    plan: &Plan,
    initialization: Option<&dyn ParameterSource>,
    counter: &Counter<'_>,
) -> Result<GroupGeometry, Error> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(plan.threads)
        .build()
        .map_err(|e| Error::Threads { source: Box::new(e) })?;
    let mut place_of = vec![0; places.len()];
    for (place, &at) in places.iter().enumerate() {
        place_of[at] = place;
    }
    let rows: Vec<Vec<Row<'_>>> =
        (0..group.parameters().len()).map(|p| rows(group, p, places, &place_of, class, initialization)).collect();
    let all_jobs: Vec<Job> = plan.units.iter().flatten().flat_map(|&p| jobs(p, group.parameters()[p].size())).collect();

    let mut sums = Sums::new(group, plan, &place_of);
    let mut open: Option<(usize, Partial)> = None;
    for wave in all_jobs.chunks(plan.wave) {
        let done: Vec<Result<Partial, Error>> = pool.install(|| {
            let run = |job: &Job| run(models, group, *job, &rows[job.parameter], plan.block, counter);
            wave.par_iter().map(run).collect()
        });
        for (job, partial) in wave.iter().zip(done) {
            let partial = partial?;
            open = Some(match open.take() {
                Some((p, sum)) if p == job.parameter => (p, sum.plus(&partial)),
                Some((p, sum)) => {
                    sums.take(p, &rows[p], &sum);
                    (job.parameter, partial)
                }
                None => (job.parameter, partial),
            });
        }
    }
    if let Some((p, sum)) = open {
        sums.take(p, &rows[p], &sum);
    }
    let members = places.iter().map(|&at| group.models()[at]).collect();
    let unshared = places.iter().map(|&at| group.unshared_size(at)).collect();
    Ok(GroupGeometry::new(members, sums.units, unshared))
}

fn rows<'a>(
    group: &'a LayoutGroup,
    p: usize,
    places: &[usize],
    place_of: &[usize],
    class: &[usize],
    initialization: Option<&'a dyn ParameterSource>,
) -> Vec<Row<'a>> {
    let mut held: Vec<usize> = group.parameters()[p].holders.iter().map(|&at| place_of[at]).collect();
    held.sort_unstable();
    let first_of_class = |place: usize| held.iter().position(|&other| class[other] == class[place]).unwrap_or_default();
    let model = |&place: &usize| Row {
        from: From::Model {
            id: group.models()[places[place]],
            own_name: group.own_name(places[place], p).unwrap_or_default(),
        },
        reference: first_of_class(place),
    };
    let mut rows: Vec<Row<'_>> = held.iter().map(model).collect();
    if let Some(source) = initialization {
        let from = From::Initialization { source, name: group.parameters()[p].name.clone() };
        rows.push(Row { from, reference: rows.len() });
    }
    rows
}

fn run(
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
    let mut partial =
        Partial { products: vec![0.0; k * k], moments: vec![Moments::default(); k], fingerprints: vec![0; k] };
    for begin in (0..job.length).step_by(block) {
        let length = block.min(job.length - begin);
        let narrow = &mut narrow[..length];
        for (r, row) in rows.iter().enumerate() {
            row.from.read(models, offset + job.begin + begin, narrow)?;
            partial.moments[r] = partial.moments[r].merge(Moments::of(narrow));
            partial.fingerprints[r] = chain(partial.fingerprints[r], fingerprint(narrow));
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
    Ok(partial)
}

fn fingerprint(values: &[f32]) -> u128 {
    let mut bytes = Vec::with_capacity(4 * values.len());
    values.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
    xxh3_128(&bytes)
}

/// Fingerprint of a sequence from that of its beginning and that of the next block.
fn chain(before: u128, next: u128) -> u128 {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&before.to_le_bytes());
    bytes[16..].copy_from_slice(&next.to_le_bytes());
    xxh3_128(&bytes)
}

impl Partial {
    fn plus(mut self, next: &Self) -> Self {
        self.products.iter_mut().zip(&next.products).for_each(|(a, b)| *a += b);
        self.moments.iter_mut().zip(&next.moments).for_each(|(a, b)| *a = a.merge(*b));
        self.fingerprints.iter_mut().zip(&next.fingerprints).for_each(|(a, b)| *a = chain(*a, *b));
        self
    }
}

/// The matrices kept, one for each unit of the plan.
struct Sums {
    units: Vec<ParameterGeometry>,
    unit_of: Vec<usize>,
    names: Vec<(String, usize)>,
}

impl Sums {
    fn new(group: &LayoutGroup, plan: &Plan, place_of: &[usize]) -> Self {
        let mut unit_of = vec![0; group.parameters().len()];
        let mut units = Vec::with_capacity(plan.units.len());
        for (u, unit) in plan.units.iter().enumerate() {
            unit.iter().for_each(|&p| unit_of[p] = u);
            let parameter = &group.parameters()[unit[0]];
            let mut holders: Vec<usize> = parameter.holders.iter().map(|&at| place_of[at]).collect();
            holders.sort_unstable();
            units.push(ParameterGeometry {
                kind: parameter.kind,
                tensors: Vec::with_capacity(unit.len()),
                distances: Packed::zeros(holders.len()),
                holders,
                to_initialization: None,
            });
        }
        let names = group.parameters().iter().map(|p| (p.name.clone(), p.size())).collect();
        Self { units, unit_of, names }
    }

    /// Turns the inner products of one parameter's rows into squared distances and norms, and adds them to its unit.
    fn take(&mut self, p: usize, rows: &[Row<'_>], sum: &Partial) {
        let unit = &mut self.units[self.unit_of[p]];
        let models = unit.holders.len();
        let products = Products { rows, sum };
        for i in 0..models {
            unit.distances.add(i, i, products.inner(i, i));
            for j in 0..i {
                unit.distances.add(i, j, products.squared_distance(i, j));
            }
        }
        // The initialization is the row after those of the models.
        if rows.len() > models {
            let squared = unit.to_initialization.get_or_insert_with(|| vec![0.0; models]);
            (0..models).for_each(|i| squared[i] += products.squared_distance(i, models));
        }
        let (name, size) = self.names[p].clone();
        let moments = sum.moments[..models].to_vec();
        unit.tensors.push(Tensor { name, size, moments, fingerprints: sum.fingerprints[..models].to_vec() });
    }
}

/// Inner products of models from those of rows.
struct Products<'a> {
    rows: &'a [Row<'a>],
    sum: &'a Partial,
}

impl Products<'_> {
    fn product(&self, a: usize, b: usize) -> f64 {
        self.sum.products[a.max(b) + a.min(b) * self.rows.len()]
    }

    fn is_reference(&self, i: usize) -> bool {
        self.rows[i].reference == i
    }

    /// The rows that add up to a model: its reference, and its difference from it.
    fn parts(&self, i: usize) -> impl Iterator<Item = usize> + use<> {
        let difference = (!self.is_reference(i)).then_some(i);
        [Some(self.rows[i].reference), difference].into_iter().flatten()
    }

    fn inner(&self, i: usize, j: usize) -> f64 {
        self.parts(i).flat_map(|a| self.parts(j).map(move |b| self.product(a, b))).sum()
    }

    fn squared_distance(&self, i: usize, j: usize) -> f64 {
        if self.sum.fingerprints[i] == self.sum.fingerprints[j] {
            return 0.0;
        }
        let squared = if self.rows[i].reference != self.rows[j].reference {
            self.inner(i, i) + self.inner(j, j) - 2.0 * self.inner(i, j)
        } else if self.is_reference(i) {
            self.product(j, j)
        } else if self.is_reference(j) {
            self.product(i, i)
        } else {
            self.product(i, i) + self.product(j, j) - 2.0 * self.product(i, j)
        };
        squared.max(0.0)
    }
}
