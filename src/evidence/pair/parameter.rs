use super::rounding::CASTS;
use super::tally::Tally;
use crate::geometry::ParameterEvidence;
use crate::model_set::Kind;
use crate::source::Dtype;

impl ParameterEvidence {
    /// The evidence of one parameter from its tally, without a grid and a rank.
    pub(super) fn new(name: &str, kind: Kind, shape: [usize; 2], size: usize, tally: &Tally, roundoff: f64) -> Self {
        let (factor, residual) = tally.fit();
        Self {
            name: name.to_owned(),
            kind,
            shape,
            size,
            squared_norm_a: tally.a_squared,
            squared_norm_b: tally.b_squared,
            squared_distance: tally.change_squared,
            // `⟨a, b⟩ = ‖a‖² + ⟨a, Δ⟩` keeps the digits of small movements.
            inner: tally.a_squared + tally.a_change,
            equal: tally.equal,
            zeros_a: tally.zeros_a,
            zeros_b: tally.zeros_b,
            zeroed: tally.zeroed,
            altered: tally.altered,
            factor,
            residual,
            grid: None,
            rank: None,
            undecomposed: false,
            rounding: None,
            mismatches: tally.mismatches,
            roundoff,
        }
    }

    /// Whether every value is the same, bit for bit.
    pub fn is_untouched(&self) -> bool {
        self.equal == self.size
    }

    /// The number of values of b that are not those of a rounded to `dtype`, to nearest with ties to even.
    ///
    /// The result is `None` for every dtype but F16, BF16, F8E4M3 and F8E5M2.
    pub fn cast_mismatches(&self, dtype: Dtype) -> Option<usize> {
        CASTS.iter().position(|&d| d == dtype).map(|at| self.mismatches[at])
    }
}
