//! Quantized tensors that are stored transposed: a row of values is a column of codes.

use super::book::Book;
use super::numbers::bytes;
use super::rows::group_indices;
use super::strips::{self, Strip};
use super::{Dequantize, Measure};
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Most values of a strip.
const STRIP: usize = 1 << 20;

/// Rows and columns of strips begin at multiples of this number, where words of codes of any number of bits begin.
pub(super) const ALIGNED: usize = 32;

/// Most groups where a tensor has the group of each column: any of them may be needed for any column. Models have hundreds.
pub(super) const MOST_GROUPS: usize = 1 << 15;

/// Share of a row of stored bytes from which on the whole row is read, and the rest skipped.
const SPARSE: usize = 4;

/// Values that are scaled at a time. With their scales and zero points they fit into the nearest cache.
const TOGETHER: usize = 1 << 10;

/// Bytes whose reading takes about as long as a read of its own.
const SKIPPED: usize = 1 << 14;

/// A part of one matrix: rows and columns of values, both from a multiple of [`ALIGNED`] on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) matrix: usize,
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Part {
    /// The number of values.
    pub(super) fn size(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// How one scheme stores the parts of a tensor.
pub(super) trait Stored: Send + Sync + fmt::Debug {
    /// Reads what a part needs, and puts its codes into the order of the values.
    fn load(&self, source: &dyn ParameterSource, part: &Part) -> Result<Strip, SourceError>;

    /// Returns scales and zero points of consecutive values of one row. Row and column count from the beginning of the part.
    fn numbers(&self, part: &Part, strip: &Strip, row: usize, column: usize, numbers: [&mut [f32]; 2]);

    /// Returns about how many bytes scales and zero points of a part take in memory.
    fn bytes(&self, part: &Part) -> usize;
}

/// A tensor of matrices that are stored transposed.
#[derive(Debug)]
pub(super) struct Transposed<S> {
    /// Rows and columns of values in one matrix.
    shape: [usize; 2],
    book: Book,
    stored: S,
    /// Rows and columns of one strip.
    strip: [usize; 2],
    number: u64,
}

impl<S: Stored> Transposed<S> {
    pub(super) fn new(shape: [usize; 2], book: Book, stored: S) -> Self {
        let aligned = |n: usize| (n / ALIGNED * ALIGNED).max(ALIGNED);
        // A strip has whole rows, unless so few rows as are aligned are too many values.
        let columns = shape[1].clamp(1, STRIP / ALIGNED);
        let strip = [aligned(STRIP / columns), columns];
        Self { shape, book, stored, strip, number: strips::tensor_number() }
    }

    /// Reads values of one row of strips, whose rows are whole or one.
    fn piece(
        &self,
        source: &dyn ParameterSource,
        measure: Measure,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        let [rows, columns] = self.shape;
        let last = offset + out.len() - 1;
        let at = |offset: usize| (offset / (rows * columns), offset / columns % rows, offset % columns);
        let ((matrix, first, column), (_, end, last)) = (at(offset), at(last));
        let [high, wide] = self.strip;
        let [above, left] = [first / high * high, column / wide * wide];
        let whole = Part { matrix, rows: above..(above + high).min(rows), columns: left..(left + wide).min(columns) };
        let key = (self.number, (matrix * rows.div_ceil(high) + first / high) * columns.div_ceil(wide) + column / wide);
        let is_last = end + 1 == whole.rows.end && last + 1 == whole.columns.end;
        let kept = match strips::kept(key) {
            Some(strip) => Some(strip),
            None if strips::has_room(whole.size() + self.stored.bytes(&whole)) => {
                let strip = Arc::new(self.stored.load(source, &whole)?);
                strips::keep(key, &strip);
                Some(strip)
            }
            None => None,
        };
        let (part, strip) = match kept {
            Some(strip) => (whole, strip),
            None => {
                let down = |n: usize| n / ALIGNED * ALIGNED;
                let needed = if first == end { down(column)..last + 1 } else { whole.columns.clone() };
                let part = Part { matrix, rows: down(first)..end + 1, columns: needed };
                let strip = Arc::new(self.stored.load(source, &part)?);
                (part, strip)
            }
        };
        self.decode_part(measure, &part, &strip, first, column, out);
        // Tensors are read from their beginning to their end, so that a strip is not needed again after its last value.
        if is_last {
            strips::drop_strip(key);
        }
        Ok(())
    }

    /// Decodes consecutive values, from a row and a column of the matrix on.
    fn decode_part(&self, measure: Measure, part: &Part, strip: &Strip, first: usize, column: usize, out: &mut [f32]) {
        let width = part.columns.len();
        let longest = width.min(out.len()).min(TOGETHER);
        let (mut scales, mut zeros) = (vec![0.0; longest], vec![0.0; longest]);
        let (mut row, mut column, mut done) = (first - part.rows.start, column - part.columns.start, 0);
        while done < out.len() {
            let count = (width - column).min(out.len() - done).min(longest);
            let (scales, zeros, out) = (&mut scales[..count], &mut zeros[..count], &mut out[done..done + count]);
            self.stored.numbers(part, strip, row, column, [&mut *scales, &mut *zeros]);
            let codes = &strip.codes[row * width + column..][..count];
            match measure {
                Measure::Values => self.book.scale_each(codes, [scales, zeros], out),
                Measure::SquaredErrors => {
                    let each = out.iter_mut().zip(codes).zip(scales.iter());
                    each.for_each(|((value, &code), scale)| *value = self.book.error(code) * scale * scale);
                }
            }
            (column, done) = (column + count, done + count);
            if column == width {
                (row, column) = (row + 1, 0);
            }
        }
    }
}

impl<S: Stored> Dequantize for Transposed<S> {
    fn decode(
        &self,
        source: &dyn ParameterSource,
        measure: Measure,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        let [rows, columns] = self.shape;
        let [high, wide] = self.strip;
        let mut done = 0;
        while done < out.len() {
            let at = offset + done;
            let (row, column) = (at / columns % rows, at % columns);
            // A piece ends with its strip: at the last column of its row where a row takes several strips.
            let limit = match wide < columns {
                true => ((column / wide + 1) * wide).min(columns) - column,
                false => (high.min(rows - row / high * high) - row % high) * columns - column,
            };
            let count = limit.min(out.len() - done);
            self.piece(source, measure, at, &mut out[done..done + count])?;
            done += count;
        }
        Ok(())
    }
}

impl<S> Drop for Transposed<S> {
    fn drop(&mut self) {
        strips::forget(self.number);
    }
}

/// Reads the bytes `within` of some rows of bytes, one after another.
///
/// `begin` is the position of the first row, and `stride` the length of every row.
pub(super) fn gather(
    source: &dyn ParameterSource,
    name: &str,
    begin: usize,
    stride: usize,
    rows: usize,
    within: Range<usize>,
) -> Result<Vec<u8>, SourceError> {
    if within.len() == stride {
        return bytes(source, name, begin, rows * stride);
    }
    let width = within.len();
    let mut found = vec![0; rows * width];
    if width == 0 {
        return Ok(found);
    }
    if width * SPARSE < stride && stride - width >= SKIPPED {
        for (row, out) in found.chunks_mut(width).enumerate() {
            source.read_bytes(name, begin + row * stride + within.start, out)?;
        }
        return Ok(found);
    }
    // Few long reads are faster than many short ones, although they read up to four times as much.
    let together = (GATHERED / stride).max(1);
    let mut buffer = vec![0; together.min(rows) * stride];
    for (at, out) in found.chunks_mut(together * width).enumerate() {
        let count = out.len() / width;
        let buffer = &mut buffer[..count * stride];
        source.read_bytes(name, begin + at * together * stride, buffer)?;
        for (out, row) in out.chunks_mut(width).zip(buffer.chunks(stride)) {
            out.copy_from_slice(&row[within.clone()]);
        }
    }
    Ok(found)
}

/// Bytes that are read at a time where more are read than are needed.
const GATHERED: usize = 1 << 18;

/// Reads values of a tensor as [`gather`] reads bytes: the values `within` of some rows of `stride` values.
pub(super) fn gather_values(
    source: &dyn ParameterSource,
    name: &str,
    stride: usize,
    rows: Range<usize>,
    within: Range<usize>,
) -> Result<Vec<f32>, SourceError> {
    let mut found = vec![0.0; rows.len() * within.len()];
    if within.len() == stride {
        source.read(name, rows.start * stride, &mut found)?;
    } else if !within.is_empty() {
        for (row, out) in rows.zip(found.chunks_mut(within.len())) {
            source.read(name, row * stride + within.start, out)?;
        }
    }
    Ok(found)
}

/// The groups of columns of a matrix.
#[derive(Debug)]
pub(super) struct Groups {
    /// Columns in one group, where all are equal and in order.
    pub(super) size: usize,
    pub(super) count: usize,
    /// The tensor that has the group of each column instead.
    pub(super) indices: Option<String>,
}

impl Groups {
    /// Reads the group of each column. Empty where groups are in order.
    pub(super) fn load(&self, source: &dyn ParameterSource, columns: &Range<usize>) -> Result<Vec<usize>, SourceError> {
        let Some(name) = &self.indices else { return Ok(Vec::new()) };
        group_indices(source, name, columns.clone(), self.count)
    }

    /// Returns the groups of which some columns need the scales.
    pub(super) fn range(&self, columns: &Range<usize>) -> Range<usize> {
        match self.indices {
            Some(_) => 0..self.count,
            None => columns.start / self.size..columns.end.div_ceil(self.size),
        }
    }

    /// Fills scales and zero points of consecutive values of one row. The strip has those of all groups of a row beside each other.
    ///
    /// Row and column count from the beginning of the part.
    pub(super) fn numbers(
        &self,
        part: &Part,
        strip: &Strip,
        row: usize,
        column: usize,
        [scales, zeros]: [&mut [f32]; 2],
    ) {
        let count = self.range(&part.columns).len();
        let of_row = row * count..(row + 1) * count;
        let (of_scales, of_zeros) = (&strip.scales[of_row.clone()], &strip.zeros[of_row]);
        if let Some(groups) = strip.groups.get(column..column + scales.len()).filter(|_| self.indices.is_some()) {
            for ((scale, zero), &group) in scales.iter_mut().zip(zeros).zip(groups) {
                (*scale, *zero) = (of_scales[group], of_zeros[group]);
            }
            return;
        }
        let first = part.columns.start / self.size;
        let mut done = 0;
        while done < scales.len() {
            let at = part.columns.start + column + done;
            let (group, run) = (at / self.size - first, (self.size - at % self.size).min(scales.len() - done));
            scales[done..done + run].fill(of_scales[group]);
            zeros[done..done + run].fill(of_zeros[group]);
            done += run;
        }
    }
}

/// Turns numbers that stand group by group, so that those of a row stand beside each other.
pub(super) fn by_rows(numbers: &[f32], rows: usize) -> Vec<f32> {
    (0..rows).flat_map(|row| numbers.iter().skip(row).step_by(rows.max(1))).copied().collect()
}
