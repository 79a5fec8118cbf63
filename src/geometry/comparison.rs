use super::coordinates::{Coordinates, embed};
use super::group::GroupGeometry;
use super::marginals::{Holder, Place};
use super::pairwise::ParameterGeometry;
use crate::error::Error;
use crate::kernel::Moments;
use crate::model_set::{Kind, Position};
use ndarray::Array2;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A comparison of some models over every parameter that all of them hold. A model's [`Position`] is that in the list given.
///
/// Distances here cover the same parameters for every pair, and are therefore Euclidean.
/// [`Geometry::squared_distance`](super::Geometry::squared_distance) differs: it covers what each pair shares.
///
/// Methods that take a [`Position`] panic when it is not below [`len`](Self::len) and there is a parameter to compare.
///
/// ```
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
/// use neural_phylogeny::model_set::Position;
/// use neural_phylogeny::{InMemory, ModelId, ModelSet};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let noise = |seed: u64| {
/// #     let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
/// #     std::iter::repeat_with(move || { x ^= x << 13; x ^= x >> 7; x ^= x << 17; (x >> 40) as f32 / 8388608.0 - 1.0 })
/// # };
/// # let base: Vec<f32> = noise(1).take(4096).collect();
/// # let tuned = base.iter().zip(noise(2)).map(|(w, e)| w + 0.1 * e).collect();
/// # let stranger = noise(9).take(4096).collect();
/// # let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
/// let models = ModelSet::from_models([
///     ("base", model(base)?), ("tuned", model(tuned)?), ("stranger", model(stranger)?),
/// ])?;
/// let [base, tuned, stranger] = [0, 1, 2].map(ModelId::new);
/// let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
/// let comparison = geometry.compare(&[tuned, base])?;
/// assert_eq!(comparison.squared_distances().shape(), [2, 2]);
/// let [tuned, base] = [0, 1].map(Position::new);
/// assert!(comparison.squared_distance(tuned, base) < comparison.squared_norm(base));
/// # let _ = stranger;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Comparison {
    models: usize,
    parameters: Vec<ParameterView>,
    in_scope: Vec<bool>,
}

/// One parameter in the models of a comparison, or a few that share a distance matrix to save memory.
#[derive(Clone, Debug)]
pub struct ParameterView {
    geometry: Arc<ParameterGeometry>,
    /// For each model of the comparison, its position among the holders.
    at: Vec<Holder>,
}

/// What rounding changed in a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Noise {
    /// The root mean square of the noise in each tensor by its name, in units of the weights. Others have none.
    pub(crate) of_tensors: BTreeMap<String, f64>,
    /// The size of the noise in every matrix next to its norm.
    pub(crate) share: f64,
}

impl Noise {
    /// Whether there is any.
    pub(crate) fn is_known(&self) -> bool {
        self.share > 0.0 || !self.of_tensors.is_empty()
    }

    /// The squared size of the noise in one parameter of model a.
    fn squared(&self, parameter: &ParameterView, a: Position<Comparison>) -> f64 {
        let marginals = &parameter.geometry.marginals;
        let tensors = marginals.tensors.iter();
        let known = tensors.filter_map(|t| Some(self.of_tensors.get(&t.name)?.powi(2) * t.size as f64)).sum::<f64>();
        let share = if marginals.kind == Kind::Matrix { self.share } else { 0.0 };
        known + share * share * parameter.squared_norm(a)
    }
}

/// The least share of a squared distance that is left when noise is taken off it.
const LEAST_LEFT: f64 = 0.01;

