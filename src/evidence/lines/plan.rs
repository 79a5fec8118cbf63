//! The rows and columns that are compared. Lines are numbered through all tensors, and every `stride`-th one is taken.

use crate::evidence::shared::SharedTensor;
use crate::geometry::LineSpan;
use crate::model_set::Kind;
use std::ops::Range;

/// The most lines that are taken.
pub(super) const MOST: usize = 1 << 16;

/// The most members for which that many lines are taken. For more, there are proportionally fewer, because each member keeps a
/// state for each line.
const FULL: usize = 256;

/// The least length of a line. Shorter lines are multiples of one another too easily.
const SHORTEST: usize = 8;

/// The whole rows and columns of one tensor, and their numbers among all lines.
#[derive(Clone, Debug)]
pub(in crate::evidence) struct Sheet<'v> {
    /// The tensor, cut to whole rows.
    pub(in crate::evidence) tensor: SharedTensor<'v>,
    first_row: usize,
    rows: Numbered,
    columns: Numbered,
    stride: usize,
}

/// The lines of one direction, numbered among all lines. A line is taken when the stride divides its number.
#[derive(Clone, Copy, Debug, Default)]
struct Numbered {
    first: usize,
    count: usize,
}

/// The lines of one sheet and direction that are taken.
///
/// They are the sheet's lines `begin, begin + stride, …`, and `positions` are their places among all lines taken.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LineRange {
    pub(super) begin: usize,
    pub(super) positions: Range<usize>,
}

impl Numbered {
    /// The lines that a stride takes.
    fn taken(self, stride: usize) -> LineRange {
        let positions = self.first.div_ceil(stride)..(self.first + self.count).div_ceil(stride);
        LineRange { begin: positions.start * stride - self.first, positions }
    }
}

impl Sheet<'_> {
    /// The columns that are taken.
    pub(super) fn columns(&self) -> LineRange {
        self.columns.taken(self.stride)
    }

    /// The position of a row among the lines taken; `None` when the row is not taken. `row` is its number in the tensor.
    pub(super) fn row(&self, row: usize) -> Option<usize> {
        let place = row - self.first_row;
        let number = self.rows.first + place;
        (place < self.rows.count && number.is_multiple_of(self.stride)).then_some(number / self.stride)
    }

    /// The rows that are taken, and the columns, each with the number of values in a line.
    pub(super) fn spans(&self) -> [LineSpan; 2] {
        let span = |lines: Numbered, length| LineSpan { positions: lines.taken(self.stride).positions, length };
        [span(self.rows, self.tensor.row_size), span(self.columns, self.tensor.rows())]
    }

    /// The places of its lines among all lines taken. They are consecutive: rows, then columns.
    pub(super) fn positions(&self) -> Range<usize> {
        let [rows, columns] = self.spans().map(|span| span.positions);
        rows.start..columns.end
    }

    pub(super) fn stride(&self) -> usize {
        self.stride
    }
}

/// The sheets of all matrices with lines that are long enough, and the number of lines taken.
pub(super) fn sheets(tensors: Vec<SharedTensor<'_>>, members: usize) -> (Vec<Sheet<'_>>, usize) {
    let mut sheets = Vec::new();
    let mut number = 0;
    for mut tensor in tensors.into_iter().filter(|t| t.kind == Kind::Matrix) {
        let size = tensor.row_size;
        // The compared range may cut its first and last row, and a part of a row is no line.
        let whole = tensor.values.start.div_ceil(size)..tensor.values.end / size;
        let numbered = |first, count, length| Numbered { first, count: if length < SHORTEST { 0 } else { count } };
        let rows = numbered(number, whole.len(), size);
        let columns = numbered(number + rows.count, size, whole.len());
        number += rows.count + columns.count;
        if rows.count + columns.count > 0 {
            tensor.values = whole.start * size..whole.end * size;
            sheets.push(Sheet { tensor, first_row: whole.start, rows, columns, stride: 1 });
        }
    }
    let stride = number.div_ceil(MOST / members.div_ceil(FULL).clamp(1, MOST)).max(1);
    sheets.iter_mut().for_each(|s| s.stride = stride);
    (sheets, number.div_ceil(stride))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(row_size: usize, values: Range<usize>) -> SharedTensor<'static> {
        SharedTensor { name: "w", kind: Kind::Matrix, row_size, values, own_names: Vec::new() }
    }

    #[test]
    fn every_position_is_taken_once_whatever_the_stride() {
        for rows in [5, 100, 70_000, 200_001] {
            let tensors = vec![tensor(9, 0..9 * rows), tensor(4, 3..4 * rows + 2), tensor(rows, 0..7 * rows)];
            let (sheets, count) = sheets(tensors, 1);
            assert!(count <= MOST);
            let mut seen = vec![0; count];
            for sheet in &sheets {
                let first = sheet.tensor.values.start / sheet.tensor.row_size;
                let rows = sheet.tensor.rows();
                (first..first + rows).filter_map(|r| sheet.row(r)).for_each(|p| seen[p] += 1);
                let columns = sheet.columns();
                columns.positions.clone().for_each(|p| seen[p] += 1);
                let last = columns.begin + columns.positions.len().saturating_sub(1) * sheet.stride();
                assert!(columns.positions.is_empty() || last < sheet.tensor.row_size);
            }
            assert!(seen.iter().all(|&n| n == 1), "{rows}");
        }
    }

    #[test]
    fn rows_cut_off_by_a_range_and_short_lines_are_no_lines() {
        let (sheets, count) = sheets(vec![tensor(10, 3..47)], 1);
        // Rows 1, 2 and 3 are whole; columns have three values.
        assert_eq!((count, sheets[0].row(1), sheets[0].row(3)), (3, Some(0), Some(2)));
        assert!(sheets[0].columns().positions.is_empty());
        assert_eq!(sheets[0].tensor.values, 10..40);
    }
}
