//! The geometry of sketched models.

use super::SketchSet;
use super::line_sums::line_sums;
use super::on_demand;
use crate::error::Error;
use crate::evidence::{SharedTensors, facts, facts_of, values_of};
use crate::geometry::{
    Apart, Evidence, Geometry, GeometrySettings, Initialization, LineRequest, MatrixSample, ModelFacts, Nearness,
    PairEvidence, Spacing, TakeLineSums, TensorPrint,
};
use crate::model_set::ModelId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

impl Geometry {
    /// The geometry of sketched models. No model is read.
    ///
    /// Norms and moments are exact. Squared distances have the standard error that
    /// [`squared_distance_error`](Self::squared_distance_error) gives. Tensors that sketches hold whole are exact. If all
    /// tensors are held whole, the result is that of [`compute`](Self::compute). The values of models that are held whole can be
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
        if models.len() == 1 || set.is_whole() {
            return Self::compute(models, settings);
        }
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
}

impl Evidence for EvidenceOfSketches {
    fn facts(&self, model: ModelId) -> &ModelFacts {
        &self.facts[model.index()]
    }

    fn line_sums(&self, requests: &[LineRequest<'_>], take: &mut TakeLineSums<'_>) -> Result<(), Error> {
        let held =
            |r: &LineRequest<'_>| self.values(std::iter::once(r.reference).chain(r.members.iter().copied())).is_some();
        let (whole, sketched): (Vec<usize>, Vec<usize>) = (0..requests.len()).partition(|&i| held(&requests[i]));
        for i in sketched {
            take(i, 0, line_sums(&self.shared, &self.set, requests[i].reference, requests[i].members)?)?;
        }
        let Some(values) = &self.values else { return Ok(()) };
        let of_whole: Vec<LineRequest<'_>> = whole.iter().map(|&i| requests[i]).collect();
        values.line_sums(&of_whole, &mut |i, first, sums| take(whole[i], first, sums))
    }

    fn pairs(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<PairEvidence>>>, Error> {
        let mut found = vec![None; pairs.len()];
        let Some(values) = &self.values else { return Ok(found) };
        let whole: Vec<usize> =
            (0..pairs.len()).filter(|&i| self.values([pairs[i].0, pairs[i].1].into_iter()).is_some()).collect();
        let of_whole: Vec<(ModelId, ModelId)> = whole.iter().map(|&i| pairs[i]).collect();
        for (i, pair) in whole.into_iter().zip(values.pairs(&of_whole)?) {
            found[i] = pair;
        }
        Ok(found)
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
