use super::facts::facts;
use super::values::Values;
use crate::error::Error;
use crate::geometry::{Geometry, GeometrySettings, size};
use crate::model_set::ModelSet;
use std::sync::Arc;

impl Geometry {
    /// Reads all parameters of a model set once.
    ///
    /// Parameters in the [resume file](GeometrySettings::with_resume_file), if one is set, are not read again.
    ///
    /// # Errors
    ///
    /// - [`Error::OneModel`], [`Error::MemoryTooSmall`], [`Error::InvalidSetting`], [`Error::Interrupted`],
    ///   [`Error::Initialization`].
    /// - [`Error::Source`] for a model that cannot be read or holds NaN or infinity.
    /// - For a resume file: [`Error::ResumeFileOfAnother`], [`Error::ResumeFileDamaged`] and [`Error::ResumeFileIo`].
    pub fn compute(models: &ModelSet, settings: &GeometrySettings) -> Result<Self, Error> {
        let (geometry, resume) = Self::stream(models, settings)?;
        let values = Values::new(models, settings, size(models), facts(models)?);
        // The file is deleted last: until here a failure could still need it.
        if let Some(resume) = resume {
            resume.delete();
        }
        Ok(geometry.with_evidence(Arc::new(values)))
    }
}
