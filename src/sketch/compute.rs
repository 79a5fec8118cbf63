//! Makes a sketch in one pass over one model.

use super::line_sample::LineSample;
use super::projection::Projection;
use super::segments::{self, kept, segments};
use super::{Payload, SegmentSketch, Sketch, SketchSettings};
use crate::error::{Error, SourceError};
use crate::geometry::{Counter, ReadingStage, read_with_moments, thread_pool};
use crate::kernel::format::JOB;
use crate::kernel::{Fingerprint, Moments, chain, with_buffer};
use crate::source::{ParameterInfo, ParameterSource};
use rayon::prelude::*;
use std::cell::Cell;

/// Number of values read at once. Moments are merged block by block: their last bits depend on it, as they do on the processor.
const BLOCK: usize = 1 << 15;

/// Number of results for each thread that wait to be summed.
const WAITING: usize = 4;

/// Some consecutive values of one segment.
#[derive(Clone, Copy)]
struct Job {
    tensor: usize,
    segment: usize,
    /// Position of the first value, counted from the beginning of the segment.
    begin: usize,
    length: usize,
}

/// The result of one job.
struct Partial {
    sums: Vec<f64>,
    /// Random sums of the tensor's lines; empty where none are kept.
    lines: Vec<f64>,
    moments: Moments,
    fingerprint: u128,
}

impl Sketch {
    /// Makes the sketch of a model, which is read once.
    ///
    /// # Errors
    ///
    /// - [`Error::Source`], without a name, for a model that cannot be read or holds NaN or infinity.
    /// - [`Error::InvalidSetting`] and [`Error::SketchTooSmall`] for settings.
    /// - [`Error::Interrupted`] when the observer stops the pass.
    pub fn compute(source: &dyn ParameterSource, settings: &SketchSettings) -> Result<Self, Error> {
        let named = |source: SourceError| Error::Sketching { source: source.into() };
        let mut parameters = source.parameters().map_err(named)?;
        // Sorted, a model has one sketch in whatever order its source lists tensors.
        parameters.sort();
        let width = settings.width_for(&parameters)?;
        // With one thread, the caller's own thread does the work. If it waited for another pool, it would begin further
        // sketches meanwhile, one upon the other, until its stack is full.
        let pool = (settings.threads != 1).then(|| thread_pool(settings.threads)).transpose()?;
        let threads = pool.as_ref().map_or(1, |pool| pool.current_num_threads());
        let mut tensors: Vec<Vec<SegmentSketch>> = Vec::with_capacity(parameters.len());
        let (mut end, mut total) = (0, 0);
        for p in &parameters {
            let keep = |segment| {
                let begin = end;
                end += kept(&segment, width);
                total += segment.len() as u64;
                SegmentSketch { segment, place: begin..end, moments: Moments::default(), fingerprint: 0 }
            };
            tensors.push(segments(p, width).into_iter().map(keep).collect());
        }
        let mut lines = Vec::with_capacity(parameters.len());
        // Lines follow all segments in the payload, as they do in the file.
        for (p, own) in parameters.iter().zip(&tensors) {
            let cut: Vec<_> = own.iter().map(|kept| kept.segment.clone()).collect();
            let begin = end;
            end += segments::lines(p, &cut, width);
            lines.push(begin..end);
        }
        let counter = Counter::new(settings.observer.clone(), ReadingStage::Whole, 0, total);
        let mut values = vec![0f32; end];
        let (mut sums, mut of_lines): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut jobs: Vec<Job> = Vec::new();
        for (tensor, segments) in tensors.iter().enumerate() {
            for (segment, kept) in segments.iter().enumerate() {
                let size = kept.segment.len();
                let job = |begin| Job { tensor, segment, begin, length: JOB.min(size - begin) };
                jobs.extend((0..size).step_by(JOB).map(job));
            }
        }
        let projection = Projection::new(settings.seed, width);
        // Waves bound the memory of results. They are added in the order of jobs, so the sketch does not depend on threads.
        for (first, wave) in (0..).step_by(WAITING * threads).zip(jobs.chunks(WAITING * threads)) {
            let run = |(at, job): (usize, &Job)| {
                // The next job's bytes are requested now, so that they arrive while this job computes.
                if let Some(next) = jobs.get(first + at + 1) {
                    let begin = tensors[next.tensor][next.segment].segment.start + next.begin;
                    source.prefetch(&parameters[next.tensor].name, begin, next.length);
                }
                let info = &parameters[job.tensor];
                let sample = LineSample::new(info, width).filter(|_| !lines[job.tensor].is_empty());
                let kept = &tensors[job.tensor][job.segment];
                with_buffer(&VALUES, |values| partial(source, info, (kept, sample), job, &projection, &counter, values))
            };
            let done: Vec<Result<Partial, Error>> = match &pool {
                Some(pool) => pool.install(|| wave.par_iter().enumerate().map(run).collect()),
                None => wave.iter().enumerate().map(run).collect(),
            };
            for (job, partial) in wave.iter().zip(done) {
                let partial = partial?;
                let of_tensor = &lines[job.tensor];
                if job.begin == 0 && job.segment == 0 {
                    of_lines = vec![0.0; of_tensor.len()];
                }
                of_lines.iter_mut().zip(&partial.lines).for_each(|(a, b)| *a += b);
                let kept = &mut tensors[job.tensor][job.segment];
                // Moments and fingerprints depend on the order of their parts, which is that of the jobs.
                kept.moments = kept.moments.merge(partial.moments);
                if job.begin == 0 {
                    kept.fingerprint = partial.fingerprint;
                    sums = partial.sums;
                } else {
                    kept.fingerprint = chain(kept.fingerprint, partial.fingerprint);
                    if kept.is_whole() {
                        // A whole segment keeps its values one after another; only a sketch adds them up.
                        sums.extend(partial.sums);
                    } else {
                        sums.iter_mut().zip(&partial.sums).for_each(|(a, b)| *a += b);
                    }
                }
                // Sums stay in f64 until the segment is complete, and are rounded once.
                if job.begin + job.length == kept.segment.len() {
                    values[kept.place.clone()].iter_mut().zip(&sums).for_each(|(v, &s)| *v = s as f32);
                    if job.segment + 1 == tensors[job.tensor].len() {
                        values[of_tensor.clone()].iter_mut().zip(&of_lines).for_each(|(v, &s)| *v = s as f32);
                    }
                }
            }
        }
        Ok(Self {
            seed: settings.seed,
            width,
            parameters: parameters.into(),
            tensors: tensors.into(),
            lines: lines.into(),
            payload: Payload::Memory(values.into()),
        })
    }
}

