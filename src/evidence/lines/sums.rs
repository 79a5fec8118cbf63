//! One streamed pass over references and their members, which gives sums along rows and columns.

use super::plan::{Sheet, sheets};
use super::run::{ChangeSums, OwnSums, zeros};
use crate::error::Error;
use crate::evidence::sweep::{Sweep, batches};
use crate::evidence::values::Values;
use crate::geometry::{LineRequest, LineSums, MemberSums, TakeLineSums};
use crate::model_set::ModelId;
use pulp::Arch;
use std::ops::Range;

/// Number of members of a request that are compared in one batch at least. They share the reference.
const PIECE: usize = 8;

/// The share of the memory setting that sums take.
const SUMS: u64 = 4;

/// The sheets of a request and the number of its lines.
struct Plan<'v> {
    sheets: Vec<Sheet<'v>>,
    lines: usize,
}

/// Some consecutive members of a request: the places of the request, and of the members in it.
#[derive(Clone, Debug)]
struct Piece {
    request: usize,
    members: Range<usize>,
}

/// One sheet of a piece, compared with the reference: for one of its members, or for the reference itself.
#[derive(Clone, Copy, Debug)]
struct Part {
    piece: usize,
    sheet: usize,
    /// Place of the member in the piece; `None` for the reference.
    member: Option<usize>,
}

/// Adds the sums of consecutive lines to the total.
fn add_to(sums: &mut MemberSums, (positions, part): &(Range<usize>, MemberSums)) {
    let add = |sum: &mut [f64], part: &[f64]| sum.iter_mut().zip(part).for_each(|(a, b)| *a += b);
    add(&mut sums.reference_change[positions.clone()], &part.reference_change);
    add(&mut sums.change[positions.clone()], &part.change);
    add(&mut sums.fourth[positions.clone()], &part.fourth);
}

/// The sums of all members of all requests, read in batches.
///
/// Results are added in the order of runs, which depends on shapes alone. So the sums do not depend on threads.
pub(in crate::evidence) fn sums(
    values: &Values,
    requests: &[LineRequest<'_>],
    take: &mut TakeLineSums<'_>,
) -> Result<(), Error> {
    let models = |r: &LineRequest<'_>| -> Vec<ModelId> {
        std::iter::once(r.reference).chain(r.members.iter().copied()).collect()
    };
    let plan = |r: &LineRequest<'_>| {
        let (sheets, lines) = sheets(values.shared(&models(r))?, r.members.len());
        Ok(Plan { sheets, lines })
    };
    let plans: Vec<Plan<'_>> = requests.iter().map(plan).collect::<Result<_, Error>>()?;
    let pieces = pieces(requests);
    // Each member keeps three numbers for each line.
    let largest = plans.iter().map(|p| p.lines).max().unwrap_or(0).max(1);
    let fitting = values.memory() / SUMS / (3 * size_of::<f64>() * largest * PIECE) as u64;
    let most = usize::try_from(fitting).unwrap_or(usize::MAX).max(1);
    let models = |p: &Piece| {
        let request = &requests[p.request];
        let mut models = request.members[p.members.clone()].to_vec();
        models.push(request.reference);
        models
    };
    for batch in batches(&pieces, values.held(), most, models) {
        for (piece, sums) in batch.iter().zip(of_batch(values, requests, &plans, batch)?) {
            take(piece.request, piece.members.start, sums)?;
        }
    }
    Ok(())
}

/// The pieces of all requests. Those of the same members follow one another, so that these are read once for all of them.
fn pieces(requests: &[LineRequest<'_>]) -> Vec<Piece> {
    let longest = requests.iter().map(|r| r.members.len()).max().unwrap_or(0);
    let mut pieces = Vec::new();
    for begin in (0..longest.max(1)).step_by(PIECE) {
        for (request, r) in requests.iter().enumerate().filter(|(_, r)| begin == 0 || begin < r.members.len()) {
            pieces.push(Piece { request, members: begin..(begin + PIECE).min(r.members.len()) });
        }
    }
    pieces
}

/// The sums of each piece of a batch.
fn of_batch(
    values: &Values,
    requests: &[LineRequest<'_>],
    plans: &[Plan<'_>],
    batch: &[Piece],
) -> Result<Vec<LineSums>, Error> {
    let mut sweep = Sweep::new();
    let mut all = Vec::with_capacity(batch.len());
    for (piece, Piece { request, members }) in batch.iter().enumerate() {
        let (plan, reference) = (&plans[*request], requests[*request].reference);
        for (sheet, Sheet { tensor, .. }) in plan.sheets.iter().enumerate() {
            let of_reference = (reference, tensor.own_names[0]);
            sweep.add(tensor, [of_reference, of_reference], &Part { piece, sheet, member: None });
            for (member, place) in members.clone().enumerate() {
                let of_member = (requests[*request].members[place], tensor.own_names[1 + place]);
                sweep.add(tensor, [of_reference, of_member], &Part { piece, sheet, member: Some(member) });
            }
        }
        // The first is that of the reference.
        all.push(vec![zeros(plan.lines); 1 + members.len()]);
    }
    let arch = Arch::new();
    let sheet = |part: &Part| &plans[batch[part.piece].request].sheets[part.sheet];
    sweep.read(
        values,
        |part, run, [r, m]| match part.member {
            Some(_) => arch.dispatch(ChangeSums { sheet: sheet(part), run, reference: r, member: m }),
            None => arch.dispatch(OwnSums { sheet: sheet(part), run, values: r }),
        },
        |part, found| {
            let sums = &mut all[part.piece][part.member.map_or(0, |member| 1 + member)];
            add_to(sums, &found.rows);
            add_to(sums, &found.columns);
            Ok(())
        },
    )?;
    let finished = |(piece, mut sums): (&Piece, Vec<MemberSums>)| {
        let MemberSums { change: reference, fourth: reference_fourth, .. } = sums.remove(0);
        let spans = plans[piece.request].sheets.iter().flat_map(Sheet::spans).collect();
        LineSums { reference, reference_fourth, members: sums, spans }
    };
    Ok(batch.iter().zip(all).map(finished).collect())
}
