//! A few rows of an index at a time.

use super::{Block, CHUNK, Damaged, Numbers};
use crate::source::ParameterSource;
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// Names, in the file of an index, of the tensors that hold all moments and all values.
pub(super) const MOMENTS: &str = "moments";
pub(super) const VALUES: &str = "values";

/// Room for the numbers of one chunk, used for one after another.
#[derive(Default)]
pub(super) struct Room {
    moments: Vec<f64>,
    values: Vec<f32>,
}

/// The numbers of consecutive rows.
pub(super) struct Chunk<'a> {
    pub(super) rows: Range<usize>,
    pub(super) moments: &'a [f64],
    pub(super) values: &'a [f32],
}

impl Block {
    pub(super) fn chunks(&self) -> usize {
        self.rows.len().div_ceil(CHUNK)
    }

    /// Reads one chunk and checks it against its checksum.
    pub(super) fn chunk<'a>(&'a self, number: usize, room: &'a mut Room) -> Result<Chunk<'a>, Damaged> {
        let rows = number * CHUNK..self.rows.len().min((number + 1) * CHUNK);
        let of = |each: usize| rows.start * each..rows.end * each;
        let (of_moments, of_values) = (of(2 * self.places.len()), of(self.stride()));
        let (moments, values) = match &self.numbers {
            Numbers::Memory { moments, values } => (&moments[of_moments], &values[of_values]),
            Numbers::File { file, moments: first_moment, values: first_value, checksums } => {
                room.moments.resize(of_moments.len(), 0.0);
                room.values.resize(of_values.len(), 0.0);
                let begin = 8 * (first_moment + of_moments.start);
                let bytes = bytemuck::cast_slice_mut(&mut room.moments);
                file.read_bytes(MOMENTS, begin, bytes).map_err(|_| Damaged)?;
                if cfg!(target_endian = "big") {
                    room.moments.iter_mut().for_each(|m| *m = f64::from_bits(m.to_bits().swap_bytes()));
                }
                file.read(VALUES, first_value + of_values.start, &mut room.values).map_err(|_| Damaged)?;
                if checksums.get(number) != Some(&checksum(&room.moments, &room.values)) {
                    return Err(Damaged);
                }
                (&room.moments[..], &room.values[..])
            }
        };
        Ok(Chunk { rows, moments, values })
    }
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
