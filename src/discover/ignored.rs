use std::path::PathBuf;

/// A file or folder that was passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it is not a model of the set.
    pub reason: String,
}
