use super::rounding::CASTS;
use super::tally::Tally;
use crate::geometry::ParameterEvidence;
use crate::model_set::Kind;
use crate::source::Dtype;

/// The least ratio of the smaller side to the rank for an increment of low rank.
const LOW_RANK: usize = 4;

impl ParameterEvidence {
    /// The rank of `b − a` where it is low: at most a quarter of the smaller side.
    ///
    /// A few changed values, rows or columns have a low rank of themselves. r rows or columns cannot hold more than r times the
    /// larger side. So a rank counts only where more values changed than as many rows or columns hold.
    pub fn low_rank(&self) -> Option<usize> {
        let [rows, columns] = self.shape;
        let changed = self.size - self.equal;
        let rank = self.rank.filter(|rank| LOW_RANK * rank <= rows.min(columns))?;
        (rank == 0 || changed > rank * rows.max(columns)).then_some(rank)
    }

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
