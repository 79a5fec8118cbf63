//! How far values are apart in units in the last place, of the digits that they really have.

use crate::geometry::{Apart, Spacing};

/// Units in the last place of two models.
pub(super) struct Units {
    /// Half a unit of each model, as a share of the power of two below a value.
    half: [f32; 2],
    /// The least half unit of each model: dtypes of few bits have their finest spacing around zero.
    floor: [f32; 2],
}

impl Units {
    /// The units of models of such spacings.
    pub(super) fn new(spacing: [Spacing; 2]) -> Self {
        Self { half: spacing.map(|s| 2f32.powi(-(s.digits as i32))), floor: spacing.map(|s| s.least / 2.0) }
    }

    /// How far values of the two models are apart at most.
    pub(super) fn apart(&self, a: &[f32], b: &[f32]) -> Apart {
        let mut most = Apart::Rounding;
        for (&a, &b) in a.iter().zip(b) {
            if a == b {
                continue;
            }
            // A value beside a power of two has neighbors of two distances. The larger one counts.
            let power = power_below(a).max(power_below(b));
            let half = [0, 1].map(|which| (self.half[which] * power).max(self.floor[which]));
            let apart = f64::from(a) - f64::from(b);
            let within = |bound: f32| apart.abs() <= f64::from(bound) * (1.0 + 1e-6);
            if !within(half[0] + half[1]) {
                if !within(2.0 * half[0].max(half[1])) {
                    return Apart::Farther;
                }
                most = Apart::Unit;
            }
        }
        most
    }
}

/// How far values of two models are apart at most, by the spacing of these values alone.
pub(super) fn apart(a: &[f32], b: &[f32]) -> Apart {
    Units::new([spacing(a.iter()), spacing(b.iter())]).apart(a, b)
}

/// The largest power of two that is at most the magnitude; 0 for a subnormal value of f32.
fn power_below(x: f32) -> f32 {
    f32::from_bits(x.to_bits() & 0x7f80_0000)
}

/// `2^−n` for n up to 126, from its bits: a call of `powi` for every value would cost a tenth of a detection.
fn one_over_power(n: u32) -> f32 {
    f32::from_bits((127 - n) << MANTISSA.trailing_ones())
}

/// The spacing of some values.
///
/// Digits are rounded up to those of a dtype of weights, so that a few values do not make them fewer than they are.
pub(super) fn spacing<'v>(values: impl Iterator<Item = &'v f32>) -> Spacing {
    let (mut used, mut least) = (0u32, f32::INFINITY);
    for x in values.filter(|x| x.is_normal()) {
        let mantissa = x.to_bits() & MANTISSA;
        used |= mantissa;
        // The value of the last binary digit that is not zero.
        let zeros = mantissa.trailing_zeros().min(MANTISSA.trailing_ones());
        least = least.min(power_below(*x) * one_over_power(MANTISSA.trailing_ones() - zeros));
    }
    let needed = 24 - used.trailing_zeros().min(23);
    let digits = [3, 4, 8, 11].into_iter().find(|&digits| needed <= digits).unwrap_or(24);
    Spacing { digits, least: if least.is_finite() { least } else { 0.0 } }
}

/// The bits of a value that are its digits after the first.
const MANTISSA: u32 = 0x007f_ffff;

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use rand::{Rng, SeedableRng};

    #[test]
    fn powers_are_exact() {
        assert!((0..=126).all(|n| one_over_power(n) == 2f32.powi(-(n as i32))));
    }

    fn master() -> Vec<f32> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        (0..20_000).map(|_| rng.gen_range(-1.0f32..1.0).powi(3)).collect()
    }

    #[test]
    fn two_roundings_of_one_model_are_told_from_one_unit_and_from_more() {
        let master = master();
        let half: Vec<f32> = master.iter().map(|&x| f16::from_f32(x).to_f32()).collect();
        let brain: Vec<f32> = master.iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
        let next: Vec<f32> = brain.iter().map(|&x| bf16::from_bits(bf16::from_f32(x).to_bits() + 1).to_f32()).collect();
        let after: Vec<f32> = master.iter().map(|&x| f32::from_bits(x.to_bits() + 1)).collect();
        let digits = [&master[..], &half, &brain, &[0.0, 1.5]].map(|values| spacing(values.iter()).digits);
        assert_eq!(digits, [24, 11, 8, 3]);
        assert_eq!(spacing(half.iter()).least, 2f32.powi(-24));
        assert_eq!(apart(&half, &brain), Apart::Rounding);
        assert_eq!(apart(&brain, &half), Apart::Rounding);
        assert_eq!(apart(&master, &brain), Apart::Rounding);
        // One unit is also what two roundings of a value in the middle leave.
        assert!(apart(&brain, &next) <= Apart::Unit && apart(&master, &after) <= Apart::Unit);
        let two: Vec<f32> = next.iter().map(|&x| bf16::from_bits(bf16::from_f32(x).to_bits() + 1).to_f32()).collect();
        assert_eq!(apart(&brain, &two), Apart::Farther);
        let truncated: Vec<f32> = master.iter().map(|&x| f32::from_bits(x.to_bits() & 0xffff_0000)).collect();
        assert_eq!(apart(&master, &truncated), Apart::Unit);
    }

    #[test]
    fn values_below_the_least_of_a_dtype_are_rounded_to_zero() {
        let tiny = [1e-9f32, -3e-8, 1e-7, 0.5, 0.25 + 1e-5];
        let half: Vec<f32> = tiny.iter().map(|&x| f16::from_f32(x).to_f32()).collect();
        assert_eq!(apart(&tiny, &half), Apart::Rounding);
    }
}
