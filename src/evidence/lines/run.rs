//! The sums along lines in one run of a reference and a member.

use super::plan::Sheet;
use crate::evidence::shared::{SharedTensor, rows_of};
use crate::geometry::MemberSums;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// The sums of one member, or of the reference, in one run: at consecutive positions, for rows and for columns.
pub(in crate::evidence) struct RunSums {
    pub(super) rows: (Range<usize>, MemberSums),
    pub(super) columns: (Range<usize>, MemberSums),
}

/// Sums of 0 for some lines.
pub(super) fn zeros(lines: usize) -> MemberSums {
    MemberSums { reference_change: vec![0.0; lines], change: vec![0.0; lines], fourth: vec![0.0; lines] }
}

/// Where the lines of one run are.
struct Places {
    row_size: usize,
    stride: usize,
    /// The positions of its rows that are taken. They are consecutive.
    rows: Range<usize>,
    columns: Range<usize>,
    /// The columns taken that lie before the run, where it is a piece of a row.
    skipped: usize,
    /// The place of the next column taken in each row of the run.
    next: usize,
}

impl Places {
    fn of(sheet: &Sheet<'_>, run: &Range<usize>) -> Self {
        let SharedTensor { row_size, .. } = sheet.tensor;
        let (stride, columns) = (sheet.stride(), sheet.columns());
        // The rows taken in a run have consecutive positions, so a run needs sums for that range alone.
        let positions = || rows_of(run, row_size).filter_map(|(row, _)| sheet.row(row));
        let rows = positions().next().unwrap_or(0)..positions().last().map_or(0, |p| p + 1);
        // A row, or a piece of one, crosses some of the columns taken. `first` is the next one.
        let piece = run.start % row_size;
        let skipped = piece.saturating_sub(columns.begin).div_ceil(stride).min(columns.positions.len());
        let first = (columns.begin + skipped * stride).max(piece);
        Self { row_size, stride, rows, columns: columns.positions, skipped, next: first - piece }
    }

    /// Whether a run holds whole rows of whole vectors, and all its rows and columns are taken.
    fn are_whole(&self, run: &Range<usize>) -> bool {
        let whole = run.start.is_multiple_of(self.row_size) && run.len().is_multiple_of(self.row_size);
        whole
            && self.row_size.is_multiple_of(LANES)
            && self.rows.len() * self.row_size == run.len()
            && self.columns.len() == self.row_size
    }

    /// The sums of 0 for the rows and the columns of the run.
    fn zeros(&self) -> [MemberSums; 2] {
        [zeros(self.rows.len()), zeros(self.columns.len())]
    }

    fn finished(self, [rows, columns]: [MemberSums; 2]) -> RunSums {
        RunSums { rows: (self.rows, rows), columns: (self.columns, columns) }
    }
}

/// The sums `Σ r²` and `Σ r⁴` of one run of the reference, in the places of `Σ Δ²` and `Σ m⁴`.
pub(super) struct OwnSums<'a, 'v> {
    pub(super) sheet: &'a Sheet<'v>,
    pub(super) run: &'a Range<usize>,
    pub(super) values: &'a [f32],
}

impl WithSimd for OwnSums<'_, '_> {
    type Output = RunSums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> RunSums {
        let places = Places::of(self.sheet, self.run);
        let [mut by_row, mut by_column] = places.zeros();
        for (row, at) in rows_of(self.run, places.row_size) {
            let line = &self.values[at];
            if let Some(position) = self.sheet.row(row) {
                let (second, fourth) = powers(line);
                by_row.change[position - places.rows.start] += second;
                by_row.fourth[position - places.rows.start] += fourth;
            }
            let sums = by_column.change[places.skipped..].iter_mut().zip(&mut by_column.fourth[places.skipped..]);
            let taken = line.get(places.next..).unwrap_or_default();
            // The common stride of 1 has a loop of its own, which the compiler turns into vectors.
            if places.stride == 1 {
                sums.zip(taken).for_each(|((second, fourth), &x)| add_powers(second, fourth, x));
            } else {
                let taken = taken.iter().step_by(places.stride);
                sums.zip(taken).for_each(|((second, fourth), &x)| add_powers(second, fourth, x));
            }
        }
        places.finished([by_row, by_column])
    }
}

