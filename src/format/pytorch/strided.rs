//! Tensors whose elements do not stand one after another: transposed, sliced and expanded views, and big-endian files.

use super::panels::{self, PANEL};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::lines::write_columns;
use crate::format::widen::widen;
use crate::format::{Decode, Dtype};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most elements of one read.
const SPAN: u64 = 1 << 17;

/// Elements between two wanted ones that are read along, at most. A second read would cost more.
const GAP: u64 = 1 << 8;

/// Elements that stand one after another, at least, in a view that is read without panels.
const RUN: usize = 256;

/// The number of the next view.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A view of a storage.
#[derive(Debug)]
pub(super) struct Strided {
    dtype: Dtype,
    /// The byte of the object at which the first element begins.
    begin: u64,
    /// Size and stride of each dimension, the outermost first. Sizes are not zero.
    dimensions: Vec<(usize, u64)>,
    big_endian: bool,
    /// The number of the view among all of the process, by which its panels are kept.
    number: u64,
}

impl Drop for Strided {
    fn drop(&mut self) {
        panels::forget(self.number);
    }
}

impl Strided {
    /// The caller has checked that all elements lie in the object.
    pub(super) fn new(dtype: Dtype, begin: u64, shape: &[usize], strides: &[u64], big_endian: bool) -> Self {
        let mut dimensions: Vec<(usize, u64)> = Vec::new();
        for (&size, &stride) in shape.iter().zip(strides).filter(|(size, _)| **size != 1) {
            match dimensions.last_mut() {
                // Two dimensions of elements that follow one another are one.
                Some(outer) if outer.1 == stride * size as u64 => *outer = (outer.0 * size, stride),
                _ => dimensions.push((size, stride)),
            }
        }
        // The number tells views apart and guards nothing, so relaxed ordering is enough.
        Self { dtype, begin, dimensions, big_endian, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Whether few elements stand one after another, so that each read touches much of the storage.
    fn is_scattered(&self) -> bool {
        self.dimensions.last().is_some_and(|&(size, stride)| stride != 1 || size < RUN)
    }

    /// Fills the elements of `out` that form a box: the outer dimensions are fixed.
    ///
    /// `at` is the element of the storage at which the box begins, and `sides` are its dimensions.
    fn fill_box(
        &self,
        reader: &mut Reader<'_>,
        sides: &[(usize, u64)],
        at: u64,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        // Each dimension with its distance in `out`. Those of large strides come first, so the storage is read in its order.
        let mut distance = 1;
        let mut sides: Vec<(usize, u64, usize)> = sides
            .iter()
            .rev()
            .map(|&(size, stride)| {
                distance *= size;
                (size, stride, distance / size)
            })
            .collect();
        sides.sort_by_key(|&(_, stride, _)| std::cmp::Reverse(stride));
        let (size, stride, distance) = sides.pop().unwrap_or((1, 0, 0));
        reader.step = Step { stride: stride as usize, distance };
        // Elements far from each other are read one by one.
        let most = if stride <= GAP { (SPAN / stride.max(1)) as usize } else { 1 };
        let mut index = vec![0; sides.len()];
        let (mut source, mut target) = (at, 0);
        loop {
            for begin in (0..size).step_by(most) {
                let count = most.min(size - begin);
                reader.want(source + begin as u64 * stride, target + begin * distance, count, out)?;
            }
            let mut dimension = sides.len();
            loop {
                let Some(inner) = dimension.checked_sub(1) else { return reader.finish(out) };
                let (size, stride, distance) = sides[inner];
                index[inner] += 1;
                if index[inner] < size {
                    (source, target) = (source + stride, target + distance);
                    break;
                }
                index[inner] = 0;
                source -= stride * (size as u64 - 1);
                target -= distance * (size - 1);
                dimension = inner;
            }
        }
    }
}

impl Decode for Strided {
    fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        if !self.is_scattered() {
            return self.gather(bytes, offset, out);
        }
        let size: usize = self.dimensions.iter().map(|(size, _)| size).product();
        // Whole rows form one box. A part of a row would touch as much of the storage as all of them.
        let row: usize = self.dimensions.iter().skip(1).map(|(size, _)| size).product();
        let most = if row > PANEL { PANEL } else { PANEL / row * row };
        let mut done = 0;
        while done < out.len() {
            let at = offset + done;
            let begin = at / most * most;
            let panel = self.panel(bytes, begin, most.min(size - begin))?;
            let part = &panel[at - begin..];
            let length = part.len().min(out.len() - done);
            out[done..done + length].copy_from_slice(&part[..length]);
            done += length;
        }
        Ok(())
    }
}

impl Strided {
    /// Returns the elements from `begin` on, which are a panel.
    fn panel(&self, bytes: &dyn ReadAt, begin: usize, length: usize) -> Result<Arc<Vec<f32>>, SourceError> {
        if let Some(kept) = panels::kept(self.number, begin) {
            return Ok(kept);
        }
        // The lock is free meanwhile: two threads may decode the same panel, and other views do not wait.
        let mut values = vec![0.0; length];
        self.gather(bytes, begin, &mut values)?;
        let values = Arc::new(values);
        panels::keep(self.number, begin, Arc::clone(&values));
        Ok(values)
    }

