//! Reads an index a few rows at a time.

use super::{Block, BlockValues, Damage};
use crate::kernel::format::{INDEX_CHUNK, INDEX_MOMENTS, INDEX_VALUES};
use crate::kernel::{update, words};
use crate::source::ParameterSource;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// A buffer for the numbers of one chunk, used for one chunk after another.
#[derive(Default)]
pub(super) struct ChunkBuffer {
    bytes: Vec<u8>,
    moments: Vec<f64>,
    values: Vec<f32>,
}

/// The numbers of some consecutive rows.
pub(super) struct Chunk<'a> {
    pub(super) rows: Range<usize>,
    pub(super) moments: &'a [f64],
    pub(super) values: &'a [f32],
}

impl Block {
    /// Number of chunks in the block.
    pub(super) fn chunks(&self) -> usize {
        self.rows.len().div_ceil(INDEX_CHUNK)
    }

    /// Reads one chunk and compares it with its checksum.
    pub(super) fn chunk<'a>(&'a self, number: usize, buffer: &'a mut ChunkBuffer) -> Result<Chunk<'a>, Damage> {
        let rows = number * INDEX_CHUNK..self.rows.len().min((number + 1) * INDEX_CHUNK);
        let of = |each: usize| rows.start * each..rows.end * each;
        let (of_moments, of_values) = (of(2 * self.excerpts.len()), of(self.stride()));
        let (moments, values) = match &self.numbers {
            BlockValues::Memory { moments, values } => (&moments[of_moments], &values[of_values]),
            BlockValues::File { file, moments: first_moment, values: first_value, checksums } => {
                buffer.moments.resize(of_moments.len(), 0.0);
                buffer.values.resize(of_values.len(), 0.0);
                let begin = 8 * (first_moment + of_moments.start);
                buffer.bytes.resize(8 * of_moments.len(), 0);
                file.read_bytes(INDEX_MOMENTS, begin, &mut buffer.bytes).map_err(|_| Damage)?;
                buffer.moments.iter_mut().zip(words::<f64>(&buffer.bytes)).for_each(|(m, read)| *m = read);
                file.read(INDEX_VALUES, first_value + of_values.start, &mut buffer.values).map_err(|_| Damage)?;
                if checksums.get(number) != Some(&checksum(&buffer.moments, &buffer.values)) {
                    return Err(Damage);
                }
                (&buffer.moments[..], &buffer.values[..])
            }
        };
        Ok(Chunk { rows, moments, values })
    }
}

/// The checksum of the bytes as they are in the file.
pub(super) fn checksum(moments: &[f64], values: &[f32]) -> u64 {
    let mut hash = Xxh3::new();
    update(&mut hash, moments);
    update(&mut hash, values);
    hash.digest()
}
