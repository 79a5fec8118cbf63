use super::{Dtype, ParameterInfo, ParameterSource, check_range};
use crate::error::SourceError;
use ndarray::{ArrayBase, Data, Dimension};
use std::collections::{BTreeMap, HashMap};

/// A model whose parameters are in memory, for tests, examples and callers with their own loader.
///
/// ```
/// use neural_phylogeny::{InMemory, ParameterSource};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = InMemory::new()
///     .with_parameter("fc.weight", [2, 2], vec![1.0, 2.0, 3.0, 4.0])?
///     .with_parameter("fc.bias", [2], vec![0.5, -0.5])?;
///
/// assert_eq!(model.parameters()?.len(), 2);
/// let mut row = [0.0; 2];
/// model.read("fc.weight", 2, &mut row)?;
/// assert_eq!(row, [3.0, 4.0]);
/// # Ok(())
/// # }
/// ```
///
/// Maps and iterators of named arrays become models too. If a name comes twice, the later array counts.
///
/// ```
/// use ndarray::{ArrayD, array};
/// use neural_phylogeny::{InMemory, ParameterSource};
/// use std::collections::HashMap;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let loaded: HashMap<String, ArrayD<f32>> = HashMap::from([("fc.bias".to_owned(), array![0.5, -0.5].into_dyn())]);
/// let model: InMemory = loaded.iter().map(|(name, values)| (name.as_str(), values.view())).collect();
/// assert_eq!(model.parameters()?, InMemory::from(loaded).parameters()?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl InMemory {
    /// Creates a model without parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter of the given shape. Its values are in row-major order.
    ///
    /// # Errors
    ///
    /// [`SourceError::ShapeMismatch`] when the number of values does not fit the shape;
    /// [`SourceError::DuplicateParameter`] when the name is taken.
    pub fn with_parameter(
        mut self,
        name: impl Into<String>,
        shape: impl AsRef<[usize]>,
        values: Vec<f32>,
    ) -> Result<Self, SourceError> {
        let (name, shape) = (name.into(), shape.as_ref());
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
    pub fn with_array<S, D>(self, name: impl Into<String>, values: &ArrayBase<S, D>) -> Result<Self, SourceError>
    where
        S: Data<Elem = f32>,
        D: Dimension,
    {
        self.with_parameter(name, values.shape(), values.iter().copied().collect())
    }
}

impl ParameterSource for InMemory {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info = |(name, (shape, _)): (&String, &(Vec<usize>, Vec<f32>))| {
            ParameterInfo::new(name.as_str(), shape.as_slice(), Dtype::F32)
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

impl<N: Into<String>, S: Data<Elem = f32>, D: Dimension> FromIterator<(N, ArrayBase<S, D>)> for InMemory {
    /// Collects arrays of any number of dimensions and any memory layout. If a name comes twice, the later array counts.
    fn from_iter<I: IntoIterator<Item = (N, ArrayBase<S, D>)>>(arrays: I) -> Self {
        let tensor = |(name, values): (N, ArrayBase<S, D>)| {
            (name.into(), (values.shape().to_vec(), values.iter().copied().collect()))
        };
        Self { tensors: arrays.into_iter().map(tensor).collect() }
    }
}

impl<N: Into<String>, S: Data<Elem = f32>, D: Dimension, H> From<HashMap<N, ArrayBase<S, D>, H>> for InMemory {
    fn from(arrays: HashMap<N, ArrayBase<S, D>, H>) -> Self {
        arrays.into_iter().collect()
    }
}

impl<N: Into<String>, S: Data<Elem = f32>, D: Dimension> From<BTreeMap<N, ArrayBase<S, D>>> for InMemory {
    fn from(arrays: BTreeMap<N, ArrayBase<S, D>>) -> Self {
        arrays.into_iter().collect()
    }
}

impl<N: Into<String>, S: Data<Elem = f32>, D: Dimension> From<Vec<(N, ArrayBase<S, D>)>> for InMemory {
    fn from(arrays: Vec<(N, ArrayBase<S, D>)>) -> Self {
        arrays.into_iter().collect()
    }
}

impl<N: Into<String>, S: Data<Elem = f32>, D: Dimension, const COUNT: usize> From<[(N, ArrayBase<S, D>); COUNT]>
    for InMemory
{
    fn from(arrays: [(N, ArrayBase<S, D>); COUNT]) -> Self {
        arrays.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, ArrayD, array};

    fn values(model: &InMemory, name: &str) -> Vec<f32> {
        let size = model.parameters().unwrap().iter().find(|p| p.name == name).unwrap().size();
        let mut values = vec![0.0; size];
        model.read(name, 0, &mut values).unwrap();
        values
    }

    #[test]
    fn a_model_is_collected_from_whatever_holds_its_arrays() {
        // Columns first in memory, rows first when read.
        let turned: Array2<f32> = array![[1.0, 2.0], [3.0, 4.0]].reversed_axes();
        let models: [InMemory; 5] = [
            [("w", turned.clone())].into(),
            vec![("w".to_owned(), turned.clone())].into(),
            HashMap::from([("w", turned.clone().into_dyn())]).into(),
            BTreeMap::from([("w".to_owned(), turned.view())]).into(),
            [("w", ArrayD::zeros(vec![7])), ("w", turned.clone().into_dyn())].into_iter().collect(),
        ];
        for model in models {
            assert_eq!(model.parameters().unwrap(), [ParameterInfo::new("w", [2, 2], Dtype::F32)]);
            assert_eq!(values(&model, "w"), [1.0, 3.0, 2.0, 4.0]);
        }
    }

    #[test]
    fn shapes_are_given_as_one_likes() -> Result<(), SourceError> {
        let model = InMemory::new()
            .with_parameter("array", [1, 2], vec![1.0, 2.0])?
            .with_parameter("slice", &[2][..], vec![1.0, 2.0])?
            .with_parameter("vector", vec![2, 1], vec![1.0, 2.0])?
            .with_parameter("scalar", [], vec![1.0])?
            .with_array("own", &array![1.0f32])?;
        assert_eq!(model.parameters()?.len(), 5);
        let twice = model.clone().with_parameter("own", [1], vec![0.0]).unwrap_err();
        assert!(matches!(twice, SourceError::DuplicateParameter { .. }));
        let short = model.with_parameter("short", [3], vec![0.0]).unwrap_err();
        assert!(matches!(short, SourceError::ShapeMismatch { found: 1, expected: 3, .. }));
        Ok(())
    }
}
