//! One streamed pass over a reference and some members, which gives sums along rows and columns.

use super::plan::{Sheet, sheets};
use crate::error::Error;
use crate::evidence::shared::rows_of;
use crate::evidence::values::{ValueBuffers, Values, with_both};
use crate::geometry::{LineSums, MemberSums};
use crate::model_set::ModelId;
use rayon::prelude::*;
use std::ops::Range;

/// Number of members read along with the reference in one pass.
///
/// A job holds up to 1.5 MiB of sums for each member, and two jobs for each thread wait.
const BATCH: usize = 8;

/// The result of one job: sums at consecutive positions, for rows and for columns.
struct RunSums {
    rows: (Range<usize>, LineSums),
    columns: (Range<usize>, LineSums),
}

/// Sums of 0 for some lines of a reference and its members.
fn zeros(lines: usize, members: usize) -> LineSums {
    let zeros = || vec![0.0; lines];
    let member = MemberSums { reference_change: zeros(), change: zeros(), fourth: zeros() };
    LineSums { reference: zeros(), reference_fourth: zeros(), members: vec![member; members], spans: Vec::new() }
}

/// Adds the sums of consecutive lines to the total.
fn add_to(sums: &mut LineSums, positions: &Range<usize>, part: &LineSums) {
    let add = |sum: &mut [f64], part: &[f64]| sum.iter_mut().zip(part).for_each(|(a, b)| *a += b);
    add(&mut sums.reference[positions.clone()], &part.reference);
    add(&mut sums.reference_fourth[positions.clone()], &part.reference_fourth);
    for (sum, part) in sums.members.iter_mut().zip(&part.members) {
        add(&mut sum.reference_change[positions.clone()], &part.reference_change);
        add(&mut sum.change[positions.clone()], &part.change);
        add(&mut sum.fourth[positions.clone()], &part.fourth);
    }
}

