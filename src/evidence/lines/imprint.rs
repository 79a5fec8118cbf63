//! Which lines grew: the later of two models contains what lies between the two, and the earlier does not.

use crate::geometry::{LineSpan, LineSums, MemberSums};
use crate::source::Dtype;

/// The fewest lines that show how growth goes with change: a line of two parameters is fitted through them.
const FEWEST: usize = 8;

/// The relative change below which a line may only have been rounded, with values of these dtypes: half a step of the coarser.
pub(super) fn rounding(dtypes: [Option<Dtype>; 2]) -> f64 {
    let digits = dtypes.into_iter().flatten().filter_map(Dtype::digits).min().unwrap_or(24);
    0.5f64.powi(i32::try_from(digits).unwrap_or(24))
}

/// How the lines of one matrix, along one axis, grew from a reference to a member.
///
/// Let `Δ` be the member's line less that of the reference, and m the mean of the two squared norms. Over the lines i,
///
/// ```text
/// ‖member_i‖² − ‖reference_i‖² = β m_i + v ‖Δ_i‖²        weights: values / (4 m_i ‖Δ_i‖²)
/// ```
///
/// What decay or growth did to all lines alike is in β. If the member was trained from the reference, Δ is unrelated to the
/// reference's line and v is near 1. If it is the other way round, v is near −1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Imprint {
    /// The slope v: 1 for training from the reference to the member, −1 for the reverse.
    pub slope: f64,
    /// The standard error of the slope.
    pub error: f64,
    /// The correlation of `ln ‖Δ_i‖²` with `ln ‖member_i‖²`, less that with `ln ‖reference_i‖²`, in −2 to 2.
    ///
    /// Increments go where a gradient is, and not where the earlier model has its energy. So it is above 0 when the member is the
    /// later one.
    pub independence: f64,
    /// The share of lines whose kurtosis `Σ x⁴ / (Σ x²)²` grew from the reference to the member, less that of lines where it fell.
    /// Within −1 to 1.
    ///
    /// Training that starts from values drawn at random gives most lines longer tails. In some networks it does the opposite, and
    /// then throughout the family.
    pub kurtosis: f64,
}

impl Imprint {
    /// The imprints of a member in every matrix, along rows and along columns. O(lines) time.
    ///
    /// Exchanging the two models changes the sign of slopes, of independences and of kurtosis, and no error.
    pub(super) fn all(sums: &LineSums, member: &MemberSums, dtypes: [Option<Dtype>; 2]) -> Vec<Self> {
        let least = rounding(dtypes).powi(2);
        sums.spans.iter().filter_map(|span| Self::of(span, sums, member, least)).collect()
    }

    /// The imprint along one axis of one matrix; `None` when too few lines changed by more than `least` of their squared norm.
    fn of(span: &LineSpan, sums: &LineSums, member: &MemberSums, least: f64) -> Option<Self> {
        let line = |i: usize| {
            let line = Line::new(sums.reference[i], member.reference_change[i], member.change[i], least)?;
            Some(line.with_fourth(sums.reference_fourth[i], member.fourth[i]))
        };
        let lines: Vec<Line> = span.positions.clone().filter_map(line).collect();
        if lines.len() < FEWEST {
            return None;
        }
        let (slope, error) = slope(&lines, span.length as f64)?;
        let changes: Vec<f64> = lines.iter().map(|l| l.change.ln()).collect();
        let with = |norm: fn(&Line) -> f64| correlation(&changes, &lines.iter().map(norm).collect::<Vec<_>>());
        let independence = with(|l| l.member().ln()) - with(|l| l.reference().ln());
        let kurtosis = lines.iter().fold(0.0, |sum, l| sum + l.peaked) / lines.len() as f64;
        Some(Self { slope, error, independence, kurtosis })
    }
}

