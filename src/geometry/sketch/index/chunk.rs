//! A few rows of an index at a time.

use super::{Block, CHUNK, Damaged, Numbers};
use crate::source::ParameterSource;
use std::borrow::Cow;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// Names, in the file of an index, of the tensors that hold all moments and all values.
pub(super) const MOMENTS: &str = "moments";
pub(super) const VALUES: &str = "values";

/// The numbers of consecutive rows.
pub(super) struct Chunk<'b> {
    pub(super) rows: Range<usize>,
    pub(super) moments: Cow<'b, [f64]>,
    pub(super) values: Cow<'b, [f32]>,
}

impl Block {
    pub(super) fn chunks(&self) -> usize {
        self.rows.len().div_ceil(CHUNK)
    }

    /// Reads one chunk and checks it against its checksum.
    pub(super) fn chunk(&self, number: usize) -> Result<Chunk<'_>, Damaged> {
        let rows = number * CHUNK..self.rows.len().min((number + 1) * CHUNK);
        let of = |each: usize| rows.start * each..rows.end * each;
        let (of_moments, of_values) = (of(2 * self.places.len()), of(self.stride()));
        match &self.numbers {
            Numbers::Memory { moments, values } => Ok(Chunk {
                moments: Cow::Borrowed(&moments[of_moments]),
                values: Cow::Borrowed(&values[of_values]),
                rows,
            }),
            Numbers::File { file, moments: first_moment, values: first_value, checksums } => {
                let mut bytes = vec![0; 8 * of_moments.len()];
                file.read_bytes(MOMENTS, 8 * (first_moment + of_moments.start), &mut bytes).map_err(|_| Damaged)?;
                let moments: Vec<f64> = bytes.chunks_exact(8).map(double).collect();
                let mut values = vec![0.0; of_values.len()];
                file.read(VALUES, first_value + of_values.start, &mut values).map_err(|_| Damaged)?;
                match checksums.get(number) {
                    Some(&expected) if checksum(&moments, &values) == expected => {}
                    _ => return Err(Damaged),
                }
                Ok(Chunk { moments: Cow::Owned(moments), values: Cow::Owned(values), rows })
            }
        }
    }
}

fn double(bytes: &[u8]) -> f64 {
    f64::from_bits(bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

/// Of the bytes as they are in the file.
pub(super) fn checksum(moments: &[f64], values: &[f32]) -> u64 {
    let mut hash = Xxh3::new();
    if cfg!(target_endian = "little") {
        hash.update(bytemuck::cast_slice(moments));
        hash.update(bytemuck::cast_slice(values));
    } else {
        moments.iter().for_each(|m| hash.update(&m.to_le_bytes()));
        values.iter().for_each(|v| hash.update(&v.to_le_bytes()));
    }
    hash.digest()
}
