//! Streams two models side by side and compares their values.

use super::grid::{Extent, Fits};
use super::increment_rank::{Gram, LANES, RowPair, RowProjection};
use super::rounding::unit_roundoff;
use super::tally::Tally;
use crate::error::Error;
use crate::evidence::shared::{RUN, SharedTensor, rows_of};
use crate::evidence::values::{ValueBuffers, Values, WAVE, with_both};
use crate::geometry::{Grid, GridSpan, ParameterEvidence};
use crate::model_set::{Kind, ModelId};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Number of values read at once when a grid of a whole tensor is sought. The first few values usually rule it out.
const LOOK: usize = 1 << 14;

/// One parameter to compare: how exact its values are, and how its rank is found.
#[derive(Debug)]
struct Task<'v> {
    tensor: SharedTensor<'v>,
    /// The roundoff of b's dtype.
    roundoff: f64,
    /// The roundoff of the coarser of the two dtypes.
    coarser: f64,
    sketch: Option<&'v RowProjection>,
    /// Every `every`-th row is projected in the first pass, before all rows are.
    every: usize,
}

/// The result of one run of a task.
struct RunTally<'s> {
    tally: Tally,
    /// Fits of grids that span single rows.
    rows: Fits,
    gram: Option<Gram<'s>>,
}

/// The evidence of every parameter that both models hold, sorted by name.
pub(in crate::evidence) fn compare(values: &Values, a: ModelId, b: ModelId) -> Result<Vec<ParameterEvidence>, Error> {
    let tensors = values.shared(&[a, b])?;
    // A row longer than a run is read in pieces by several jobs, and no single job could project it.
    let is_sketched = |t: &SharedTensor<'_>| t.kind == Kind::Matrix && t.row_size <= RUN;
    let mut sketches: BTreeMap<usize, RowProjection> = BTreeMap::new();
    for columns in tensors.iter().filter(|t| is_sketched(t)).map(|t| t.row_size) {
        // One random matrix serves all tensors with as many columns.
        sketches.entry(columns).or_insert_with(|| RowProjection::new(columns));
    }
    let roundoff = |model, name| values.dtype(model, name).map_or(0.0, unit_roundoff);
    let mut tasks = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let (of_a, of_b) = (roundoff(a, tensor.own_names[0]), roundoff(b, tensor.own_names[1]));
        let sketch = if is_sketched(&tensor) { sketches.get(&tensor.row_size) } else { None };
        let every = sketch.map_or(1, |sketch| sketch.sampled(tensor.rows()));
        tasks.push(Task { tensor, roundoff: of_b, coarser: of_a.max(of_b), sketch, every });
    }
    let stream = Stream { values, models: [a, b], tasks: &tasks, pool: values.thread_pool()? };

    // A sample of rows shows that most increments have full rank. Only the others are read again, to project all their rows.
    let mut found: Vec<(ParameterEvidence, Extent)> = Vec::with_capacity(tasks.len());
    let mut undecided = Vec::new();
    stream.sum((0..tasks.len()).collect(), Task::tally, RunTally::plus, |t, part| {
        let (task, gram) = (&tasks[t], part.gram.as_ref().filter(|_| part.tally.change_squared > 0.0));
        let mut evidence = part.evidence(task);
        match gram {
            // The tensor has too few rows for a sample, so all of them were projected in the first pass.
            Some(gram) if task.every == 1 => task.rank(gram, part.tally.b_squared, &mut evidence),
            Some(gram) if !task.is_full(gram, &part.tally) => undecided.push(t),
            _ => {}
        }
        found.push((evidence, part.tally.extent));
        Ok(())
    })?;
    stream.sum(
        undecided,
        |task, run, both| task.gram(run, both, 1),
        either,
        |t, gram| {
            let squared_norm = found[t].0.squared_norm_b;
            if let Some(gram) = gram {
                tasks[t].rank(&gram, squared_norm, &mut found[t].0);
            }
            Ok(())
        },
    )?;

    // A grid of the whole tensor also fits single rows, when each row reaches the last level. So it is tried first.
    let look = |((evidence, extent), task): (&(ParameterEvidence, Extent), &Task<'_>)| {
        if evidence.is_untouched() {
            return Ok(None);
        }
        Ok(tensor_grid(values, task, *extent, [a, b])?.or(evidence.grid))
    };
    let grids: Vec<Result<Option<Grid>, Error>> =
        stream.pool.install(|| found.par_iter().zip(&tasks).map(look).collect());
    found
        .into_iter()
        .zip(grids)
        .zip(&tasks)
        .map(|(((evidence, _), grid), task)| {
            let rounding = values.rounding(b, task.tensor.own_names[1])?;
            Ok(ParameterEvidence { grid: grid?, rounding, ..evidence })
        })
        .collect()
}

/// Two models and the tasks to compare them by.
struct Stream<'t, 'v> {
    values: &'v Values,
    models: [ModelId; 2],
    tasks: &'t [Task<'v>],
    pool: rayon::ThreadPool,
}

