//! Streams pairs of models side by side and compares their values.

use super::grid::{Extent, Fits};
use super::tally::Tally;
use crate::error::Error;
use crate::evidence::increments::{Gram, TensorPair, either, projections};
use crate::evidence::shared::{RUN, SharedTensor, rows_of};
use crate::evidence::sweep::Sweep;
use crate::evidence::values::Values;
use crate::geometry::{Grid, GridSpan, ParameterEvidence};
use crate::model_set::ModelId;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Number of values read at once when a grid of a whole tensor is sought. The first few values usually rule it out.
const LOOK: usize = 1 << 14;

/// One parameter to compare.
#[derive(Debug)]
struct Task<'v> {
    of: TensorPair<'v>,
}

/// The result of one run of a task.
struct RunTally<'s> {
    tally: Tally,
    /// Fits of grids that span single rows.
    rows: Fits,
    gram: Option<Gram<'s>>,
}

/// The memory that one pair takes while pairs are compared, in bytes: the sums of one tensor, and the results of others.
pub(in crate::evidence) const PAIR: u64 = 512 << 10;

/// The evidence of every parameter that both models of a pair hold, sorted by name, for each pair (a, b).
///
/// Each model is read once, and a second time where the rank of an increment is low.
pub(in crate::evidence) fn compare(
    values: &Values,
    pairs: &[(ModelId, ModelId)],
) -> Result<Vec<Vec<ParameterEvidence>>, Error> {
    let tensors: Vec<Vec<SharedTensor<'_>>> =
        pairs.iter().map(|&(a, b)| values.shared(&[a, b])).collect::<Result<_, _>>()?;
    let projections = projections(tensors.iter().flatten());
    let mut tasks: Vec<Vec<Task<'_>>> = Vec::with_capacity(pairs.len());
    for (tensors, &(a, b)) in tensors.into_iter().zip(pairs) {
        let task = |t| Task { of: TensorPair::new(values, &projections, t, [a, b]) };
        tasks.push(tensors.into_iter().map(task).collect());
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
            Some(gram) if task.of.every == 1 => task.rank(gram, part.tally.b_squared, &mut evidence),
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
        |task, run, both| task.of.gram(run, both, 1),
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
        evidence.rounding = values.rounding(task.of.models[1], task.of.tensor.own_names[1])?;
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
        let of = &tasks[p][t].of;
        sweep.add(&of.tensor, of.named(), &(p, t));
        left.insert((p, t), of.tensor.runs().count());
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
    /// Everything of one run but its rank.
    fn tally(&self, run: &Range<usize>, [of_a, of_b]: [&[f32]; 2]) -> RunTally<'v> {
        let (row_size, roundoff) = (self.of.tensor.row_size, self.of.roundoff);
        // A row read in pieces has no known extent, and a row of one value fits any grid.
        let whole = row_size > 1 && row_size <= RUN;
        let mut rows = if whole { Fits::new() } else { Fits::none() };
        for (_, at) in rows_of(run, row_size) {
            // Most parameters lie on no grid, which their first rows show.
            if rows.fail() {
                break;
            }
            let (a, b) = (&of_a[at.clone()], &of_b[at]);
            rows.observe(Extent::of(b), a, b, roundoff);
        }
        RunTally { tally: Tally::of(of_a, of_b), rows, gram: self.of.gram(run, [of_a, of_b], self.of.every) }
    }

    /// Sets the rank of the increment by the projection of all its rows.
    ///
    /// A matrix that cannot be decomposed costs this one witness and no more. A remark tells of it.
    fn rank(&self, gram: &Gram<'_>, squared_norm: f64, evidence: &mut ParameterEvidence) {
        match self.of.rank(gram, squared_norm) {
            Ok(rank) => evidence.rank = rank,
            Err(_) => evidence.undecomposed = true,
        }
    }

    /// Whether a sample of rows shows already that the rank is full.
    fn is_full(&self, gram: &Gram<'_>, tally: &Tally) -> bool {
        self.of.is_full(gram, tally.b_squared, tally.change_squared)
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
        let (tensor, tally) = (&task.of.tensor, &self.tally);
        let shape = [tensor.rows(), tensor.row_size];
        let mut evidence =
            ParameterEvidence::new(tensor.name, tensor.kind, shape, tensor.size(), tally, task.of.roundoff);
        evidence.grid = self.rows.bits().map(|bits| Grid { bits, span: GridSpan::Row });
        evidence
    }
}

/// The grid of a whole tensor. It reads only for as long as such a grid is possible.
fn tensor_grid(values: &Values, task: &Task<'_>, extent: Extent) -> Result<Option<Grid>, Error> {
    let (tensor, [a, b]) = (&task.of.tensor, task.of.models);
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    let mut fits = Fits::new();
    for begin in tensor.values.clone().step_by(LOOK) {
        let run = begin..(begin + LOOK).min(tensor.values.end);
        values.read(a, tensor.own_names[0], &run, &mut of_a)?;
        values.read(b, tensor.own_names[1], &run, &mut of_b)?;
        fits.observe(extent, &of_a, &of_b, task.of.roundoff);
        if fits.fail() {
            return Ok(None);
        }
    }
    Ok(fits.bits().map(|bits| Grid { bits, span: GridSpan::Tensor }))
}