/// The sums of all members, read in batches.
///
/// Results are added in the order of jobs, which depends on shapes alone. So the sums do not depend on threads.
pub(in crate::evidence) fn sums(values: &Values, reference: ModelId, members: &[ModelId]) -> Result<LineSums, Error> {
    let models: Vec<ModelId> = std::iter::once(reference).chain(members.iter().copied()).collect();
    let (sheets, lines) = sheets(values.shared(&models)?, members.len());
    let pool = values.thread_pool()?;
    let jobs: Vec<(&Sheet<'_>, Range<usize>)> =
        sheets.iter().flat_map(|s| s.tensor.runs().map(move |run| (s, run))).collect();
    let spans = sheets.iter().flat_map(Sheet::spans).collect();
    let mut all = LineSums { spans, ..zeros(lines, 0) };
    let size: usize = sheets.iter().map(|s| s.tensor.size()).sum();
    // The reference is read once for each batch.
    values.announce(size * (members.len() + members.len().div_ceil(BATCH)));
    for (b, batch) in members.chunks(BATCH).enumerate() {
        let mut sums = zeros(lines, batch.len());
        for wave in jobs.chunks(2 * pool.current_num_threads()) {
            let run = |(sheet, run): &(&Sheet<'_>, Range<usize>)| {
                let names = &sheet.tensor.own_names[1 + b * BATCH..][..batch.len()];
                with_both(|both| run_sums(values, sheet, run, reference, (batch, names), both))
            };
            let parts: Vec<Result<RunSums, Error>> = pool.install(|| wave.par_iter().map(run).collect());
            // Sums of f64 depend on their order, which is that of the jobs here, and not of the threads.
            for part in parts {
                let part = part?;
                add_to(&mut sums, &part.rows.0, &part.rows.1);
                add_to(&mut sums, &part.columns.0, &part.columns.1);
            }
        }
        // Every batch gives the same sums for the reference.
        (all.reference, all.reference_fourth) = (sums.reference, sums.reference_fourth);
        all.members.extend(sums.members);
    }
    Ok(all)
}

/// The sums of one run of one tensor, for the reference and one batch of members.
fn run_sums(
    values: &Values,
    sheet: &Sheet<'_>,
    run: &Range<usize>,
    reference: ModelId,
    (members, names): (&[ModelId], &[&str]),
    [r, m]: &mut ValueBuffers,
) -> Result<RunSums, Error> {
    let (row_size, stride) = (sheet.tensor.row_size, sheet.stride());
    let columns = sheet.columns();
    // The rows taken in a run have consecutive positions, so a job needs sums for that range alone.
    let positions = || rows_of(run, row_size).filter_map(|(row, _)| sheet.row(row));
    let rows = positions().next().unwrap_or(0)..positions().last().map_or(0, |p| p + 1);
    let mut by_row = zeros(rows.len(), members.len());
    let mut by_column = zeros(columns.positions.len(), members.len());

    // A row, or a piece of one, crosses some of the columns taken. `skipped` columns lie before the piece; `first` is the next
    // one.
    let piece = run.start % row_size;
    let skipped = piece.saturating_sub(columns.begin).div_ceil(stride).min(columns.positions.len());
    let first = (columns.begin + skipped * stride).max(piece);

    values.read(reference, sheet.tensor.own_names[0], run, r)?;
    for (row, at) in rows_of(run, row_size) {
        let line = &r[at];
        if let Some(position) = sheet.row(row) {
            let (second, fourth) = powers(line);
            by_row.reference[position - rows.start] += second;
            by_row.reference_fourth[position - rows.start] += fourth;
        }
        let taken = line.iter().skip(first - piece).step_by(stride);
        let sums = by_column.reference[skipped..].iter_mut().zip(&mut by_column.reference_fourth[skipped..]);
        for ((second, fourth), &x) in sums.zip(taken) {
            let square = square(x);
            *second += square;
            *fourth += square * square;
        }
    }
    for (k, (&member, name)) in members.iter().zip(names).enumerate() {
        values.read(member, name, run, m)?;
        // Sums use the difference Δ of the member to the reference: near a factor of 1 the values themselves would lose digits.
        for (row, at) in rows_of(run, row_size) {
            let (line, changed) = (&r[at.clone()], &m[at]);
            if let Some(position) = sheet.row(row) {
                let [rd, dd, fourth] = change_along(line, changed);
                by_row.members[k].reference_change[position - rows.start] += rd;
                by_row.members[k].change[position - rows.start] += dd;
                by_row.members[k].fourth[position - rows.start] += fourth;
            }
            let MemberSums { reference_change, change, fourth } = &mut by_column.members[k];
            let sums = reference_change[skipped..].iter_mut().zip(&mut change[skipped..]).zip(&mut fourth[skipped..]);
            let taken = line.iter().zip(changed).skip(first - piece).step_by(stride);
            for (((rd, dd), fourth), (&x, &y)) in sums.zip(taken) {
                let d = f64::from(y) - f64::from(x);
                *rd += f64::from(x) * d;
                *dd += d * d;
                *fourth += square(y) * square(y);
            }
        }
    }
    Ok(RunSums { rows: (rows, by_row), columns: (columns.positions, by_column) })
}

/// Number of sums that run in parallel, so that no addition waits for the one before.
const LANES: usize = 8;

/// The sums `Σ x²` and `Σ x⁴`.
fn powers(line: &[f32]) -> (f64, f64) {
    let mut sums = [[0.0; 2]; LANES];
    for values in line.chunks(LANES) {
        for ([second, fourth], &x) in sums.iter_mut().zip(values) {
            let square = square(x);
            *second += square;
            *fourth += square * square;
        }
    }
    sums.iter().fold((0.0, 0.0), |(second, fourth), sum| (second + sum[0], fourth + sum[1]))
}

/// The sums `Σ x Δ`, `Σ Δ²` and `Σ y⁴`, with y = x + Δ.
fn change_along(line: &[f32], changed: &[f32]) -> [f64; 3] {
    let mut sums = [[0.0; 3]; LANES];
    for (line, changed) in line.chunks(LANES).zip(changed.chunks(LANES)) {
        for ([rd, dd, fourth], (&x, &y)) in sums.iter_mut().zip(line.iter().zip(changed)) {
            let d = f64::from(y) - f64::from(x);
            *rd += f64::from(x) * d;
            *dd += d * d;
            *fourth += square(y) * square(y);
        }
    }
    sums.iter().fold([0.0; 3], |all, sum| [0, 1, 2].map(|i| all[i] + sum[i]))
}

fn square(x: f32) -> f64 {
    f64::from(x) * f64::from(x)
}
