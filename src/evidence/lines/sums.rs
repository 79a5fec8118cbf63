//! Sums along rows and columns of references and their members, added up run by run.

use super::plan::{Sheet, sheets};
use super::run::{ChangeSums, OwnSums, RunSums, zeros};
use crate::error::Error;
use crate::evidence::values::Values;
use crate::geometry::{LineRequest, LineSpan, LineSums, MemberSums, TakeLineSums};
use crate::model_set::ModelId;
use pulp::Arch;
use std::collections::BTreeMap;
use std::ops::Range;

/// The most members of a request that are compared as one piece. They share the reference.
const PIECE: usize = 8;

/// The sheets of a request.
struct Plan<'v> {
    sheets: Vec<Sheet<'v>>,
    /// The most lines of one sheet that are taken.
    largest: usize,
}

/// Some consecutive members of a request: the places of the request, and of the members in it.
#[derive(Clone, Debug)]
pub(in crate::evidence) struct Piece {
    request: usize,
    members: Range<usize>,
}

/// One sheet of a piece, compared with the reference: for one of its members, or for the reference itself.
#[derive(Clone, Copy, Debug)]
pub(in crate::evidence) struct Part {
    piece: usize,
    sheet: usize,
    /// Place of the member in the piece; `None` for the reference.
    member: Option<usize>,
}

/// A part with its sheet, and with the two models and their own names of the tensor.
pub(in crate::evidence) type Asked<'w, 'v> = (&'w Sheet<'v>, [(ModelId, &'v str); 2], Part);

/// What some requests ask for.
pub(in crate::evidence) struct LineWork<'r, 'v> {
    requests: &'r [LineRequest<'r>],
    plans: Vec<Plan<'v>>,
}

/// The sums of the sheets that are open, by piece and sheet: the number of runs to come, and the sums of the reference and of each
/// member.
#[derive(Default)]
pub(in crate::evidence) struct LineTotals {
    open: BTreeMap<(usize, usize), (usize, Vec<MemberSums>)>,
}

impl<'r, 'v> LineWork<'r, 'v> {
    pub(in crate::evidence) fn new(values: &'v Values, requests: &'r [LineRequest<'r>]) -> Result<Self, Error> {
        let plan = |r: &LineRequest<'_>| {
            let models: Vec<ModelId> = std::iter::once(r.reference).chain(r.members.iter().copied()).collect();
            let (sheets, _) = sheets(values.shared(&models)?, r.members.len());
            let largest = sheets.iter().map(|s| s.positions().len()).max().unwrap_or(0);
            Ok(Plan { sheets, largest })
        };
        Ok(Self { requests, plans: requests.iter().map(plan).collect::<Result<_, Error>>()? })
    }

    /// The pieces of all requests. Those of the same members follow one another, so that these are read once for all of them.
    pub(in crate::evidence) fn pieces(&self) -> Vec<Piece> {
        let longest = self.requests.iter().map(|r| r.members.len()).max().unwrap_or(0);
        let mut pieces = Vec::new();
        for begin in (0..longest.max(1)).step_by(PIECE) {
            let some = self.requests.iter().enumerate().filter(|(_, r)| begin == 0 || begin < r.members.len());
            pieces.extend(
                some.map(|(request, r)| Piece { request, members: begin..(begin + PIECE).min(r.members.len()) }),
            );
        }
        pieces
    }

    /// The models of a piece.
    pub(in crate::evidence) fn models(&self, piece: &Piece) -> Vec<ModelId> {
        let LineRequest { reference, members } = self.requests[piece.request];
        members[piece.members.clone()].iter().copied().chain([reference]).collect()
    }

    /// The memory that the sums of a piece take, in bytes. Each model keeps three numbers for each line of a sheet.
    pub(in crate::evidence) fn size(&self, piece: &Piece) -> u64 {
        (3 * size_of::<f64>() * self.plans[piece.request].largest * (1 + piece.members.len())) as u64
    }

    /// The parts of some pieces.
    pub(in crate::evidence) fn parts(&self, batch: &[Piece]) -> Vec<Asked<'_, 'v>> {
        let mut parts = Vec::new();
        for (piece, Piece { request, members }) in batch.iter().enumerate() {
            let r = self.requests[*request];
            for (sheet, of) in self.plans[*request].sheets.iter().enumerate() {
                let reference = (r.reference, of.tensor.own_names[0]);
                parts.push((of, [reference; 2], Part { piece, sheet, member: None }));
                for (member, place) in members.clone().enumerate() {
                    let of_member = (r.members[place], of.tensor.own_names[1 + place]);
                    parts.push((of, [reference, of_member], Part { piece, sheet, member: Some(member) }));
                }
            }
        }
        parts
    }

    /// The sheet of a part.
    fn sheet(&self, batch: &[Piece], part: &Part) -> &Sheet<'v> {
        &self.plans[batch[part.piece].request].sheets[part.sheet]
    }

    /// The sums of one run of a part.
    pub(in crate::evidence) fn part(
        &self,
        batch: &[Piece],
        part: &Part,
        run: &Range<usize>,
        [r, m]: [&[f32]; 2],
    ) -> RunSums {
        let (arch, sheet) = (Arch::new(), self.sheet(batch, part));
        match part.member {
            Some(_) => arch.dispatch(ChangeSums { sheet, run, reference: r, member: m }),
            None => arch.dispatch(OwnSums { sheet, run, values: r }),
        }
    }

    /// Adds the sums of one run, which come in the order of runs. `take` gets those of a whole sheet.
    pub(in crate::evidence) fn add(
        &self,
        batch: &[Piece],
        totals: &mut LineTotals,
        part: &Part,
        found: RunSums,
        take: &mut TakeLineSums<'_>,
    ) -> Result<(), Error> {
        let (sheet, Piece { request, members }) = (self.sheet(batch, part), &batch[part.piece]);
        let (positions, key) = (sheet.positions(), (part.piece, part.sheet));
        let (left, sums) = totals.open.entry(key).or_insert_with(|| {
            let all = 1 + members.len();
            (sheet.tensor.runs().count() * all, vec![zeros(positions.len()); all])
        });
        // The first is that of the reference.
        let sums = &mut sums[part.member.map_or(0, |member| 1 + member)];
        add_to(sums, positions.start, &found.rows);
        add_to(sums, positions.start, &found.columns);
        *left -= 1;
        if *left > 0 {
            return Ok(());
        }
        let Some((_, mut sums)) = totals.open.remove(&key) else { return Ok(()) };
        let MemberSums { change: reference, fourth: reference_fourth, .. } = sums.remove(0);
        let at = |place: usize| place - positions.start;
        let here = |span: LineSpan| LineSpan { positions: at(span.positions.start)..at(span.positions.end), ..span };
        let spans = sheet.spans().map(here).to_vec();
        take(*request, members.start, LineSums { reference, reference_fourth, members: sums, spans })
    }
}

/// Adds the sums of consecutive lines to those of a sheet, whose lines begin at `first`.
fn add_to(sums: &mut MemberSums, first: usize, (positions, part): &(Range<usize>, MemberSums)) {
    let add = |sum: &mut [f64], part: &[f64]| sum.iter_mut().zip(part).for_each(|(a, b)| *a += b);
    let here = if positions.is_empty() { 0..0 } else { positions.start - first..positions.end - first };
    add(&mut sums.reference_change[here.clone()], &part.reference_change);
    add(&mut sums.change[here.clone()], &part.change);
    add(&mut sums.fourth[here], &part.fourth);
}
