//! Everything of size n_models²: the distances of models, from one pass over their values, and what follows from distances.

mod aside;
mod block;
mod by_matrix;
mod comparison;
mod coordinates;
mod direct;
mod evidence;
mod faults;
mod given;
mod gram;
mod group;
mod increments;
mod independence;
mod kept_pairs;
mod marginals;
mod nearness;
mod notes;
mod overlap;
mod pairwise;
mod pass;
mod pilot;
mod plan;
mod progress;
mod projection;
mod quantity;
mod read;
mod resume;
mod settings;
mod step_tree;
mod steps;
mod sums;

pub use crate::kernel::Moments;
pub(crate) use aside::Aside;
pub(crate) use by_matrix::{MatrixPrints, MatrixScore};
pub(crate) use comparison::Noise;
pub use comparison::{Comparison, ParameterView};
pub use coordinates::Coordinates;
pub(crate) use evidence::{
    Evidence, LineRequest, LineSpan, LineSums, MatrixSample, MemberSums, ModelFacts, TakeLineSums, TensorPrint, Zeros,
};
pub use evidence::{Grid, GridSpan, PairEvidence, ParameterEvidence};
pub(crate) use faults::Faults;
pub use given::ParameterDistances;
pub(crate) use group::GroupGeometry;
pub(crate) use increments::{Increment, Increments};
pub use independence::Independence;
pub(crate) use marginals::{Marginals, Place, TensorMarginals};
pub(crate) use nearness::{Apart, BlockSteps, Nearness, Spacing};
pub(crate) use notes::{Note, Notes};
pub(crate) use overlap::Agreement;
pub(crate) use pairwise::{Pairwise, ParameterGeometry};
pub(crate) use plan::{Matrix, least, units};
pub(crate) use progress::Counter;
pub use progress::{Progress, ReadingStage};
pub(crate) use projection::{Projection, Side};
pub use quantity::Quantity;
pub(crate) use read::{read_finite, read_with_moments};
pub use settings::{GeometrySettings, Initialization, Scope};
pub(crate) use settings::{Observer, thread_pool};

use crate::error::Error;
use crate::model_set::{LayoutGroup, ModelId, ModelSet, Position};
use resume::ResumeFile;
use std::sync::{Arc, OnceLock};

/// Distances, norms and moments of a model set. Detectors and selectors see the models only through it.
///
/// Let `g_t(i, j) = ⟨θ_i, θ_j⟩` be the inner product over parameter t. Then the squared distances are
/// `d_t²(i, j) = g_t(i, i) + g_t(j, j) − 2 g_t(i, j)` and `d²(i, j) = Σ_t d_t²(i, j)`. The sum covers the parameters that both
/// models hold and that are in the [`Scope`].
///
/// They are computed in one streamed pass, with memory bounded by [`GeometrySettings::with_memory`]. Tensors that are the same
/// in two models have a distance of exactly 0.
///
/// # Accuracy
///
/// Each tensor is cut into jobs of 2¹⁸ values. Within a job, models are read as a tree of small steps, `Δ_i = θ_i − θ_p`. A
/// sample of the job's first columns decides the tree: it is the shortest one. Every difference of two models is the sum of the
/// steps between them, and none of these is much longer than it. So a distance is never a small remainder of large products.
///
/// Products of steps are summed in f32 over 512 values, and in f64 over all of these strips. Products of two steps of more
/// than a tenth of the norm are in f64 throughout, and so are all in jobs of at most 4096 values. Where two models are far nearer
/// to each other than the path between them is long, their distance is summed directly, in f64, by reading both once more.
///
/// ```text
/// |error of d²(i, j)| ≲ 1.5·10⁻⁷ · s² / √strips ≤ 5·10⁻⁷ · d²(i, j)      s the length of the path from i to j
/// ```
///
/// Errors of jobs have either sign, so they fall further with the number of jobs. `tests/geometry/accuracy.rs` tests every dtype: the
/// error is at most 10⁻⁹ of the largest squared norm, and at most 10⁻⁶ of the distance at movements of 10⁻⁴.
/// `tests/geometry/distances.rs` tests 10⁻¹⁰ of the distance down to movements of 10⁻⁶, in small tensors.
///
/// Results depend on the weights alone, and not on names, order or thread count. Their last bits also depend on the vector
/// instructions of the processor.
///
/// The geometry keeps the sources of the models. [`read_pair`](Self::read_pair) and [`read_lines`](Self::read_lines) read
/// values again.
///
/// # Complexity
///
/// The pass takes n_models² / 2 · n_parameters multiplications and reads every byte once. The setting bounds its memory.
///
/// ```
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
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
/// assert!(geometry.distance(base, tuned) < geometry.distance(base, stranger));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Geometry {
    groups: Vec<GroupGeometry>,
    /// For each model, the index of its group and its place in it.
    place_of: Vec<(usize, Place)>,
    order: Vec<ModelId>,
    /// Reads more of the models on demand, if they can still be read.
    evidence: Option<Arc<dyn Evidence>>,
    /// Parameters that could not be compared in full. `None` for a geometry of the models themselves.
    left_out: Option<Arc<[String]>>,
    independence: OnceLock<Independence>,
    /// The quantities that it does not have.
    lacking: Vec<Quantity>,
    /// Why partial sums could not be kept.
    unkept: Option<Arc<str>>,
}

