use std::path::{Path, PathBuf};

/// A file or folder that was passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it is not a model of the set.
    pub reason: String,
    /// The kind of the reason.
    pub kind: IgnoredKind,
}

/// Why a file or folder is not a model of the set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum IgnoredKind {
    /// Weights that are not read. No other model of the set stands for them.
    Unread {
        /// The name of the format, with or without an article, such as `a GGUF file` or `safetensors`.
        format: String,
    },
    /// Weights beside others of the same model, which are the ones taken.
    Beside,
    /// A model or folder that was reached before, or a copy of one in a cache.
    Repeated,
    /// No model by its name or content.
    Other,
}

impl Ignored {
    pub(super) fn unread(path: &Path, format: impl Into<String>, reason: impl Into<String>) -> Self {
        let kind = IgnoredKind::Unread { format: format.into() };
        Self { path: path.to_owned(), reason: reason.into(), kind }
    }

    pub(super) fn beside(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into(), kind: IgnoredKind::Beside }
    }

    pub(super) fn repeated(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into(), kind: IgnoredKind::Repeated }
    }

    pub(super) fn other(path: &Path, reason: impl Into<String>) -> Self {
        Self { path: path.to_owned(), reason: reason.into(), kind: IgnoredKind::Other }
    }
}