/// The squared norms of one line.
struct Line {
    /// The mean of the two squared norms.
    mean: f64,
    /// The member's squared norm less that of the reference.
    growth: f64,
    /// `‖Δ‖²`.
    change: f64,
    /// 1 when the kurtosis grew to the member, −1 when it fell, 0 when it is the same.
    peaked: f64,
}

/// The relative change of kurtosis below which it is the same: decay leaves it as it was, but for the rounding of F32.
const SAME: f64 = 1e-6;

impl Line {
    /// The line of a reference with `Σ r²`, `Σ r Δ` and `Σ Δ²`; `None` when it hardly changed, or is zero in one of the two.
    fn new(reference: f64, reference_change: f64, change: f64, least: f64) -> Option<Self> {
        let growth = 2.0 * reference_change + change;
        let line = Self { mean: reference + growth / 2.0, growth, change, peaked: 0.0 };
        // Both norms are tested, so that the same lines take part whichever model is the reference.
        (change > least * line.mean && reference > 0.0 && line.member() > 0.0).then_some(line)
    }

    /// The line with `Σ x⁴` of the reference and of the member.
    fn with_fourth(self, reference: f64, member: f64) -> Self {
        let ratio = (member * self.reference().powi(2)) / (reference * self.member().powi(2));
        let log = ratio.ln();
        Self { peaked: if log.abs() > SAME { log.signum() } else { 0.0 }, ..self }
    }

    fn member(&self) -> f64 {
        self.mean + self.growth / 2.0
    }

    fn reference(&self) -> f64 {
        self.mean - self.growth / 2.0
    }
}

/// The weighted least squares slope v and its standard error; `None` where changes are one multiple of the norms in all lines.
fn slope(lines: &[Line], values: f64) -> Option<(f64, f64)> {
    let [mut mm, mut mc, mut cc, mut mg, mut cg] = [0.0; 5];
    for Line { mean, growth, change, .. } in lines {
        // `2⟨line, Δ⟩` of unrelated values varies by `4 m ‖Δ‖² / values`.
        let weight = values / (4.0 * mean * change);
        mm += weight * mean * mean;
        mc += weight * mean * change;
        cc += weight * change * change;
        mg += weight * mean * growth;
        cg += weight * change * growth;
    }
    let determinant = mm * cc - mc * mc;
    // Rounding in f64 leaves about 1e-15 of the product.
    if determinant <= 1e-12 * mm * cc {
        return None;
    }
    let slope = (cg * mm - mg * mc) / determinant;
    let shared = (mg - mc * slope) / mm;
    let left = lines.iter().fold(0.0, |sum, l| {
        let residual = l.growth - shared * l.mean - slope * l.change;
        sum + values / (4.0 * l.mean * l.change) * residual * residual
    });
    // Lines scatter more than unrelated values where values of a line are related. They are never taken to scatter less.
    let scatter = (left / (lines.len() - 2) as f64).max(1.0);
    Some((slope, (scatter * mm / determinant).sqrt()))
}

