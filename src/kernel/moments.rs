use pulp::{Arch, Simd, WithSimd};
use std::array;

/// Central moments of the values of one tensor, gathered block by block.
///
/// Each block is summed around one of its own values. Blocks are merged by Pébay's update formulas (Sandia report
/// SAND2008-6212). Parameters near 1, such as those of normalization layers, therefore lose no digits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Moments {
    /// Number of values.
    pub count: f64,
    /// Mean of the values.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub m2: f64,
    /// Sum of cubed deviations from the mean.
    pub m3: f64,
    /// Sum of the fourth powers of the deviations from the mean.
    pub m4: f64,
}

/// Number of independent partial sums. They are added in the same order on every processor, whatever its vector instructions.
const LANES: usize = 8;

/// Distance between mean and center, in standard deviations, above which a block is summed again.
const FAR: f64 = 4.0;

impl Moments {
    /// Computes the moments of some values. Without values, all are 0.
    pub fn new(values: &[f32]) -> Self {
        let Some(&first) = values.first() else { return Self::default() };
        let first = f64::from(first);
        let found = Self::around(first, values);
        // Sums around a value far from the mean lose digits. They are computed once more around the mean just found.
        let away = found.mean - first;
        if found.count * away * away > FAR * FAR * found.m2 { Self::around(found.mean, values) } else { found }
    }

    /// Computes the moments from the sums of the first four powers of differences from `center`.
    fn around(center: f64, values: &[f32]) -> Self {
        let sums = Arch::new().dispatch(PowerSums { center, values });
        let [s1, s2, s3, s4] = sums.map(|lanes| lanes.iter().sum::<f64>());
        let count = values.len() as f64;
        let d = s1 / count;
        Self {
            count,
            mean: center + d,
            // Rounding must not make an even moment negative.
            m2: (s2 - d * s1).max(0.0),
            m3: s3 - d * (3.0 * s2 - 2.0 * d * s1),
            m4: (s4 - d * (4.0 * s3 - d * (6.0 * s2 - 3.0 * d * s1))).max(0.0),
        }
    }

    /// Returns the moments of the values of both together.
    pub fn merge(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        if other.count == 0.0 {
            return self;
        }
        let (a, b) = (self.count, other.count);
        let n = a + b;
        let d = other.mean - self.mean;
        let (dn, ab) = (d / n, a * b);
        Self {
            count: n,
            mean: self.mean + dn * b,
            m2: self.m2 + other.m2 + d * dn * ab,
            m3: self.m3 + other.m3 + d * dn * dn * ab * (a - b) + 3.0 * dn * (a * other.m2 - b * self.m2),
            m4: self.m4
                + other.m4
                + d * dn * dn * dn * ab * (a * a - ab + b * b)
                + 6.0 * dn * dn * (a * a * other.m2 + b * b * self.m2)
                + 4.0 * dn * (a * other.m3 - b * self.m3),
        }
    }

    /// Whether all values were finite. A single NaN or infinity makes the mean not finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.mean.is_finite()
    }

    /// Returns the sum of the squares of the values.
    pub(crate) fn squared_norm(&self) -> f64 {
        self.count * self.mean * self.mean + self.m2
    }

    /// Returns the variance with denominator `count`. It is 0 without values.
    pub fn variance(&self) -> f64 {
        if self.count > 0.0 { self.m2 / self.count } else { 0.0 }
    }

    /// Returns the excess kurtosis, `count · m4 / m2² − 3`. `None` when all values are the same, or when `m4` is not known
    /// (NaN).
    pub fn kurtosis(&self) -> Option<f64> {
        (self.m2 > 0.0 && !self.m4.is_nan()).then(|| self.count * self.m4 / (self.m2 * self.m2) - 3.0)
    }
}

/// Number of values that are in f64 at a time.
const WIDE: usize = 32 * LANES;

/// Computes the sums of the first four powers of `x − center`, for each lane.
struct PowerSums<'a> {
    center: f64,
    values: &'a [f32],
}

impl WithSimd for PowerSums<'_> {
    type Output = [[f64; LANES]; 4];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let mut sums = [[0.0; LANES]; 4];
        let mut wide = [0.0; WIDE];
        let (lanes, rest) = self.values.split_at(self.values.len() / LANES * LANES);
        for values in lanes.chunks(WIDE) {
            let wide = &mut wide[..values.len()];
            wide.iter_mut().zip(values).for_each(|(d, &x)| *d = f64::from(x) - self.center);
            add_powers(simd, &mut sums, wide);
        }
        // The rest goes into the first lanes, one value each. This is the same on every processor.
        for (lane, &x) in rest.iter().enumerate() {
            let d = f64::from(x) - self.center;
            let d2 = d * d;
            for (sum, power) in sums.iter_mut().zip([d, d2, d2 * d, d2 * d2]) {
                sum[lane] += power;
            }
        }
        sums
    }
}

