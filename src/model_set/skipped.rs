use crate::error::{SourceError, chain};

/// A model that could not be read and was left out because the caller allowed it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Skipped {
    /// The name it would have had.
    pub name: String,
    /// Why it was left out, causes included.
    pub reason: String,
}

impl Skipped {
    /// A skipped model and the whole chain of reasons.
    pub fn new(name: impl Into<String>, error: &SourceError) -> Self {
        Self { name: name.into(), reason: chain(error) }
    }

    /// A skipped model as a result file tells it.
    pub fn from_reason(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), reason: reason.into() }
    }
}
