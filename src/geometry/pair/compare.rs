//! Two models streamed side by side.

use super::grid::{Extent, Fits, Grid, GridSpan};
use super::increment_rank::{Gram, LANES, Row, Sketch};
use super::parameter::ParameterEvidence;
use super::rounding::unit_roundoff;
use super::tally::Tally;
use crate::error::Error;
use crate::geometry::values::{Both, RUN, SharedTensor, Values, WAVE, rows_of, with_both};
use crate::model_set::{Kind, ModelId};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Values read at once when a grid of a whole tensor is looked for: the first few tell that there is none.
const LOOK: usize = 1 << 14;

/// One parameter, and how exact its values are.
#[derive(Debug)]
struct Task<'v> {
    tensor: SharedTensor<'v>,
    /// Of b's dtype, and of the coarser of the two.
    roundoff: f64,
    coarser: f64,
}

/// A run of one of the tasks.
type Job = (usize, Range<usize>);

struct Part<'s> {
    tally: Tally,
    /// Grids of single rows.
    rows: Fits,
    gram: Option<Gram<'s>>,
}

/// Evidence of every parameter that both hold, sorted by name.
pub(super) fn compare(values: &Values, a: ModelId, b: ModelId) -> Result<Vec<ParameterEvidence>, Error> {
    let roundoff = |model, name| values.dtype(model, name).map_or(0.0, unit_roundoff);
    let mut tasks = Vec::new();
    for tensor in values.shared(&[a, b])? {
        let (of_a, of_b) = (roundoff(a, tensor.own_names[0]), roundoff(b, tensor.own_names[1]));
        tasks.push(Task { tensor, roundoff: of_b, coarser: of_a.max(of_b) });
    }
    let sketched = |t: &Task<'_>| t.tensor.kind == Kind::Matrix && t.tensor.row_size <= RUN;
    let columns: BTreeSet<usize> = tasks.iter().filter(|t| sketched(t)).map(|t| t.tensor.row_size).collect();
    let sketches: BTreeMap<usize, Sketch> =
        columns.into_iter().map(|columns| Ok((columns, Sketch::new(columns)?))).collect::<Result<_, Error>>()?;
    let sketch = |t: usize| if sketched(&tasks[t]) { sketches.get(&tasks[t].tensor.row_size) } else { None };
    let every = |t: usize| sketch(t).map_or(1, |sketch| sketch.sampled(tasks[t].tensor.rows()));
    let jobs = |t: usize| tasks[t].tensor.runs().map(move |run| (t, run));

    values.announce(2 * tasks.iter().map(|t| t.tensor.size()).sum::<usize>());
    let pool = values.thread_pool()?;
    let mut found: Vec<(ParameterEvidence, Extent)> = Vec::with_capacity(tasks.len());
    let mut undecided = Vec::new();
    let part = |(t, run): &Job, both: &mut Both| part(values, &tasks[*t], run, [a, b], both, (sketch(*t), every(*t)));
    summed(&pool, (0..tasks.len()).flat_map(jobs), part, Part::plus, |t, part| {
        let (task, gram) = (&tasks[t], part.gram.as_ref().filter(|_| part.tally.change_squared > 0.0));
        let mut evidence = part.evidence(task);
        match gram {
            Some(gram) if every(t) == 1 => evidence.rank = task.rank(gram, part.tally.b_squared)?,
            Some(gram) if !task.is_full(gram, &part.tally) => undecided.push(t),
            _ => {}
        }
        found.push((evidence, part.tally.extent));
        Ok(())
    })?;

    values.announce(2 * undecided.iter().map(|&t| tasks[t].tensor.size()).sum::<usize>());
    let gram = |(t, run): &Job, both: &mut Both| gram(values, &tasks[*t], run, [a, b], both, sketch(*t));
    summed(&pool, undecided.into_iter().flat_map(jobs), gram, either, |t, gram| {
        let squared_norm = found[t].0.squared_norm_b;
        found[t].0.rank = gram.map_or(Ok(None), |gram| tasks[t].rank(&gram, squared_norm))?;
        Ok(())
    })?;

    // A grid of the whole tensor is one of its rows, too, when each of them reaches the last level.
    let look = |((evidence, extent), task): (&(ParameterEvidence, Extent), &Task<'_>)| {
        if evidence.is_untouched() {
            return Ok(None);
        }
        Ok(tensor_grid(values, task, *extent, [a, b])?.or(evidence.grid))
    };
    let grids: Vec<Result<Option<Grid>, Error>> = pool.install(|| found.par_iter().zip(&tasks).map(look).collect());
    found
        .into_iter()
        .zip(grids)
        .map(|((evidence, _), grid)| Ok(ParameterEvidence { grid: grid?, ..evidence }))
        .collect()
}

