//! Quantized tensors whose codes stand in the order of the values.

use super::bits::{BitOrder, unpack};
use super::book::Book;
use super::numbers::{Numbers, bytes};
use super::{Dequantize, Measure};
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::ops::Range;

/// Most values that are decoded at a time.
const PIECE: usize = 1 << 15;

/// The blocks of a tensor of matrices. Each block has a number of its own, such as a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Rows of one matrix. A tensor of several matrices has them one below the other.
    pub(super) rows: usize,
    /// Rows in one block, at least 1.
    pub(super) high: usize,
    /// Columns in one block, at least 1.
    pub(super) wide: usize,
    /// Blocks in one row of blocks.
    pub(super) across: usize,
}

impl Blocks {
    /// One block that holds everything.
    pub(super) const ONE: Self = Self { rows: usize::MAX, high: usize::MAX, wide: usize::MAX, across: 1 };

    /// The row of blocks that a row of values belongs to.
    fn row(&self, row: usize) -> usize {
        row / self.rows * self.rows.div_ceil(self.high) + row % self.rows / self.high
    }
}

/// A tensor whose codes stand in the order of its values, each row at a whole byte.
#[derive(Debug)]
pub(super) struct Rows {
    /// The tensor of codes.
    pub(super) codes: String,
    pub(super) bits: usize,
    pub(super) order: BitOrder,
    /// Bytes from one row of codes to the next.
    pub(super) stride: usize,
    /// Values in one row.
    pub(super) columns: usize,
    pub(super) book: Book,
    pub(super) blocks: Blocks,
    pub(super) scales: Numbers,
    /// What is subtracted from a code before it is scaled.
    pub(super) zeros: Numbers,
    /// What is added after scaling. `None` adds nothing, not even a rounding.
    pub(super) biases: Option<Numbers>,
    /// The tensor that has the group of each column, in place of groups of equally many columns.
    pub(super) groups: Option<String>,
}

impl Rows {
    /// Codes of whole bytes with one scale for everything. Fields are changed from here.
    pub(super) fn new(codes: impl Into<String>, bits: usize, columns: usize, book: Book) -> Self {
        Self {
            codes: codes.into(),
            bits,
            order: BitOrder::LowFirst,
            stride: columns.saturating_mul(bits).div_ceil(8),
            columns,
            book,
            blocks: Blocks::ONE,
            scales: Numbers::Same(1.0),
            zeros: Numbers::Same(0.0),
            biases: None,
            groups: None,
        }
    }

    fn piece(
        &self,
        source: &dyn ParameterSource,
        measure: Measure,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        let columns = self.columns;
        let last = offset + out.len() - 1;
        let (first, last) = ([offset / columns, offset % columns], [last / columns, last % columns]);
        let begin = first[0] * self.stride + first[1] * self.bits / 8;
        let end = last[0] * self.stride + ((last[1] + 1) * self.bits).div_ceil(8);
        let stored = bytes(source, &self.codes, begin, end - begin)?;

        let several = first[0] < last[0];
        let within = if several { 0..columns } else { first[1]..last[1] + 1 };
        let groups = self.groups_of(source, within)?;
        let group = |column: usize| match &groups {
            Some((begin, groups)) => groups[column - begin],
            None => column / self.blocks.wide,
        };
        let (from, to) = (self.blocks.row(first[0]), self.blocks.row(last[0]));
        // Within one row of blocks, only the blocks of the columns are read, unless their order is not known.
        let place = |row: usize, group: usize| row * self.blocks.across + group;
        let needed = match several || groups.is_some() {
            true => place(from, 0)..place(to, self.blocks.across),
            false => place(from, group(first[1]))..place(from, group(last[1])) + 1,
        };
        let numbers = |numbers: &Numbers| -> Result<Vec<f32>, SourceError> {
            let mut read = vec![0.0; needed.len()];
            numbers.read(source, needed.start, &mut read).map(|()| read)
        };
        let (scales, zeros) = (numbers(&self.scales)?, numbers(&self.zeros)?);
        let biases = self.biases.as_ref().map(numbers).transpose()?;

        // Codes of whole bytes need no unpacking.
        let mut unpacked = vec![0; if self.bits == 8 { 0 } else { out.len().min(columns) }];
        let mut at = 0;
        for row in first[0]..=last[0] {
            let mut column = if row == first[0] { first[1] } else { 0 };
            let count = (columns - column).min(out.len() - at);
            let out = &mut out[at..at + count];
            let bit = 8 * row * self.stride + column * self.bits - 8 * begin;
            let codes: &[u8] = match self.bits {
                8 => &stored[bit / 8..][..count],
                _ => {
                    unpack(self.bits, self.order, &stored, bit, &mut unpacked[..count]);
                    &unpacked[..count]
                }
            };
            at += count;
            let line = self.blocks.row(row);
            let mut done = 0;
            while done < count {
                let run = match groups {
                    Some(_) => 1,
                    None => (self.blocks.wide - column % self.blocks.wide).min(count - done),
                };
                let block = place(line, group(column)) - needed.start;
                let part = done..done + run;
                self.scale(
                    measure,
                    [scales[block], zeros[block]],
                    biases.as_ref().map(|b| b[block]),
                    &codes[part.clone()],
                    &mut out[part],
                );
                done += run;
                column += run;
            }
        }
        Ok(())
    }

