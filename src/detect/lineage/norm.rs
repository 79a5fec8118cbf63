//! Training adds to the norm unless it shrinks it on purpose.

use crate::geometry::Comparison;
use rayon::prelude::*;

/// `λ(v_t(a, b))` averaged over parameters that differ, for a the earlier and b the later of two members.
///
/// With `v = (‖b‖² − ‖a‖²) / ‖b − a‖²`: an increment that is unrelated to what it is added to gives v = 1, and −1 from the later
/// to the earlier. Decay, and losses that want smaller or larger weights, shift v by any amount to either side, which says
/// nothing. λ is the log-likelihood ratio of v and −v under an even mixture of the two.
#[derive(Debug)]
pub(super) struct Norms {
    n: usize,
    /// Shape (n, n).
    evidence: Vec<f64>,
}

/// Of one pair: both directions, and how many parameters they are sums over.
#[derive(Clone, Copy, Default)]
struct Sum {
    to_lower: f64,
    to_higher: f64,
    count: f64,
}

impl Norms {
    /// O(n² T) for n members and T parameters.
    pub(super) fn of(comparison: &Comparison) -> Self {
        let n = comparison.len();
        let mut sums: Vec<Vec<Sum>> = (0..n).map(|a| vec![Sum::default(); a]).collect();
        for parameter in comparison.scoped() {
            let norms: Vec<f64> = (0..n).map(|a| parameter.squared_norm(a)).collect();
            sums.par_iter_mut().enumerate().for_each(|(a, row)| {
                for (b, sum) in row.iter_mut().enumerate() {
                    let squared = parameter.squared_distance(a, b);
                    if squared > 0.0 {
                        let (to_lower, to_higher) = ratios((norms[b] - norms[a]) / squared);
                        sum.to_lower += to_lower;
                        sum.to_higher += to_higher;
                        sum.count += 1.0;
                    }
                }
            });
        }
        let mut evidence = vec![0.0; n * n];
        for (a, row) in sums.iter().enumerate() {
            for (b, sum) in row.iter().enumerate() {
                evidence[a * n + b] = sum.to_lower / sum.count.max(1.0);
                evidence[b * n + a] = sum.to_higher / sum.count.max(1.0);
            }
        }
        Self { n, evidence }
    }

    pub(super) fn precedes(&self, a: usize, b: usize) -> f64 {
        self.evidence[a * self.n + b]
    }
}

/// Standard deviation of v around 1 where nothing shrinks or grows on purpose.
const SPREAD: f64 = 0.5;

/// Half width of the Cauchy density of v where something does.
const WIDE: f64 = 2.0;

/// λ(v) and λ(−v): odd in v, within ±2, and falling to 0 where v is large.
fn ratios(v: f64) -> (f64, f64) {
    let density = |v: f64| {
        let near = (-0.5 * ((v - 1.0) / SPREAD).powi(2)).exp() / (SPREAD * (2.0 * std::f64::consts::PI).sqrt());
        near + 1.0 / (std::f64::consts::PI * WIDE * (1.0 + (v / WIDE).powi(2)))
    };
    let (along, against) = (density(v), density(-v));
    ((along / against).ln(), (against / along).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_odd_bounded_and_silent_far_out() {
        for v in [0.0, 0.3, 1.0, 2.5, 40.0, 1e9] {
            let (along, against) = ratios(v);
            assert_eq!(ratios(-v), (against, along));
            assert!((along + against).abs() < 1e-12);
            assert!(along.abs() < 2.0);
        }
        assert!(ratios(1.0).0 > 1.5 && ratios(50.0).0 < 1e-3);
    }
}