impl<'v> Stream<'_, 'v> {
    /// Reads some tasks in waves of runs, sums the results of each task in their order, and passes each sum to `take`.
    fn sum<T: Send>(
        &self,
        tasks: Vec<usize>,
        part: impl Fn(&Task<'v>, &Range<usize>, [&[f32]; 2]) -> T + Sync,
        plus: impl Fn(T, T) -> T,
        mut take: impl FnMut(usize, T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.values.announce(2 * tasks.iter().map(|&t| self.tasks[t].tensor.size()).sum::<usize>());
        let runs = |t: usize| self.tasks[t].tensor.runs().map(move |run| (t, run));
        let jobs: Vec<(usize, Range<usize>)> = tasks.into_iter().flat_map(runs).collect();
        let mut open: Option<(usize, T)> = None;
        // A wave bounds how many results wait at once.
        for wave in jobs.chunks(WAVE) {
            let run = |(t, run): &(usize, Range<usize>)| {
                let task = &self.tasks[*t];
                with_both(|both| Ok(part(task, run, self.read(task, run, both)?)))
            };
            let parts: Vec<Result<T, Error>> = self.pool.install(|| wave.par_iter().map(run).collect());
            for (&(t, _), part) in wave.iter().zip(parts) {
                let part = part?;
                // Runs of one task follow one another. A new task means that the one before is complete.
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

    /// Reads one run of a task in both models.
    fn read<'b>(
        &self,
        task: &Task<'_>,
        run: &Range<usize>,
        both: &'b mut ValueBuffers,
    ) -> Result<[&'b [f32]; 2], Error> {
        let names = &task.tensor.own_names;
        for ((model, name), out) in self.models.into_iter().zip(names).zip(both.iter_mut()) {
            self.values.read(model, name, run, out)?;
        }
        Ok(both.each_ref().map(Vec::as_slice))
    }
}

impl<'v> Task<'v> {
    /// Everything of one run but its rank.
    fn tally(&self, run: &Range<usize>, [of_a, of_b]: [&[f32]; 2]) -> RunTally<'v> {
        let row_size = self.tensor.row_size;
        // A row read in pieces has no known extent, and a row of one value fits any grid.
        let whole = row_size > 1 && row_size <= RUN;
        let mut rows = if whole { Fits::new() } else { Fits::none() };
        for (_, at) in rows_of(run, row_size) {
            // Most parameters lie on no grid, which their first rows show.
            if rows.fail() {
                break;
            }
            let (a, b) = (&of_a[at.clone()], &of_b[at]);
            rows.observe(Extent::of(b), a, b, self.roundoff);
        }
        RunTally { tally: Tally::of(of_a, of_b), rows, gram: self.gram(run, [of_a, of_b], self.every) }
    }

    /// The projection of every `every`-th row of the tensor, over the rows in one run.
    ///
    /// The result is `None` when the tensor has no sketch or nothing in the run changed.
    fn gram(&self, run: &Range<usize>, [of_a, of_b]: [&[f32]; 2], every: usize) -> Option<Gram<'v>> {
        let mut gram = Gram::new(self.sketch.filter(|_| of_a != of_b)?);
        let mut together: Vec<RowPair<'_>> = Vec::with_capacity(LANES);
        let mut column = 0;
        let row_size = self.tensor.row_size;
        for (row, at) in rows_of(run, row_size).filter(|(row, _)| row.is_multiple_of(every)) {
            let (a, b) = (&of_a[at.clone()], &of_b[at.clone()]);
            let begin = run.start + at.start - row * row_size;
            // Rows are projected in groups of eight. A group has pieces of one length that begin at one column.
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
        Some(gram)
    }

    /// The root of the summed squares of what storage may have rounded off.
    fn rounding(&self, squared_norm: f64) -> f64 {
        self.coarser * squared_norm.sqrt()
    }

    /// Sets the rank of the increment by the projection of all its rows.
    ///
    /// A matrix that cannot be decomposed costs this one witness and no more. A remark tells of it.
    fn rank(&self, gram: &Gram<'_>, squared_norm: f64, evidence: &mut ParameterEvidence) {
        match gram.rank(self.tensor.rows(), self.tensor.row_size, self.rounding(squared_norm)) {
            Ok(rank) => evidence.rank = rank,
            Err(_) => evidence.undecomposed = true,
        }
    }

    /// Whether a sample of rows shows already that the rank is full.
    fn is_full(&self, gram: &Gram<'_>, tally: &Tally) -> bool {
        gram.is_full(self.tensor.rows(), self.rounding(tally.b_squared), tally.change_squared)
    }
}

/// The sum of both, or the only one there is.
fn either<'s>(a: Option<Gram<'s>>, b: Option<Gram<'s>>) -> Option<Gram<'s>> {
    match (a, b) {
        (Some(mut sum), Some(next)) => {
            sum.merge(&next);
            Some(sum)
        }
        (a, b) => a.or(b),
    }
}

impl RunTally<'_> {
    /// The sum of two runs of one task.
    fn plus(mut self, next: Self) -> Self {
        self.tally.merge(&next.tally);
        self.rows.merge(&next.rows);
        Self { gram: either(self.gram, next.gram), ..self }
    }

    /// The evidence without the rank, and without a grid of the whole tensor, which needs the extent of all of b.
    fn evidence(&self, task: &Task<'_>) -> ParameterEvidence {
        let (tensor, tally) = (&task.tensor, &self.tally);
        let shape = [tensor.rows(), tensor.row_size];
        let mut evidence = ParameterEvidence::new(tensor.name, tensor.kind, shape, tensor.size(), tally, task.roundoff);
        evidence.grid = self.rows.bits().map(|bits| Grid { bits, span: GridSpan::Row });
        evidence
    }
}

/// The grid of a whole tensor. It reads only for as long as such a grid is possible.
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
