//! Evidence beside distances, which is read from models on demand. A geometry keeps the reader and does not know how it reads.

use super::increments::{Increment, Increments};
use super::nearness::{Apart, Nearness, Spacing};
use super::projection::Projection;
use crate::error::Error;
use crate::model_set::{Kind, ModelId};
use crate::source::{Dtype, ParameterInfo};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

/// A reader of further evidence from the models of a geometry.
///
/// It reads the values of the models, or their sketches. It may also read nothing and know only the facts about each model.
pub(crate) trait Evidence: Debug + Send + Sync {
    /// Returns how a model is stored, and the values of its counters.
    ///
    /// # Panics
    ///
    /// When `model` is not one of the geometry's.
    fn facts(&self, model: ModelId) -> &ModelFacts;

    /// Computes sums along the rows and columns of some members against a reference, for each of the requests.
    ///
    /// `take` gets the sums of some consecutive members at a time, with the place of the request and that of the first member. It may
    /// get them matrix by matrix, in the order of matrices. For a request that there is nothing to read for, it is not called.
    ///
    /// `beside` are pairs whose increments are likely to be asked for. They may be found in the same reading, and remembered.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when models of a request are not of one group; [`Error::Source`] for a model that cannot be read any
    /// more; and the errors of `take`.
    fn line_sums(
        &self,
        requests: &[LineRequest<'_>],
        beside: &[(ModelId, ModelId)],
        take: &mut TakeLineSums<'_>,
    ) -> Result<(), Error>;

    /// Compares the values of b with those of a, for each pair (a, b). `None` for a pair whose values cannot be read.
    ///
    /// # Errors
    ///
    /// The errors of [`line_sums`](Self::line_sums).
    fn pairs(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<PairEvidence>>>, Error>;

    /// Tells by what rank the matrices of b moved from those of a, for each pair (a, b). `None` for a pair whose values cannot be
    /// read.
    ///
    /// # Errors
    ///
    /// The errors of [`line_sums`](Self::line_sums).
    fn increments(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<Increments>>>, Error> {
        Ok(vec![None; pairs.len()])
    }

    /// Reads one matrix of two models that were compared before, and finds what both have along the directions in which they differ.
    /// `None` when the values cannot be read, and where these are not few.
    ///
    /// # Errors
    ///
    /// The errors of [`line_sums`](Self::line_sums).
    fn projection(&self, _a: ModelId, _b: ModelId, _compared: &Increment) -> Result<Option<Projection>, Error> {
        Ok(None)
    }

    /// Returns in how many tensors of the pairs so far the rank of a change could not be computed.
    fn undecomposed(&self) -> usize {
        0
    }

    /// Reads a sample of the values of both. `None` when the values cannot be read, or there is no matrix.
    ///
    /// # Errors
    ///
    /// The errors of [`line_sums`](Self::line_sums).
    fn nearness(&self, _a: ModelId, _b: ModelId) -> Result<Option<Nearness>, Error> {
        Ok(None)
    }

    /// Returns the root mean square of what quantization changed in each tensor of a model, by name, where it is known.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more.
    fn roundings(&self, _model: ModelId) -> Result<BTreeMap<String, f64>, Error> {
        Ok(BTreeMap::new())
    }

    /// Returns the size of what rounding to steps by blocks changed in the matrices of a model, next to their norm. It is 0 where
    /// the values lie on no such steps, or cannot be read.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more.
    fn own_noise(&self, _model: ModelId) -> Result<f64, Error> {
        Ok(0.0)
    }

    /// Tells how far the values of two models of such spacings are apart at most. `None` when the values cannot be read.
    ///
    /// # Errors
    ///
    /// The errors of [`line_sums`](Self::line_sums).
    fn apart(&self, _a: ModelId, _b: ModelId, _spacing: [Spacing; 2]) -> Result<Option<Apart>, Error> {
        Ok(None)
    }

    /// Reads the values of some models at the same places of every matrix that all of them hold. `None` when the values cannot be
    /// read.
    ///
    /// # Errors
    ///
    /// The errors of [`line_sums`](Self::line_sums).
    fn sample(&self, _models: &[ModelId]) -> Result<Option<Vec<MatrixSample>>, Error> {
        Ok(None)
    }

    /// Reads a few values of every tensor of some models, and returns what tells equal tensors apart from others. `None` when the
    /// values cannot be read.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    fn prints(&self, _models: &[ModelId]) -> Result<Option<Vec<Vec<TensorPrint>>>, Error> {
        Ok(None)
    }

    /// Returns the memory that reading and what is kept of it may take, in bytes.
    fn memory(&self) -> u64 {
        0
    }

    /// Whether the values of all these models can be read.
    fn has_values(&self, _models: &[ModelId]) -> bool {
        false
    }

    /// Counts the zeros of two models among the values that both hold. `None` where they were not counted.
    fn zeros(&self, _a: ModelId, _b: ModelId) -> Option<Zeros> {
        None
    }

    /// Tells whether all parameters of b that differ from a may lie on a grid, from few values. True where that is not known.
    ///
    /// # Errors
    ///
    /// The errors of [`line_sums`](Self::line_sums).
    fn may_lie_on_grid(&self, _a: ModelId, _b: ModelId) -> Result<bool, Error> {
        Ok(true)
    }

    /// Returns the same evidence without any reference to a model's source.
    fn without_values(&self) -> Arc<dyn Evidence>;
}

/// A reference, and the members whose lines are compared with its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineRequest<'a> {
    pub(crate) reference: ModelId,
    pub(crate) members: &'a [ModelId],
}

/// Takes the sums of some consecutive members of a request: the place of the request, that of the first member, and the sums.
pub(crate) type TakeLineSums<'a> = dyn FnMut(usize, usize, LineSums) -> Result<(), Error> + 'a;

/// The values of some models at the same places of one matrix.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MatrixSample {
    /// The rows of the sample and the values in each: pieces of rows of the matrix.
    pub(crate) shape: [usize; 2],
    /// The values of each model, row by row.
    pub(crate) values: Vec<Vec<f32>>,
    /// The dtype in which each model stores the matrix.
    pub(crate) dtypes: Vec<Dtype>,
}

