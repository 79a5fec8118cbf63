//! The geometry of sketched models.

use super::SketchSet;
use super::line_sums::line_sums;
use super::on_demand;
use crate::error::Error;
use crate::evidence::{SharedTensors, facts, facts_of, values_of};
use crate::geometry::{
    Apart, Evidence, Geometry, GeometrySettings, Increments, Initialization, LineRequest, MatrixSample, ModelFacts,
    Nearness, PairEvidence, Spacing, TakeLineSums, TensorPrint,
};
use crate::model_set::ModelId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Most models of a set held whole whose distances are all computed at once. Beyond it, matrices of all pairs do not fit the
/// default memory, and distances are computed family by family, as those of larger models are. The values are exact either way.
const AT_ONCE: usize = 4096;

impl Geometry {
    /// The geometry of sketched models. No model is read.
    ///
    /// Norms and moments are exact. Squared distances have the standard error that
    /// [`squared_distance_error`](Self::squared_distance_error) gives. Tensors that sketches hold whole are exact. If all
    /// tensors of at most 4,096 models are held whole, the result is that of [`compute`](Self::compute). The values of models that are held whole can be
    /// read again, whatever other sketches the set has.
    ///
    /// # Errors
    ///
    /// - Those of [`compute`](Self::compute).
    /// - [`Error::InvalidSetting`] for an initialization other than zero, because there is no sketch of it.
    /// - [`Error::NotSketched`] when models hold different ranges of every parameter they share.
    ///
    /// # Complexity
    ///
    /// One read of every sketch, and at most some 2·10¹² multiplications for [`independence`](Self::independence). No distance is
    /// computed before it is needed. [`compare`](Self::compare) of m models takes m² · width · n_tensors multiplications and
    /// keeps m² · n_tensors numbers until other models are compared. Memory is as set.
    pub fn of_sketches(set: &SketchSet, settings: &GeometrySettings) -> Result<Self, Error> {
        settings.check()?;
        let models = set.models();
        models.check_parameters()?;
        // Whole sketches hold every compared value, so distances can be exact.
        if models.len() == 1 || models.len() <= AT_ONCE && set.is_whole() {
            return Self::compute(models, settings);
        }
        Self::on_demand(set, settings)
    }

    /// The geometry whose distances are computed when they are needed.
    fn on_demand(set: &SketchSet, settings: &GeometrySettings) -> Result<Self, Error> {
        let models = set.models();
        // No sketch of another initialization exists, so distances to it are unknown.
        if !matches!(settings.initialization, Initialization::Zero) {
            let found = "another".to_owned();
            return Err(Error::InvalidSetting { setting: "initialization", found, expected: "zero, with sketches" });
        }
        let pool = settings.thread_pool()?;
        let mut groups = Vec::with_capacity(models.groups().len());
        let mut left_out = BTreeSet::new();
        for group in 0..models.groups().len() {
            let (group, in_part) = pool.install(|| on_demand::group(set, group, settings))?;
            left_out.extend(in_part);
            groups.push(group);
        }
        let left_out = left_out.into_iter().collect();
        let geometry = pool.install(|| Self::of_pairs(models.len(), groups, left_out))?;
        // Counters are small, so sketches hold them whole and facts can be read.
        let (shared, facts) = (SharedTensors::new(models), facts(models)?);
        let whole: Vec<bool> = models.ids().map(|id| set.holds_whole(id)).collect();
        let values = whole.contains(&true).then(|| values_of(models, settings, Arc::clone(&facts)));
        Ok(geometry.with_evidence(Arc::new(EvidenceOfSketches { shared, set: set.clone(), facts, whole, values })))
    }
}

/// Evidence with the lines that sketches keep. Only values of models that are held whole can be read again.
struct EvidenceOfSketches {
    shared: SharedTensors,
    set: SketchSet,
    facts: Arc<[ModelFacts]>,
    /// Whether each model is held whole.
    whole: Vec<bool>,
    /// The values of models that are held whole; `None` where there are no such models.
    values: Option<Arc<dyn Evidence>>,
}

impl EvidenceOfSketches {
    /// The values of some models, where all of them are held whole. What is said of a family then depends on no other family.
    fn values(&self, mut models: impl Iterator<Item = ModelId>) -> Option<&dyn Evidence> {
        self.values.as_deref().filter(|_| models.all(|model| self.whole[model.index()]))
    }

    /// What the values of some pairs tell; `None` for a pair of which one is not held whole.
    fn of_whole<T: Clone>(
        &self,
        pairs: &[(ModelId, ModelId)],
        read: impl FnOnce(&dyn Evidence, &[(ModelId, ModelId)]) -> Result<Vec<Option<T>>, Error>,
    ) -> Result<Vec<Option<T>>, Error> {
        let mut found = vec![None; pairs.len()];
        let Some(values) = self.values.as_deref() else { return Ok(found) };
        let whole: Vec<usize> =
            (0..pairs.len()).filter(|&i| self.values([pairs[i].0, pairs[i].1].into_iter()).is_some()).collect();
        let of_whole: Vec<(ModelId, ModelId)> = whole.iter().map(|&i| pairs[i]).collect();
        for (i, pair) in whole.into_iter().zip(read(values, &of_whole)?) {
            found[i] = pair;
        }
        Ok(found)
    }
}

