//! Sums and counts over the values of two models.

use super::grid::Extent;
use super::rounding::{self, Rounded};
use pulp::{Arch, Simd, WithSimd};

/// Number of independent partial sums: enough for the compiler to use vector registers.
const LANES: usize = 8;

/// Number of counts in each lane.
const COUNTS: usize = 7;

/// Sums and counts over values a and b, with Δ = b − a.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tally {
    /// The sum `Σ a²`.
    pub(super) a_squared: f64,
    /// The sum `Σ b²`.
    pub(super) b_squared: f64,
    /// The sum `Σ a Δ`.
    pub(super) a_change: f64,
    /// The sum `Σ Δ²`.
    pub(super) change_squared: f64,
    /// Number of values that are equal bit for bit.
    pub(super) equal: usize,
    /// Number of zeros in a.
    pub(super) zeros_a: usize,
    /// Number of zeros in b.
    pub(super) zeros_b: usize,
    /// Number of values that are zero in b but not in a.
    pub(super) zeroed: usize,
    /// Number of values that are not zero in b and differ from a.
    pub(super) altered: usize,
    /// For each of [`CASTS`](rounding::CASTS), the number of values of b that are not those of a rounded to nearest, ties to
    /// even.
    pub(super) mismatches: [usize; 4],
    /// The least and the largest value of b.
    pub(super) extent: Extent,
}

impl Tally {
    /// The tally of equally many values of two models.
    pub(super) fn of(a: &[f32], b: &[f32]) -> Self {
        Arch::new().dispatch(ValuePair { a, b })
    }

    /// Adds the tally of further values.
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

    /// The factor `s = ⟨a, b⟩ / ‖a‖²`, unless a is zero, and the relative residual `‖b − s a‖ / ‖b‖`.
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

/// Equally many values of both models.
struct ValuePair<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for ValuePair<'_> {
    type Output = Tally;

    // The code is the same for any processor. It is compiled for each set of vector registers, and dispatched at run time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tally {
        let mut lanes = Lanes::default();
        let mut eight_bits = [0; 2];
        let ((a, rest), (b, other)) = (self.a.as_chunks::<LANES>(), self.b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            lanes.add(a, b);
            // Rounding to eight bits is slow, and few values can come from it.
            if b.iter().any(|b| rounding::may_be_eight_bits(*b)) {
                rounding::add_eight_bits(a, b, &mut eight_bits);
            }
        }
        let mut extent = lanes.extent();
        if !rest.is_empty() {
            // Padding with zeros adds nothing to the sums. What it adds to the counts is subtracted in `tally`.
            let (mut a, mut b) = ([0.0; LANES], [0.0; LANES]);
            a[..rest.len()].copy_from_slice(rest);
            b[..other.len()].copy_from_slice(other);
            lanes.add(&a, &b);
            rounding::add_eight_bits(rest, other, &mut eight_bits);
            extent = extent.merge(Extent::of(other));
        }
        lanes.tally(if rest.is_empty() { 0 } else { LANES - rest.len() }, self.a.len(), eight_bits, extent)
    }
}

/// Sums and counts in lanes: lane i has every eighth value, from the i-th on.
struct Lanes {
    sums: [[f64; LANES]; 4],
    counts: [[u32; LANES]; COUNTS],
    least: [f32; LANES],
    most: [f32; LANES],
}

impl Default for Lanes {
    fn default() -> Self {
        let (sums, counts) = ([[0.0; LANES]; 4], [[0; LANES]; COUNTS]);
        Self { sums, counts, least: [f32::INFINITY; LANES], most: [f32::NEG_INFINITY; LANES] }
    }
}

impl Lanes {
    #[inline(always)]
    fn add(&mut self, a: &[f32; LANES], b: &[f32; LANES]) {
        for lane in 0..LANES {
            let (x, y) = (f64::from(a[lane]), f64::from(b[lane]));
            let d = y - x;
            self.sums[0][lane] += x * x;
            self.sums[1][lane] += y * y;
            self.sums[2][lane] += x * d;
            self.sums[3][lane] += d * d;
        }
        for lane in 0..LANES {
            let (a, b) = (a[lane], b[lane]);
            // There is no branch here, so that the compiler can use vector registers.
            let counted = [
                a.to_bits() == b.to_bits(),
                a == 0.0,
                b == 0.0,
                (b == 0.0) & (a != 0.0),
                (b != 0.0) & (a != b),
                a.rounded_to_f16() == b,
                a.rounded_to_bf16() == b,
            ];
            for (counts, holds) in self.counts.iter_mut().zip(counted) {
                counts[lane] += u32::from(holds);
            }
            // Values are finite, so a plain comparison does what the slower `f32::min` would.
            self.least[lane] = if b < self.least[lane] { b } else { self.least[lane] };
            self.most[lane] = if b > self.most[lane] { b } else { self.most[lane] };
        }
    }

    fn extent(&self) -> Extent {
        Extent::of(&self.least).merge(Extent::of(&self.most))
    }

    /// The tally of `size` values, without the `padding` zeros that were added to both.
    fn tally(&self, padding: usize, size: usize, eight_bits: [usize; 2], extent: Extent) -> Tally {
        let [a_squared, b_squared, a_change, change_squared] = self.sums.map(|lanes| lanes.iter().sum());
        let counts = self.counts.map(|lanes| lanes.iter().map(|&n| n as usize).sum::<usize>());
        let [equal, zeros_a, zeros_b, zeroed, altered, f16, bf16] = counts;
        let casts = [f16 - padding, bf16 - padding, eight_bits[0], eight_bits[1]];
        Tally {
            a_squared,
            b_squared,
            a_change,
            change_squared,
            equal: equal - padding,
            zeros_a: zeros_a - padding,
            zeros_b: zeros_b - padding,
            zeroed,
            altered,
            mismatches: casts.map(|matching| size - matching),
            extent,
        }
    }
}