impl Comparison {
    /// Compares the models at some places of a group.
    ///
    /// # Errors
    ///
    /// The errors of [`Pairwise::parameters`](super::pairwise::Pairwise::parameters).
    pub(super) fn new(group: Option<&GroupGeometry>, places: &[Place]) -> Result<Self, Error> {
        let mut parameters = Vec::new();
        let mut in_scope = Vec::new();
        let Some(group) = group else { return Ok(Self { models: 0, parameters, in_scope }) };
        for geometry in group.parameters(places)? {
            let at: Option<Vec<Holder>> = places.iter().map(|&place| geometry.marginals.holder(place)).collect();
            if let Some(at) = at {
                in_scope.push(group.covers(&geometry.marginals));
                parameters.push(ParameterView { geometry, at });
            }
        }
        Ok(Self { models: places.len(), parameters, in_scope })
    }

    /// Narrows the comparison to some of its models, over the same parameters. They are numbered anew, in the order given here.
    pub(crate) fn of(&self, members: &[Position<Self>]) -> Self {
        let narrowed = |p: &ParameterView| ParameterView {
            geometry: Arc::clone(&p.geometry),
            at: members.iter().map(|&m| p.at[m.index()]).collect(),
        };
        Self {
            models: members.len(),
            parameters: self.parameters.iter().map(narrowed).collect(),
            in_scope: self.in_scope.clone(),
        }
    }

    /// Takes the noise of rounding, one for each model, off all distances and norms.
    ///
    /// At least a hundredth of a squared distance is left, because noise is known on average alone.
    pub(crate) fn without_noise(mut self, noise: &[Noise]) -> Self {
        for parameter in &mut self.parameters {
            let view: &ParameterView = parameter;
            let of_model = |(a, noise): (usize, &Noise)| noise.squared(view, Position::new(a));
            let squared: Vec<f64> = noise.iter().enumerate().map(of_model).collect();
            if squared.iter().all(|noise| *noise == 0.0) {
                continue;
            }
            let mut geometry = ParameterGeometry::clone(&parameter.geometry);
            for (a, &Holder(i)) in parameter.at.iter().enumerate() {
                for (b, &Holder(j)) in parameter.at[..=a].iter().enumerate() {
                    let noise = if a == b { squared[a] } else { squared[a] + squared[b] };
                    let before = geometry.distances.value(i, j);
                    geometry.distances.set(i, j, (before - noise).max(LEAST_LEFT * before));
                }
            }
            parameter.geometry = Arc::new(geometry);
        }
        self
    }

    /// Returns the number of models.
    pub fn len(&self) -> usize {
        self.models
    }

    /// Whether there is no model.
    pub fn is_empty(&self) -> bool {
        self.models == 0
    }

    /// Returns the parameters that all models hold, in scope or not, sorted by name.
    pub fn parameters(&self) -> &[ParameterView] {
        &self.parameters
    }

    /// Returns the parameters in scope. Distances are sums over these.
    pub fn scoped(&self) -> impl Iterator<Item = &ParameterView> {
        self.parameters.iter().zip(&self.in_scope).filter(|(_, covered)| **covered).map(|(p, _)| p)
    }

    /// Returns `d²(a, b) = Σ_t d_t²(a, b)` over the parameters in scope.
    pub fn squared_distance(&self, a: Position<Self>, b: Position<Self>) -> f64 {
        self.scoped().map(|p| p.squared_distance(a, b)).sum()
    }

    /// Returns the standard error of [`squared_distance`](Self::squared_distance). It is 0 unless the geometry is one of
    /// sketches. Then it is `√(Σ_t 2 d_t⁴ / width)`.
    pub fn squared_distance_error(&self, a: Position<Self>, b: Position<Self>) -> f64 {
        self.scoped().map(|p| p.geometry.variance(p.at[a.index()], p.at[b.index()])).sum::<f64>().sqrt()
    }

    /// Returns the standard error of the distance, to first order: the error of the squared distance divided by twice the
    /// distance.
    pub fn distance_error(&self, a: Position<Self>, b: Position<Self>) -> f64 {
        let error = self.squared_distance_error(a, b);
        if error > 0.0 { error / (2.0 * self.squared_distance(a, b).sqrt()) } else { 0.0 }
    }

    /// Returns `‖θ_a‖²` over the parameters in scope.
    pub fn squared_norm(&self, a: Position<Self>) -> f64 {
        self.scoped().map(|p| p.squared_norm(a)).sum()
    }

