//! Arrays in Fortran order: the values of a column stand beside each other, those of a row do not.
//!
//! A range of rows is a short run in each column. So a block of many rows is read at once, column by column in the order of the
//! file, and kept for the ranges that follow. Blocks are kept for the whole process, within one limit.

use super::header::Array;
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::elsewhere::{ByteOrder, PIECE, widen_in};
use crate::format::lines::write_columns;
use crate::format::{Decode, Dtype};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Values of a block: 16 MiB. A larger block reads longer runs, and takes the decompression of a compressed array less often.
const BLOCK: usize = 1 << 22;

/// Values of all blocks that the process keeps, at most: 256 MiB.
const KEPT: usize = 1 << 26;

/// A column of so few bytes is read whole, although only a part of it may be needed.
const SHORT: usize = 1 << 12;

/// Columns that are written together.
const TOGETHER: usize = 16;

/// The blocks that the process keeps, the one that was used last at the end.
static BLOCKS: Mutex<VecDeque<(Key, Arc<Vec<f32>>)>> = Mutex::new(VecDeque::new());

/// The number of the next array, by which its blocks are known.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// An array and the number of its block.
type Key = (u64, usize);

/// A reader of an array in Fortran order.
#[derive(Debug)]
pub(super) struct Columns {
    object: Arc<dyn ReadAt>,
    array: Array,
    id: u64,
    /// Values of a block.
    block: usize,
    size: usize,
}

impl Columns {
    pub(super) fn new(object: Arc<dyn ReadAt>, array: Array) -> Self {
        let size = array.shape.iter().product();
        Self { object, array, id: NEXT.fetch_add(1, Ordering::Relaxed), block: BLOCK, size }
    }

    fn block(&self, number: usize) -> Result<Arc<Vec<f32>>, SourceError> {
        let key = (self.id, number);
        {
            let mut kept = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = kept.iter().position(|(k, _)| *k == key)
                && let Some(found) = kept.remove(at)
            {
                let block = Arc::clone(&found.1);
                kept.push_back(found);
                return Ok(block);
            }
        }
        // The lock is not held meanwhile: other arrays are read at the same time.
        let begin = number * self.block;
        let mut values = vec![0.0; self.block.min(self.size - begin)];
        self.gather(begin, &mut values)?;
        let block = Arc::new(values);
        let mut kept = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key, Arc::clone(&block)));
        let mut total: usize = kept.iter().map(|(_, block)| block.len()).sum();
        while total > KEPT {
            total -= kept.pop_front().map_or(total, |(_, block)| block.len());
        }
        Ok(block)
    }

    /// Fills `out` with values in row-major order from element `begin` on.
    fn gather(&self, begin: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let (height, rest) = self.array.shape.split_first().map_or((1, &[][..]), |(h, rest)| (*h, rest));
        let width: usize = rest.iter().product();
        let end = begin + out.len();
        let run = out.len().div_ceil(width).min(height) * self.array.dtype.size();
        let column = height * self.array.dtype.size();
        let mut window = Window::new(self, column <= SHORT || 4 * run >= column);
        let mut batch = Batch { width, begin, run: run / self.array.dtype.size() + 1, ..Batch::default() };
        let mut index = vec![0; rest.len()];
        // Where the first value of this column stands in a row.
        let mut at = 0;
        for number in 0..width {
            let first = begin.saturating_sub(at).div_ceil(width);
            let last = end.saturating_sub(at).div_ceil(width).min(height);
            if first < last {
                let values = batch.column(at, first..last);
                window.read(number * height + first, values)?;
                if batch.columns.len() == TOGETHER {
                    batch.write(out);
                }
            }
            // The next column in the file: the first of the other indexes counts fastest there, and slowest in a row.
            let mut stride = width;
            for (i, &d) in index.iter_mut().zip(rest) {
                stride /= d;
                *i += 1;
                at += stride;
                if *i < d {
                    break;
                }
                *i = 0;
                at -= stride * d;
            }
        }
        batch.write(out);
        Ok(())
    }
}

/// Columns that are written together. Where they are neighbors, each line of the cache is written once and not for each of them.
#[derive(Debug, Default)]
struct Batch {
    width: usize,
    /// The element with which the block begins.
    begin: usize,
    /// The most values of a column.
    run: usize,
    /// Where each column stands in a row, and which rows it has.
    columns: Vec<(usize, Range<usize>)>,
    values: Vec<f32>,
}

impl Batch {
    /// Adds a column, and returns the place of its values.
    fn column(&mut self, at: usize, rows: Range<usize>) -> &mut [f32] {
        let begin = self.columns.len() * self.run;
        let length = rows.len();
        self.columns.push((at, rows));
        self.values.resize(self.values.len().max(begin + self.run), 0.0);
        &mut self.values[begin..begin + length]
    }