/// What tells a tensor apart from others, whatever its name: its shape and a hash of some of its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorPrint {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) shape: Vec<usize>,
    /// Hash of the values, rounded to BF16. It is the same for a tensor and its cast to BF16.
    pub(crate) rounded: u64,
    /// Hash of the values as they are.
    pub(crate) exact: u64,
}

impl TensorPrint {
    /// The number of values.
    pub(crate) fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The zeros of two models among the values that both hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zeros {
    /// The number of zeros in each of the two.
    pub(crate) of: [usize; 2],
    /// The number of values that both hold.
    pub(crate) values: usize,
}

/// The facts about one model beside the values of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelFacts {
    /// The dtype of most of its values.
    pub(crate) dtype: Option<Dtype>,
    /// Integer buffers of one element: name and value, sorted by name.
    pub(crate) counters: Vec<(String, f64)>,
    /// Every tensor of the model.
    pub(crate) listed: Arc<[ParameterInfo]>,
}

/// The sums of one member m along the lines of a reference r, with Δ = m − r.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MemberSums {
    /// `Σ r Δ`.
    pub(crate) reference_change: Vec<f64>,
    /// `Σ Δ²`.
    pub(crate) change: Vec<f64>,
    /// `Σ m⁴`. It is empty where sums are estimates.
    pub(crate) fourth: Vec<f64>,
}

/// The lines of one matrix along one axis, among all lines of some sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LineSpan {
    /// Their places.
    pub(crate) positions: Range<usize>,
    /// Number of values in each of them.
    pub(crate) length: usize,
}

/// The sums along lines: `Σ r²` for each line of the reference, and the sums of each member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LineSums {
    pub(crate) reference: Vec<f64>,
    /// `Σ r⁴`. It is empty where sums are estimates.
    pub(crate) reference_fourth: Vec<f64>,
    pub(crate) members: Vec<MemberSums>,
    /// Which lines belong together. It is empty where sums are estimates, as those of sketches are.
    pub(crate) spans: Vec<LineSpan>,
}

/// A comparison of a model b with a model a, value by value, over the parameters that both hold.
///
/// Every summary is a statement about b: which operation on a could have given b. For identical models, only
/// [`identical`](Self::identical) holds. No summary depends on which of the two came first.
#[derive(Clone, Debug, PartialEq)]
pub struct PairEvidence {
    pub(crate) parameters: Vec<ParameterEvidence>,
}

/// A comparison of one parameter of a model b with the same parameter of a model a.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ParameterEvidence {
    /// The name, without a wrapper that only some models have.
    pub name: String,
    /// Matrix or vector.
    pub kind: Kind,
    /// Number of rows compared, and number of elements in one row: the product of every dimension but the first.
    pub shape: [usize; 2],
    /// Number of values compared.
    pub size: usize,
    /// `‖a‖²`.
    pub squared_norm_a: f64,
    /// `‖b‖²`.
    pub squared_norm_b: f64,
    /// `‖b − a‖²`.
    pub squared_distance: f64,
    /// `⟨a, b⟩`.
    pub inner: f64,
    /// Number of values that are the same bit for bit after widening to f32.
    pub equal: usize,
    /// Number of zeros in a.
    pub zeros_a: usize,
    /// Number of zeros in b.
    pub zeros_b: usize,
    /// Number of zeros in b that are not zero in a.
    pub zeroed: usize,
    /// Number of values that differ and are not zero in b.
    pub altered: usize,
    /// `s = ⟨a, b⟩ / ‖a‖²`. `None` when a is zero.
    pub factor: Option<f64>,
    /// `‖b − s a‖ / ‖b‖`. It is 0 when b is zero.
    pub residual: f64,
    /// The grid to which b was rounded, if any.
    pub grid: Option<Grid>,
    /// Numerical rank of `b − a`, flattened to [`shape`](Self::shape).
    ///
    /// It counts the singular values above 1e-4 of the largest and above the rounding of storage. It is 0 when there is none.
    /// `None` for vectors, when nothing changed, when the rank is full or beyond the reach of the sketch (136), and for rows of
    /// more than 1,048,576 values.
    pub rank: Option<usize>,
    /// Whether the rank could not be computed, so that [`rank`](Self::rank) says nothing.
    pub(crate) undecomposed: bool,
    /// Root mean square of what rounding changed in b's values, in units of the weights. `None` where b was not quantized in known
    /// steps.
    pub rounding: Option<f64>,
    /// For each dtype to which weights are cast, the number of values of b that differ from the values of a rounded to it.
    pub(crate) mismatches: [usize; 4],
    /// Relative rounding error of b's dtype.
    pub(crate) roundoff: f64,
}

/// The part of a parameter that one grid covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GridSpan {
    /// Each row has its own step.
    Row,
    /// The whole parameter has one step.
    Tensor,
}

/// A uniform grid on which all values of a parameter lie. Each value is within about half a step of what it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Grid {
    /// Number of bits of a grid point: 8 or 4.
    pub bits: u32,
    /// The part of the parameter that one grid covers.
    pub span: GridSpan,
}
