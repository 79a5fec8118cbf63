//! Reading of values that must be finite.

use crate::error::{Error, SourceError};
use crate::kernel::Moments;
use crate::model_set::{ModelId, ModelSet};
use crate::source::ParameterSource;

/// Reads values of one model. A NaN or infinity is an error.
pub(crate) fn read_finite(
    models: &ModelSet,
    id: ModelId,
    name: &str,
    offset: usize,
    out: &mut [f32],
) -> Result<(), Error> {
    check_read(models.source(id), name, offset, out).map_err(|source| Error::of_model(models.name(id), source))
}

/// Reads values of a source. A NaN or infinity is an error.
pub(super) fn check_read(
    source: &dyn ParameterSource,
    name: &str,
    offset: usize,
    out: &mut [f32],
) -> Result<(), SourceError> {
    source.read(name, offset, out).and_then(|()| check_finite(name, offset, out))
}

/// Reads values and returns their moments. A NaN or infinity is an error.
pub(crate) fn read_with_moments(
    source: &dyn ParameterSource,
    name: &str,
    offset: usize,
    out: &mut [f32],
) -> Result<Moments, SourceError> {
    source.read(name, offset, out)?;
    let moments = Moments::new(out);
    if moments.is_finite() { Ok(moments) } else { check_finite(name, offset, out).map(|()| moments) }
}

fn check_finite(name: &str, offset: usize, values: &[f32]) -> Result<(), SourceError> {
    // The first look has no branch inside, so it is fast. A value that is not finite is rare, and only then searched for.
    if values.iter().fold(true, |finite, x| finite & x.is_finite()) {
        return Ok(());
    }
    match values.iter().position(|x| !x.is_finite()) {
        Some(at) => Err(SourceError::NotFinite { parameter: name.to_owned(), index: offset + at, value: values[at] }),
        None => Ok(()),
    }
}
