use super::{Dtype, ParameterInfo, ParameterSource, check_range};
use crate::error::SourceError;
use ndarray::{ArrayBase, Data, Dimension};
use std::collections::BTreeMap;

/// A model whose parameters are already in memory: for tests, examples, and callers with their own loader.
///
/// ```
/// use neural_phylogeny::{InMemory, ParameterSource};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = InMemory::new()
///     .parameter("fc.weight", &[2, 2], vec![1.0, 2.0, 3.0, 4.0])?
///     .parameter("fc.bias", &[2], vec![0.5, -0.5])?;
///
/// assert_eq!(model.parameters()?.len(), 2);
/// let mut row = [0.0; 2];
/// model.read("fc.weight", 2, &mut row)?;
/// assert_eq!(row, [3.0, 4.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl InMemory {
    /// A model without parameters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter of the given shape, values in row-major order.
    ///
    /// # Errors
    ///
    /// [`SourceError::ShapeMismatch`] when `values` has not as many elements as `shape`,
    /// [`SourceError::DuplicateParameter`] when the name is taken.
    pub fn parameter(
        mut self,
        name: impl Into<String>,
        shape: &[usize],
        values: Vec<f32>,
    ) -> Result<Self, SourceError> {
        let name = name.into();
        let expected = shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
        if values.len() != expected {
            return Err(SourceError::ShapeMismatch {
                parameter: name,
                shape: shape.to_vec(),
                found: values.len(),
                expected,
            });
        }
        if self.tensors.contains_key(&name) {
            return Err(SourceError::DuplicateParameter { parameter: name });
        }
        self.tensors.insert(name, (shape.to_vec(), values));
        Ok(self)
    }

    /// Adds a parameter from an array of any number of dimensions and any memory layout.
    ///
    /// # Errors
    ///
    /// [`SourceError::DuplicateParameter`] when the name is taken.
    pub fn array<S, D>(self, name: impl Into<String>, values: &ArrayBase<S, D>) -> Result<Self, SourceError>
    where
        S: Data<Elem = f32>,
        D: Dimension,
    {
        let shape = values.shape().to_vec();
        self.parameter(name, &shape, values.iter().copied().collect())
    }
}

impl ParameterSource for InMemory {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info = |(name, (shape, _)): (&String, &(Vec<usize>, Vec<f32>))| ParameterInfo {
            name: name.clone(),
            shape: shape.clone(),
            dtype: Dtype::F32,
        };
        Ok(self.tensors.iter().map(info).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let (_, values) =
            self.tensors.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        check_range(name, values.len(), offset, out.len())?;
        out.copy_from_slice(&values[offset..offset + out.len()]);
        Ok(())
    }
}
