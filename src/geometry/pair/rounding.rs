//! Is one value the other, rounded to a narrower dtype?

use crate::source::Dtype;
use float8::{F8E4M3, F8E5M2};
use half::{bf16, f16};

/// The dtypes that weights are cast to, the finer first.
pub(super) const CASTS: [Dtype; 4] = [Dtype::F16, Dtype::BF16, Dtype::F8E4M3, Dtype::F8E5M2];

/// Largest relative error of rounding to nearest; of values as they are read, which is in f32.
pub(super) fn unit_roundoff(dtype: Dtype) -> f64 {
    let significant_bits = match dtype {
        Dtype::F16 => 11,
        Dtype::BF16 => 8,
        Dtype::F8E4M3 => 4,
        Dtype::F8E5M2 => 3,
        _ => 24,
    };
    0.5f64.powi(significant_bits)
}

/// For each of [`CASTS`], how many values of b are not those of a rounded to nearest, ties to even.
pub(super) fn mismatches(a: &[f32], b: &[f32]) -> [usize; 4] {
    [
        count(a, b, 13, |x| f16::from_f32(x).to_f32()),
        count(a, b, 16, |x| bf16::from_f32(x).to_f32()),
        count(a, b, 20, |x| F8E4M3::from_f32(x).to_f32()),
        count(a, b, 21, |x| F8E5M2::from_f32(x).to_f32()),
    ]
}

/// A value whose last `bits` bits are set cannot come from the dtype; most values are done with by that.
fn count(a: &[f32], b: &[f32], bits: u32, round: impl Fn(f32) -> f32) -> usize {
    let fits = |b: f32| b.to_bits() << (32 - bits) == 0;
    a.iter().zip(b).filter(|&(&a, &b)| !(fits(b) && round(a) == b)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

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
