//! How alike two samples are, and from which likeness on chance is no explanation.

/// Values without their mean, divided by their norm. All zero where the values do not vary.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Centred(Vec<f32>);

impl Centred {
    pub(crate) fn new(mut values: Vec<f32>) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let squares = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>();
        let norm = squares.sqrt();
        // Rounding alone may leave a trace of variation in values that are all the same.
        let varies = norm.is_finite() && norm > 1e-9 * mean.abs() * count.sqrt() && norm > 0.0;
        for x in &mut values {
            *x = if varies { ((f64::from(*x) - mean) / norm) as f32 } else { 0.0 };
        }
        Self(values)
    }

    pub(crate) fn values(&self) -> &[f32] {
        &self.0
    }

    /// Whether the values vary at all.
    pub(crate) fn varies(&self) -> bool {
        self.0.iter().any(|&x| x != 0.0)
    }
}

/// Returns the correlation of two centred samples of one length.
pub(crate) fn correlation(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0f32; LANES];
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    f64::from(sums.iter().sum::<f32>() + rest)
}

/// Returns Fisher's z of a correlation of `count` values. It is about standard normal where the two are unrelated
/// (Fisher 1915, doi:10.2307/2331838).
pub(crate) fn z_score(r: f64, count: usize) -> f64 {
    // Samples that are equal but for rounding get a large number and not infinity, so that differences stay numbers.
    r.clamp(-1.0 + 1e-7, 1.0 - 1e-7).atanh() * (count.saturating_sub(3) as f64).sqrt()
}

/// Returns the z that the largest of `comparisons` unrelated ones exceeds with probability `false_alarm` at most (Bonferroni).
pub(crate) fn threshold(false_alarm: f64, comparisons: f64) -> f64 {
    let wanted = false_alarm / comparisons.max(1.0);
    let tail = |z: f64| 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (0.0, 38.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if tail(middle) > wanted { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_are_those_of_the_centred_values() {
        let a = Centred::new((0..40).map(|i| (i % 7) as f32).collect());
        let b = Centred::new((0..40).map(|i| 3.0 - 2.0 * (i % 7) as f32).collect());
        assert!((correlation(a.values(), a.values()) - 1.0).abs() < 1e-6);
        assert!((correlation(a.values(), b.values()) + 1.0).abs() < 1e-6);
        assert!(!Centred::new(vec![0.1; 1000]).varies() && a.varies());
        assert!(!Centred::new(Vec::new()).varies() && !Centred::new(vec![f32::NAN, 1.0]).varies());
    }

    #[test]
    fn thresholds_are_quantiles_of_the_normal_distribution() {
        assert!((threshold(0.05, 1.0) - 1.6449).abs() < 1e-3);
        assert!((threshold(1e-3, 1e6) - 5.998).abs() < 1e-2);
        assert!(z_score(0.1, 4099) > threshold(1e-3, 1e6) && z_score(1.0, 100) < 100.0);
    }
}
