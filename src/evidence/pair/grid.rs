//! Tests whether values lie on a uniform grid, and whether each is the grid value nearest to what it was.

/// How the step of a grid follows from the values of one span.
#[derive(Clone, Copy, Debug)]
enum Steps {
    /// The largest magnitude is this many steps from zero.
    Symmetric(f64),
    /// The largest value is this many steps from the least.
    Asymmetric(f64),
}

impl Steps {
    /// Whether values of a dtype of this roundoff are stored too coarsely to show that they lie on such steps.
    ///
    /// A step is at most twice the largest magnitude, divided by n. Where the tolerance is half of that, all values lie on steps.
    fn cannot_convince(self, roundoff: f64) -> bool {
        matches!(self, Self::Asymmetric(n) if ROUNDINGS * roundoff * n >= 1.0)
    }
}

/// The bits and steps of the grids that are tried.
///
/// An integer zero point is rounded, which may leave the last level of an asymmetric grid empty. Hence 254 and 14.
const SCHEMES: [(u32, Steps); 6] = [
    (8, Steps::Symmetric(127.0)),
    (8, Steps::Asymmetric(255.0)),
    (8, Steps::Asymmetric(254.0)),
    (4, Steps::Symmetric(7.0)),
    (4, Steps::Asymmetric(15.0)),
    (4, Steps::Asymmetric(14.0)),
];

/// Number of roundings between a level and its value: of the step, of the product, of the extreme value that the step is
/// inferred from.
const ROUNDINGS: f64 = 4.0;

/// The least `−ln p` of a fit, where p is the chance that values anywhere would lie on the grid.
const SURPRISE: f64 = 10.0;

/// The least mean of `((b − a) / step)²`, as a share of 1/12, which rounding gives.
///
/// A model on a grid is also the grid value nearest to its light fine-tune, but far nearer than rounding would leave it.
const SPREAD: f64 = 0.04;

/// The least and the largest of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    least: f32,
    most: f32,
}

impl Extent {
    /// The extent of no values.
    pub(super) const NONE: Self = Self { least: f32::INFINITY, most: f32::NEG_INFINITY };

    /// The extent of values whose least and largest are known.
    pub(super) fn between(least: f32, most: f32) -> Self {
        Self { least, most }
    }

    /// The extent of some values.
    pub(super) fn of(values: &[f32]) -> Self {
        values.iter().fold(Self::NONE, |e, &x| Self { least: e.least.min(x), most: e.most.max(x) })
    }

