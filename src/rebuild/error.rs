use crate::error::Error;
use std::io;
use std::path::PathBuf;

/// Why an absent model could not be rebuilt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// Two increments of low rank cannot be told apart by their difference: three children are needed.
    #[error("{found} children{}, expected at least 3", of(.tensor))]
    TooFew {
        /// Number of children.
        found: usize,
        /// The first tensor that needs a third one.
        tensor: Option<String>,
    },
    /// A child lacks a tensor that another has.
    #[error("model `{model}` has no tensor `{tensor}`, which its siblings have")]
    Missing {
        /// The child.
        model: String,
        /// The tensor.
        tensor: String,
    },
    /// A child has a tensor in another shape.
    #[error("model `{model}` has `{tensor}` in shape {found:?}, its siblings in {expected:?}")]
    Shape {
        /// The child.
        model: String,
        /// The tensor.
        tensor: String,
        /// Shape in this child.
        found: Vec<usize>,
        /// Shape in the first child.
        expected: Vec<usize>,
    },
    /// All children changed a tensor, and their differences are not those of increments of low rank.
    #[error("`{tensor}` cannot be rebuilt: {reason}")]
    NotLowRank {
        /// The tensor.
        tensor: String,
        /// What was found, and what was expected.
        reason: String,
    },
    /// A child cannot be read.
    #[error(transparent)]
    Model(Error),
    /// The file cannot be written.
    #[error("cannot write {}", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Which tensor the children hold in unlike values.
fn of(tensor: &Option<String>) -> String {
    tensor.as_ref().map_or_else(String::new, |tensor| format!(" with unlike values of `{tensor}`"))
}
