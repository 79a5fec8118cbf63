//! Fingerprints that show whether tensors are equal bit for bit: 128-bit XXH3 of their values as f32.
//!
//! A tensor is cut into jobs of [`JOB`] values. The hash of a job is the XXH3-128 of its values' little-endian bytes. The
//! fingerprint of a tensor begins as the hash of its first job. Every further job is [chained](chain) to it. The lengths of the
//! pieces in which values arrive do not matter, so any two readers of a tensor compute the same fingerprint.

use super::format::JOB;
use super::words::update;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The state from which the fingerprint of a tensor, or of one job of it, is computed.
#[derive(Clone)]
pub(crate) struct Fingerprint {
    job: Xxh3,
    /// How many values of the current job have arrived.
    taken: usize,
    /// The fingerprint of all jobs before the current one.
    before: Option<u128>,
}

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self { job: Xxh3::new(), taken: 0, before: None }
    }

    /// Adds the next values.
    pub(crate) fn update(&mut self, mut values: &[f32]) {
        while !values.is_empty() {
            // A job is closed only when the next value arrives, so that `value` never chains an empty job.
            if self.taken == JOB {
                self.before = Some(self.value());
                self.job.reset();
                self.taken = 0;
            }
            let (now, later) = values.split_at(values.len().min(JOB - self.taken));
            update(&mut self.job, now);
            self.taken += now.len();
            values = later;
        }
    }

    /// Returns the fingerprint of all values added so far.
    pub(crate) fn value(&self) -> u128 {
        let job = self.job.digest128();
        self.before.map_or(job, |before| chain(before, job))
    }
}

/// Joins the fingerprint of a tensor's beginning and the hash of its next job.
pub(crate) fn chain(before: u128, next: u128) -> u128 {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&before.to_le_bytes());
    bytes[16..].copy_from_slice(&next.to_le_bytes());
    xxh3_128(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::little_endian;

    #[test]
    fn pieces_do_not_matter_and_jobs_are_chained() {
        let values: Vec<f32> = (0..2 * JOB + 77).map(|i| (i % 1013) as f32 / 7.0).collect();
        let of = |values: &[f32]| xxh3_128(&little_endian(values));
        let by_definition = values.chunks(JOB).map(of).reduce(chain);
        for piece in [1000, JOB / 3, JOB, 3 * JOB] {
            let mut found = Fingerprint::new();
            values.chunks(piece).for_each(|piece| found.update(piece));
            assert_eq!(Some(found.value()), by_definition, "pieces of {piece}");
        }
    }
}
