//! Lineages of points and of values, small enough to be seen through.

use crate::detect::lineage::index::Member;
use crate::detect::lineage::weights::Weights;
use crate::error::SourceError;
use crate::geometry::{Geometry, GeometrySettings, ParameterDistances};
use crate::model_set::{ModelId, ModelSet};
use crate::source::{Dtype, ParameterInfo, ParameterSource};

/// A point of 32 dimensions: what it has along some axes.
pub(crate) fn point(along: &[(usize, f64)]) -> Vec<f64> {
    let mut point = vec![0.0; 32];
    along.iter().for_each(|&(axis, value)| point[axis] += value);
    point
}

/// A geometry of models of the same points in every parameter.
pub(crate) fn alike(parameters: usize, points: &[Vec<f64>]) -> Geometry {
    of_points(&vec![points.to_vec(); parameters])
}

/// A geometry of models of points, of other points in each parameter. They count as many values: small ones have no kin.
pub(crate) fn of_points(parameters: &[Vec<Vec<f64>>]) -> Geometry {
    let named = parameters.iter().enumerate();
    let parameters =
        named.map(|(t, points)| ParameterDistances::from_points(format!("w{t}"), points).with_size(1 << 12));
    Geometry::of_distances(parameters).expect("points have distances")
}

pub(crate) fn ids(geometry: &Geometry) -> Vec<ModelId> {
    (0..geometry.len()).map(ModelId::new).collect()
}

pub(crate) fn m(position: usize) -> Member {
    Member::new(position)
}

const ROWS: usize = 32;
const COLUMNS: usize = 16;

/// A model of two matrices, of which the rows of the first are the lines that tests are about.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    dtype: Dtype,
    matrices: [Vec<f32>; 2],
    counter: Option<f32>,
}

/// Numbers in [−1, 1) that look random.
pub(crate) fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}

impl Model {
    /// A network from scratch.
    pub(crate) fn new(seed: u64) -> Self {
        let mut noise = noise(seed);
        let mut matrix = || noise.by_ref().take(ROWS * COLUMNS).collect();
        Self { dtype: Dtype::F32, matrices: [matrix(), matrix()], counter: None }
    }

    /// Trained on: every value moves, but for some rows of the first matrix, which are multiplied by one factor.
    pub(crate) fn trained(&self, seed: u64, kept: std::ops::Range<usize>, factor: f32) -> Self {
        let mut child = self.clone();
        let mut noise = noise(seed);
        for (t, matrix) in child.matrices.iter_mut().enumerate() {
            for (i, value) in matrix.iter_mut().enumerate() {
                let step = 0.1 * noise.next().unwrap_or(0.0);
                *value = if t == 0 && kept.contains(&(i / COLUMNS)) { *value * factor } else { *value + step };
            }
        }
        child
    }

    /// Trained on: every value moves, those of later rows more. The last row moves three times as far as the first.
    pub(crate) fn trained_unevenly(&self, seed: u64, step: f32) -> Self {
        let mut child = self.clone();
        let mut noise = noise(seed);
        for matrix in &mut child.matrices {
            let rows = (matrix.len() / COLUMNS) as f32;
            for (i, value) in matrix.iter_mut().enumerate() {
                *value += step * (1.0 + 2.0 * (i / COLUMNS) as f32 / rows) * noise.next().unwrap_or(0.0);
            }
        }
        child
    }

    /// This model with one value in twenty moved by `step`, all others by little: the tails of its lines grow.
    pub(crate) fn spiked(&self, seed: u64, step: f32) -> Self {
        let mut child = self.clone();
        let mut noise = noise(seed);
        for value in child.matrices.iter_mut().flatten() {
            let (far, drawn) = (noise.next().unwrap_or(0.0), noise.next().unwrap_or(0.0));
            *value += step * drawn * if far.abs() > 0.95 { 4.0 } else { 0.02 };
        }
        child
    }