thread_local! {
    /// This thread's buffer for the values of a job.
    static VALUES: Cell<Vec<f32>> = Cell::default();
}

/// Reads the values of one job and computes what they add to the sketch.
fn partial(
    source: &dyn ParameterSource,
    info: &ParameterInfo,
    (kept, sample): (&SegmentSketch, Option<LineSample>),
    job: &Job,
    projection: &Projection,
    counter: &Counter,
    values: &mut Vec<f32>,
) -> Result<Partial, Error> {
    let named = |source: SourceError| Error::Sketching { source: source.into() };
    let mut partial = Partial { sums: Vec::new(), lines: Vec::new(), moments: Moments::default(), fingerprint: 0 };
    let mut fingerprint = Fingerprint::new();
    // A shorter job leaves no values of a longer one behind: everything in `values` is overwritten.
    values.resize(job.length, 0.0);
    // A block is small enough to be measured and hashed while it is in the cache.
    for (b, block) in values.chunks_mut(BLOCK).enumerate() {
        let offset = kept.segment.start + job.begin + b * BLOCK;
        partial.moments = partial.moments.merge(read_with_moments(source, &info.name, offset, block).map_err(named)?);
        fingerprint.update(block);
        counter.advance(block.len() as u64)?;
    }
    partial.fingerprint = fingerprint.value();
    if let Some(sample) = sample {
        partial.lines.resize(sample.len(), 0.0);
        sample.add(projection.seed(), kept.segment.start + job.begin, values, &mut partial.lines);
    }
    if kept.is_whole() {
        partial.sums.extend(values.iter().map(|&x| f64::from(x)));
    } else {
        partial.sums.resize(kept.place.len(), 0.0);
        projection.add(job.begin, values, &mut partial.sums);
    }
    Ok(partial)
}
