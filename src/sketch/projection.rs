//! The linear map of a sketch: seeded, sparse, and the same for every tensor of one size.

use crate::kernel::format::{BASE, SPLITMIX_FIRST, SPLITMIX_SECOND, SPLITMIX_SHIFTS, SPLITMIX_STEP};
use pulp::{Arch, Simd, WithSimd};

/// Number of 64-bit words for the signs of one base block, one bit for each value.
const WORDS: usize = BASE / 64;

/// A linear map from tensors of any size to `width` values.
///
/// Value i of block `b = ⌊i / 256⌋` is added, with a random sign, to place `(i mod 256 + r_b) mod width`. Here `r_b` is a
/// random rotation for each block: `(S x)_k = Σ_i s_i x_i [p(i) = k]`.
///
/// Two values of different blocks meet with probability `1 / width`, and two of one block never. So `E ‖S x‖² = ‖x‖²`, with a
/// variance of at most `2 ‖x‖⁴ / width`, as for CountSketch (Charikar, Chen & Farach-Colton,
/// doi:10.1016/S0304-3975(03)00400-6). Unlike there, values are added in runs and not one by one.
///
/// Widths are powers of two from 256 on. `S x` of half the width is the sum of both halves of `S x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Projection {
    seed: u64,
    width: usize,
}

impl Projection {
    /// The map of a seed and a width.
    ///
    /// # Panics
    ///
    /// Panics when `width` is not a power of two from 256 on.
    pub(super) fn new(seed: u64, width: usize) -> Self {
        assert!(width.is_power_of_two() && width >= BASE, "width must be a power of two from 256 on");
        Self { seed, width }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Adds `S` of some consecutive values of a tensor. `offset` is the position of the first value, a multiple of 256.
    pub(super) fn add(&self, offset: usize, values: &[f32], sums: &mut [f64]) {
        debug_assert!(offset.is_multiple_of(BASE) && sums.len() == self.width);
        Arch::new().dispatch(Add { projection: self, offset, values, sums });
    }

    /// Random bits for one word of a block. Word 0 gives the rotation, the others the signs.
    #[inline(always)]
    fn draw(&self, block: u64, word: u64) -> u64 {
        draw(self.seed, block.wrapping_mul(WORDS as u64 + 1).wrapping_add(word))
    }
}

struct Add<'a> {
    projection: &'a Projection,
    offset: usize,
    values: &'a [f32],
    sums: &'a mut [f64],
}

impl WithSimd for Add<'_> {
    type Output = ();

    // The code is the same for any processor. It is compiled for each set of vector registers, and dispatched at run time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { projection, sums, .. } = self;
        let add = |sums: &mut [f64], signed: &[f32]| sums.iter_mut().zip(signed).for_each(|(s, &x)| *s += f64::from(x));
        for (b, block) in self.values.chunks(BASE).enumerate() {
            let number = (self.offset / BASE + b) as u64;
            let begin = projection.draw(number, 0) as usize & (projection.width - 1);
            let mut signed = [0f32; BASE];
            signed[..block.len()].copy_from_slice(block);
            for (word, signed) in signed.as_chunks_mut::<64>().0.iter_mut().enumerate() {
                let bits = projection.draw(number, word as u64 + 1);
                let (low, high) = signed.split_at_mut(32);
                for (half, bits) in [(low, bits as u32), (high, (bits >> 32) as u32)] {
                    for (i, x) in half.iter_mut().enumerate() {
                        // Flipping the sign bit takes no multiplication and no branch.
                        *x = f32::from_bits(x.to_bits() ^ (bits >> i << 31));
                    }
                }
            }
            // A rotated block that runs past the end goes on at the beginning.
            let first = (projection.width - begin).min(block.len());
            add(&mut sums[begin..begin + first], &signed[..first]);
            add(&mut sums[..block.len() - first], &signed[first..block.len()]);
        }
    }
}

/// Random bits by seed and number: SplitMix64.
#[inline(always)]
pub(super) fn draw(seed: u64, number: u64) -> u64 {
    let [first, second, third] = SPLITMIX_SHIFTS;
    let mut z = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(SPLITMIX_STEP));
    z = (z ^ (z >> first)).wrapping_mul(SPLITMIX_FIRST);
    z = (z ^ (z >> second)).wrapping_mul(SPLITMIX_SECOND);
    z ^ (z >> third)
}

/// `S x` of a smaller width from that of a larger one: both halves are added, as often as needed.
pub(super) fn fold(mut sketch: Vec<f64>, width: usize) -> Vec<f64> {
    while sketch.len() > width {
        let half = sketch.len() / 2;
        let (low, high) = sketch.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(a, b)| *a += *b);
        sketch.truncate(half);
    }
    sketch
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn sketch(seed: u64, width: usize, values: &[f32]) -> Vec<f64> {
        let mut sums = vec![0.0; width];
        Projection::new(seed, width).add(0, values, &mut sums);
        sums
    }

    fn values(seed: u64, size: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..size).map(|_| rng.gen_range(-1.0f32..1.0)).collect()
    }

    #[test]
    fn pieces_of_whole_blocks_add_up() {
        let x = values(1, 10_000);
        let whole = sketch(7, 512, &x);
        let mut parts = vec![0.0; 512];
        let projection = Projection::new(7, 512);
        projection.add(4096, &x[4096..], &mut parts);
        projection.add(0, &x[..4096], &mut parts);
        assert!(whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn half_the_width_is_the_sum_of_both_halves() {
        let x = values(2, 5_000);
        let folded = fold(sketch(7, 2048, &x), 256);
        assert!(folded.iter().zip(sketch(7, 256, &x)).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn squared_norms_are_unbiased_and_vary_as_said() {
        // Values of very different size, in a pattern with the period of the blocks: the hard case.
        let x: Vec<f32> =
            values(3, 40_000).iter().enumerate().map(|(i, v)| if i % 256 < 8 { 10.0 * v } else { *v }).collect();
        let exact: f64 = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let width = 512;
        let ratios: Vec<f64> =
            (0..400).map(|seed| sketch(seed, width, &x).iter().map(|s| s * s).sum::<f64>() / exact).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let variance = ratios.iter().map(|r| (r - 1.0).powi(2)).sum::<f64>() / ratios.len() as f64;
        let expected = 2.0 / width as f64;
        // Four standard errors of the mean; a variance estimated from 400 draws is within a third.
        assert!((mean - 1.0).abs() < 4.0 * (expected / 400.0).sqrt(), "{mean}");
        assert!(variance < 1.35 * expected && variance > 0.5 * expected, "{variance} {expected}");
    }
}
