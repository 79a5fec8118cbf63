use super::grid::Grid;
use super::rounding::CASTS;
use super::tally::Tally;
use crate::model_set::Kind;
use crate::source::Dtype;

/// One parameter of a model b against the same of a model a.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ParameterEvidence {
    /// Its name, without a wrapper that only some models have.
    pub name: String,
    /// Matrix or vector.
    pub kind: Kind,
    /// Rows compared, and elements in one row: the product of every dimension but the first.
    pub shape: [usize; 2],
    /// Values compared.
    pub size: usize,
    /// `‖a‖²`.
    pub squared_norm_a: f64,
    /// `‖b‖²`.
    pub squared_norm_b: f64,
    /// `‖b − a‖²`.
    pub squared_distance: f64,
    /// `⟨a, b⟩`.
    pub inner: f64,
    /// Values that are the same bit for bit after widening to f32.
    pub equal: usize,
    /// Zeros in a.
    pub zeros_a: usize,
    /// Zeros in b.
    pub zeros_b: usize,
    /// Zeros in b that are none in a.
    pub zeroed: usize,
    /// Values that differ other than by being zeroed.
    pub altered: usize,
    /// `s = ⟨a, b⟩ / ‖a‖²`; `None` when a is zero.
    pub factor: Option<f64>,
    /// `‖b − s a‖ / ‖b‖`; 0 when b is zero.
    pub residual: f64,
    /// The grid that b was rounded to.
    pub grid: Option<Grid>,
    /// Numerical rank of `b − a` flattened to [`shape`](Self::shape): singular values above 1e-4 of the largest and above what
    /// storage rounding leaves, 0 when none is. `None` for vectors, when nothing changed, when the rank is full or beyond the
    /// reach of the sketch (136), and for rows of more than 1,048,576 values.
    pub rank: Option<usize>,
    pub(super) mismatches: [usize; 4],
    /// Relative rounding error of how b is stored.
    pub(super) roundoff: f64,
}

/// Increments of a rank up to this share of the smaller side are of low rank.
const LOW_RANK: usize = 4;

impl ParameterEvidence {
    /// The rank of `b − a` where it is low: at most a quarter of the smaller side.
    pub fn low_rank(&self) -> Option<usize> {
        self.rank.filter(|rank| LOW_RANK * rank <= self.shape[0].min(self.shape[1]))
    }

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
            mismatches: tally.mismatches,
            roundoff,
        }
    }

    /// Whether every value is the same, bit for bit.
    pub fn is_untouched(&self) -> bool {
        self.equal == self.size
    }

    /// Values of b that are not those of a rounded to a dtype, to nearest with ties to even; `None` but for F16, BF16, F8E4M3
    /// and F8E5M2.
    pub fn cast_mismatches(&self, dtype: Dtype) -> Option<usize> {
        CASTS.iter().position(|&d| d == dtype).map(|at| self.mismatches[at])
    }
}
