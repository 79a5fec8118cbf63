use super::facts::facts;
use super::values::Values;
use crate::error::Error;
use crate::geometry::{Geometry, GeometrySettings, size};
use crate::model_set::ModelSet;
use std::sync::Arc;

impl Geometry {
    /// Reads all parameters of a model set once; those not in the [resume file](GeometrySettings::with_resume_file), if one is
    /// set.
    ///
    /// # Errors
    ///
    /// [`Error::OneModel`], [`Error::MemoryTooSmall`], [`Error::InvalidSetting`], [`Error::Interrupted`],
    /// [`Error::Source`] for a model that cannot be read or holds NaN or infinity, [`Error::Initialization`], and of a
    /// resume file [`Error::CheckpointOfAnother`], [`Error::CheckpointDamaged`] and [`Error::CheckpointIo`].
    pub fn compute(models: &ModelSet, settings: &GeometrySettings) -> Result<Self, Error> {
        let (geometry, resume) = Self::stream(models, settings)?;
        let values = Values::new(models, settings, size(models), facts(models)?);
        // Nothing is left that could fail.
        if let Some(resume) = resume {
            resume.delete();
        }
        Ok(geometry.with_evidence(Arc::new(values)))
    }
}
