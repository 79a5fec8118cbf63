//! Everything of size n_models²: distances of models from one pass over their values, and what follows from distances.

mod block;
mod comparison;
mod coordinates;
mod evidence;
mod given;
mod gram;
mod group;
mod independence;
mod kept_pairs;
mod marginals;
mod pairwise;
mod pass;
mod pilot;
mod plan;
mod products;
mod progress;
mod quantity;
mod read;
mod resume;
mod settings;
mod sums;

pub use crate::kernel::Moments;
pub use comparison::{Comparison, ParameterView};
pub use coordinates::Coordinates;
pub(crate) use evidence::{Evidence, LineSums, MemberSums, ModelFacts};
pub use evidence::{Grid, GridSpan, PairEvidence, ParameterEvidence};
pub use given::ParameterDistances;
pub(crate) use group::GroupGeometry;
pub use independence::Independence;
pub(crate) use marginals::{Marginals, Place, TensorMarginals};
pub(crate) use pairwise::{Pairwise, ParameterGeometry};
pub(crate) use plan::{Matrix, least, units};
pub(crate) use progress::Counter;
pub use progress::Progress;
pub use quantity::Quantity;
pub(crate) use read::{read_finite, read_with_moments};
pub use settings::{GeometrySettings, Initialization, Scope};
pub(crate) use settings::{Observer, thread_pool};

use crate::error::Error;
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use resume::ResumeFile;
use std::sync::{Arc, OnceLock};

/// Distances, norms and moments of a model set, all that detectors and selectors see of it.
///
/// With `g_t(i, j) = ⟨θ_i, θ_j⟩` the inner product over parameter t, squared distances are
/// `d_t²(i, j) = g_t(i, i) + g_t(j, j) − 2 g_t(i, j)` and `d²(i, j) = Σ_t d_t²(i, j)`, summed over the parameters that both
/// models hold and the [`Scope`] covers.
///
/// Computed in one streamed pass, bounded in memory by [`GeometrySettings::with_memory`]. Tensors that are the same in two models are
/// at a distance of exactly 0.
///
/// # Accuracy
///
/// Values of every dtype are widened to f64 before anything is multiplied; products of f32 values are exact there. Models near to
/// one another are read as differences from one of them, so that their distances are not what is left of large inner products. A
/// sum is built up in three levels: strips of 512 values in as many independent sums as a vector of the processor holds, 512 strips
/// to a job, and jobs of 2¹⁸ values in their order. No term passes through more than `c = 1024 + n_parameters / 2¹⁸` additions:
///
/// ```text
/// |error of d²(i, j)| ≤ 4 c · 2⁻⁵³ · m²    m² the larger of the two squared norms, or, of near models, of their squared
///                                          distances to the one they are read as differences from
/// ```
///
/// At 10⁹ parameters that is 2·10⁻¹² of the largest squared norm. Roundings have either sign, and what is found is some √c of it in place of
/// c: 10⁻⁷ of the distance itself was the most at a relative movement of 2·10⁻⁵, between models that are not read as differences
/// because other parameters of theirs are far apart. `tests/accuracy.rs` holds 10⁻⁹ and 10⁻⁶ for every dtype, `tests/geometry.rs`
/// 10⁻¹⁰ of the distance down to movements of 10⁻⁶.
///
/// Results depend on the weights alone: not on names, order or thread count. They do depend in their last bits on the vector
/// instructions of the processor.
///
/// Keeps the sources of the models, to read values again for [`read_pair`](Self::read_pair) and
/// [`read_lines`](Self::read_lines).
///
/// # Complexity
///
/// Time n_models² · n_parameters multiplications and one read of every byte; memory as set.
#[derive(Clone, Debug)]
pub struct Geometry {
    groups: Vec<GroupGeometry>,
    /// Per model, its group and its place there.
    place_of: Vec<(usize, Place)>,
    order: Vec<ModelId>,
    /// What can be read of the models once more, if anything.
    evidence: Option<Arc<dyn Evidence>>,
    /// Parameters that could not be compared in full; `None` of a geometry of the models themselves.
    left_out: Option<Arc<[String]>>,
    independence: OnceLock<Independence>,
    /// What it was made without.
    lacking: Vec<Quantity>,
}

impl Geometry {
    /// Reads all parameters of a model set once, but for those in the settings' resume file; gives that file, too, which is to be
    /// deleted once nothing can go wrong any more.
    pub(crate) fn stream(models: &ModelSet, settings: &GeometrySettings) -> Result<(Self, Option<ResumeFile>), Error> {
        settings.check()?;
        if models.len() == 1 {
            return Err(Error::OneModel { model: models.names().next().unwrap_or_default().to_owned() });
        }
        let (mut groups, resume) = gram::stream(models, settings, size(models))?;
        // Whoever goes through groups and draws random numbers must not see which of them was given first.
        groups.sort_by(GroupGeometry::by_content);
        Ok((Self::from_groups(models.len(), groups), resume))
    }

    /// The geometry of groups whose distances come from sketches.
    ///
    /// # Errors
    ///
    /// Those of computing the independence of all pairs: only here is it an error that sketches cannot be read.
    pub(crate) fn of_pairs(
        models: usize,
        mut groups: Vec<GroupGeometry>,
        left_out: Arc<[String]>,
    ) -> Result<Self, Error> {
        groups.sort_by(GroupGeometry::by_content);
        let independence = OnceLock::from(Independence::new(models, &groups)?);
        Ok(Self { independence, left_out: Some(left_out), ..Self::from_groups(models, groups) })
    }

