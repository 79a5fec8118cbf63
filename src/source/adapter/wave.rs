//! Waves over a weight (FourierFT): an increment that is the inverse transform of a few coefficients.
//!
//! Gao et al. 2024, <https://arxiv.org/abs/2405.03003>. Only the coefficients are stored. Their places follow from a seed, as the
//! generator and the shuffle of PyTorch draw them.

use super::factor::vector;
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::collections::HashMap;
use std::f64::consts::TAU;
use std::ops::Range;
use std::sync::Arc;

/// Largest number of values for which PyTorch shuffles with 32 random bits for each value.
pub(super) const SHUFFLED: usize = (u32::MAX / 20) as usize;

/// One side of the waves of an increment: the waves over its rows, or over its columns.
#[derive(Debug)]
pub(super) struct Waves {
    /// Number of waves that go around the side, for each coefficient.
    pub(super) turns: Arc<[u32]>,
    /// Number of places along the side.
    pub(super) length: usize,
    /// The stored coefficients. Only one of the two sides has them.
    pub(super) spectrum: Option<String>,
}

impl Waves {
    /// Computes cosine and sine of each wave at some places, shape (2 * waves, places).
    ///
    /// The side with the coefficients has the sines negated: the product of both sides is then the cosine of the sum of angles.
    pub(super) fn ranks_first(
        &self,
        stored: &dyn ParameterSource,
        places: &Range<usize>,
    ) -> Result<Vec<f32>, SourceError> {
        let count = self.turns.len();
        let spectrum = match &self.spectrum {
            Some(tensor) => vector(stored, tensor, 0..count)?,
            None => vec![1.0; count],
        };
        let sign = if self.spectrum.is_some() { -1.0 } else { 1.0 };
        // Every angle is a whole number of steps around the circle, so one table of them serves all waves.
        let angle = |step: usize| (step as f64 / self.length as f64 * TAU).sin_cos();
        // For a few values the table would be more work than all of them.
        let few = count.saturating_mul(places.len()) < self.length;
        let table: Vec<(f64, f64)> = if few { Vec::new() } else { (0..self.length).map(angle).collect() };
        let mut values = Vec::with_capacity(2 * count * places.len());
        for (&turns, &size) in self.turns.iter().zip(&spectrum) {
            let at = |place: usize| {
                let step = (turns as usize * place) % self.length;
                table.get(step).copied().unwrap_or_else(|| angle(step))
            };
            values.extend(places.clone().map(|place| (f64::from(size) * at(place).1) as f32));
            values.extend(places.clone().map(|place| (f64::from(size) * sign * at(place).0) as f32));
        }
        Ok(values)
    }
}

/// Returns the first `count` entries of PyTorch's random permutation of `0 .. size`.
///
/// Each entry is final after its own exchange, so the places that no exchange touched need no memory.
pub(super) fn permutation(seed: u64, size: usize, count: usize) -> Vec<usize> {
    let mut random = Twister::new(seed as u32);
    let mut moved: HashMap<usize, usize> = HashMap::new();
    (0..count.min(size))
        .map(|at| {
            let other = match size - at {
                1 => at,
                left => at + random.next() as usize % left,
            };
            let here = moved.remove(&at).unwrap_or(at);
            match other == at {
                true => here,
                false => moved.insert(other, here).unwrap_or(other),
            }
        })
        .collect()
}

/// The generator MT19937, Matsumoto and Nishimura 1998, <https://doi.org/10.1145/272991.272995>.
struct Twister {
    state: Vec<u32>,
    at: usize,
}

const WORDS: usize = 624;
const SHIFT: usize = 397;

impl Twister {
    fn new(seed: u32) -> Self {
        let mut state = vec![seed];
        for i in 1..WORDS as u32 {
            let last = state[state.len() - 1];
            state.push(1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i));
        }
        Self { state, at: WORDS }
    }

    fn next(&mut self) -> u32 {
        if self.at == WORDS {
            for i in 0..WORDS {
                let mixed = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % WORDS] & 0x7fff_ffff);
                let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + SHIFT) % WORDS] ^ (mixed >> 1) ^ odd;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_standard_one() {
        // The C++ standard requires this value of the 10000th number.
        let mut random = Twister::new(5489);
        let last = (0..10_000).map(|_| random.next()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn the_permutation_is_that_of_pytorch() {
        // torch.randperm(10, generator=torch.Generator().manual_seed(777))
        assert_eq!(permutation(777, 10, 10), PERMUTED);
        assert_eq!(permutation(777, 10, 4), PERMUTED[..4]);
        let mut all = permutation(3, 1000, 1000);
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
    }

    const PERMUTED: [usize; 10] = [5, 9, 0, 3, 1, 7, 4, 8, 6, 2];
}
