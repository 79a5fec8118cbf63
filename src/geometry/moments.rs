/// Central moments of the values of one tensor, gathered block by block.
///
/// Blocks are summed around their own mean and merged by Pébay's update formulas (Sandia report SAND2008-6212), so that
/// parameters near 1, as of normalization layers, lose no digits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Moments {
    /// Number of values.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub m2: f64,
    /// Sum of cubed deviations.
    pub m3: f64,
    /// Sum of deviations to the fourth power.
    pub m4: f64,
}

/// Independent partial sums: enough for the compiler to use vector registers.
const LANES: usize = 8;

impl Moments {
    /// Moments of some values.
    pub fn of(values: &[f32]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let count = values.len() as f64;
        let mean = lane_sum(values, |x| x) / count;
        let mut m = [[0.0f64; LANES]; 3];
        let chunks = values.chunks_exact(LANES);
        for (lane, &x) in chunks.remainder().iter().enumerate() {
            let d = f64::from(x) - mean;
            let d2 = d * d;
            m[0][lane] += d2;
            m[1][lane] += d2 * d;
            m[2][lane] += d2 * d2;
        }
        for chunk in chunks {
            for (lane, &x) in chunk.iter().enumerate() {
                let d = f64::from(x) - mean;
                let d2 = d * d;
                m[0][lane] += d2;
                m[1][lane] += d2 * d;
                m[2][lane] += d2 * d2;
            }
        }
        let [m2, m3, m4] = m.map(|lanes| lanes.iter().sum());
        Self { count, mean, m2, m3, m4 }
    }

    /// Moments of the values of both together.
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

    /// Variance with denominator `count`; 0 without values.
    pub fn variance(&self) -> f64 {
        if self.count > 0.0 { self.m2 / self.count } else { 0.0 }
    }

    /// Excess kurtosis, `count · m4 / m2² − 3`; `None` when all values are the same.
    pub fn kurtosis(&self) -> Option<f64> {
        (self.m2 > 0.0).then(|| self.count * self.m4 / (self.m2 * self.m2) - 3.0)
    }
}

fn lane_sum(values: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let chunks = values.chunks_exact(LANES);
    for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += f(f64::from(x));
    }
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(f64::from(x));
        }
    }
    lanes.iter().sum()
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
            let merged = Moments::of(&values[..at]).merge(Moments::of(&values[at..]));
            let found = [merged.count, merged.mean, merged.m2, merged.m3, merged.m4];
            for (found, expected) in found.into_iter().zip(direct(&values)) {
                prop_assert!((found - expected).abs() <= 1e-11 * (1.0 + values.len() as f64 * 81.0), "{found} {expected}");
            }
        }
    }

    #[test]
    fn kurtosis_of_two_equal_masses_is_minus_two() {
        let m = Moments::of(&[1.0, -1.0, 1.0, -1.0]);
        assert_eq!(m.kurtosis(), Some(-2.0));
        assert_eq!(Moments::of(&[3.0; 9]).kurtosis(), None);
    }
}