/// The correlation of two lists of one length; 0 where one of them does not vary.
fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let [mut xx, mut xy, mut yy] = [0.0; 3];
    for (x, y) in x.iter().zip(y) {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    let product = (xx * yy).sqrt();
    if product > 0.0 { xy / product } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const LINES: usize = 24;
    const VALUES: usize = 64;

    /// A matrix, and one that was trained from it where `scale` says how far each line moved.
    fn trained(decay: f64, scale: impl Fn(usize) -> f64) -> [Vec<f64>; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut draw = || rng.gen_range(-1.0..1.0);
        let earlier: Vec<f64> = (0..LINES * VALUES).map(|_| draw()).collect();
        let later = earlier.iter().enumerate().map(|(i, x)| decay * x + scale(i / VALUES) * draw()).collect();
        [earlier, later]
    }

    /// The imprint of b as seen from a, along rows.
    fn imprint(a: &[f64], b: &[f64], least: f64) -> Option<Imprint> {
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            let rows = a.chunks(VALUES).zip(b.chunks(VALUES));
            rows.map(|(a, b)| a.iter().zip(b).map(|(&a, &b)| of(a, b)).sum()).collect()
        };
        let (reference_change, change) = (sum(&|a, b| a * (b - a)), sum(&|a, b| (b - a) * (b - a)));
        let member = MemberSums { reference_change, change, fourth: sum(&|_, b| b.powi(4)) };
        let (reference, reference_fourth) = (sum(&|a, _| a * a), sum(&|a, _| a.powi(4)));
        let sums = LineSums { reference, reference_fourth, members: Vec::new(), spans: Vec::new() };
        Imprint::of(&LineSpan { positions: 0..LINES, length: VALUES }, &sums, &member, least)
    }

    #[test]
    fn the_later_one_contains_the_increment_whatever_decay_did() {
        for decay in [0.8, 1.0, 1.2] {
            let [a, b] = trained(decay, |line| 0.1 + 0.05 * line as f64);
            let found = imprint(&a, &b, 0.0).unwrap();
            assert!((found.slope - 1.0).abs() < 4.0 * found.error && found.error < 0.5, "{decay} {found:?}");
            assert!(found.independence > 0.2, "{decay} {found:?}");
            let reverse = imprint(&b, &a, 0.0).unwrap();
            assert!((found.slope + reverse.slope).abs() < 1e-9 && (found.error - reverse.error).abs() < 1e-9);
            assert!((found.independence + reverse.independence).abs() < 1e-9);
        }
    }

    #[test]
    fn the_scale_of_both_changes_nothing() {
        let [a, b] = trained(0.9, |line| 0.1 + 0.05 * line as f64);
        let by = |factor: f64, x: &[f64]| x.iter().map(|x| factor * x).collect::<Vec<_>>();
        let (one, other) = (imprint(&a, &b, 0.0).unwrap(), imprint(&by(16.0, &a), &by(16.0, &b), 0.0).unwrap());
        assert!((one.slope - other.slope).abs() < 1e-9 && (one.independence - other.independence).abs() < 1e-9);
    }

    #[test]
    fn tails_that_grew_are_counted_line_by_line() {
        let [a, even] = trained(1.0, |line| 0.1 + 0.05 * line as f64);
        // One value of every line outgrows all others; decay alone changes no tail.
        let spiked: Vec<f64> = even.iter().enumerate().map(|(i, x)| if i % VALUES == 3 { 5.0 } else { *x }).collect();
        let found = imprint(&a, &spiked, 0.0).unwrap();
        assert_eq!(found.kurtosis, 1.0);
        assert_eq!(imprint(&spiked, &a, 0.0).unwrap().kurtosis, -1.0);
        let half: Vec<f64> =
            even.iter().enumerate().map(|(i, x)| if i < 12 * VALUES { 0.9 * a[i] } else { *x }).collect();
        assert!(imprint(&a, &half, 0.0).unwrap().kurtosis.abs() <= 0.5);
    }

    #[test]
    fn few_lines_and_rounding_say_nothing() {
        // Seven lines moved, and eight.
        assert_eq!(
            [7, 8].map(|n| {
                let [a, b] = trained(1.0, |line| if line < n { 0.1 + 0.05 * line as f64 } else { 0.0 });
                imprint(&a, &b, 0.0).is_some()
            }),
            [false, true]
        );
        let [a, b] = trained(1.0, |line| 1e-3 * (1.0 + line as f64 / 24.0));
        let least = |digits: [Option<Dtype>; 2]| rounding(digits).powi(2);
        assert!(imprint(&a, &b, least([Some(Dtype::F32), Some(Dtype::F16)])).is_some());
        assert!(imprint(&a, &b, least([Some(Dtype::F32), Some(Dtype::BF16)])).is_none());
    }

    #[test]
    fn a_multiple_has_no_slope() {
        let [a, _] = trained(1.0, |_| 0.0);
        let b: Vec<f64> = a.iter().map(|x| 0.9 * x).collect();
        assert_eq!(imprint(&a, &b, 0.0), None);
    }
}
