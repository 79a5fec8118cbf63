//! The geometry of sketched models.

use super::SketchSet;
use super::line_sums::line_sums;
use super::on_demand;
use crate::error::Error;
use crate::evidence::{SharedTensors, facts, facts_of};
use crate::geometry::{Evidence, Geometry, GeometrySettings, Initialization, LineSums, ModelFacts, PairEvidence};
use crate::model_set::ModelId;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

impl Geometry {
    /// The geometry of sketched models. No model is read.
    ///
    /// Norms and moments are exact. Squared distances have the standard error that
    /// [`squared_distance_error`](Self::squared_distance_error) gives. Tensors that sketches hold whole are exact. If all
    /// tensors are held whole, the result is that of [`compute`](Self::compute), and values can be read again.
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
        Ok(geometry.with_evidence(Arc::new(LinesOfSketches { shared, set: set.clone(), facts })))
    }
}

/// Evidence with the lines that sketches keep. No value can be read again.
struct LinesOfSketches {
    shared: SharedTensors,
    set: SketchSet,
    facts: Arc<[ModelFacts]>,
}

impl Evidence for LinesOfSketches {
    fn facts(&self, model: ModelId) -> &ModelFacts {
        &self.facts[model.index()]
    }

    fn line_sums(&self, reference: ModelId, members: &[ModelId]) -> Result<Option<LineSums>, Error> {
        line_sums(&self.shared, &self.set, reference, members).map(Some)
    }

    fn pair(&self, _: ModelId, _: ModelId) -> Result<Option<Arc<PairEvidence>>, Error> {
        Ok(None)
    }

    fn without_values(&self) -> Arc<dyn Evidence> {
        facts_of(Arc::clone(&self.facts))
    }
}

impl fmt::Debug for LinesOfSketches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinesOfSketches").field("models", self.set.models()).finish_non_exhaustive()
    }
}
