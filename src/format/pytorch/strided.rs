//! Tensors whose elements do not stand one after another: transposed, sliced and expanded views, and big-endian files.

use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::widen::widen;
use crate::format::{Decode, Dtype};
use std::cell::RefCell;

/// Most elements of one read.
const SPAN: u64 = 1 << 14;

/// Elements between two wanted ones that are read along, at most. A second read would cost more.
const GAP: u64 = 128;

/// A view of a storage.
#[derive(Debug)]
pub(super) struct Strided {
    dtype: Dtype,
    /// The byte of the object at which the first element begins.
    begin: u64,
    /// Size and stride of each dimension, the outermost first. Sizes are not zero.
    dimensions: Vec<(usize, u64)>,
    big_endian: bool,
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
        Self { dtype, begin, dimensions, big_endian }
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
        let mut index = vec![0; sides.len()];
        let (mut source, mut target) = (at, 0);
        loop {
            reader.want(source, target, out)?;
            let mut dimension = sides.len();
            loop {
                let Some(inner) = dimension.checked_sub(1) else { return reader.flush(out) };
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
        BUFFERS.with_borrow_mut(|buffers| {
            let mut reader = Reader { bytes, view: self, buffers };
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
    /// Elements that are wanted: which of the storage, and where each goes.
    wanted: Vec<(u64, usize)>,
    bytes: Vec<u8>,
    values: Vec<f32>,
}

thread_local! {
    /// Each thread keeps its buffers from one read to the next.
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

/// Gathers elements that stand close together, and reads them at once.
struct Reader<'a> {
    bytes: &'a dyn ReadAt,
    view: &'a Strided,
    buffers: &'a mut Buffers,
}

impl Reader<'_> {
    fn want(&mut self, source: u64, target: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let wanted = &self.buffers.wanted;
        if let (Some(&(first, _)), Some(&(last, _))) = (wanted.first(), wanted.last()) {
            let near = source >= last && source - last <= GAP && source - first < SPAN && wanted.len() < SPAN as usize;
            if !near {
                self.flush(out)?;
            }
        }
        self.buffers.wanted.push((source, target));
        Ok(())
    }

    fn flush(&mut self, out: &mut [f32]) -> Result<(), SourceError> {
        let Buffers { wanted, bytes, values } = &mut *self.buffers;
        let (Some(&(first, _)), Some(&(last, _))) = (wanted.first(), wanted.last()) else { return Ok(()) };
        let (count, size) = ((last - first + 1) as usize, self.view.dtype.size());
        bytes.resize(count * size, 0);
        let read = self.bytes.read_at(bytes, self.view.begin + first * size as u64);
        if self.view.big_endian && size > 1 {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        values.resize(count, 0.0);
        widen(self.view.dtype, bytes, values);
        for &(source, target) in &*wanted {
            out[target] = values[(source - first) as usize];
        }
        // The buffers are kept, so they must be empty even after an error.
        wanted.clear();
        read
    }
}