impl Geometry {
    /// Reads all parameters of a model set once, except those whose sums are in the settings' resume file.
    ///
    /// What is wanted of the values is set aside. It also returns what was noted of each model, and the resume file. The caller deletes it once nothing can go wrong any more. `None` when faulty models were
    /// noted, so that there is no geometry of them all.
    pub(crate) fn stream(
        models: &ModelSet,
        settings: &GeometrySettings,
        faults: &Faults,
        aside: &Aside,
    ) -> Result<Option<(Self, Notes, Option<ResumeFile>)>, Error> {
        settings.check()?;
        models.check_parameters()?;
        if models.len() == 1 {
            return Err(Error::OneModel { model: models.names().next().unwrap_or_default().to_owned() });
        }
        let Some((mut groups, notes, resume)) = gram::stream(models, settings, faults, aside)? else {
            return Ok(None);
        };
        // A detector may draw random numbers group by group, so the order of groups must not depend on that of the models.
        groups.sort_by(GroupGeometry::by_content);
        let unkept = resume.as_ref().and_then(ResumeFile::unkept).map(Arc::from);
        Ok(Some((Self { unkept, ..Self::from_groups(models.len(), groups) }, notes, resume)))
    }

    /// Creates the geometry of groups whose distances come from sketches.
    ///
    /// # Errors
    ///
    /// The errors of computing the independence of all pairs. Only here is a sketch that cannot be read an error.
    pub(crate) fn of_pairs(
        models: usize,
        mut groups: Vec<GroupGeometry>,
        left_out: Arc<[String]>,
    ) -> Result<Self, Error> {
        groups.sort_by(GroupGeometry::by_content);
        let independence = OnceLock::from(Independence::new(models, &groups)?);
        Ok(Self { independence, left_out: Some(left_out), ..Self::from_groups(models, groups) })
    }

    /// Returns why partial sums could not be kept, in a run that was to keep them. The geometry is whole all the same.
    pub fn unkept(&self) -> Option<&str> {
        self.unkept.as_deref()
    }

    /// Adds the reader of further values.
    pub(crate) fn with_evidence(self, evidence: Arc<dyn Evidence>) -> Self {
        Self { evidence: Some(evidence), ..self }
    }

    /// Returns in how many tensors of the pairs that were read the rank of a change could not be computed.
    pub(crate) fn undecomposed(&self) -> usize {
        self.evidence().map_or(0, Evidence::undecomposed)
    }

    /// Returns the reader of further values, if there is one.
    pub(crate) fn evidence(&self) -> Option<&dyn Evidence> {
        self.evidence.as_deref()
    }

    fn from_groups(models: usize, groups: Vec<GroupGeometry>) -> Self {
        let mut place_of = vec![(0, Place(0)); models];
        for (g, group) in groups.iter().enumerate() {
            for (place, member) in group.members.iter().enumerate() {
                place_of[member.index()] = (g, Place(place));
            }
        }
        let order = groups.iter().flat_map(|g| g.members.iter().copied()).collect();
        let independence = OnceLock::new();
        Self {
            groups,
            place_of,
            order,
            evidence: None,
            left_out: None,
            independence,
            lacking: Vec::new(),
            unkept: None,
        }
    }

    /// Releases the models' sources. Values can then not be read again, and [`read_lines`](Self::read_lines) and
    /// [`read_pair`](Self::read_pair) return `None`.
    pub fn without_values(mut self) -> Self {
        self.evidence = self.evidence.map(|evidence| evidence.without_values());
        self
    }

    /// Returns the parameters that sketches could not compare in full, because models hold different numbers of their rows.
    /// `None` for a geometry of the models themselves.
    pub fn left_out(&self) -> Option<&[String]> {
        self.left_out.as_deref()
    }

    /// Returns the number of models.
    pub fn len(&self) -> usize {
        self.place_of.len()
    }

    /// Whether there is no model. This is never the case for a geometry that was computed.
    pub fn is_empty(&self) -> bool {
        self.place_of.is_empty()
    }

    /// Returns all models in an order that depends on their weights alone, group by group.
    ///
    /// Code that draws random numbers model by model should use this order. Then it gives the same result when models are
    /// shuffled. The order among models with the same weights is arbitrary, and so is that of models that are comparable with
    /// no other.
    pub fn models(&self) -> &[ModelId] {
        &self.order
    }

    /// Returns the groups of comparable models. Groups, and models within a group, have the order of [`models`](Self::models).
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &[ModelId]> {
        self.groups.iter().map(|g| g.members.as_slice())
    }

