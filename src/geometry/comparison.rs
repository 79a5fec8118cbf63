use super::embedding::{Coordinates, embed};
use super::group::{GroupGeometry, ParameterGeometry};
use super::moments::Moments;
use crate::error::Error;
use crate::model_set::Kind;
use ndarray::Array2;

/// Some comparable models, and every parameter that all of them hold; models are numbered as they were given.
///
/// Unlike [`Geometry::squared_distance`](super::Geometry::squared_distance), which covers what each pair shares, distances here
/// are over the same parameters for every pair, and therefore Euclidean.
#[derive(Clone, Debug)]
pub struct Comparison<'g> {
    models: usize,
    parameters: Vec<ParameterView<'g>>,
    in_scope: Vec<bool>,
}

/// One parameter, or a few that share a matrix to save memory, in some models.
#[derive(Clone, Debug)]
pub struct ParameterView<'g> {
    geometry: &'g ParameterGeometry,
    at: Vec<usize>,
}

impl<'g> Comparison<'g> {
    pub(super) fn new(group: Option<&'g GroupGeometry>, places: &[usize]) -> Self {
        let mut parameters = Vec::new();
        let mut in_scope = Vec::new();
        for geometry in group.iter().flat_map(|g| &g.parameters) {
            let at: Result<Vec<usize>, usize> = places.iter().map(|p| geometry.holders.binary_search(p)).collect();
            if let Ok(at) = at {
                parameters.push(ParameterView { geometry, at });
                in_scope.push(group.is_some_and(|g| g.covers(geometry)));
            }
        }
        Self { models: places.len(), parameters, in_scope }
    }

    /// Some of these models, numbered as they are given here, by the same parameters.
    pub(crate) fn of(&self, members: &[usize]) -> Self {
        let narrowed = |p: &ParameterView<'g>| ParameterView {
            geometry: p.geometry,
            at: members.iter().map(|&m| p.at[m]).collect(),
        };
        Self {
            models: members.len(),
            parameters: self.parameters.iter().map(narrowed).collect(),
            in_scope: self.in_scope.clone(),
        }
    }

    /// Number of models.
    pub fn len(&self) -> usize {
        self.models
    }

    /// Whether there is no model.
    pub fn is_empty(&self) -> bool {
        self.models == 0
    }

    /// The parameters all models hold, in and out of scope, sorted by name.
    pub fn parameters(&self) -> &[ParameterView<'g>] {
        &self.parameters
    }

    /// Those that the scope covers: the ones distances are made of.
    pub fn scoped(&self) -> impl Iterator<Item = &ParameterView<'g>> {
        self.parameters.iter().zip(&self.in_scope).filter(|(_, covered)| **covered).map(|(p, _)| p)
    }

    /// `d²(a, b) = Σ_t d_t²(a, b)` over the parameters in scope.
    pub fn squared_distance(&self, a: usize, b: usize) -> f64 {
        self.scoped().map(|p| p.squared_distance(a, b)).sum()
    }

    /// `‖θ_a‖²` over the parameters in scope.
    pub fn squared_norm(&self, a: usize) -> f64 {
        self.scoped().map(|p| p.squared_norm(a)).sum()
    }

    /// `‖θ_a − z‖²` over the parameters in scope, z the initialization of the geometry's settings.
    pub fn squared_distance_to_initialization(&self, a: usize) -> f64 {
        let squared = |p: &ParameterView<'_>| match &p.geometry.to_initialization {
            Some(squared) => squared[p.at[a]],
            None => p.squared_norm(a),
        };
        self.scoped().map(squared).sum()
    }

    /// All of them, shape (n_models, n_models), symmetric, zero diagonal; what clusterers work on.
    pub fn squared_distances(&self) -> Array2<f64> {
        // Mirrored block by block, so that neither the rows read nor those written leave the cache.
        const BLOCK: usize = 64;
        let n = self.models;
        let mut squared = Array2::zeros((n, n));
        for p in self.scoped() {
            for (i, mut row) in squared.rows_mut().into_iter().enumerate() {
                p.add_squared_distances(i, row.iter_mut().take(i));
            }
        }
        for first in (0..n).step_by(BLOCK) {
            for i in first..n {
                for j in first..i.min(first + BLOCK) {
                    squared[(j, i)] = squared[(i, j)];
                }
            }
        }
        squared
    }

    /// Points whose Euclidean distances are those of the models, by classical multidimensional scaling.
    ///
    /// # Errors
    ///
    /// [`Error::Decomposition`] when the distances are not finite.
    pub fn coordinates(&self) -> Result<Coordinates, Error> {
        embed(self.squared_distances())
    }
}

impl ParameterView<'_> {
    /// Its name, without a wrapper that only some models have; of several, the first.
    pub fn name(&self) -> &str {
        self.geometry.tensors.first().map_or("", |t| t.name.as_str())
    }

    /// How many tensors it stands for: 1 unless memory was short.
    pub fn tensors(&self) -> usize {
        self.geometry.tensors.len()
    }

    /// Matrix or vector.
    pub fn kind(&self) -> Kind {
        self.geometry.kind
    }

    /// Number of values.
    pub fn size(&self) -> usize {
        self.geometry.size()
    }

    /// `d_t²(a, b)`; exactly 0 when the values are the same.
    pub fn squared_distance(&self, a: usize, b: usize) -> f64 {
        if self.at[a] == self.at[b] { 0.0 } else { self.geometry.distances.value(self.at[a], self.at[b]) }
    }

    /// Adds `d_t²(a, b)` to each value, b its place.
    fn add_squared_distances<'v>(&self, a: usize, values: impl Iterator<Item = &'v mut f64>) {
        let at = self.at[a];
        let before = &self.geometry.distances.row(at)[..at];
        for (value, &b) in values.zip(&self.at) {
            *value += match before.get(b) {
                Some(&squared) => squared,
                None if b == at => 0.0,
                None => self.geometry.distances.value(at, b),
            };
        }
    }

    /// `‖θ_a‖²`.
    pub fn squared_norm(&self, a: usize) -> f64 {
        self.geometry.distances.value(self.at[a], self.at[a])
    }

    /// `⟨θ_a, θ_b⟩`.
    pub fn inner(&self, a: usize, b: usize) -> f64 {
        self.geometry.inner(self.at[a], self.at[b])
    }

    /// Moments of the values of one model, of all its tensors together.
    pub fn moments(&self, a: usize) -> Moments {
        self.geometry.tensors.iter().fold(Moments::default(), |m, t| m.merge(t.moments[self.at[a]]))
    }
}
