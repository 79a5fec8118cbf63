use super::Dtype;

/// One tensor as a source announces it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ParameterInfo {
    /// Its name, unique within the model.
    pub name: String,
    /// Its shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// How it is stored.
    pub dtype: Dtype,
}

impl ParameterInfo {
    /// A tensor of that name, shape and dtype.
    ///
    /// ```
    /// use neural_phylogeny::format::{Dtype, ParameterInfo};
    ///
    /// assert_eq!(ParameterInfo::new("fc.weight", [3, 4], Dtype::F32).size(), 12);
    /// ```
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>, dtype: Dtype) -> Self {
        Self { name: name.into(), shape: shape.into(), dtype }
    }

    /// Number of elements, the product of the shape.
    ///
    /// Saturates: a source has checked that its shapes can be counted.
    pub fn size(&self) -> usize {
        self.shape.iter().fold(1, |n, &d| n.saturating_mul(d))
    }
}
