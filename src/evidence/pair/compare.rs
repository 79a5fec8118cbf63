//! Streams pairs of models side by side and compares their values.

use super::grid::{Extent, Fits};
use super::increment_rank::{Gram, LANES, RowPair, RowProjection};
use super::rounding::unit_roundoff;
use super::tally::Tally;
use crate::error::Error;
use crate::evidence::shared::{RUN, SharedTensor, rows_of};
use crate::evidence::sweep::Sweep;
use crate::evidence::values::Values;
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
    /// The two models.
    models: [ModelId; 2],
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

/// The memory that one pair takes while pairs are compared, in bytes: the sums of one tensor, and the results of others.
const PAIR: u64 = 512 << 10;

/// The share of the memory setting that pairs take which are compared side by side.
const SUMS: u64 = 8;

/// The most pairs that are compared side by side, for a memory setting in bytes.
pub(in crate::evidence) fn most(memory: u64) -> usize {
    usize::try_from(memory / SUMS / PAIR).unwrap_or(usize::MAX).max(1)
}

/// The evidence of every parameter that both models of a pair hold, sorted by name, for each pair (a, b).
///
/// Each model is read once, and a second time where the rank of an increment is low.
pub(in crate::evidence) fn compare(
    values: &Values,
    pairs: &[(ModelId, ModelId)],
) -> Result<Vec<Vec<ParameterEvidence>>, Error> {
    let tensors: Vec<Vec<SharedTensor<'_>>> =
        pairs.iter().map(|&(a, b)| values.shared(&[a, b])).collect::<Result<_, _>>()?;
    // A row longer than a run is read in pieces by several jobs, and no single job could project it.
    let is_sketched = |t: &SharedTensor<'_>| t.kind == Kind::Matrix && t.row_size <= RUN;
    let mut sketches: BTreeMap<usize, RowProjection> = BTreeMap::new();
    for columns in tensors.iter().flatten().filter(|t| is_sketched(t)).map(|t| t.row_size) {
        // One random matrix serves all tensors with as many columns.
        sketches.entry(columns).or_insert_with(|| RowProjection::new(columns));
    }
    let mut tasks: Vec<Vec<Task<'_>>> = Vec::with_capacity(pairs.len());
    for (tensors, &(a, b)) in tensors.into_iter().zip(pairs) {
        let sketch = |t: &SharedTensor<'_>| if is_sketched(t) { sketches.get(&t.row_size) } else { None };
        tasks.push(tensors.into_iter().map(|t| Task::new(values, sketch(&t), t, [a, b])).collect());
    }

    // A sample of rows shows that most increments have full rank. Only the others are read again, to project all their rows.
    let mut found: BTreeMap<(usize, usize), (ParameterEvidence, Extent)> = BTreeMap::new();
    let mut undecided = Vec::new();
    let all = tasks.iter().enumerate().flat_map(|(p, tasks)| (0..tasks.len()).map(move |t| (p, t)));
    sum(values, &tasks, all.collect(), Task::tally, RunTally::plus, |(p, t), part| {
        let (task, gram) = (&tasks[p][t], part.gram.as_ref().filter(|_| part.tally.change_squared > 0.0));
        let mut evidence = part.evidence(task);
        match gram {
            // The tensor has too few rows for a sample, so all of them were projected in the first pass.
            Some(gram) if task.every == 1 => task.rank(gram, part.tally.b_squared, &mut evidence),
            Some(gram) if !task.is_full(gram, &part.tally) => undecided.push((p, t)),
            _ => {}
        }
        found.insert((p, t), (evidence, part.tally.extent));
        Ok(())
    })?;
    undecided.sort_unstable();
    sum(
        values,
        &tasks,
        undecided,
        |task, run, both| task.gram(run, both, 1),
        either,
        |at, gram| {
            if let (Some(gram), Some((evidence, _))) = (gram, found.get_mut(&at)) {
                tasks[at.0][at.1].rank(&gram, evidence.squared_norm_b, evidence);
            }
            Ok(())
        },
    )?;

    // A grid of the whole tensor also fits single rows, when each row reaches the last level. So it is tried first.
    let finish = |(&(p, t), (evidence, extent)): (&(usize, usize), &(ParameterEvidence, Extent))| {
        let task = &tasks[p][t];
        let mut evidence = evidence.clone();
        if !evidence.is_untouched() {
            evidence.grid = tensor_grid(values, task, *extent)?.or(evidence.grid);
        }
        evidence.rounding = values.rounding(task.models[1], task.tensor.own_names[1])?;
        Ok((p, evidence))
    };
    let finished: Vec<Result<(usize, ParameterEvidence), Error>> =
        values.thread_pool()?.install(|| found.par_iter().map(finish).collect());
    let mut all: Vec<Vec<ParameterEvidence>> = vec![Vec::new(); pairs.len()];
    for one in finished {
        let (pair, evidence) = one?;
        all[pair].push(evidence);
    }
    Ok(all)
}

/// Reads some tasks, given by pair and place. The results of the runs of each are summed in their order, and `take` gets each sum.
fn sum<'v, T: Send>(
    values: &Values,
    tasks: &[Vec<Task<'v>>],
    some: Vec<(usize, usize)>,
    part: impl Fn(&Task<'v>, &Range<usize>, [&[f32]; 2]) -> T + Sync,
    plus: impl Fn(T, T) -> T,
    mut take: impl FnMut((usize, usize), T) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut sweep = Sweep::new();
    // The number of runs of each task that are still to come.
    let mut left: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (p, t) in some {
        let Task { tensor, models: [a, b], .. } = &tasks[p][t];
        sweep.add(tensor, [(*a, tensor.own_names[0]), (*b, tensor.own_names[1])], &(p, t));
        left.insert((p, t), tensor.runs().count());
    }
    let mut open: BTreeMap<(usize, usize), T> = BTreeMap::new();
    sweep.read(
        values,
        |&(p, t), run, both| part(&tasks[p][t], run, both),
        |&at, part| {
            let sum = match open.remove(&at) {
                Some(before) => plus(before, part),
                None => part,
            };
            let left = left.entry(at).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 {
                take(at, sum)
            } else {
                open.insert(at, sum);
                Ok(())
            }
        },
    )
}

impl<'v> Task<'v> {
    fn new(values: &Values, sketch: Option<&'v RowProjection>, tensor: SharedTensor<'v>, [a, b]: [ModelId; 2]) -> Self {
        let roundoff = |model, name| values.dtype(model, name).map_or(0.0, unit_roundoff);
        let (of_a, of_b) = (roundoff(a, tensor.own_names[0]), roundoff(b, tensor.own_names[1]));
        let every = sketch.map_or(1, |sketch| sketch.sampled(tensor.rows()));
        Self { tensor, models: [a, b], roundoff: of_b, coarser: of_a.max(of_b), sketch, every }
    }

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
fn tensor_grid(values: &Values, task: &Task<'_>, extent: Extent) -> Result<Option<Grid>, Error> {
    let (tensor, [a, b]) = (&task.tensor, task.models);
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