    /// Reads the group of each column of a range, and returns it with the first column.
    fn groups_of(
        &self,
        source: &dyn ParameterSource,
        columns: Range<usize>,
    ) -> Result<Option<(usize, Vec<usize>)>, SourceError> {
        let Some(name) = &self.groups else { return Ok(None) };
        let groups = group_indices(source, name, columns.clone(), self.blocks.across)?;
        Ok(Some((columns.start, groups)))
    }

    fn scale(&self, measure: Measure, [scale, zero]: [f32; 2], bias: Option<f32>, codes: &[u8], out: &mut [f32]) {
        match measure {
            // Sixteen products serve a whole block of 4-bit codes.
            Measure::Values if self.bits == 4 && codes.len() >= 16 && bias.is_none() && !self.book.has_rule() => {
                let mut products = [0.0; 16];
                (0..16).for_each(|code: u8| products[usize::from(code)] = (self.book.number(code) - zero) * scale);
                out.iter_mut().zip(codes).for_each(|(value, &code)| *value = products[usize::from(code & 15)]);
            }
            Measure::Values => self.book.scale(codes, [scale, zero], bias, out),
            Measure::SquaredErrors => {
                let pairs = out.iter_mut().zip(codes);
                pairs.for_each(|(value, &code)| *value = self.book.error(code) * scale * scale);
            }
        }
    }
}

/// Reads the group of each of some columns from a tensor of 32-bit integers, and checks that there is such a group.
pub(super) fn group_indices(
    source: &dyn ParameterSource,
    name: &str,
    columns: Range<usize>,
    count: usize,
) -> Result<Vec<usize>, SourceError> {
    let stored = bytes(source, name, 4 * columns.start, 4 * columns.len())?;
    let (words, _) = stored.as_chunks::<4>();
    let group = |(column, &word): (usize, &[u8; 4])| {
        let found = i32::from_le_bytes(word);
        usize::try_from(found).ok().filter(|group| *group < count).ok_or_else(|| SourceError::Other {
            message: format!("tensor `{name}` puts column {column} into group {found}, expected 0 to {}", count - 1),
            source: None,
        })
    };
    columns.zip(words).map(group).collect()
}

impl Dequantize for Rows {
    fn decode(
        &self,
        source: &dyn ParameterSource,
        measure: Measure,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        let mut done = 0;
        while done < out.len() {
            let at = offset + done;
            // A piece of long rows ends with its row, so that the numbers of its blocks are few.
            let limit = if self.columns > PIECE { PIECE.min(self.columns - at % self.columns) } else { PIECE };
            let count = limit.min(out.len() - done);
            self.piece(source, measure, at, &mut out[done..done + count])?;
            done += count;
        }
        Ok(())
    }

    fn prefetch(&self, source: &dyn ParameterSource, offset: usize, length: usize) {
        // Codes of one byte are elements of their tensor. Packed ones are not, so their words are not announced.
        if self.bits == 8 && self.stride == self.columns {
            source.prefetch(&self.codes, offset, length);
        }
    }
}
