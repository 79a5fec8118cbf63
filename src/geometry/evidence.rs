//! What can be read of models beside their distances: a geometry keeps whoever reads it, and knows nothing of how.

use crate::error::Error;
use crate::model_set::{Kind, ModelId};
use crate::source::{Dtype, ParameterInfo};
use std::fmt::Debug;
use std::sync::Arc;

/// Models that can be looked at once more.
///
/// Values of the models, or sketches of them, or nothing but what is known without reading any.
pub(crate) trait Evidence: Debug + Send + Sync {
    /// How a model is stored, and what its buffers count.
    ///
    /// # Panics
    ///
    /// When `model` is not one of the geometry's.
    fn facts(&self, model: ModelId) -> &ModelFacts;

    /// Sums along rows and columns of some members against a reference; `None` where nothing tells them.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when they are not of one group, [`Error::Source`] for a model that cannot be read any more.
    fn line_sums(&self, reference: ModelId, members: &[ModelId]) -> Result<Option<LineSums>, Error>;

    /// The values of b against those of a; `None` where values are not at hand.
    ///
    /// # Errors
    ///
    /// As [`line_sums`](Self::line_sums), and [`Error::Decomposition`].
    fn pair(&self, a: ModelId, b: ModelId) -> Result<Option<Arc<PairEvidence>>, Error>;

    /// The same without anything that holds on to a model's source.
    fn without_values(&self) -> Arc<dyn Evidence>;
}

/// What is known of one model beside its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelFacts {
    /// How most of its values are stored.
    pub(crate) dtype: Option<Dtype>,
    /// Integer buffers of one element, sorted by name.
    pub(crate) counters: Vec<(String, f64)>,
    /// Every tensor of the model.
    pub(crate) listed: Arc<[ParameterInfo]>,
}

/// Sums of one member m along the lines of a reference r, with Δ = m − r.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MemberSums {
    /// `Σ r Δ`.
    pub(crate) reference_change: Vec<f64>,
    /// `Σ Δ²`.
    pub(crate) change: Vec<f64>,
}

/// Sums along lines: for each line `Σ r²`, and for each member its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LineSums {
    pub(crate) reference: Vec<f64>,
    pub(crate) members: Vec<MemberSums>,
}

/// A model b against a model a, value by value, over the parameters that both hold.
///
/// Every summary is a statement about b: what could have been done to a to give b. None holds of identical models but
/// [`identical`](Self::identical), and none depends on which of the two was there first.
#[derive(Clone, Debug, PartialEq)]
pub struct PairEvidence {
    pub(crate) parameters: Vec<ParameterEvidence>,
}

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
    /// For each dtype that weights are cast to, values of b that are not those of a rounded to it.
    pub(crate) mismatches: [usize; 4],
    /// Relative rounding error of how b is stored.
    pub(crate) roundoff: f64,
}

/// What one grid covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GridSpan {
    /// Every row has its own step.
    Row,
    /// One step for the whole parameter.
    Tensor,
}

/// A uniform grid that all values of a parameter lie on, each within about half a step of what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Grid {
    /// 8 or 4.
    pub bits: u32,
    /// What one grid covers.
    pub span: GridSpan,
}