/// Adds `x²` and `x⁴`.
#[inline(always)]
fn add_powers(second: &mut f64, fourth: &mut f64, x: f32) {
    let square = square(x);
    *second += square;
    *fourth += square * square;
}

/// The sums of one run of a member m, next to the reference r.
///
/// Sums use the difference Δ of the member to the reference: near a factor of 1 the values themselves would lose digits.
pub(super) struct ChangeSums<'a, 'v> {
    pub(super) sheet: &'a Sheet<'v>,
    pub(super) run: &'a Range<usize>,
    pub(super) reference: &'a [f32],
    pub(super) member: &'a [f32],
}

impl WithSimd for ChangeSums<'_, '_> {
    type Output = RunSums;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> RunSums {
        let places = Places::of(self.sheet, self.run);
        let [mut by_row, mut by_column] = places.zeros();
        if places.are_whole(self.run) {
            let rows = self.reference.chunks_exact(places.row_size).zip(self.member.chunks_exact(places.row_size));
            for (at, (line, changed)) in rows.enumerate() {
                let [rd, dd, fourth] = change_both_ways(line, changed, &mut by_column);
                (by_row.reference_change[at], by_row.change[at], by_row.fourth[at]) = (rd, dd, fourth);
            }
            return places.finished([by_row, by_column]);
        }
        for (row, at) in rows_of(self.run, places.row_size) {
            let (line, changed) = (&self.reference[at.clone()], &self.member[at]);
            if let Some(position) = self.sheet.row(row) {
                let [rd, dd, fourth] = change_along(line, changed);
                by_row.reference_change[position - places.rows.start] += rd;
                by_row.change[position - places.rows.start] += dd;
                by_row.fourth[position - places.rows.start] += fourth;
            }
            let MemberSums { reference_change, change, fourth } = &mut by_column;
            let sums = reference_change[places.skipped..].iter_mut().zip(&mut change[places.skipped..]);
            let sums = sums.zip(&mut fourth[places.skipped..]);
            let [line, changed] = [line, changed].map(|line| line.get(places.next..).unwrap_or_default());
            let taken = line.iter().zip(changed);
            if places.stride == 1 {
                sums.zip(taken).for_each(|(((rd, dd), fourth), (&x, &y))| add_change(rd, dd, fourth, x, y));
            } else {
                let taken = taken.step_by(places.stride);
                sums.zip(taken).for_each(|(((rd, dd), fourth), (&x, &y))| add_change(rd, dd, fourth, x, y));
            }
        }
        places.finished([by_row, by_column])
    }
}

/// Adds `x Δ`, `Δ²` and `y⁴`, with y = x + Δ.
#[inline(always)]
fn add_change(rd: &mut f64, dd: &mut f64, fourth: &mut f64, x: f32, y: f32) {
    let d = f64::from(y) - f64::from(x);
    *rd += f64::from(x) * d;
    *dd += d * d;
    *fourth += square(y) * square(y);
}

/// Number of sums that run in parallel, so that no addition waits for the one before.
const LANES: usize = 8;

/// The sums `Σ x²` and `Σ x⁴`.
#[inline(always)]
fn powers(line: &[f32]) -> (f64, f64) {
    let (mut seconds, mut fourths) = ([0.0; LANES], [0.0; LANES]);
    let (whole, rest) = line.as_chunks::<LANES>();
    for values in whole {
        for lane in 0..LANES {
            add_powers(&mut seconds[lane], &mut fourths[lane], values[lane]);
        }
    }
    for (lane, &x) in rest.iter().enumerate() {
        add_powers(&mut seconds[lane], &mut fourths[lane], x);
    }
    (seconds.iter().fold(0.0, |sum, x| sum + x), fourths.iter().fold(0.0, |sum, x| sum + x))
}

