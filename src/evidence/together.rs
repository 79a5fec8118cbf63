//! One reading for several questions: lines of references and members, and increments of pairs.

use super::increments::{At, PAIR, Sampled, SharedMatrices};
use super::lines::{LineTotals, LineWork, Part, Piece, RunSums};
use super::sweep::{Sweep, batches};
use super::values::Values;
use crate::error::Error;
use crate::geometry::{LineRequest, TakeLineSums};
use crate::model_set::ModelId;
use std::collections::BTreeSet;

/// The share of the memory setting that sums take.
const SUMS: u64 = 4;

/// A question of one run of two models.
#[derive(Clone, Copy, Debug)]
enum Question {
    Lines(Part),
    Increment(At),
}

/// Its answer.
enum Answer<'v> {
    Lines(RunSums),
    Increment(super::increments::RunChange<'v>),
}

/// What is read in one sweep.
struct Batch<'b> {
    pieces: &'b [Piece],
    /// The places of pairs.
    pairs: Vec<usize>,
    models: BTreeSet<ModelId>,
    /// The memory that sums take, in bytes.
    size: u64,
}

/// Reads the sums along lines of all requests, and the increments of all pairs. Each model is read once where memory allows.
///
/// Results are added in the order of runs, which depends on shapes alone. So they do not depend on threads or memory.
pub(super) fn together(
    values: &Values,
    requests: &[LineRequest<'_>],
    pairs: &[(ModelId, ModelId)],
    take_lines: &mut TakeLineSums<'_>,
    take_increments: &mut dyn FnMut(usize, Sampled),
) -> Result<(), Error> {
    let (lines, matrices) = (LineWork::new(values, requests)?, SharedMatrices::new(values, pairs)?);
    let (pieces, room) = (lines.pieces(), values.memory() / SUMS);
    let places: Vec<usize> = (0..pairs.len()).collect();
    let batches = assigned(values, &lines, &pieces, &places, pairs, room);
    for Batch { pieces, pairs, .. } in batches {
        let work = matrices.work(values, &pairs);
        let mut sweep = Sweep::new();
        for (sheet, models, part) in lines.parts(pieces) {
            sweep.add(&sheet.tensor, models, &Question::Lines(part));
        }
        for (at, of) in work.all() {
            sweep.add(&of.tensor, of.named(), &Question::Increment(at));
        }
        let (mut of_lines, mut increments) = (LineTotals::default(), work.totals());
        sweep.read(
            values,
            |question, run, both| match question {
                Question::Lines(part) => Answer::Lines(lines.part(pieces, part, run, both)),
                Question::Increment(at) => Answer::Increment(work.part(*at, run, both)),
            },
            |question, answer| {
                match (question, answer) {
                    (Question::Lines(part), Answer::Lines(found)) => {
                        lines.add(pieces, &mut of_lines, part, found, take_lines)?;
                    }
                    (Question::Increment(at), Answer::Increment(found)) => work.add(&mut increments, *at, found),
                    _ => {}
                }
                Ok(())
            },
        )?;
        pairs.iter().zip(increments.found).for_each(|(&pair, found)| take_increments(pair, found));
    }
    Ok(())
}

/// The batches of lines, with pairs beside the lines of their models where there is room, and batches of the other pairs.
fn assigned<'b>(
    values: &Values,
    lines: &LineWork<'_, '_>,
    pieces: &'b [Piece],
    places: &[usize],
    pairs: &[(ModelId, ModelId)],
    room: u64,
) -> Vec<Batch<'b>> {
    let of_lines = batches(pieces, values.held(), room, |p| lines.size(p), |p| lines.models(p));
    let batch = |pieces: &'b [Piece]| Batch {
        pieces,
        pairs: Vec::new(),
        models: pieces.iter().flat_map(|p| lines.models(p)).collect(),
        size: pieces.iter().map(|p| lines.size(p)).sum(),
    };
    let mut all: Vec<Batch<'b>> = of_lines.into_iter().map(batch).collect();
    let mut left = Vec::new();
    for &place in places {
        let (a, b) = pairs[place];
        let beside = |batch: &&mut Batch<'b>| {
            batch.models.contains(&a) && batch.models.contains(&b) && batch.size + PAIR <= room
        };
        match all.iter_mut().find(beside) {
            Some(batch) => {
                batch.pairs.push(place);
                batch.size += PAIR;
            }
            None => left.push(place),
        }
    }
    let models = |place: &usize| vec![pairs[*place].0, pairs[*place].1];
    let others = batches(&left, values.held(), room, |_| PAIR, models);
    let batch = |pairs: &[usize]| Batch { pieces: &[], pairs: pairs.to_vec(), models: BTreeSet::new(), size: 0 };
    all.extend(others.into_iter().map(batch));
    all
}
