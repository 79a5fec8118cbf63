//! Tests whether one value is the other, rounded to a narrower dtype.

use crate::source::Dtype;
use float8::{F8E4M3, F8E5M2};

/// The dtypes that weights are cast to, the finer first.
pub(super) const CASTS: [Dtype; 4] = [Dtype::F16, Dtype::BF16, Dtype::F8E4M3, Dtype::F8E5M2];

/// The largest relative error of rounding to nearest in a dtype.
pub(in crate::evidence) fn unit_roundoff(dtype: Dtype) -> f64 {
    // Dtypes without digits of their own are read as f32, which has 24.
    let digits = dtype.digits().unwrap_or(24);
    0.5f64.powi(digits as i32)
}

/// Rounding to nearest, ties to even, without branches.
pub(super) trait Rounded {
    /// The value rounded to F16, as f32.
    fn rounded_to_f16(self) -> f32;
    /// The value rounded to BF16, as f32.
    fn rounded_to_bf16(self) -> f32;
}

impl Rounded for f32 {
    #[inline(always)]
    fn rounded_to_f16(self) -> f32 {
        /// The least normal value of F16.
        const NORMAL: f32 = 1.0 / 16_384.0;
        /// The least value that rounds to infinity in F16.
        const INFINITE: f32 = 65_520.0;
        /// At this magnitude f32 has a spacing of 2⁻²⁴, which is the spacing of the subnormal values of F16.
        const SHIFT: f32 = 0.75;
        let magnitude = self.abs();
        let subnormal = (self + SHIFT) - SHIFT;
        let normal = nearest(self, 13);
        let finite = if magnitude < NORMAL { subnormal } else { normal };
        if magnitude < INFINITE { finite } else { Self::INFINITY.copysign(self) }
    }

    #[inline(always)]
    fn rounded_to_bf16(self) -> f32 {
        nearest(self, 16)
    }
}

/// A value without its last `bits` bits, rounded to nearest with ties to even.
#[inline(always)]
fn nearest(x: f32, bits: u32) -> f32 {
    let whole = x.to_bits();
    // Adding half a unit rounds to nearest. One less, where the last bit kept is 0, rounds ties to even.
    let up = (1 << (bits - 1)) - 1 + ((whole >> bits) & 1);
    f32::from_bits(whole.wrapping_add(up) & (u32::MAX << bits))
}

/// Whether a value can have been stored in eight bits. Few values can.
#[inline(always)]
pub(super) fn may_be_eight_bits(b: f32) -> bool {
    ends_in_zeros(b, 20)
}

/// Counts how many values of b are those of a, rounded to nearest with ties to even, in F8E4M3 and in F8E5M2.
pub(super) fn add_eight_bits(a: &[f32], b: &[f32], matching: &mut [usize; 2]) {
    for (&a, &b) in a.iter().zip(b) {
        matching[0] += usize::from(ends_in_zeros(b, 20) && F8E4M3::from_f32(a).to_f32() == b);
        matching[1] += usize::from(ends_in_zeros(b, 21) && F8E5M2::from_f32(a).to_f32() == b);
    }
}

/// Whether the last `bits` bits of a value are zero. If not, it cannot come from a dtype that lacks them.
#[inline(always)]
fn ends_in_zeros(b: f32, bits: u32) -> bool {
    b.to_bits() << (32 - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::pair::tally::Tally;
    use half::{bf16, f16};
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    fn mismatches(a: &[f32], b: &[f32]) -> [usize; 4] {
        Tally::of(a, b).mismatches
    }

    proptest! {
        #[test]
        fn sixteen_bits_are_rounded_as_by_their_crate(bits: u32) {
            let x = f32::from_bits(bits);
            prop_assume!(x.is_finite());
            // Values of the dtypes, those in the middle of two, and those beside.
            for x in [x, f32::from_bits(bits & !0xfff), f32::from_bits(bits & !0x7fff), f32::from_bits(bits & !0xfff | 1)] {
                // Magnitudes around the subnormal and the largest values of F16, too.
                for x in [x, x.clamp(-1e-4, 1e-4), x.clamp(-7e4, 7e4), x.rem_euclid(1e-4), 65_519.0 + x.rem_euclid(2.0)] {
                    prop_assert_eq!(x.rounded_to_f16(), f16::from_f32(x).to_f32());
                    prop_assert_eq!(x.rounded_to_bf16(), bf16::from_f32(x).to_f32());
                }
            }
        }
    }

    /// All values of an 8-bit dtype, sorted, the encodings of even bits marked: ties go to them.
    fn values(widen: impl Fn(u8) -> f32) -> Vec<(f32, bool)> {
        let mut values: Vec<(f32, bool)> =
            (0..=255u8).map(|b| (widen(b), b % 2 == 0)).filter(|(x, _)| x.is_finite()).collect();
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        values
    }

    fn nearest(values: &[(f32, bool)], x: f32) -> f32 {
        let distance = |v: f32| (f64::from(v) - f64::from(x)).abs();
        let best = values.iter().map(|v| distance(v.0)).fold(f64::INFINITY, f64::min);
        let at: Vec<&(f32, bool)> = values.iter().filter(|v| distance(v.0) == best).collect();
        at.iter().find(|v| v.1).unwrap_or(&at[0]).0
    }

    #[test]
    fn eight_bits_are_rounded_to_nearest_even() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let (e4m3, e5m2) = (values(|b| F8E4M3::from_bits(b).to_f32()), values(|b| F8E5M2::from_bits(b).to_f32()));
        let random = (0..4000).map(|_| rng.gen_range(-1.0f32..1.0) * 10f32.powi(rng.gen_range(-6..3)));
        let middles = |v: &[(f32, bool)]| v.windows(2).map(|w| (w[0].0 + w[1].0) / 2.0).collect::<Vec<_>>();
        for x in random.chain(middles(&e4m3)).chain(middles(&e5m2)).filter(|x| x.abs() < 440.0) {
            assert_eq!(mismatches(&[x], &[nearest(&e4m3, x)])[2], 0, "E4M3 of {x:e}");
            assert_eq!(mismatches(&[x], &[nearest(&e5m2, x)])[3], 0, "E5M2 of {x:e}");
        }
    }

    #[test]
    fn a_value_that_is_not_of_the_dtype_or_not_the_nearest_is_a_mismatch() {
        let a = [0.1f32, -3.7, 1.0, 0.0];
        let half: Vec<f32> = a.iter().map(|&x| f16::from_f32(x).to_f32()).collect();
        assert_eq!(mismatches(&a, &half)[0], 0);
        assert_eq!(mismatches(&a, &a)[..2], [2, 2]);
        let next = f16::from_bits(f16::from_f32(0.1).to_bits() + 1).to_f32();
        assert_eq!(mismatches(&a, &[next, half[1], 1.0, 0.0])[0], 1);
        assert_eq!(mismatches(&[-1e-12], &[-0.0])[0], 0);
    }
}