    /// This model with the increments of two others, each masked to half of its values.
    pub(crate) fn with_masked(&self, others: [&Self; 2], seed: u64) -> Self {
        let mut child = self.clone();
        let mut noise = noise(seed);
        for (t, matrix) in child.matrices.iter_mut().enumerate() {
            for (i, value) in matrix.iter_mut().enumerate() {
                for other in others {
                    if noise.next().is_some_and(|draw| draw > 0.0) {
                        *value += other.matrices[t][i] - self.matrices[t][i];
                    }
                }
            }
        }
        child
    }

    /// The same with the second matrix of another.
    pub(crate) fn with_second_of(mut self, other: &Self) -> Self {
        self.matrices[1].clone_from(&other.matrices[1]);
        self
    }

    /// The same with the first rows of the first matrix of another.
    pub(crate) fn with_rows_of(mut self, other: &Self, rows: std::ops::Range<usize>) -> Self {
        let values = rows.start * COLUMNS..rows.end * COLUMNS;
        self.matrices[0][values.clone()].copy_from_slice(&other.matrices[0][values]);
        self
    }

    pub(crate) fn with_dtype(mut self, dtype: Dtype) -> Self {
        self.dtype = dtype;
        self
    }

    pub(crate) fn with_counter(mut self, counter: f32) -> Self {
        self.counter = Some(counter);
        self
    }

    /// The same with so many rows added to the second matrix.
    pub(crate) fn with_rows(mut self, more: usize) -> Self {
        self.matrices[1].extend(noise(99).take(more * COLUMNS));
        self
    }
}

impl ParameterSource for Model {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info = |name: &str, shape: Vec<usize>, dtype| ParameterInfo::new(name, shape, dtype);
        let matrix = |t: usize| vec![self.matrices[t].len() / COLUMNS, COLUMNS];
        let mut all = Vec::new();
        all.extend(self.counter.map(|_| info("num_batches_tracked", Vec::new(), Dtype::I64)));
        all.extend([info("w0", matrix(0), self.dtype), info("w1", matrix(1), self.dtype)]);
        Ok(all)
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        match name {
            "num_batches_tracked" => out.fill(self.counter.unwrap_or(0.0)),
            "w0" => out.copy_from_slice(&self.matrices[0][offset..offset + out.len()]),
            _ => out.copy_from_slice(&self.matrices[1][offset..offset + out.len()]),
        }
        Ok(())
    }
}

/// A geometry whose values are at hand.
pub(crate) fn of_models(models: &[Model]) -> Geometry {
    let named = models.iter().enumerate();
    let set = named.fold(ModelSet::builder(), |set, (i, model)| set.with_model(format!("m{i}"), model.clone()));
    Geometry::compute(&set.build().expect("models are alike"), &GeometrySettings::default()).expect("values are finite")
}

/// Checks that halving, doubling, or one more or less of each number changes what a scenario finds.
///
/// `names` are all of a group when it is empty.
#[track_caller]
pub(crate) fn noticed(group: &str, names: &[&str], scenario: impl Fn(&Weights) -> String) {
    let default = Weights::default();
    let found = scenario(&default);
    let (_, numbers) = default.groups().into_iter().find(|(name, _)| name == group).expect("a group of weights");
    for number in numbers.iter().filter(|n| names.is_empty() || names.contains(&n.name)) {
        let other =
            [0.5, 2.0].map(|factor| factor * number.value).into_iter().chain([number.value + 1.0, number.value - 1.0]);
        let other = other.filter(|value| number.range.contains(value) && *value != number.value);
        let changes = |value: f64| {
            let mut weights = default;
            weights.set(group, number.name, value);
            scenario(&weights) != found
        };
        let begin: String = found.chars().take(3000).collect();
        assert!(other.into_iter().any(changes), "nothing notices another `{group}.{}` in {begin}", number.name);
    }
}