/// Adds the first four powers of some values. Their number is a multiple of `LANES`, and no vector holds more than `LANES`.
#[inline(always)]
fn add_powers<S: Simd>(simd: S, sums: &mut [[f64; LANES]; 4], values: &[f64]) {
    let vectors = LANES / S::F64_LANES;
    let [one, two, three, four] = sums;
    let own = |lanes: &[f64; LANES]| -> [S::f64s; LANES] {
        let lanes = S::as_simd_f64s(lanes).0;
        array::from_fn(|v| lanes.get(v).copied().unwrap_or(simd.splat_f64s(0.0)))
    };
    // The sums are loaded once and stored once, so that the loop works in registers.
    let (mut s1, mut s2, mut s3, mut s4) = (own(one), own(two), own(three), own(four));
    for group in S::as_simd_f64s(values).0.chunks_exact(vectors) {
        for v in 0..vectors {
            let d = group[v];
            let d2 = simd.mul_f64s(d, d);
            s1[v] = simd.add_f64s(s1[v], d);
            s2[v] = simd.add_f64s(s2[v], d2);
            s3[v] = simd.mul_add_e_f64s(d2, d, s3[v]);
            s4[v] = simd.mul_add_e_f64s(d2, d2, s4[v]);
        }
    }
    for (sums, own) in [(one, s1), (two, s2), (three, s3), (four, s4)] {
        S::as_mut_simd_f64s(sums).0.copy_from_slice(&own[..vectors]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn direct(values: &[f32]) -> [f64; 5] {
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let power = |p: i32| values.iter().map(|&x| (f64::from(x) - mean).powi(p)).sum::<f64>();
        [n, mean, power(2), power(3), power(4)]
    }

    proptest! {
        #[test]
        fn merged_blocks_agree_with_a_direct_sum(values in prop::collection::vec(-2.0f32..3.0, 1..200), at in 0usize..200) {
            let at = at.min(values.len());
            let merged = Moments::new(&values[..at]).merge(Moments::new(&values[at..]));
            let found = [merged.count, merged.mean, merged.m2, merged.m3, merged.m4];
            for (found, expected) in found.into_iter().zip(direct(&values)) {
                prop_assert!((found - expected).abs() <= 1e-11 * (1.0 + values.len() as f64 * 81.0), "{found} {expected}");
            }
        }
    }

    #[test]
    fn small_spreads_around_one_keep_their_digits() {
        let spread = |i: usize| ((i * 7919) % 64) as f32 * 2f32.powi(-20) - 2f32.powi(-15);
        let near: Vec<f32> = (0..1000).map(|i| 1.0 + spread(i)).collect();
        // A first value far from all others is no place to sum around.
        let outlier: Vec<f32> = std::iter::once(-3000.0).chain((0..1000).map(|i| 1.0 + spread(i))).collect();
        let late: Vec<f32> = outlier.iter().rev().copied().collect();
        for values in [near, outlier, late] {
            let m = Moments::new(&values);
            let [count, mean, m2, m3, m4] = direct(&values);
            // The cubes of a nearly symmetric spread almost cancel, so little of them is left.
            let cubes = m2 * (m2 / count).sqrt();
            let pairs =
                [(m.count, count, count), (m.mean, mean, mean), (m.m2, m2, m2), (m.m3, m3, cubes), (m.m4, m4, m4)];
            for (found, expected, scale) in pairs {
                assert!((found - expected).abs() <= 1e-10 * scale.abs(), "{found} {expected}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_shows_in_the_mean() {
        for (at, x) in [(0, f32::NAN), (0, f32::INFINITY), (17, f32::NEG_INFINITY), (31, f32::NAN)] {
            let mut values = [0.5f32; 32];
            values[at] = x;
            assert!(!Moments::new(&values).is_finite(), "{x} at {at}");
        }
        assert!(Moments::new(&[f32::MAX, f32::MIN, 0.0]).is_finite());
    }

    #[test]
    fn kurtosis_of_two_equal_masses_is_minus_two() {
        let m = Moments::new(&[1.0, -1.0, 1.0, -1.0]);
        assert_eq!(m.kurtosis(), Some(-2.0));
        assert_eq!(Moments::new(&[3.0; 9]).kurtosis(), None);
    }
}
