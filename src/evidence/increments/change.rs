//! How far the values of two models are apart, and how many are the same.

use pulp::{Arch, Simd, WithSimd};

/// Number of sums that run in parallel, so that no addition waits for the one before.
const LANES: usize = 8;

/// Sums over values a and b.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// The sums `Σ a²` and `Σ b²`.
    pub(super) squared: [f64; 2],
    /// The sum `Σ (b − a)²`.
    pub(super) change_squared: f64,
    /// Number of values that are equal bit for bit.
    pub(super) equal: usize,
}

impl Change {
    /// The sums of equally many values of two models. O(values) time.
    pub(super) fn of(a: &[f32], b: &[f32]) -> Self {
        Arch::new().dispatch(Both { a, b })
    }

    /// Adds the sums of further values.
    pub(super) fn merge(&mut self, next: &Self) {
        self.squared.iter_mut().zip(next.squared).for_each(|(sum, x)| *sum += x);
        self.change_squared += next.change_squared;
        self.equal += next.equal;
    }
}

/// Equally many values of both models.
struct Both<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for Both<'_> {
    type Output = Change;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Change {
        let (mut sums, mut equal) = ([[0.0f64; LANES]; 3], [0u32; LANES]);
        let ((a, rest), (b, other)) = (self.a.as_chunks::<LANES>(), self.b.as_chunks::<LANES>());
        let mut add = |lane: usize, a: f32, b: f32| {
            let (x, y) = (f64::from(a), f64::from(b));
            sums[0][lane] += x * x;
            sums[1][lane] += y * y;
            sums[2][lane] += (y - x) * (y - x);
            equal[lane] += u32::from(a.to_bits() == b.to_bits());
        };
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                add(lane, a[lane], b[lane]);
            }
        }
        for (lane, (&a, &b)) in rest.iter().zip(other).enumerate() {
            add(lane, a, b);
        }
        let [of_a, of_b, change] = sums.map(|lanes| lanes.iter().fold(0.0, |sum, x| sum + x));
        let equal = equal.iter().map(|&n| n as usize).sum();
        Change { squared: [of_a, of_b], change_squared: change, equal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_counts_once() {
        for n in [0, 7, 8, 19] {
            let a: Vec<f32> = (0..n).map(|i| i as f32 - 4.0).collect();
            let b: Vec<f32> = a.iter().map(|&x| if x == 1.0 { 3.0 } else { x }).collect();
            let squares = |x: &[f32]| x.iter().map(|&x| f64::from(x * x)).sum::<f64>();
            let mut found = Change::of(&a[..n / 2], &b[..n / 2]);
            found.merge(&Change::of(&a[n / 2..], &b[n / 2..]));
            let moved = usize::from(n > 5);
            let expected =
                Change { squared: [squares(&a), squares(&b)], change_squared: 4.0 * moved as f64, equal: n - moved };
            assert_eq!(found, expected);
        }
        // Zeros of unlike sign are no change of value, and not the same bits.
        assert_eq!(Change::of(&[0.0], &[-0.0]), Change { equal: 0, ..Change::default() });
    }
}