    /// Returns `‖θ_a − z‖²` over the parameters in scope. z is the initialization of the geometry's settings.
    pub fn squared_distance_to_initialization(&self, a: Position<Self>) -> f64 {
        let squared = |p: &ParameterView| match &p.geometry.to_initialization {
            Some(squared) => squared[p.at[a.index()].0],
            None => p.squared_norm(a),
        };
        self.scoped().map(squared).sum()
    }

    /// Returns all squared distances, shape (n_models, n_models), symmetric with a zero diagonal. Clusterers work on them.
    ///
    /// # Complexity
    ///
    /// O(n² T) time for n models and T parameters, and O(n²) memory.
    pub fn squared_distances(&self) -> Array2<f64> {
        // The upper triangle is filled block by block, so that neither the rows read nor those written leave the cache.
        const BLOCK: usize = 64;
        let n = self.models;
        let mut squared = Array2::zeros((n, n));
        for p in self.scoped() {
            for (i, mut row) in squared.rows_mut().into_iter().enumerate() {
                p.add_squared_distances(Position::new(i), row.iter_mut().take(i));
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

    /// Computes points whose Euclidean distances are those of the models, by classical multidimensional scaling.
    ///
    /// # Errors
    ///
    /// [`Error::Decomposition`] when the distances are not finite, or the decomposition does not converge.
    ///
    /// # Complexity
    ///
    /// O(n² T + n³) time for n models and T parameters, and O(n²) memory.
    pub fn coordinates(&self) -> Result<Coordinates, Error> {
        embed(self.squared_distances())
    }
}

impl ParameterView {
    /// Returns the name, without a wrapper that only some models have. For several tensors, it is the name of the first.
    pub fn name(&self) -> &str {
        self.geometry.marginals.tensors.first().map_or("", |t| t.name.as_str())
    }

    /// Returns the number of tensors. It is 1 unless memory was short.
    pub fn tensors(&self) -> usize {
        self.geometry.marginals.tensors.len()
    }

    /// Returns the kind: matrix or vector.
    pub fn kind(&self) -> Kind {
        self.geometry.marginals.kind
    }

    /// Returns the number of values.
    pub fn size(&self) -> usize {
        self.geometry.marginals.size()
    }

    /// Returns `d_t²(a, b)`. It is exactly 0 when the values are the same.
    pub fn squared_distance(&self, a: Position<Comparison>, b: Position<Comparison>) -> f64 {
        self.geometry.squared_distance(self.at[a.index()], self.at[b.index()])
    }

    /// Adds `d_t²(a, b)` to the b-th value, for each value.
    fn add_squared_distances<'v>(&self, a: Position<Comparison>, values: impl Iterator<Item = &'v mut f64>) {
        let at = self.at[a.index()];
        let before = &self.geometry.distances.row(at.0)[..at.0];
        for (value, &b) in values.zip(&self.at) {
            // A packed row has the distances to the holders before it. Others are in the rows of the other holder.
            *value += match before.get(b.0) {
                Some(&squared) => squared,
                None if b == at => 0.0,
                None => self.geometry.squared_distance(at, b),
            };
        }
    }

    /// Returns `‖θ_a‖²`.
    pub fn squared_norm(&self, a: Position<Comparison>) -> f64 {
        self.geometry.squared_norm(self.at[a.index()])
    }

    /// Returns `⟨θ_a, θ_b⟩`.
    pub fn inner(&self, a: Position<Comparison>, b: Position<Comparison>) -> f64 {
        self.geometry.inner(self.at[a.index()], self.at[b.index()])
    }

    /// Returns the moments of the values of one model, over all tensors together.
    pub fn moments(&self, a: Position<Comparison>) -> Moments {
        self.geometry.marginals.tensors.iter().fold(Moments::default(), |m, t| m.merge(t.moments[self.at[a.index()].0]))
    }
}