    /// The same, with what can be read of the models once more.
    pub(crate) fn with_evidence(self, evidence: Arc<dyn Evidence>) -> Self {
        Self { evidence: Some(evidence), ..self }
    }

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
        Self { groups, place_of, order, evidence: None, left_out: None, independence, lacking: Vec::new() }
    }

    /// Lets go of the models' sources: values can then not be read again, and [`read_lines`](Self::read_lines) and
    /// [`read_pair`](Self::read_pair) give `None`.
    pub fn without_values(mut self) -> Self {
        self.evidence = self.evidence.map(|evidence| evidence.without_values());
        self
    }

    /// Parameters that sketches could not compare in full, because models hold unlike numbers of rows of them and not the whole;
    /// `None` of a geometry of the models themselves.
    pub fn left_out(&self) -> Option<&[String]> {
        self.left_out.as_deref()
    }

    /// Number of models.
    pub fn len(&self) -> usize {
        self.place_of.len()
    }

    /// Whether there is no model; never true of a geometry that was computed.
    pub fn is_empty(&self) -> bool {
        self.place_of.is_empty()
    }

    /// All models in an order that depends on their weights alone: group by group, and within each group of comparable models.
    ///
    /// Whatever goes through models in turn and draws random numbers should do so in this order, to give the same result when
    /// models are shuffled. The place of models with the same weights is arbitrary, and so is that of models comparable with
    /// no other.
    pub fn models(&self) -> &[ModelId] {
        &self.order
    }

    /// Groups of comparable models, and each within its group, in the order of [`models`](Self::models).
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &[ModelId]> {
        self.groups.iter().map(|g| g.members.as_slice())
    }

    pub(crate) fn together(&self, a: ModelId, b: ModelId) -> Option<(&GroupGeometry, Place, Place)> {
        let (&(g, i), &(h, j)) = (self.place_of.get(a.index())?, self.place_of.get(b.index())?);
        (g == h).then(|| (&self.groups[g], i, j))
    }

    /// Whether two models share enough parameters to be compared.
    pub fn comparable(&self, a: ModelId, b: ModelId) -> bool {
        self.together(a, b).is_some()
    }

    /// Squared Euclidean distance over the parameters that both hold; `None` when the two cannot be compared.
    ///
    /// A geometry of sketches takes it from these unless [`compare`](Self::compare) was last asked about both, and gives `None`
    /// as well when they can no longer be read: `compare` tells why.
    pub fn squared_distance(&self, a: ModelId, b: ModelId) -> Option<f64> {
        let (group, i, j) = self.together(a, b)?;
        group
            .pairs
            .kept_squared_distance(i, j)
            .or_else(|| Some(Comparison::new(Some(group), &[i, j]).ok()?.squared_distance(0, 1)))
    }

    /// Euclidean distance over the parameters that both hold; `None` when the two cannot be compared.
    pub fn distance(&self, a: ModelId, b: ModelId) -> Option<f64> {
        self.squared_distance(a, b).map(f64::sqrt)
    }

    /// Standard error of [`squared_distance`](Self::squared_distance): 0 unless the geometry is one of sketches, then
    /// `√(Σ_t 2 d_t⁴ / width)` over the parameters that distances are made of.
    pub fn squared_distance_error(&self, a: ModelId, b: ModelId) -> Option<f64> {
        let (group, i, j) = self.together(a, b)?;
        Some(Comparison::new(Some(group), &[i, j]).ok()?.squared_distance_error(0, 1))
    }

    /// Standard error of [`distance`](Self::distance), to first order: that of its square over twice the distance.
    pub fn distance_error(&self, a: ModelId, b: ModelId) -> Option<f64> {
        let (group, i, j) = self.together(a, b)?;
        Some(Comparison::new(Some(group), &[i, j]).ok()?.distance_error(0, 1))
    }

    /// Euclidean norm over the parameters that every model of its group holds; NaN where norms were not
    /// [given](Self::of_distances).
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

    /// Some models of one group, with every parameter that all of them hold.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when they are not of one group.
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

    /// Could these two have been trained apart? z-scores of all comparable pairs.
    ///
    /// # Complexity
    ///
    /// The first call takes O(n² T) time for n models and T parameters and O(n²) memory, which is kept; further ones are free.
    pub fn independence(&self) -> Independence {
        let compute = || {
            let lacking = self.lacking.contains(&Quantity::Independence);
            // Kept distances are at hand, and sketches were read when the geometry was made: nothing is left that can fail.
            let known = (!lacking).then(|| Independence::new(self.len(), &self.groups).ok()).flatten();
            known.unwrap_or_else(|| Independence::unmeasured(self.len()))
        };
        self.independence.get_or_init(compute).clone()
    }
}

/// Values of a set that are compared, over all models.
pub(crate) fn size(models: &ModelSet) -> u64 {
    let values = |g: &LayoutGroup| -> u64 { g.parameters().iter().map(|p| (p.size() * p.holders.len()) as u64).sum() };
    models.groups().iter().map(values).sum()
}
