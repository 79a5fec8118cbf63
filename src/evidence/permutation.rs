//! Finds copies whose values were only put in another order.

use crate::geometry::{Geometry, TensorMarginals};
use crate::kernel::Moments;
use crate::model_set::{Kind, ModelId};

/// The relative difference up to which moments are those of the same values.
const SAME: f64 = 1e-9;

impl Geometry {
    /// Whether the matrices of one model hold the values of the other's in another order, as when neurons or heads are
    /// permuted.
    ///
    /// Every matrix-shaped tensor that both hold must have the same mean, `m2`, `m3` and `m4` to 1e-9, and at least one of them
    /// must differ. No value is read again. The result is `false` when the two cannot be compared.
    ///
    /// # Fails when
    ///
    /// The permuted parts were scaled as well, as between layers of a function-preserving rescaling.
    pub fn permuted(&self, a: ModelId, b: ModelId) -> bool {
        let Some((group, i, j)) = self.together(a, b) else { return false };
        let mut moved = false;
        for p in group.marginals().filter(|p| p.kind == Kind::Matrix) {
            let Some((a, b)) = p.both(i, j) else { continue };
            let same = |t: &TensorMarginals| same_values(&t.moments[a.0], &t.moments[b.0]);
            if !p.tensors.iter().all(same) {
                return false;
            }
            moved |= !p.same_values(a, b);
        }
        moved
    }
}

/// Whether two sets of moments are those of the same values.
///
/// Differences are measured in standard deviations, so that a mean or a skewness of zero needs no digits.
fn same_values(a: &Moments, b: &Moments) -> bool {
    let near = |x: f64, y: f64, unit: f64| (x - y).abs() <= SAME * unit;
    let deviation = a.variance().sqrt();
    let same_mean = near(a.mean, b.mean, deviation + a.mean.abs());
    // If all values are the same, only rounding is left of the higher moments.
    let constant = |m: &Moments| m.variance().sqrt() <= SAME * m.mean.abs();
    if constant(a) || constant(b) {
        return same_mean && constant(a) == constant(b);
    }
    same_mean && near(a.m2, b.m2, a.m2) && near(a.m3, b.m3, a.m2.powf(1.5) / a.count.sqrt()) && near(a.m4, b.m4, a.m4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter_and_values_do() {
        let values: Vec<f32> = (0..1000).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect();
        let reversed: Vec<f32> = values.iter().rev().copied().collect();
        let negated: Vec<f32> = values.iter().map(|x| -x * x * x).collect();
        let m = Moments::new(&values);
        assert!(same_values(&m, &Moments::new(&reversed)));
        assert!(!same_values(&m, &Moments::new(&negated)));
        let cubed: Vec<f32> = negated.iter().map(|x| -x).collect();
        assert!(!same_values(
            &Moments::new(&cubed),
            &Moments::new(&negated.iter().map(|x| x + 1e-6).collect::<Vec<_>>())
        ));
    }

    #[test]
    fn constants_are_the_same_when_their_mean_is() {
        let constant = |x: f32| Moments::new(&[x; 77]);
        assert!(same_values(&constant(0.3), &constant(0.3)));
        assert!(same_values(&constant(0.0), &constant(0.0)));
        assert!(!same_values(&constant(0.3), &constant(0.31)));
        assert!(!same_values(&constant(0.3), &Moments::new(&[0.2, 0.4])));
    }
}