/// Runs jobs in waves, adds up those of one task in their order, and hands over each sum.
fn summed<T: Send>(
    pool: &rayon::ThreadPool,
    jobs: impl Iterator<Item = Job>,
    run: impl Fn(&Job, &mut Both) -> Result<T, Error> + Sync,
    plus: impl Fn(T, T) -> T,
    mut take: impl FnMut(usize, T) -> Result<(), Error>,
) -> Result<(), Error> {
    let jobs: Vec<Job> = jobs.collect();
    let mut open: Option<(usize, T)> = None;
    let run = |job: &Job| with_both(|both| run(job, both));
    for wave in jobs.chunks(WAVE) {
        let parts: Vec<Result<T, Error>> = pool.install(|| wave.par_iter().map(run).collect());
        for (&(t, _), part) in wave.iter().zip(parts) {
            let part = part?;
            open = Some(match open.take() {
                Some((before, sum)) if before == t => (t, plus(sum, part)),
                Some((before, sum)) => {
                    take(before, sum)?;
                    (t, part)
                }
                None => (t, part),
            });
        }
    }
    open.map_or(Ok(()), |(t, sum)| take(t, sum))
}

fn read(
    values: &Values,
    task: &Task<'_>,
    run: &Range<usize>,
    models: [ModelId; 2],
    both: &mut Both,
) -> Result<(), Error> {
    for (k, model) in models.into_iter().enumerate() {
        values.read(model, task.tensor.own_names[k], run, &mut both[k])?;
    }
    Ok(())
}

/// All of one run but its rank, of which so many rows are sketched.
fn part<'s>(
    values: &Values,
    task: &Task<'_>,
    run: &Range<usize>,
    models: [ModelId; 2],
    both: &mut Both,
    (sketch, every): (Option<&'s Sketch>, usize),
) -> Result<Part<'s>, Error> {
    read(values, task, run, models, both)?;
    let [of_a, of_b] = both;
    let tensor = &task.tensor;
    let tally = Tally::of(of_a, of_b);
    let changed = tally.equal < run.len();

    let whole = tensor.row_size > 1 && tensor.row_size <= RUN;
    let mut rows = if whole { Fits::new() } else { Fits::none() };
    for (_, at) in rows_of(run, tensor.row_size) {
        if rows.fail() {
            break;
        }
        let (a, b) = (&of_a[at.clone()], &of_b[at]);
        rows.observe(Extent::of(b), a, b, task.roundoff);
    }
    let gram = sketch.filter(|_| changed).map(|sketch| sketched(sketch, tensor, run, [of_a, of_b], every));
    Ok(Part { tally, rows, gram })
}

/// One run sketched in full; `None` when nothing of it changed.
fn gram<'s>(
    values: &Values,
    task: &Task<'_>,
    run: &Range<usize>,
    models: [ModelId; 2],
    both: &mut Both,
    sketch: Option<&'s Sketch>,
) -> Result<Option<Gram<'s>>, Error> {
    read(values, task, run, models, both)?;
    let [of_a, of_b] = both;
    Ok(sketch.filter(|_| of_a != of_b).map(|sketch| sketched(sketch, &task.tensor, run, [of_a, of_b], 1)))
}