    /// Fills `out` with elements from `offset` on, box by box.
    fn gather(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        BUFFERS.with_borrow_mut(|buffers| {
            buffers.clear();
            let mut reader = Reader { bytes, view: self, buffers, step: Step::default() };
            let (mut offset, mut out) = (offset, out);
            while !out.is_empty() {
                // The index of the first element in each dimension, and where it stands.
                let mut rest = offset;
                let (mut at, mut inner) = (0, 1);
                let mut sides = self.dimensions.len();
                let mut fits = true;
                let mut size_of_box = 1;
                let mut cut = None;
                for (dimension, &(size, stride)) in self.dimensions.iter().enumerate().rev() {
                    let index = rest % size;
                    rest /= size;
                    at += index as u64 * stride;
                    if fits {
                        // A box takes the rest of this dimension, as far as `out` reaches, if it begins in all inner ones.
                        let count = (size - index).min(out.len() / inner);
                        if count == 0 {
                            fits = false;
                        } else {
                            (sides, size_of_box, cut) = (dimension, inner * count, Some(count));
                            fits = index == 0 && count == size;
                        }
                        inner *= size;
                    }
                }
                let mut dimensions = self.dimensions[sides..].to_vec();
                if let (Some(first), Some(count)) = (dimensions.first_mut(), cut) {
                    first.0 = count;
                }
                let (part, more) = out.split_at_mut(size_of_box);
                self.fill_box(&mut reader, &dimensions, at, part)?;
                (out, offset) = (more, offset + size_of_box);
            }
            Ok(())
        })
    }
}

/// The buffers of a [`Reader`].
#[derive(Default)]
struct Buffers {
    runs: Vec<Run>,
    /// The values that were read, one span after another.
    values: Vec<f32>,
    /// The elements of the storage that are to be read next, as the runs of them want.
    span: Option<Range<u64>>,
    bytes: Vec<u8>,
}

impl Buffers {
    fn clear(&mut self) {
        self.runs.clear();
        self.values.clear();
        self.span = None;
    }
}

/// Elements of one line of the storage.
#[derive(Clone, Copy)]
struct Run {
    /// The place of the first in the values that are read.
    at: usize,
    /// Where the first goes.
    target: usize,
    count: usize,
}

/// The distance of one element of a run to the next, in the storage and where they go.
#[derive(Clone, Copy, Default)]
struct Step {
    stride: usize,
    distance: usize,
}

thread_local! {
    /// Each thread keeps its buffers from one read to the next.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Gathers runs that stand close together, and reads them at once.
struct Reader<'a> {
    bytes: &'a dyn ReadAt,
    view: &'a Strided,
    buffers: &'a mut Buffers,
    step: Step,
}

impl Reader<'_> {
    /// Asks for a run of the box.
    fn want(&mut self, source: u64, target: usize, count: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let end = source + (count as u64 - 1) * self.step.stride as u64 + 1;
        if let Some(span) = &self.buffers.span {
            let is_full = self.buffers.runs.len() as u64 >= SPAN;
            let near = source + 1 >= span.end && source + 1 - span.end <= GAP && end - span.start <= SPAN;
            if !near || is_full {
                self.load()?;
                if self.buffers.values.len() as u64 >= SPAN || is_full {
                    self.write(out);
                }
            }
        }
        let Buffers { runs, values, span, .. } = &mut *self.buffers;
        let span = span.get_or_insert(source..source);
        span.end = end;
        runs.push(Run { at: values.len() + (source - span.start) as usize, target, count });
        Ok(())
    }

    /// Reads the span that is wanted.
    fn load(&mut self) -> Result<(), SourceError> {
        let Buffers { values, span, bytes, .. } = &mut *self.buffers;
        let Some(span) = span.take() else { return Ok(()) };
        let (dtype, count) = (self.view.dtype, (span.end - span.start) as usize);
        let position = self.view.begin + span.start * dtype.size() as u64;
        let before = values.len();
        values.resize(before + count, 0.0);
        let values = &mut values[before..];
        if dtype == Dtype::F32 && !self.view.big_endian && cfg!(target_endian = "little") {
            return self.bytes.read_at(bytemuck::cast_slice_mut(values), position);
        }
        bytes.resize(count * dtype.size(), 0);
        self.bytes.read_at(bytes, position)?;
        if self.view.big_endian && dtype.size() > 1 {
            bytes.chunks_exact_mut(dtype.size()).for_each(<[u8]>::reverse);
        }
        widen(dtype, bytes, values);
        Ok(())
    }

