//! What a store tells of its sketches.

use crate::error::SourceError;
use std::path::PathBuf;
use std::sync::Arc;

/// What became of a sketch that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Added {
    /// The store had none of that name.
    New,
    /// The store had the same.
    Unchanged,
    /// It took the place of another.
    Replaced,
}

/// One sketch of a store, as its header tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreEntry {
    /// The model's name.
    pub name: String,
    /// Hash of the model, as [`Sketch::content`](crate::sketch::Sketch::content) gives it.
    pub content: String,
    /// Values kept of each tensor that has more.
    pub width: usize,
    /// Tensors of the model.
    pub tensors: usize,
    /// Values of the model.
    pub values: u64,
    /// Bytes of the sketch's file.
    pub bytes: u64,
    /// Version of this crate that wrote it.
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