    /// Returns the group of two models and their places in it. `None` when they are not in the same group.
    pub(crate) fn together(&self, a: ModelId, b: ModelId) -> Option<(&GroupGeometry, Place, Place)> {
        let (&(g, i), &(h, j)) = (self.place_of.get(a.index())?, self.place_of.get(b.index())?);
        (g == h).then(|| (&self.groups[g], i, j))
    }

    /// Whether two models share enough parameters to be compared.
    pub fn comparable(&self, a: ModelId, b: ModelId) -> bool {
        self.together(a, b).is_some()
    }

    /// Returns the squared Euclidean distance over the parameters that both hold. `None` when the two cannot be compared.
    ///
    /// A geometry of sketches reads the sketches for it, unless the last call of [`compare`](Self::compare) covered both
    /// models. It also returns `None` when they can no longer be read; `compare` reports why.
    pub fn squared_distance(&self, a: ModelId, b: ModelId) -> Option<f64> {
        // A geometry of sketches may read them here. An error of that reading has no place in an `Option`.
        let (group, i, j) = self.together(a, b)?;
        group.pairs.kept_squared_distance(i, j).or_else(|| {
            Some(Comparison::new(Some(group), &[i, j]).ok()?.squared_distance(Position::FIRST, Position::SECOND))
        })
    }

    /// Returns the Euclidean distance over the parameters that both hold. `None` when the two cannot be compared.
    pub fn distance(&self, a: ModelId, b: ModelId) -> Option<f64> {
        self.squared_distance(a, b).map(f64::sqrt)
    }

    /// Returns the standard error of [`squared_distance`](Self::squared_distance). `None` when the two cannot be compared.
    ///
    /// It is 0 unless the geometry is one of sketches. Then it is `√(Σ_t 2 d_t⁴ / width)` over the parameters in the scope.
    pub fn squared_distance_error(&self, a: ModelId, b: ModelId) -> Option<f64> {
        let (group, i, j) = self.together(a, b)?;
        Some(Comparison::new(Some(group), &[i, j]).ok()?.squared_distance_error(Position::FIRST, Position::SECOND))
    }

    /// Returns the standard error of [`distance`](Self::distance), to first order: the error of the squared distance divided by
    /// twice the distance. `None` when the two cannot be compared.
    pub fn distance_error(&self, a: ModelId, b: ModelId) -> Option<f64> {
        let (group, i, j) = self.together(a, b)?;
        Some(Comparison::new(Some(group), &[i, j]).ok()?.distance_error(Position::FIRST, Position::SECOND))
    }

    /// Returns the Euclidean norm over the parameters in the scope that every model of its group holds. It is NaN when norms
    /// were not [given](Self::of_distances).
    ///
    /// # Panics
    ///
    /// When `model` is not one of this geometry's.
    pub fn norm(&self, model: ModelId) -> f64 {
        let (g, i) = self.place_of[model.index()];
        self.groups[g].norms[i.0].sqrt()
    }

    /// Whether the two hold the same parameters with the same values, bit for bit after widening to f32.
    pub fn identical(&self, a: ModelId, b: ModelId) -> bool {
        self.together(a, b).is_some_and(|(group, i, j)| group.identical(i, j))
    }

    /// Compares some models of one group over every parameter that all of them hold.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when they are not of one group. A geometry of sketches also returns [`Error::Source`] for a
    /// sketch that cannot be read, and [`Error::MemoryTooSmall`].
    pub fn compare(&self, members: &[ModelId]) -> Result<Comparison, Error> {
        let mut places = Vec::with_capacity(members.len());
        let mut group = None;
        for &member in members {
            let &(g, place) = self
                .place_of
                .get(member.index())
                .ok_or(Error::NotComparable { first: members[0].index(), second: member.index() })?;
            if *group.get_or_insert(g) != g {
                return Err(Error::NotComparable { first: members[0].index(), second: member.index() });
            }
            places.push(place);
        }
        Comparison::new(group.map(|g| &self.groups[g]), &places)
    }

    /// Returns the z-scores of all comparable pairs, which show whether two models could have been trained apart.
    ///
    /// # Complexity
    ///
    /// The first call takes O(n² T) time for n models and T parameters, and O(n²) memory, which is kept. Further calls are
    /// free.
    pub fn independence(&self) -> Independence {
        let compute = || {
            let lacking = self.lacking.contains(&Quantity::Independence);
            // This cannot fail any more: kept distances are in memory, and sketches were read when the geometry was made.
            let known = (!lacking).then(|| Independence::new(self.len(), &self.groups).ok()).flatten();
            known.unwrap_or_else(|| Independence::unmeasured(self.len()))
        };
        self.independence.get_or_init(compute).clone()
    }
}

/// Returns how many values of a set are compared, over all models.
pub(crate) fn size(models: &ModelSet) -> u64 {
    let values = |g: &LayoutGroup| -> u64 { g.parameters().iter().map(|p| (p.size() * p.holders.len()) as u64).sum() };
    models.groups().iter().map(values).sum()
}