impl Evidence for EvidenceOfSketches {
    fn facts(&self, model: ModelId) -> &ModelFacts {
        &self.facts[model.index()]
    }

    fn line_sums(
        &self,
        requests: &[LineRequest<'_>],
        beside: &[(ModelId, ModelId)],
        take: &mut TakeLineSums<'_>,
    ) -> Result<(), Error> {
        let held =
            |r: &LineRequest<'_>| self.values(std::iter::once(r.reference).chain(r.members.iter().copied())).is_some();
        let (whole, sketched): (Vec<usize>, Vec<usize>) = (0..requests.len()).partition(|&i| held(&requests[i]));
        for i in sketched {
            take(i, 0, line_sums(&self.shared, &self.set, requests[i].reference, requests[i].members)?)?;
        }
        let Some(values) = &self.values else { return Ok(()) };
        let of_whole: Vec<LineRequest<'_>> = whole.iter().map(|&i| requests[i]).collect();
        let held = |&&(a, b): &&(ModelId, ModelId)| self.values([a, b].into_iter()).is_some();
        let beside: Vec<(ModelId, ModelId)> = beside.iter().filter(held).copied().collect();
        values.line_sums(&of_whole, &beside, &mut |i, first, sums| take(whole[i], first, sums))
    }

    fn pairs(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<PairEvidence>>>, Error> {
        self.of_whole(pairs, |values, pairs| values.pairs(pairs))
    }

    fn increments(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<Increments>>>, Error> {
        self.of_whole(pairs, |values, pairs| values.increments(pairs))
    }

    fn undecomposed(&self) -> usize {
        self.values.as_deref().map_or(0, Evidence::undecomposed)
    }

    fn nearness(&self, a: ModelId, b: ModelId) -> Result<Option<Nearness>, Error> {
        self.values([a, b].into_iter()).map_or(Ok(None), |values| values.nearness(a, b))
    }

    fn apart(&self, a: ModelId, b: ModelId, spacing: [Spacing; 2]) -> Result<Option<Apart>, Error> {
        self.values([a, b].into_iter()).map_or(Ok(None), |values| values.apart(a, b, spacing))
    }

    fn roundings(&self, model: ModelId) -> Result<BTreeMap<String, f64>, Error> {
        self.values([model].into_iter()).map_or(Ok(BTreeMap::new()), |values| values.roundings(model))
    }

    fn memory(&self) -> u64 {
        self.values.as_deref().map_or(0, Evidence::memory)
    }

    fn has_values(&self, models: &[ModelId]) -> bool {
        self.values(models.iter().copied()).is_some()
    }

    fn own_noise(&self, model: ModelId) -> Result<f64, Error> {
        self.values([model].into_iter()).map_or(Ok(0.0), |values| values.own_noise(model))
    }

    fn sample(&self, models: &[ModelId]) -> Result<Option<Vec<MatrixSample>>, Error> {
        self.values(models.iter().copied()).map_or(Ok(None), |values| values.sample(models))
    }

    fn prints(&self, models: &[ModelId]) -> Result<Option<Vec<Vec<TensorPrint>>>, Error> {
        self.values(models.iter().copied()).map_or(Ok(None), |values| values.prints(models))
    }

    fn without_values(&self) -> Arc<dyn Evidence> {
        facts_of(Arc::clone(&self.facts))
    }
}

impl fmt::Debug for EvidenceOfSketches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvidenceOfSketches").field("models", self.set.models()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_set::Position;
    use crate::sketch::{Sketch, SketchSettings};
    use crate::source::InMemory;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn distances_of_whole_models_are_exact_either_way() -> Result<(), Box<dyn std::error::Error>> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let parent: Vec<f32> = (0..600).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let mut sketches = Vec::new();
        for number in 0..6 {
            let weights = parent.iter().map(|w| w + rng.gen_range(-0.1f32..0.1)).collect();
            let model = InMemory::new().with_parameter("w", [20, 30], weights)?;
            sketches.push((format!("m{number}"), Sketch::compute(&model, &SketchSettings::new())?));
        }
        let (set, settings) = (SketchSet::new(sketches)?, GeometrySettings::new());
        assert!(set.is_whole());
        let (at_once, on_demand) = (Geometry::of_sketches(&set, &settings)?, Geometry::on_demand(&set, &settings)?);
        let all: Vec<ModelId> = set.models().ids().collect();
        let squared = |geometry: &Geometry| -> Result<Vec<f64>, Error> {
            let found = geometry.compare(&all)?;
            let pairs = (0..36).map(|at| (Position::new(at / 6), Position::new(at % 6)));
            Ok(pairs.map(|(a, b)| found.squared_distance(a, b)).collect())
        };
        for (x, y) in squared(&at_once)?.into_iter().zip(squared(&on_demand)?) {
            assert!((x - y).abs() <= 1e-12 * x.max(1.0), "{x} {y}");
        }
        Ok(())
    }
}