    /// The extent of the values of both.
    pub(super) fn merge(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// The origin and the length of a step, and the magnitude whose rounding limits how exactly levels are hit.
    fn grid(self, steps: Steps, b: f64) -> (f64, f64, f64) {
        let (least, most) = (f64::from(self.least), f64::from(self.most));
        let largest = least.abs().max(most.abs());
        match steps {
            Steps::Symmetric(n) => (0.0, largest / n, b.abs()),
            Steps::Asymmetric(n) => (least, (most - least) / n, largest),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
/// How well values fit one scheme.
enum Fit {
    Fits { surprise: f64, squared_error: f64, values: f64 },
    Fails,
}

/// One fit for each scheme.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fits([Fit; SCHEMES.len()]);

impl Fits {
    /// Fits of no values, which any scheme allows.
    pub(super) fn new() -> Self {
        Self([Fit::Fits { surprise: 0.0, squared_error: 0.0, values: 0.0 }; SCHEMES.len()])
    }

    /// Fits that every scheme has failed.
    pub(super) fn none() -> Self {
        Self([Fit::Fails; SCHEMES.len()])
    }

    /// Whether every scheme has failed.
    pub(super) fn fail(&self) -> bool {
        self.0.iter().all(|f| matches!(f, Fit::Fails))
    }

    /// Adds the fits of further values, scheme by scheme.
    pub(super) fn merge(&mut self, other: &Self) {
        for (fit, other) in self.0.iter_mut().zip(&other.0) {
            *fit = fit.merge(*other);
        }
    }

    /// Adds some values of one span. `roundoff` is that of the dtype they are stored in.
    pub(super) fn observe(&mut self, extent: Extent, a: &[f32], b: &[f32], roundoff: f64) {
        for (fit, (_, steps)) in self.0.iter_mut().zip(SCHEMES) {
            if steps.cannot_convince(roundoff) {
                *fit = Fit::Fails;
            } else if *fit != Fit::Fails {
                *fit = fit.merge(Fit::of(steps, extent, a, b, roundoff));
            }
        }
    }

    /// The bits of the first scheme that fits, and does so neither by chance nor because nothing changed.
    pub(super) fn bits(&self) -> Option<u32> {
        let convinces = |fit: &Fit| match *fit {
            Fit::Fits { surprise, squared_error, values } => {
                surprise >= SURPRISE && squared_error >= SPREAD * values / 12.0
            }
            Fit::Fails => false,
        };
        self.0.iter().zip(SCHEMES).find(|(fit, _)| convinces(fit)).map(|(_, (bits, _))| bits)
    }
}

impl Fit {
    /// How well the values of one span fit one scheme.
    fn of(steps: Steps, extent: Extent, a: &[f32], b: &[f32], roundoff: f64) -> Self {
        let (mut surprise, mut squared_error) = (0.0, 0.0);
        for (&a, &b) in a.iter().zip(b) {
            let (a, b) = (f64::from(a), f64::from(b));
            let (origin, step, magnitude) = extent.grid(steps, b);
            // The span has one level, which only unchanged values can lie on.
            if step == 0.0 {
                if a == b {
                    continue;
                }
                return Self::Fails;
            }
            let tolerance = ROUNDINGS * roundoff * magnitude;
            let level = ((b - origin) / step).round();
            // b must be a level, and the level nearest to a. A little over half a step leaves room for ties.
            if (b - origin - level * step).abs() > tolerance || (b - a).abs() > 0.501 * step + tolerance {
                return Self::Fails;
            }
            squared_error += ((b - a) / step).powi(2);
            // The grid was inferred from these two values, so they lie on it by construction and prove nothing.
            let inferred = b == f64::from(extent.least) || b == f64::from(extent.most);
            if !inferred && tolerance > 0.0 {
                surprise -= (2.0 * tolerance / step).min(1.0).ln();
            }
        }
        Self::Fits { surprise, squared_error, values: a.len() as f64 }
    }

    /// The fit of the values of both. A scheme that fails one fails both.
    fn merge(self, other: Self) -> Self {
        let (Self::Fits { surprise: s, squared_error: e, values: v }, Self::Fits { surprise, squared_error, values }) =
            (self, other)
        else {
            return Self::Fails;
        };
        Self::Fits { surprise: s + surprise, squared_error: e + squared_error, values: v + values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    const ROUNDOFF: f64 = 1.0 / (1 << 24) as f64;

    fn random(n: usize) -> Vec<f32> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(n as u64);
        (0..n).map(|_| rng.gen_range(-0.3..0.2)).collect()
    }

    fn fits(a: &[f32], b: &[f32], roundoff: f64) -> Option<u32> {
        let mut fits = Fits::new();
        fits.observe(Extent::of(b), a, b, roundoff);
        fits.bits()
    }

    fn symmetric(a: &[f32], n: f32) -> Vec<f32> {
        let step = a.iter().fold(0.0f32, |m, x| m.max(x.abs())) / n;
        a.iter().map(|x| (x / step).round() * step).collect()
    }

    /// As PyTorch and ONNX do: an integer zero point.
    fn asymmetric(a: &[f32], n: f32) -> Vec<f32> {
        let (least, most) = (a.iter().copied().fold(0.0f32, f32::min), a.iter().copied().fold(0.0f32, f32::max));
        let step = (most - least) / n;
        let zero = (-least / step).round();
        a.iter().map(|x| (((x / step).round() + zero).clamp(0.0, n) - zero) * step).collect()
    }

    #[test]
    fn rounded_values_are_recognized() {
        for n in [5, 64, 1000] {
            let a = random(n);
            assert_eq!(fits(&a, &symmetric(&a, 127.0), ROUNDOFF), Some(8), "{n}");
            assert_eq!(fits(&a, &symmetric(&a, 7.0), ROUNDOFF), Some(4), "{n}");
            assert_eq!(fits(&a, &asymmetric(&a, 255.0), ROUNDOFF), Some(8), "{n}");
            assert_eq!(fits(&a, &asymmetric(&a, 15.0), ROUNDOFF), Some(4), "{n}");
        }
    }

    #[test]
    fn values_stored_in_sixteen_bits_are_recognized() {
        let a = random(1000);
        for n in [127.0, 7.0] {
            let half: Vec<f32> = symmetric(&a, n).iter().map(|&x| half::bf16::from_f32(x).to_f32()).collect();
            assert_eq!(fits(&a, &half, 1.0 / 256.0), Some(if n > 7.0 { 8 } else { 4 }));
            let half: Vec<f32> = a.iter().map(|&x| half::bf16::from_f32(x).to_f32()).collect();
            assert_eq!(fits(&a, &half, 1.0 / 256.0), None);
        }
    }

    #[test]
    fn other_changes_are_not() {
        let a = random(200);
        let light: Vec<f32> = a.iter().zip(random(201)).map(|(x, d)| x + 1e-3 * d).collect();
        assert_eq!(fits(&a, &light, ROUNDOFF), None);
        assert_eq!(fits(&a, &a, ROUNDOFF), None);
        // The grid's own fine-tune: b lies on the grid, but a was never rounded to it.
        let b = symmetric(&a, 127.0);
        let tuned: Vec<f32> = b.iter().zip(random(201)).map(|(x, d)| x + 1e-4 * d).collect();
        assert_eq!(fits(&tuned, &b, ROUNDOFF), None);
        // On a grid, but not the nearest of it.
        let moved: Vec<f32> = symmetric(&light, 7.0).iter().map(|x| -x).collect();
        assert_eq!(fits(&a, &moved, ROUNDOFF), None);
        assert_eq!(fits(&[0.0; 9], &[0.0; 9], ROUNDOFF), None);
    }
}
