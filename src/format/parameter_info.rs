use super::Dtype;
use std::fmt;
use std::sync::Arc;

/// The method by which the values of a tensor were quantized, such as `Q4_K`, `GPTQ 4 bits` or `FP8 block`.
///
/// Such values are multiples of a few steps. [`ParameterSource::rounding`](crate::ParameterSource::rounding) says how large the
/// error of this rounding is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantization(Arc<str>);

impl Quantization {
    /// Names a method.
    pub fn new(method: impl Into<Arc<str>>) -> Self {
        Self(method.into())
    }

    /// Returns the name of the method.
    pub fn method(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Name, shape and dtype of one tensor, as a source lists it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ParameterInfo {
    /// The name, unique within the model.
    pub name: String,
    /// The shape. Empty for a scalar.
    pub shape: Vec<usize>,
    /// The number type in which it is stored.
    pub dtype: Dtype,
    /// The method by which its values were quantized. `None` for values that are stored as they are.
    pub quantization: Option<Quantization>,
}

impl ParameterInfo {
    /// Describes a tensor by its name, shape and dtype.
    ///
    /// ```
    /// use neural_phylogeny::format::{Dtype, ParameterInfo};
    ///
    /// assert_eq!(ParameterInfo::new("fc.weight", [3, 4], Dtype::F32).size(), 12);
    /// ```
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>, dtype: Dtype) -> Self {
        Self { name: name.into(), shape: shape.into(), dtype, quantization: None }
    }

    /// Says by which method the values were quantized. Default: they were not.
    pub fn with_quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = Some(quantization);
        self
    }

    /// Returns the number of elements, which is the product of the shape.
    ///
    /// A product beyond the range of `usize` saturates. A source has checked before that this does not happen.
    pub fn size(&self) -> usize {
        self.shape.iter().fold(1, |n, &d| n.saturating_mul(d))
    }
}
