//! How models are stored, and what their buffers count.

use super::Geometry;
use super::gram::read_finite;
use crate::error::Error;
use crate::model_set::{ModelId, ModelSet, Role};
use crate::source::Dtype;
use std::collections::BTreeMap;

/// What is known of one model beside its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stored {
    dtype: Option<Dtype>,
    counters: Vec<(String, f64)>,
}

impl Stored {
    pub(super) fn read_all(models: &ModelSet) -> Result<Vec<Self>, Error> {
        models.ids().map(|id| Self::read(models, id)).collect()
    }

    fn read(models: &ModelSet, id: ModelId) -> Result<Self, Error> {
        let mut values: BTreeMap<Dtype, usize> = BTreeMap::new();
        let mut counters = Vec::new();
        for (info, role) in models.parameters(id) {
            match role {
                Role::Parameter => *values.entry(info.dtype).or_default() += info.size(),
                Role::Buffer if info.size() == 1 && info.dtype.is_integer() => {
                    let mut value = [0.0];
                    read_finite(models, id, &info.name, 0, &mut value)?;
                    counters.push((info.name.clone(), f64::from(value[0])));
                }
                _ => {}
            }
        }
        // Of two that hold as many values, the wider.
        let dtype = values.into_iter().rev().max_by_key(|&(_, size)| size).map(|(dtype, _)| dtype);
        Ok(Self { dtype, counters })
    }
}

impl Geometry {
    /// How most values of a model's compared parameters are stored; of two dtypes with as many, the wider.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this geometry's.
    pub fn dtype(&self, model: ModelId) -> Option<Dtype> {
        self.stored[model.index()].dtype
    }

    /// Counters of a model: its integer buffers of one element (`num_batches_tracked` and the like), by the model's own names,
    /// sorted by name.
    ///
    /// Exact up to 2²⁴ = 16,777,216, because sources widen to f32; beyond that rounded to 24 bits.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this geometry's.
    pub fn counters(&self, model: ModelId) -> &[(String, f64)] {
        &self.stored[model.index()].counters
    }
}