/// Every so manieth row of the tensor, of those in one run.
fn sketched<'s>(
    sketch: &'s Sketch,
    tensor: &SharedTensor<'_>,
    run: &Range<usize>,
    [of_a, of_b]: [&[f32]; 2],
    every: usize,
) -> Gram<'s> {
    let mut gram = Gram::new(sketch);
    let mut together: Vec<Row<'_>> = Vec::with_capacity(LANES);
    let mut column = 0;
    for (row, at) in rows_of(run, tensor.row_size).filter(|(row, _)| row.is_multiple_of(every)) {
        let (a, b) = (&of_a[at.clone()], &of_b[at.clone()]);
        let begin = run.start + at.start - row * tensor.row_size;
        let alike = together.first().is_none_or(|(first, _)| begin == column && a.len() == first.len());
        if !alike || together.len() == LANES {
            gram.add_rows(column, &together);
            together.clear();
        }
        if a != b {
            together.push((a, b));
            column = begin;
        }
    }
    gram.add_rows(column, &together);
    gram.multiply();
    gram
}

/// The sum of both, or the one that there is.
fn either<'s>(a: Option<Gram<'s>>, b: Option<Gram<'s>>) -> Option<Gram<'s>> {
    match (a, b) {
        (Some(mut sum), Some(next)) => {
            sum.merge(&next);
            Some(sum)
        }
        (a, b) => a.or(b),
    }
}

impl Part<'_> {
    fn plus(mut self, next: Self) -> Self {
        self.tally.merge(&next.tally);
        self.rows.merge(&next.rows);
        Self { gram: either(self.gram, next.gram), ..self }
    }

    /// The evidence but for the rank, and for a grid of the whole tensor, which the extent of b decides.
    fn evidence(&self, task: &Task<'_>) -> ParameterEvidence {
        let (tensor, tally) = (&task.tensor, &self.tally);
        let shape = [tensor.rows(), tensor.row_size];
        let mut evidence = ParameterEvidence::new(tensor.name, tensor.kind, shape, tensor.size(), tally, task.roundoff);
        evidence.grid = self.rows.bits().map(|bits| Grid { bits, span: GridSpan::Row });
        evidence
    }
}

impl Task<'_> {
    /// Of what storage may have rounded off, the root of the summed squares.
    fn rounding(&self, squared_norm: f64) -> f64 {
        self.coarser * squared_norm.sqrt()
    }

    fn rank(&self, gram: &Gram<'_>, squared_norm: f64) -> Result<Option<usize>, Error> {
        gram.rank(self.tensor.rows(), self.tensor.row_size, self.rounding(squared_norm))
    }

    fn is_full(&self, gram: &Gram<'_>, tally: &Tally) -> bool {
        gram.is_full(self.tensor.rows(), self.rounding(tally.b_squared), tally.change_squared)
    }
}

/// Reads on for as long as one grid of the whole tensor is possible.
fn tensor_grid(values: &Values, task: &Task<'_>, extent: Extent, [a, b]: [ModelId; 2]) -> Result<Option<Grid>, Error> {
    let tensor = &task.tensor;
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    let mut fits = Fits::new();
    for begin in tensor.values.clone().step_by(LOOK) {
        let run = begin..(begin + LOOK).min(tensor.values.end);
        values.read(a, tensor.own_names[0], &run, &mut of_a)?;
        values.read(b, tensor.own_names[1], &run, &mut of_b)?;
        fits.observe(extent, &of_a, &of_b, task.roundoff);
        if fits.fail() {
            return Ok(None);
        }
    }
    Ok(fits.bits().map(|bits| Grid { bits, span: GridSpan::Tensor }))
}
