use super::facts::facts;
use super::nearness::wanted;
use super::values::Values;
use crate::error::Error;
use crate::geometry::{Faults, Geometry, GeometrySettings, size};
use crate::model_set::{ModelSet, OnUnreadable};
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
    /// - [`Error::NoParameters`] when no model has anything to compare.
    /// - [`Error::Source`] for a model that cannot be read or holds NaN or infinity.
    /// - For a resume file: [`Error::ResumeFileOfAnother`], [`Error::ResumeFileDamaged`] and [`Error::ResumeFileIo`].
    pub fn compute(models: &ModelSet, settings: &GeometrySettings) -> Result<Self, Error> {
        // Without models that are left out there is always a geometry, or an error.
        let geometry = Self::compute_noting(models, settings, &Faults::new(OnUnreadable::Stop))?;
        geometry.ok_or(Error::Interrupted)
    }

    /// Reads all parameters of a model set once. `None` when models proved faulty and were noted.
    ///
    /// # Errors
    ///
    /// The errors of [`compute`](Self::compute).
    pub(crate) fn compute_noting(
        models: &ModelSet,
        settings: &GeometrySettings,
        faults: &Faults,
    ) -> Result<Option<Self>, Error> {
        let aside = wanted(models, settings);
        let Some((geometry, notes, resume)) = Self::stream(models, settings, faults, &aside)? else { return Ok(None) };
        let values = Values::new(models, settings, size(models), facts(models)?).with_notes(notes).with_samples(aside);
        // The file is deleted last: until here a failure could still need it.
        if let Some(resume) = resume {
            resume.delete();
        }
        Ok(Some(geometry.with_evidence(Arc::new(values))))
    }
}
