//! Evidence from norms: training increases the norm unless it shrinks it on purpose.

use super::index::Member;
use super::witness::norm::NormWeights;
use crate::geometry::Comparison;
use crate::kernel::Square;
use crate::model_set::Position;
use rayon::prelude::*;

/// The mean of `λ(v_t(a, b))` over the parameters t that differ, where a is the earlier and b the later of two members.
///
/// Here `v = (‖b‖² − ‖a‖²) / ‖b − a‖²`. An increment that is unrelated to what it is added to gives v = 1. Read backwards,
/// from the later to the earlier, it gives −1. Weight decay, and losses that want smaller or larger weights, shift v by any
/// amount to either side. Such a shift says nothing. λ is the log-likelihood ratio of v and −v under an even mixture of both
/// cases.
#[derive(Debug)]
pub(super) struct Norms {
    evidence: Square<f64>,
}

/// Sums for one pair of members in both directions, and the number of parameters summed.
#[derive(Clone, Copy, Default)]
struct Sum {
    to_lower: f64,
    to_higher: f64,
    count: f64,
}

impl Norms {
    /// Measures all pairs. O(n² T) time for n members and T parameters.
    pub(super) fn of(comparison: &Comparison, numbers: &NormWeights) -> Self {
        let n = comparison.len();
        let mut sums: Vec<Vec<Sum>> = (0..n).map(|a| vec![Sum::default(); a]).collect();
        for parameter in comparison.scoped() {
            let norms: Vec<f64> = Position::all(n).map(|a| parameter.squared_norm(a)).collect();
            sums.par_iter_mut().enumerate().for_each(|(a, row)| {
                for (b, sum) in row.iter_mut().enumerate() {
                    let squared = parameter.squared_distance(Position::new(a), Position::new(b));
                    if squared > 0.0 {
                        let (to_lower, to_higher) = ratios((norms[b] - norms[a]) / squared, numbers);
                        sum.to_lower += to_lower;
                        sum.to_higher += to_higher;
                        sum.count += 1.0;
                    }
                }
            });
        }
        let mut evidence = Square::filled(n, 0.0);
        for (a, row) in sums.iter().enumerate() {
            for (b, sum) in row.iter().enumerate() {
                // A pair that differs in no parameter has a count of 0 and no evidence.
                evidence[(a, b)] = sum.to_lower / sum.count.max(1.0);
                evidence[(b, a)] = sum.to_higher / sum.count.max(1.0);
            }
        }
        Self { evidence }
    }

    /// The mean λ, in nats, with a as the earlier and b as the later.
    pub(super) fn precedes(&self, a: Member, b: Member) -> f64 {
        self.evidence[(a, b)]
    }
}

/// λ(v) and λ(−v). λ is odd in v, lies within ±2.001 by default, and falls to 0 for large v.
fn ratios(v: f64, numbers: &NormWeights) -> (f64, f64) {
    let [along, against] = densities(v, numbers.spread, numbers.wide);
    ((along / against).ln(), (against / along).ln())
}

/// The log-likelihood ratio of v and −v under an even mixture of a normal density around 1 and a Cauchy density around 0.
pub(super) fn ratio(v: f64, spread: f64, wide: f64) -> f64 {
    let [along, against] = densities(v, spread, wide);
    along.ln() - against.ln()
}

/// The density of the mixture at v and at −v.
fn densities(v: f64, spread: f64, wide: f64) -> [f64; 2] {
    [v, -v].map(|v| {
        let near = (-0.5 * ((v - 1.0) / spread).powi(2)).exp() / (spread * (2.0 * std::f64::consts::PI).sqrt());
        near + 1.0 / (std::f64::consts::PI * wide * (1.0 + (v / wide).powi(2)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_odd_bounded_and_silent_far_out() {
        let numbers = NormWeights::default();
        for v in [0.0, 0.3, 1.0, 2.5, 40.0, 1e9] {
            let (along, against) = ratios(v, &numbers);
            assert_eq!(ratios(-v, &numbers), (against, along));
            assert!((along + against).abs() < 1e-12);
        }
        assert!(ratios(1.0, &numbers).0 > 1.5 && ratios(50.0, &numbers).0 < 1e-3);
        // The largest is a little above 2, near v = 1.1.
        let largest = (0..4000).map(|i| ratios(f64::from(i) / 1000.0, &numbers).0).fold(0.0, f64::max);
        assert!(largest > 2.0 && largest < 2.001, "{largest}");
    }
}
