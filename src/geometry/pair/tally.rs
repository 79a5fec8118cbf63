//! Sums and counts over the values of two models.

use super::grid::Extent;
use super::rounding;

/// Independent partial sums: enough for the compiler to use vector registers.
const LANES: usize = 8;

/// Of values a and b with Δ = b − a.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tally {
    /// `Σ a²`, `Σ b²`, `Σ a Δ`, `Σ Δ²`.
    pub(super) a_squared: f64,
    pub(super) b_squared: f64,
    pub(super) a_change: f64,
    pub(super) change_squared: f64,
    /// Values equal bit for bit.
    pub(super) equal: usize,
    pub(super) zeros_a: usize,
    pub(super) zeros_b: usize,
    /// Zero in b but not in a.
    pub(super) zeroed: usize,
    /// Not zero in b, and not what they are in a.
    pub(super) altered: usize,
    /// As [`rounding::mismatches`].
    pub(super) mismatches: [usize; 4],
    /// Of b.
    pub(super) extent: Extent,
}

impl Tally {
    pub(super) fn of(a: &[f32], b: &[f32]) -> Self {
        let mut sums = [[0.0f64; LANES]; 4];
        for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
            for (lane, (&a, &b)) in a.iter().zip(b).enumerate() {
                let (a, b) = (f64::from(a), f64::from(b));
                let d = b - a;
                sums[0][lane] += a * a;
                sums[1][lane] += b * b;
                sums[2][lane] += a * d;
                sums[3][lane] += d * d;
            }
        }
        let [a_squared, b_squared, a_change, change_squared] = sums.map(|lanes| lanes.iter().sum());
        let count = |holds: fn(f32, f32) -> bool| a.iter().zip(b).filter(|&(&a, &b)| holds(a, b)).count();
        Self {
            a_squared,
            b_squared,
            a_change,
            change_squared,
            equal: count(|a, b| a.to_bits() == b.to_bits()),
            zeros_a: count(|a, _| a == 0.0),
            zeros_b: count(|_, b| b == 0.0),
            zeroed: count(|a, b| b == 0.0 && a != 0.0),
            altered: count(|a, b| b != 0.0 && a != b),
            mismatches: rounding::mismatches(a, b),
            extent: Extent::of(b),
        }
    }

    pub(super) fn merge(&mut self, next: &Self) {
        self.a_squared += next.a_squared;
        self.b_squared += next.b_squared;
        self.a_change += next.a_change;
        self.change_squared += next.change_squared;
        self.equal += next.equal;
        self.zeros_a += next.zeros_a;
        self.zeros_b += next.zeros_b;
        self.zeroed += next.zeroed;
        self.altered += next.altered;
        self.mismatches.iter_mut().zip(next.mismatches).for_each(|(a, b)| *a += b);
        self.extent = self.extent.merge(next.extent);
    }

    /// `s = ⟨a, b⟩ / ‖a‖²`, unless a is zero, and `‖b − s a‖ / ‖b‖`.
    ///
    /// The residual is that of Δ, which loses no digits where s is near 1.
    pub(super) fn fit(&self) -> (Option<f64>, f64) {
        if self.a_squared == 0.0 {
            return (None, if self.b_squared == 0.0 { 0.0 } else { 1.0 });
        }
        let change = self.a_change / self.a_squared;
        let residual = (self.change_squared - change * self.a_change).max(0.0);
        let relative = if self.b_squared == 0.0 { 0.0 } else { (residual / self.b_squared).sqrt() };
        (Some(1.0 + change), relative)
    }
}
