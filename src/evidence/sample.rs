//! A sample of values: the same places of every matrix, read from a few models.

use super::shared::SharedTensor;
use super::values::Values;
use crate::error::Error;
use crate::geometry::{Geometry, MatrixSample};
use crate::model_set::{Kind, ModelId};
use crate::source::Dtype;

/// The most matrices of a sample. Of more, every so many is read.
const MATRICES: usize = 48;

/// The most rows of a matrix. They have the same distance from one another.
const ROWS: usize = 64;

/// The most values of a row, from its begin on.
const COLUMNS: usize = 512;

impl Geometry {
    /// Whether the values of all these models can be read again.
    pub(crate) fn has_values(&self, models: &[ModelId]) -> bool {
        self.evidence().is_some_and(|evidence| evidence.has_values(models))
    }

    /// Reads the values of some models at the same places of every matrix that all of them hold.
    ///
    /// At most 48 matrices are read, of each at most 64 rows, and of each row at most 512 values. The result is `None` when values
    /// are not at hand.
    ///
    /// # Errors
    ///
    /// - [`Error::NotComparable`] when the models are not of one group.
    /// - [`Error::Source`] for a model that cannot be read any more.
    pub(crate) fn read_sample(&self, models: &[ModelId]) -> Result<Option<Vec<MatrixSample>>, Error> {
        self.evidence().map_or(Ok(None), |evidence| evidence.sample(models))
    }
}

/// Reads the sample.
pub(super) fn sample(values: &Values, models: &[ModelId]) -> Result<Vec<MatrixSample>, Error> {
    let shared = values.shared(models)?;
    let matrices: Vec<&SharedTensor<'_>> = shared.iter().filter(|t| t.kind == Kind::Matrix && t.size() > 0).collect();
    let step = matrices.len().div_ceil(MATRICES).max(1);
    let matrices: Vec<&SharedTensor<'_>> = matrices.into_iter().step_by(step).collect();
    matrices.into_iter().map(|t| of_matrix(values, models, t)).collect()
}

/// Number of values that are read of each row.
fn columns(tensor: &SharedTensor<'_>) -> usize {
    tensor.row_size.clamp(1, COLUMNS).min(tensor.size())
}

/// Where the pieces of rows begin.
fn places(tensor: &SharedTensor<'_>) -> Vec<usize> {
    let row = tensor.row_size.max(1);
    let first = tensor.values.start.div_ceil(row);
    // A range that holds no whole row gives the one piece that it holds.
    let whole = (tensor.values.end / row).saturating_sub(first);
    if whole == 0 {
        return vec![tensor.values.start];
    }
    let step = whole.div_ceil(ROWS).max(1);
    (0..whole).step_by(step).map(|i| (first + i) * row).collect()
}

fn of_matrix(values: &Values, models: &[ModelId], tensor: &SharedTensor<'_>) -> Result<MatrixSample, Error> {
    let (places, columns) = (places(tensor), columns(tensor));
    let mut all = Vec::with_capacity(models.len());
    for (&model, own_name) in models.iter().zip(&tensor.own_names) {
        let mut read = Vec::with_capacity(places.len() * columns);
        for &begin in &places {
            values.read_sample(model, own_name, &(begin..begin + columns), &mut read)?;
        }
        all.push(read);
    }
    let dtype = |(&model, own_name): (&ModelId, &&str)| values.dtype(model, own_name).unwrap_or(Dtype::F32);
    let dtypes = models.iter().zip(&tensor.own_names).map(dtype).collect();
    Ok(MatrixSample { shape: [places.len(), columns], values: all, dtypes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::GeometrySettings;
    use crate::model_set::ModelSet;
    use crate::source::InMemory;

    #[test]
    fn a_sample_is_the_same_places_of_every_model() {
        let (rows, columns) = (200, 700);
        let model = |sign: f32| {
            let values = (0..rows * columns).map(|i| sign * i as f32).collect();
            let model = InMemory::new().with_parameter("w", [rows, columns], values).unwrap();
            model.with_parameter("bias", [rows], vec![sign; rows]).unwrap()
        };
        let set = ModelSet::from_models([("a", model(1.0)), ("b", model(-1.0))]).unwrap();
        let geometry = Geometry::compute(&set, &GeometrySettings::default()).unwrap();
        let sample = geometry.read_sample(&[ModelId::new(0), ModelId::new(1)]).unwrap().unwrap();
        // The vector is left out. Every fourth row is read.
        assert_eq!((sample.len(), sample[0].shape), (1, [50, COLUMNS]));
        let [a, b] = [0, 1].map(|m| &sample[0].values[m]);
        assert_eq!((a[1], a[COLUMNS]), (1.0, 4.0 * columns as f32));
        assert!(a.iter().zip(b).all(|(a, b)| *a == -*b));
    }

    #[test]
    fn distances_alone_have_no_sample() {
        let points = vec![vec![1.0, 0.0], vec![0.0, 1.0]];
        let named = crate::geometry::ParameterDistances::from_points("w", &points);
        let geometry = Geometry::of_distances([named]).unwrap();
        assert_eq!(geometry.read_sample(&[ModelId::new(0), ModelId::new(1)]).unwrap(), None);
    }

    #[test]
    fn a_range_without_a_whole_row_gives_what_it_holds() {
        let tensor =
            |row_size, values| SharedTensor { name: "w", kind: Kind::Matrix, row_size, values, own_names: Vec::new() };
        assert_eq!(places(&tensor(10, 3..8)), [3]);
        assert_eq!(columns(&tensor(10, 3..8)), 5);
        assert_eq!(places(&tensor(10, 3..31)), [10, 20]);
        assert_eq!(places(&tensor(1, 0..2)), [0, 1]);
    }
}
