//! What a store reports of its sketches.

use crate::error::{Error, SourceError, chain};
use std::path::PathBuf;
use std::sync::Arc;

/// The outcome of adding a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddOutcome {
    /// The store had no sketch of that name.
    New,
    /// The store had the same sketch already.
    Unchanged,
    /// The sketch replaced another of that name.
    Replaced,
}

/// One sketch of a store, as recorded in its header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreEntry {
    /// The model's name.
    pub name: String,
    /// The hash of the model, as [`Sketch::content`](crate::sketch::Sketch::content) gives it.
    pub content: String,
    /// Number of values kept of each tensor that has more.
    pub width: usize,
    /// Number of tensors of the model.
    pub tensors: usize,
    /// Number of values of the model.
    pub values: u64,
    /// Size of the sketch's file, in bytes.
    pub bytes: u64,
    /// The version of this crate that wrote the file.
    pub crate_version: String,
}

/// A file of a store that is not as it should be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreProblem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Arc<SourceError>,
}

impl StoreProblem {
    /// The error of a run that does not go on without this file.
    pub(crate) fn into_error(self) -> Error {
        // A problem that somebody else holds too cannot be moved, and its words say the same.
        let shared = |problem: Arc<SourceError>| SourceError::Other { message: chain(&problem), source: None };
        Error::Store { source: Arc::try_unwrap(self.problem).unwrap_or_else(shared).into() }
    }
}
