//! Everything of size n_models²; the only code that sees parameter values.

mod block;
mod checkpoint;
mod comparison;
mod eigen;
mod embedding;
mod fingerprint;
mod given;
mod gram;
mod group;
mod independence;
mod lines;
mod median;
mod moments;
mod packed;
mod pair;
mod pass;
mod permutation;
mod pilot;
mod plan;
mod products;
mod quantity;
mod rank_update;
mod room;
mod settings;
mod sketch;
mod stored;
mod sums;
mod values;

pub use comparison::{Comparison, ParameterView};
pub use embedding::Coordinates;
pub use given::ParameterDistances;
pub use independence::Independence;
pub use lines::{Factor, LineState, Lines};
pub(crate) use median::median;
pub use moments::Moments;
pub use pair::{Grid, GridSpan, PairEvidence, ParameterEvidence};
pub use quantity::Quantity;
pub use settings::{GeometrySettings, Initialization, Progress, Scope};
pub use sketch::{Added, Nearest, Neighbor, Sketch, SketchSet, SketchSettings, SketchStore, StoreEntry, StoreProblem};

use crate::error::Error;
use crate::model_set::{LayoutGroup, ModelId, ModelSet};
use group::{GroupGeometry, Pairs};
use std::collections::BTreeSet;
use std::sync::Arc;
use stored::Stored;
use values::Values;

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
/// Keeps the sources of the models, to read values again where [`pair`](Self::pair) and [`lines`](Self::lines) are asked for.
///
/// # Complexity
///
/// Time n_models² · n_parameters multiplications and one read of every byte; memory as set.
#[derive(Clone, Debug)]
pub struct Geometry {
    groups: Vec<GroupGeometry>,
    /// Per model, its group and its place there.
    place_of: Vec<(usize, usize)>,
    order: Vec<ModelId>,
    /// Per model.
    stored: Vec<Stored>,
    /// What it was made from, `None` of a geometry of the models themselves.
    sketched: Option<Arc<Sketched>>,
    /// Where values can be read again, if they can.
    values: Option<Arc<Values>>,
    /// What it was made without.
    lacking: Vec<Quantity>,
}

/// What a geometry of sketches was made from.
#[derive(Debug)]
struct Sketched {
    /// Parameters that could not be compared in full.
    left_out: Vec<String>,
    /// Of all pairs, from the beginning: only then is it an error that sketches cannot be read.
    independence: Independence,
    /// Which tensors correspond, and the sketches that keep their lines, until they are let go of.
    lines: Option<(Values, SketchSet)>,
}

impl Geometry {
    /// Reads all parameters of a model set once; those not in the [checkpoint](GeometrySettings::with_checkpoint), if one is set.
    ///
    /// # Errors
    ///
    /// [`Error::OneModel`], [`Error::MemoryTooSmall`], [`Error::InvalidSetting`], [`Error::Interrupted`],
    /// [`Error::Source`] for a model that cannot be read or holds NaN or infinity, [`Error::Initialization`], and of a
    /// checkpoint [`Error::CheckpointOfAnother`], [`Error::CheckpointDamaged`] and [`Error::CheckpointIo`].
    pub fn compute(models: &ModelSet, settings: &GeometrySettings) -> Result<Self, Error> {
        settings.check()?;
        if models.len() == 1 {
            return Err(Error::OneModel { model: models.names().next().unwrap_or_default().to_owned() });
        }
        let values =
            |g: &LayoutGroup| -> u64 { g.parameters().iter().map(|p| (p.size() * p.holders.len()) as u64).sum() };
        let total: u64 = models.groups().iter().map(values).sum();
        let (mut groups, checkpoint) = gram::stream(models, settings, total)?;
        // Whoever goes through groups and draws random numbers must not see which of them was given first.
        groups.sort_by(GroupGeometry::by_content);
        let geometry = Self::from_groups(models.len(), groups);
        let values = Some(Arc::new(Values::new(models, settings, total)));
        let stored = Stored::read_all(models)?;
        if let Some(checkpoint) = checkpoint {
            checkpoint.delete();
        }
        Ok(Self { stored, values, ..geometry })
    }