    /// Puts all that was read into its place.
    fn write(&mut self, out: &mut [f32]) {
        let Buffers { runs, values, .. } = &mut *self.buffers;
        let Step { stride, distance } = self.step;
        let mut rest = &runs[..];
        while let [first, ..] = rest {
            // Runs that go to columns beside each other are written together.
            let pitch = rest.get(1).map_or(0, |second| second.at.saturating_sub(first.at));
            let beside = |(number, run): (usize, &Run)| {
                let place = (first.at + number * pitch, first.target + number, first.count);
                (run.at, run.target, run.count) == place
            };
            let count = rest.iter().enumerate().take_while(|&(n, run)| n == 0 || beside((n, run))).count();
            if stride == 1 && count > 1 {
                let lines = &values[first.at..];
                write_columns(lines, pitch, [count, first.count], &mut out[first.target..], distance);
            } else {
                for run in &rest[..count] {
                    (0..run.count).for_each(|i| out[run.target + i * distance] = values[run.at + i * stride]);
                }
            }
            rest = &rest[count..];
        }
        runs.clear();
        values.clear();
    }

    fn finish(&mut self, out: &mut [f32]) -> Result<(), SourceError> {
        self.load()?;
        self.write(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;

    /// The view of `0, 1, 2, …` with these dimensions, element by element.
    fn expected(shape: &[usize], strides: &[u64]) -> Vec<f32> {
        let size = shape.iter().product();
        let element = |mut at: usize| {
            let mut source = 0;
            for (&size, &stride) in shape.iter().zip(strides).rev() {
                source += (at % size) as u64 * stride;
                at /= size;
            }
            source as f32
        };
        (0..size).map(element).collect()
    }

    #[test]
    fn a_view_of_any_strides_is_read_in_any_ranges() {
        let cases: [(&[usize], &[u64]); 12] = [
            (&[], &[]),
            (&[7], &[3]),
            (&[4, 5], &[1, 4]),
            (&[4, 5], &[0, 1]),
            (&[4, 5], &[1, 0]),
            (&[1, 5], &[99, 2]),
            (&[3, 4, 5], &[20, 5, 1]),
            (&[3, 4, 5], &[1, 15, 3]),
            (&[2, 3, 2, 3], &[3, 1, 18, 6]),
            (&[3, 300], &[301, 1]),
            (&[2, 5000], &[1, 2]),
            (&[3, 3], &[1, 1]),
        ];
        let numbers: Vec<u8> = (0..20_000).flat_map(|n| (n as f32).to_le_bytes()).collect();
        let swapped: Vec<u8> = (0..20_000).flat_map(|n| (n as f32).to_be_bytes()).collect();
        for (bytes, big_endian) in [(numbers, false), (swapped, true)] {
            let file = MemoryFile::new("a", bytes);
            for (shape, strides) in cases {
                let view = Strided::new(Dtype::F32, 0, shape, strides, big_endian);
                let wanted = expected(shape, strides);
                for begin in (0..wanted.len()).step_by(1 + wanted.len() / 30) {
                    for end in (begin + 1..=wanted.len()).step_by(1 + wanted.len() / 17) {
                        let mut found = vec![-1.0; end - begin];
                        view.gather(&file, begin, &mut found).unwrap();
                        assert_eq!(found, wanted[begin..end], "{shape:?} {strides:?} {begin}..{end}");
                        view.decode(&file, begin, &mut found).unwrap();
                        assert_eq!(found, wanted[begin..end], "{shape:?} {strides:?} {begin}..{end}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_scattered_view_is_read_in_panels() {
        let rows = 3000;
        let file = MemoryFile::new("a", (0..rows * 2000).flat_map(|n: u32| n.to_le_bytes()).collect::<Vec<u8>>());
        let view = Strided::new(Dtype::U32, 0, &[2000, rows as usize], &[1, 2000], false);
        assert!(view.is_scattered());
        let mut found = vec![0.0; 3000];
        for row in [0, 1397, 1398, 1399, 1999, 3] {
            view.decode(&file, row * 3000, &mut found).unwrap();
            assert!(found.iter().enumerate().all(|(at, v)| *v == (at * 2000 + row) as f32), "{row}");
        }
        assert!(panels::kept(view.number, 0).is_some() && panels::kept(view.number, PANEL / 3000 * 3000).is_some());
        let number = view.number;
        drop(view);
        assert!(panels::kept(number, 0).is_none());
    }
}
