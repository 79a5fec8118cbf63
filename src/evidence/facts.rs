//! Facts of a model that need no weights: how it is stored, and what its buffers count.

use crate::error::Error;
use crate::geometry::{Evidence, Geometry, LineRequest, ModelFacts, PairEvidence, TakeLineSums, read_finite};
use crate::model_set::{ModelId, ModelSet, Role};
use crate::source::{Dtype, ParameterInfo, read_integer};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The facts of every model in a set. Only counters are read.
///
/// # Errors
///
/// [`Error::Source`] for a counter that cannot be read.
pub(crate) fn facts(models: &ModelSet) -> Result<Arc<[ModelFacts]>, Error> {
    models.ids().map(|id| of_model(models, id)).collect()
}

/// Evidence that has these facts and no values.
pub(crate) fn facts_of(facts: Arc<[ModelFacts]>) -> Arc<dyn Evidence> {
    Arc::new(FactsAlone { facts })
}

#[derive(Debug)]
/// Evidence without values: facts alone.
struct FactsAlone {
    facts: Arc<[ModelFacts]>,
}

impl Evidence for FactsAlone {
    fn facts(&self, model: ModelId) -> &ModelFacts {
        &self.facts[model.index()]
    }

    fn line_sums(
        &self,
        _: &[LineRequest<'_>],
        _: &[(ModelId, ModelId)],
        _: &mut TakeLineSums<'_>,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn pairs(&self, pairs: &[(ModelId, ModelId)]) -> Result<Vec<Option<Arc<PairEvidence>>>, Error> {
        Ok(vec![None; pairs.len()])
    }

    fn without_values(&self) -> Arc<dyn Evidence> {
        facts_of(Arc::clone(&self.facts))
    }
}

/// The facts of one model.
fn of_model(models: &ModelSet, id: ModelId) -> Result<ModelFacts, Error> {
    let mut values: BTreeMap<Dtype, usize> = BTreeMap::new();
    let mut counters = Vec::new();
    for (info, role) in models.parameters(id) {
        match role {
            Role::Parameter => *values.entry(info.dtype).or_default() += info.size(),
            Role::Buffer if info.size() == 1 && info.dtype.is_integer() => {
                let failed = |source| Error::of_model(models.name(id), source);
                // Stored bytes give integers beyond 2²⁴ exactly, which f32 cannot.
                let count = match read_integer(models.source(id), info).map_err(failed)? {
                    Some(count) => count,
                    None => {
                        let mut value = [0.0];
                        read_finite(models, id, &info.name, 0, &mut value)?;
                        f64::from(value[0])
                    }
                };
                counters.push((info.name.clone(), count));
            }
            _ => {}
        }
    }
    // `max_by_key` takes the last of equal ones. In reverse order this is the wider dtype.
    let dtype = values.into_iter().rev().max_by_key(|&(_, size)| size).map(|(dtype, _)| dtype);
    Ok(ModelFacts { dtype, counters, listed: models.listed(id) })
}

impl Geometry {
    /// The facts of a model; `None` where the geometry has no evidence.
    fn facts(&self, model: ModelId) -> Option<&ModelFacts> {
        assert!(model.index() < self.len(), "model out of range");
        self.evidence().map(|evidence| evidence.facts(model))
    }

    /// The dtype of most values of a model's compared parameters. If two dtypes have equally many, it is the wider.
    ///
    /// # Panics
    ///
    /// Panics when `model` is not of this geometry.
    pub fn dtype(&self, model: ModelId) -> Option<Dtype> {
        self.facts(model).and_then(|facts| facts.dtype)
    }

    /// Whether some compared parameter of a model was quantized in known steps.
    ///
    /// # Panics
    ///
    /// Panics when `model` is not of this geometry.
    pub fn is_quantized(&self, model: ModelId) -> bool {
        self.facts(model).is_some_and(|facts| facts.listed.iter().any(|info| info.quantization.is_some()))
    }

    /// The method by which most of a model's quantized values were quantized. `None` where it has none in known steps.
    ///
    /// # Panics
    ///
    /// Panics when `model` is not of this geometry.
    pub fn quantization(&self, model: ModelId) -> Option<String> {
        let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
        for info in self.facts(model)?.listed.iter() {
            if let Some(quantization) = &info.quantization {
                *sizes.entry(quantization.method()).or_default() += info.size();
            }
        }
        // Of equal sizes, the first by name counts.
        let most = sizes.into_iter().rev().max_by_key(|&(_, size)| size);
        most.map(|(method, _)| method.to_owned())
    }

    /// The counters of a model: its integer buffers of one element, such as `num_batches_tracked`.
    ///
    /// They have the model's own names and are sorted by name.
    ///
    /// They are exact up to 2⁵³ where the source gives [stored bytes](crate::ParameterSource::read_bytes), as files do.
    /// Otherwise they are exact up to 2²⁴ = 16,777,216 and rounded to 24 bits beyond, because sources widen to f32.
    ///
    /// # Panics
    ///
    /// Panics when `model` is not of this geometry.
    pub fn counters(&self, model: ModelId) -> &[(String, f64)] {
        self.facts(model).map_or(&[], |facts| &facts.counters)
    }

    /// Compares the numbers of rows, as a resized vocabulary changes them.
    ///
    /// Matrices of the same name and row length are compared. The result is `Greater` when a has more rows of one than b,
    /// `Less` when it has fewer, and `Equal` when all have as many.
    ///
    /// # Panics
    ///
    /// Panics when a model is not of this geometry.
    pub fn compare_rows(&self, a: ModelId, b: ModelId) -> Ordering {
        let (Some(of_a), Some(of_b)) = (self.facts(a), self.facts(b)) else { return Ordering::Equal };
        let (of_a, of_b) = (&of_a.listed, &of_b.listed);
        // Models of one layout share one list, so most pairs need no comparison.
        if Arc::ptr_eq(of_a, of_b) {
            return Ordering::Equal;
        }
        let rows = |info: &ParameterInfo| match info.shape.split_first() {
            Some((rows, columns)) if !columns.is_empty() => Some((*rows, columns.to_vec())),
            _ => None,
        };
        let named: BTreeMap<&str, (usize, Vec<usize>)> =
            of_b.iter().filter_map(|info| Some((info.name.as_str(), rows(info)?))).collect();
        let compared = of_a.iter().filter_map(|info| {
            let (own, columns) = rows(info)?;
            let (other, _) = named.get(info.name.as_str()).filter(|(_, theirs)| *theirs == columns)?;
            Some(own.cmp(other))
        });
        // A vocabulary is resized in one direction, so the first matrix that differs decides.
        compared.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}
