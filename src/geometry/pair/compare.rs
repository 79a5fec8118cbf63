//! Two models streamed side by side.

use super::grid::{Extent, Fits, Grid, GridSpan};
use super::increment_rank::{Gram, Sketch};
use super::parameter::ParameterEvidence;
use super::rounding::unit_roundoff;
use super::tally::Tally;
use crate::error::Error;
use crate::geometry::values::{RUN, SharedTensor, Values, WAVE, rows_of};
use crate::model_set::{Kind, ModelId};
use rayon::prelude::*;
use std::collections::BTreeMap;
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
    let mut sketches: BTreeMap<usize, Sketch> = BTreeMap::new();
    for columns in tasks.iter().filter(|t| sketched(t)).map(|t| t.tensor.row_size) {
        sketches.entry(columns).or_insert_with(|| Sketch::new(columns));
    }
    let jobs: Vec<(usize, Range<usize>)> =
        tasks.iter().enumerate().flat_map(|(t, task)| task.tensor.runs().map(move |run| (t, run))).collect();

    values.announce(2 * tasks.iter().map(|t| t.tensor.size()).sum::<usize>());
    let pool = values.thread_pool()?;
    let mut found = Vec::with_capacity(tasks.len());
    let mut open: Option<(usize, Part<'_>)> = None;
    for wave in jobs.chunks(WAVE) {
        let run = |(t, run): &(usize, Range<usize>)| {
            let task = &tasks[*t];
            let sketch = if sketched(task) { sketches.get(&task.tensor.row_size) } else { None };
            part(values, task, run, [a, b], sketch)
        };
        let parts: Vec<Result<Part<'_>, Error>> = pool.install(|| wave.par_iter().map(run).collect());
        for (&(t, _), part) in wave.iter().zip(parts) {
            let part = part?;
            open = Some(match open.take() {
                Some((before, sum)) if before == t => (t, sum.plus(part)),
                Some((before, sum)) => {
                    found.push(sum.finish(&tasks[before])?);
                    (t, part)
                }
                None => (t, part),
            });
        }
    }
    if let Some((t, sum)) = open {
        found.push(sum.finish(&tasks[t])?);
    }
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

fn part<'s>(
    values: &Values,
    task: &Task<'_>,
    run: &Range<usize>,
    [a, b]: [ModelId; 2],
    sketch: Option<&'s Sketch>,
) -> Result<Part<'s>, Error> {
    let tensor = &task.tensor;
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    values.read(a, tensor.own_names[0], run, &mut of_a)?;
    values.read(b, tensor.own_names[1], run, &mut of_b)?;
    let tally = Tally::of(&of_a, &of_b);
    let changed = tally.equal < run.len();

    let whole = tensor.row_size > 1 && tensor.row_size <= RUN;
    let mut rows = if whole { Fits::new() } else { Fits::none() };
    let mut gram = sketch.filter(|_| changed).map(Gram::new);
    for (row, at) in rows_of(run, tensor.row_size) {
        if rows.fail() && gram.is_none() {
            break;
        }
        let (a, b) = (&of_a[at.clone()], &of_b[at.clone()]);
        if !rows.fail() {
            rows.observe(Extent::of(b), a, b, task.roundoff);
        }
        if let Some(gram) = gram.as_mut().filter(|_| a != b) {
            gram.add_row(run.start + at.start - row * tensor.row_size, a, b);
        }
    }
    gram.iter_mut().for_each(Gram::multiply);
    Ok(Part { tally, rows, gram })
}

impl Part<'_> {
    fn plus(mut self, next: Self) -> Self {
        self.tally.merge(&next.tally);
        self.rows.merge(&next.rows);
        match (&mut self.gram, next.gram) {
            (Some(sum), Some(next)) => sum.merge(&next),
            (none, next) => *none = none.take().or(next),
        }
        self
    }

    /// The evidence but for a grid of the whole tensor, which the extent of b decides.
    fn finish(self, task: &Task<'_>) -> Result<(ParameterEvidence, Extent), Error> {
        let (tensor, tally) = (&task.tensor, &self.tally);
        let shape = [tensor.rows(), tensor.row_size];
        let mut evidence = ParameterEvidence::new(tensor.name, tensor.kind, shape, tensor.size(), tally, task.roundoff);
        evidence.grid = self.rows.bits().map(|bits| Grid { bits, span: GridSpan::Row });
        if let Some(gram) = self.gram.filter(|_| tally.change_squared > 0.0) {
            evidence.rank = gram.rank(shape[0], shape[1], task.coarser * tally.b_squared.sqrt())?;
        }
        Ok((evidence, tally.extent))
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
