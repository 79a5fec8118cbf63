use super::Dtype;

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
        Self { name: name.into(), shape: shape.into(), dtype }
    }

    /// Returns the number of elements, which is the product of the shape.
    ///
    /// A product beyond the range of `usize` saturates. A source has checked before that this does not happen.
    pub fn size(&self) -> usize {
        self.shape.iter().fold(1, |n, &d| n.saturating_mul(d))
    }
}
