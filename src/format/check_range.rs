use crate::error::SourceError;

/// Checks that `offset .. offset + length` lies within a tensor of `size` elements.
///
/// It is meant for implementors of [`ParameterSource::read`](crate::ParameterSource::read).
///
/// # Errors
///
/// [`SourceError::OutOfRange`] when the range ends after the tensor, or its end does not fit in a `usize`.
pub fn check_range(parameter: &str, size: usize, offset: usize, length: usize) -> Result<(), SourceError> {
    match offset.checked_add(length) {
        Some(end) if end <= size => Ok(()),
        end => Err(SourceError::OutOfRange {
            parameter: parameter.to_owned(),
            offset,
            end: end.unwrap_or(usize::MAX),
            size,
        }),
    }
}