    fn write(&mut self, out: &mut [f32]) {
        let Some((at, rows)) = self.columns.first().cloned() else { return };
        let beside = |(number, column): (usize, &(usize, Range<usize>))| *column == (at + number, rows.clone());
        if self.columns.iter().enumerate().all(beside) {
            let begin = rows.start * self.width + at - self.begin;
            let shape = [self.columns.len(), rows.len()];
            write_columns(&self.values, self.run, shape, &mut out[begin..], self.width);
            self.columns.clear();
            return;
        }
        let first = self.columns.iter().map(|(_, rows)| rows.start).min().unwrap_or(0);
        let last = self.columns.iter().map(|(_, rows)| rows.end).max().unwrap_or(0);
        for row in first..last {
            for (column, values) in self.columns.iter().zip(self.values.chunks(self.run)) {
                let (at, rows) = column;
                if rows.contains(&row) {
                    out[row * self.width + at - self.begin] = values[row - rows.start];
                }
            }
        }
        self.columns.clear();
    }
}

/// A part of an array's values, from which runs are taken in the order of the file.
struct Window<'a> {
    columns: &'a Columns,
    /// Whether what stands between two runs is worth reading.
    dense: bool,
    /// The element from which the window begins.
    begin: usize,
    bytes: Vec<u8>,
    values: Vec<f32>,
}

impl<'a> Window<'a> {
    fn new(columns: &'a Columns, dense: bool) -> Self {
        Self { columns, dense, begin: 0, bytes: Vec::new(), values: Vec::new() }
    }

    /// Fills `out` with a run.
    fn read(&mut self, begin: usize, mut out: &mut [f32]) -> Result<(), SourceError> {
        let mut at = begin;
        while !out.is_empty() {
            if at < self.begin || at >= self.begin + self.values.len() {
                self.load(at, out.len())?;
            }
            let there = &self.values[at - self.begin..];
            let length = there.len().min(out.len());
            let (now, later) = std::mem::take(&mut out).split_at_mut(length);
            now.copy_from_slice(&there[..now.len()]);
            at += now.len();
            out = later;
        }
        Ok(())
    }

    fn load(&mut self, begin: usize, wanted: usize) -> Result<(), SourceError> {
        let Columns { object, array, size, .. } = self.columns;
        let element = array.dtype.size();
        let most = PIECE / element;
        let length = if self.dense { most } else { wanted.min(most) }.min(size - begin);
        let position = array.begin + (begin * element) as u64;
        self.values.resize(length, 0.0);
        self.begin = begin;
        if array.dtype == Dtype::F32 && array.bytes == ByteOrder::Little && cfg!(target_endian = "little") {
            return object.read_at(bytemuck::cast_slice_mut(&mut self.values), position);
        }
        self.bytes.resize(length * element, 0);
        object.read_at(&mut self.bytes, position)?;
        widen_in(array.bytes, array.dtype, &mut self.bytes, &mut self.values);
        Ok(())
    }
}

impl Drop for Columns {
    fn drop(&mut self) {
        BLOCKS.lock().unwrap_or_else(PoisonError::into_inner).retain(|((id, _), _)| *id != self.id);
    }
}

impl Decode for Columns {
    fn decode(&self, _: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let mut at = offset;
        let mut rest = out;
        while !rest.is_empty() {
            let block = self.block(at / self.block)?;
            let there = &block[at % self.block..];
            let (now, later) = rest.split_at_mut(there.len().min(rest.len()));
            now.copy_from_slice(&there[..now.len()]);
            at += now.len();
            rest = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;
    use crate::format::numpy::header::Layout;

    /// An array whose value at a row-major place is that place, in blocks of a few values.
    fn counted(shape: &[usize], block: usize) -> Columns {
        let size: usize = shape.iter().product();
        let mut stored = vec![0u16; size];
        for at in 0..size {
            let (mut rest, mut place, mut stride) = (at, 0, size);
            for &d in shape.iter().rev() {
                stride /= d;
                place += rest % d * stride;
                rest /= d;
            }
            stored[place] = at as u16;
        }
        let bytes: Vec<u8> = stored.iter().flat_map(|v| v.to_be_bytes()).collect();
        let (shape, layout, bytes_order) = (shape.to_vec(), Layout::Columns, ByteOrder::Big);
        let array = Array { shape, dtype: Dtype::U16, layout, bytes: bytes_order, begin: 3 };
        let object = Arc::new(MemoryFile::new("a", [&[0; 3], &bytes[..]].concat()));
        let mut columns = Columns::new(object, array);
        columns.block = block;
        columns
    }

    #[test]
    fn every_range_of_every_shape_is_read_in_row_major_order() {
        let shapes = [&[2, 3][..], &[5, 7], &[2, 3, 4], &[3, 1, 2, 5], &[7, 2, 2], &[1, 4, 3], &[9000, 3]];
        for shape in shapes {
            let size: usize = shape.iter().product();
            for block in [1, 4, 7, size] {
                if size > 1000 && block < 7 {
                    continue;
                }
                let columns = counted(shape, block);
                for (begin, length) in [(0, size), (size / 3, size / 2), (size - 1, 1), (1, 4)] {
                    let mut values = vec![0.0; length];
                    columns.decode(&*columns.object, begin, &mut values).unwrap();
                    let expected: Vec<f32> = (begin..begin + length).map(|i| i as f32).collect();
                    assert_eq!(values, expected, "{shape:?}, blocks of {block}, from {begin}");
                }
            }
        }
    }
}
