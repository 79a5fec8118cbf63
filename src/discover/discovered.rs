use super::{FileLayout, Ignored};
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::path::PathBuf;
use std::sync::Arc;

/// What a search found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Discovered {
    /// The models, sorted by name.
    pub models: Vec<DiscoveredModel>,
    /// What would be a model if it could be read, sorted by name.
    pub unreadable: Vec<Unreadable>,
    /// Weights that are no model of the set, sorted by path.
    pub ignored: Vec<Ignored>,
    /// The paths that were given.
    pub searched: Vec<PathBuf>,
}

/// A model that was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct DiscoveredModel {
    /// Its name, unique among those found.
    pub name: String,
    /// Its folder, or its file or index.
    pub path: PathBuf,
    /// How it is laid out.
    pub layout: FileLayout,
    /// Its parameters.
    pub source: Arc<dyn ParameterSource>,
}

/// A model that was found and cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// The name it would have.
    pub name: String,
    /// Its folder, or its file or index.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: SourceError,
}