/// The sums `Σ x Δ`, `Σ Δ²` and `Σ y⁴`, with y = x + Δ.
#[inline(always)]
fn change_along(line: &[f32], changed: &[f32]) -> [f64; 3] {
    let (mut rd, mut dd, mut fourth) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
    let ((whole, rest), (changed_whole, changed_rest)) = (line.as_chunks::<LANES>(), changed.as_chunks::<LANES>());
    for (x, y) in whole.iter().zip(changed_whole) {
        for lane in 0..LANES {
            add_change(&mut rd[lane], &mut dd[lane], &mut fourth[lane], x[lane], y[lane]);
        }
    }
    for (lane, (&x, &y)) in rest.iter().zip(changed_rest).enumerate() {
        add_change(&mut rd[lane], &mut dd[lane], &mut fourth[lane], x, y);
    }
    [rd, dd, fourth].map(|lanes| lanes.iter().fold(0.0, |sum, x| sum + x))
}

/// The terms of eight values, or their sums: `x Δ`, `Δ²` and `y⁴`.
type Terms = [[f64; LANES]; 3];

/// The sums `Σ x Δ`, `Σ Δ²` and `Σ y⁴` of one row, with y = x + Δ, each term of which is also added to its column.
///
/// It adds in the order of [`change_along`] and of [`add_change`], and computes each term once for both. The row has a multiple of
/// [`LANES`] values: an index into the sums of the row, as a rest needs, would keep them out of registers.
#[inline(always)]
fn change_both_ways(line: &[f32], changed: &[f32], columns: &mut MemberSums) -> [f64; 3] {
    let mut row: Terms = [[0.0; LANES]; 3];
    let ((line, _), (changed, _)) = (line.as_chunks::<LANES>(), changed.as_chunks::<LANES>());
    let MemberSums { reference_change, change, fourth } = columns;
    let (of_rd, _) = reference_change.as_chunks_mut::<LANES>();
    let (of_dd, _) = change.as_chunks_mut::<LANES>();
    let (of_fourth, _) = fourth.as_chunks_mut::<LANES>();
    let sums = of_rd.iter_mut().zip(of_dd).zip(of_fourth);
    for ((x, y), ((of_rd, of_dd), of_fourth)) in line.iter().zip(changed).zip(sums) {
        let terms = terms(x, y);
        row = [plus(row[0], terms[0]), plus(row[1], terms[1]), plus(row[2], terms[2])];
        (*of_rd, *of_dd) = (plus(*of_rd, terms[0]), plus(*of_dd, terms[1]));
        *of_fourth = plus(*of_fourth, terms[2]);
    }
    row.map(|lanes| lanes.iter().fold(0.0, |sum, x| sum + x))
}

/// The terms of eight values.
#[inline(always)]
fn terms(x: &[f32; LANES], y: &[f32; LANES]) -> Terms {
    let mut terms = [[0.0; LANES]; 3];
    for lane in 0..LANES {
        let (d, square) = (f64::from(y[lane]) - f64::from(x[lane]), square(y[lane]));
        terms[0][lane] = f64::from(x[lane]) * d;
        terms[1][lane] = d * d;
        terms[2][lane] = square * square;
    }
    terms
}

/// The sums of both, lane by lane.
#[inline(always)]
fn plus(mut sums: [f64; LANES], terms: [f64; LANES]) -> [f64; LANES] {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
    sums
}

#[inline(always)]
fn square(x: f32) -> f64 {
    f64::from(x) * f64::from(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_at_once_are_the_same_bits_as_one_after_the_other() {
        for n in [8, 16, 40] {
            let values = |seed: usize| (0..n).map(move |i| ((i * 31 + seed) % 17) as f32 * 0.37 - 2.0);
            let (line, changed): (Vec<f32>, Vec<f32>) = (values(3).collect(), values(5).collect());
            let (mut both, mut apart) = (zeros(n), zeros(n));
            for _ in 0..2 {
                assert_eq!(change_both_ways(&line, &changed, &mut both), change_along(&line, &changed));
                for i in 0..n {
                    let MemberSums { reference_change, change, fourth } = &mut apart;
                    add_change(&mut reference_change[i], &mut change[i], &mut fourth[i], line[i], changed[i]);
                }
            }
            assert_eq!(both, apart);
        }
    }
}