    /// The geometry of sketched models, none of which is read.
    ///
    /// Norms and moments are exact, and squared distances have the standard error that
    /// [`squared_distance_error`](Self::squared_distance_error) tells; tensors that sketches hold whole are exact. Where every tensor
    /// is, the result is that of [`compute`](Self::compute), and values can be read again.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute); [`Error::InvalidSetting`] for an initialization other than zero, of which there is no sketch,
    /// and [`Error::NotSketched`] when models hold different ranges of every parameter they share.
    ///
    /// # Complexity
    ///
    /// One read of every sketch and at most some 10¹² multiplications for [`independence`](Self::independence); no distance is computed
    /// before it is asked for. [`compare`](Self::compare) of m models then takes m² · width · n_tensors multiplications and keeps
    /// m² · n_tensors numbers until it is asked about others; memory as set.
    pub fn of_sketches(set: &SketchSet, settings: &GeometrySettings) -> Result<Self, Error> {
        settings.check()?;
        let models = set.models();
        if models.len() == 1 || set.is_whole() {
            return Self::compute(models, settings);
        }
        if !matches!(settings.initialization, Initialization::Zero) {
            let found = "another".to_owned();
            return Err(Error::InvalidSetting { setting: "initialization", found, expected: "zero, with sketches" });
        }
        let pool = settings.thread_pool()?;
        let mut groups = Vec::with_capacity(models.groups().len());
        let mut not_compared = BTreeSet::new();
        for group in 0..models.groups().len() {
            let (sketched, left_out) = pool.install(|| sketch::group(set, group, settings))?;
            not_compared.extend(left_out);
            groups.push(sketched);
        }
        groups.sort_by(GroupGeometry::by_content);
        let sketched = Arc::new(Sketched {
            independence: pool.install(|| Independence::of_sketches(models.len(), &groups))?,
            lines: Some((Values::new(models, settings, 0), set.clone())),
            left_out: not_compared.into_iter().collect(),
        });
        Ok(Self {
            sketched: Some(sketched),
            stored: Stored::read_all(models)?,
            ..Self::from_groups(models.len(), groups)
        })
    }

    fn from_groups(models: usize, groups: Vec<GroupGeometry>) -> Self {
        let mut place_of = vec![(0, 0); models];
        for (g, group) in groups.iter().enumerate() {
            for (place, member) in group.members.iter().enumerate() {
                place_of[member.index()] = (g, place);
            }
        }
        let order = groups.iter().flat_map(|g| g.members.iter().copied()).collect();
        let stored = vec![Stored::absent(); models];
        Self { groups, place_of, order, stored, sketched: None, values: None, lacking: Vec::new() }
    }

    /// Lets go of the models' sources: values can then not be read again, and [`lines`](Self::lines) and [`pair`](Self::pair)
    /// give `None`.
    pub fn without_values(mut self) -> Self {
        self.values = None;
        if let Some(sketched) = &mut self.sketched {
            let (left_out, independence) = (sketched.left_out.clone(), sketched.independence.clone());
            *sketched = Arc::new(Sketched { left_out, independence, lines: None });
        }
        self
    }

    /// Parameters that sketches could not compare in full, because models hold unlike numbers of rows of them and not the whole;
    /// `None` of a geometry of the models themselves.
    pub fn left_out(&self) -> Option<&[String]> {
        self.sketched.as_ref().map(|sketched| sketched.left_out.as_slice())
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

    fn together(&self, a: ModelId, b: ModelId) -> Option<(&GroupGeometry, usize, usize)> {
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
        match &group.pairs {
            Pairs::Kept { total, .. } => Some(if i == j { 0.0 } else { total.value(i, j) }),
            Pairs::OnDemand(_) => Some(Comparison::new(Some(group), &[i, j]).ok()?.squared_distance(0, 1)),
        }
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
        self.groups[g].norms[i].sqrt()
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
    pub fn independence(&self) -> Independence {
        match &self.sketched {
            Some(sketched) => sketched.independence.clone(),
            None if self.lacking.contains(&Quantity::Independence) => Independence::unmeasured(self.len()),
            None => Independence::of(self.len(), &self.groups),
        }
    }
}
