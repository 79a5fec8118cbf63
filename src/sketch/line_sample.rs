//! A sample of the rows and columns of a matrix, with a few numbers for each.
//!
//! Eight random sums of a line show as well as the whole line whether it is an exact multiple of what it was. An exact multiple
//! has multiples of all eight sums. A residual appears in them with its own size, up to a factor that is below a tenth only
//! once in millions of lines.

use super::projection::draw;
use crate::kernel::format::{DIGITS, LINE_SALT, LINE_SHARE, SHORTEST_LINE};
use crate::source::ParameterInfo;
use pulp::{Arch, Simd, WithSimd};
use std::array;

/// The lines of a matrix that are kept: every `row_stride`-th row and every `column_stride`-th column.
///
/// Strides are powers of two, so the lines of a narrower sketch are among those of a wider one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineSample {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl LineSample {
    /// The sample of a tensor; `None` when it is no matrix or its lines are short.
    pub(super) fn new(info: &ParameterInfo, width: usize) -> Option<Self> {
        let (&rows, tail) = info.shape.split_first()?;
        let columns = tail.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if !info.dtype.is_float() || tail.is_empty() || rows < SHORTEST_LINE || columns < SHORTEST_LINE {
            return None;
        }
        let most = width / LINE_SHARE;
        let stride = |lines: usize| lines.div_ceil(most).next_power_of_two();
        Some(Self { rows, columns, row_stride: stride(rows), column_stride: stride(columns) })
    }

    /// Number of rows in the sample.
    fn kept_rows(&self) -> usize {
        self.rows.div_ceil(self.row_stride)
    }

    /// Number of numbers kept. Those of rows come first, then those of columns.
    pub(super) fn len(&self) -> usize {
        DIGITS * (self.kept_rows() + self.columns.div_ceil(self.column_stride))
    }

    /// Place of the numbers of a row, which must be in the sample.
    pub(super) fn row(&self, row: usize) -> usize {
        DIGITS * (row / self.row_stride)
    }

    /// Place of the numbers of a column, which must be in the sample.
    pub(super) fn column(&self, column: usize) -> usize {
        DIGITS * (self.kept_rows() + column / self.column_stride)
    }

    /// Adds consecutive values of the matrix, from element `offset` on, to the numbers of their lines.
    pub(super) fn add(&self, seed: u64, offset: usize, values: &[f32], sums: &mut [f64]) {
        // Every row in the sample needs these signs, so they are drawn once.
        let signs_of_columns: Vec<u64> =
            (0..self.columns.min(values.len())).map(|column| signs(seed, column)).collect();
        Arch::new().dispatch(Add { sample: self, seed, offset, values, signs_of_columns: &signs_of_columns, sums });
    }
}

struct Add<'a> {
    sample: &'a LineSample,
    seed: u64,
    offset: usize,
    values: &'a [f32],
    /// Signs of the first columns. The signs of further columns, in longer rows, are drawn when needed.
    signs_of_columns: &'a [u64],
    sums: &'a mut [f64],
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { sample, seed, signs_of_columns, sums, .. } = self;
        let (mut row, mut begin) = (self.offset / sample.columns, self.offset % sample.columns);
        let mut rest = self.values;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(sample.columns - begin));
            if row.is_multiple_of(sample.row_stride) {
                let kept = &mut sums[sample.row(row)..][..DIGITS];
                let mut total: [f64; DIGITS] = array::from_fn(|k| kept[k]);
                for (column, &x) in (begin..).zip(line) {
                    let drawn = || signs(seed, column);
                    add(&mut total, signs_of_columns.get(column).copied().unwrap_or_else(drawn), x);
                }
                kept.copy_from_slice(&total);
            }
            // The place along a column is the row, so all columns need the same signs here.
            let own = signs(seed, row);
            // A piece may begin within a row, so its first column in the sample is sought each time.
            let first = begin.next_multiple_of(sample.column_stride);
            for column in (first..begin + line.len()).step_by(sample.column_stride) {
                if let Some(kept) = sums[sample.column(column)..].first_chunk_mut() {
                    add(kept, own, line[column - begin]);
                }
            }
            (row, begin, rest) = (row + 1, 0, after);
        }
    }
}

/// The numbers that a sketch keeps of the lines of one matrix.
#[derive(Clone, Debug)]
pub(super) struct LineSketch {
    pub(super) sample: LineSample,
    pub(super) numbers: Vec<f64>,
}

impl LineSketch {
    /// The random sums of a row in the sample.
    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.numbers[self.sample.row(row)..][..DIGITS]
    }

    /// The random sums of a column in the sample.
    pub(super) fn column(&self, column: usize) -> &[f64] {
        &self.numbers[self.sample.column(column)..][..DIGITS]
    }
}

/// Adds a value with its signs to the random sums. A sign is flipped in the bits, without a branch.
#[inline(always)]
fn add(kept: &mut [f64; DIGITS], signs: u64, x: f32) {
    let x = f64::from(x).to_bits();
    for (k, sum) in kept.iter_mut().enumerate() {
        *sum += f64::from_bits(x ^ (signs >> k << 63));
    }
}

/// The signs at one place along a line: one bit for each random sum.
#[inline(always)]
fn signs(seed: u64, place: usize) -> u64 {
    draw(seed ^ LINE_SALT, place as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Dtype;

    fn info(shape: &[usize]) -> ParameterInfo {
        ParameterInfo::new("w", shape, Dtype::F32)
    }

    fn values(size: usize) -> Vec<f32> {
        (0..size).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
    }

    #[test]
    fn pieces_add_up_wherever_they_are_cut() {
        let sample = LineSample::new(&info(&[40, 6, 5]), 256).unwrap();
        assert_eq!((sample.row_stride, sample.column_stride, sample.len()), (8, 4, 8 * (5 + 8)));
        let x = values(1200);
        let mut whole = vec![0.0; sample.len()];
        sample.add(3, 0, &x, &mut whole);
        for cut in [1, 29, 30, 31, 777] {
            let mut parts = vec![0.0; sample.len()];
            sample.add(3, cut, &x[cut..], &mut parts);
            sample.add(3, 0, &x[..cut], &mut parts);
            assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-12), "cut at {cut}");
        }
    }

    #[test]
    fn lines_of_a_narrower_sketch_are_some_of_a_wider_one() {
        let shape = info(&[100, 50]);
        let (narrow, wide) = (LineSample::new(&shape, 256).unwrap(), LineSample::new(&shape, 1024).unwrap());
        let x = values(5000);
        let (mut few, mut many) = (vec![0.0; narrow.len()], vec![0.0; wide.len()]);
        narrow.add(3, 0, &x, &mut few);
        wide.add(3, 0, &x, &mut many);
        for row in (0..100).step_by(narrow.row_stride) {
            assert_eq!(few[narrow.row(row)..][..DIGITS], many[wide.row(row)..][..DIGITS]);
        }
        for column in (0..50).step_by(narrow.column_stride) {
            assert_eq!(few[narrow.column(column)..][..DIGITS], many[wide.column(column)..][..DIGITS]);
        }
    }

    #[test]
    fn vectors_and_short_lines_have_none() {
        for shape in [&[100][..], &[100, 7], &[7, 100], &[]] {
            assert_eq!(LineSample::new(&info(shape), 1024), None);
        }
    }
}
