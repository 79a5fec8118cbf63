//! Tensors whose values are numbers of variable length.

use super::wire::{Range, Wire};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::widen::widen;
use crate::format::{Decode, Dtype};
use std::sync::{Arc, OnceLock};

/// One position is kept for so many values.
const STRIDE: usize = 1 << 14;

/// A reader of numbers of variable length. Where the values stand is known after the first read, which walks all of them.
#[derive(Debug)]
pub(super) struct Numbers {
    object: Arc<dyn ReadAt>,
    range: Range,
    dtype: Dtype,
    size: usize,
    /// The position of each value whose number is a multiple of [`STRIDE`].
    places: OnceLock<Vec<u64>>,
}

impl Numbers {
    /// Creates a reader. `None` when so many values do not fit into the range: each has one to ten bytes.
    pub(super) fn new(object: Arc<dyn ReadAt>, range: Range, dtype: Dtype, size: usize) -> Option<Self> {
        let fits = size as u64 <= range.length() && range.length() <= (size as u64).saturating_mul(10);
        fits.then(|| Self { object, range, dtype, size, places: OnceLock::new() })
    }

    fn places(&self) -> Result<&[u64], SourceError> {
        if let Some(places) = self.places.get() {
            return Ok(places);
        }
        let (mut places, mut count, mut begins) = (Vec::new(), 0, true);
        let mut bytes = vec![0; 1 << 16];
        let mut position = self.range.begin;
        while position < self.range.end {
            let length = (self.range.end - position).min(bytes.len() as u64) as usize;
            self.object.read_at(&mut bytes[..length], position)?;
            for (at, &byte) in (position..).zip(&bytes[..length]) {
                if begins && count % STRIDE == 0 {
                    places.push(at);
                }
                // The last byte of a number has no high bit.
                begins = byte < 0x80;
                count += usize::from(begins);
            }
            position += length as u64;
        }
        if count != self.size || !begins {
            let wire = Wire::new(&*self.object);
            return Err(wire.malformed(format!("a tensor has {count} values, expected {}", self.size)));
        }
        Ok(self.places.get_or_init(|| places))
    }
}

impl Decode for Numbers {
    fn decode(&self, _: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let place = self.places()?[offset / STRIDE];
        let mut wire = Wire::new(&*self.object);
        let mut rest = Range { begin: place, end: self.range.end };
        for _ in 0..offset % STRIDE {
            wire.number(&mut rest)?;
        }
        let size = self.dtype.size();
        for value in out {
            // Small types stand in the lowest bytes; floating point ones by their bits.
            let number = wire.number(&mut rest)?.to_le_bytes();
            widen(self.dtype, &number[..size], std::slice::from_mut(value));
        }
        Ok(())
    }
}
