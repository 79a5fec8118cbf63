//! The models that prove unreadable while values are read.

use crate::error::{Error, SourceError};
use crate::model_set::{ModelId, ModelSet, OnUnreadable, Skipped};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The errors of single models during a pass, for callers who may leave these models out.
///
/// A faulty model is an error at once, or it is noted. After the first note, sums are of no use any more. The pass then only
/// reads on, so that all faulty models are known after it.
#[derive(Debug)]
pub(crate) struct Faults {
    on_unreadable: OnUnreadable,
    any: AtomicBool,
    noted: Mutex<BTreeMap<ModelId, Skipped>>,
}

impl Faults {
    pub(crate) fn new(on_unreadable: OnUnreadable) -> Self {
        Self { on_unreadable, any: AtomicBool::new(false), noted: Mutex::default() }
    }

    /// Whether a model was noted.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether this model was noted. It need not be read on.
    pub(super) fn has(&self, model: ModelId) -> bool {
        self.any() && self.noted.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&model)
    }

    /// Notes what is wrong with a model.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] where such a model ends the run.
    pub(super) fn note(&self, models: &ModelSet, model: ModelId, error: SourceError) -> Result<(), Error> {
        if self.on_unreadable == OnUnreadable::Stop {
            return Err(Error::of_model(models.name(model), error));
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.entry(model).or_insert_with(|| Skipped::new(models.name(model), &error));
        self.any.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the models that were noted, and why.
    pub(crate) fn noted(self) -> BTreeMap<ModelId, Skipped> {
        self.noted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
