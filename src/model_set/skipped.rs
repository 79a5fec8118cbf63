use crate::error::{SourceError, chain};

/// A model that could not be read and was left out because the caller allowed it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Skipped {
    /// The name that it would have had.
    pub name: String,
    /// Why it was left out, with all causes.
    pub reason: String,
}

impl Skipped {
    /// Describes a skipped model by its error and all causes of it.
    pub fn new(name: impl Into<String>, error: &SourceError) -> Self {
        Self { name: name.into(), reason: chain(error) }
    }

    /// Describes a skipped model with a reason that is already text, as in a result file.
    pub fn from_reason(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }
}
