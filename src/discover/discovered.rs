use super::{FileLayout, Ignored};
use crate::error::SourceError;
use crate::source::ParameterSource;
use std::path::PathBuf;
use std::sync::Arc;

/// The result of a search.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Discovered {
    /// The models, sorted by name.
    pub models: Vec<DiscoveredModel>,
    /// Models that were found but cannot be read, sorted by name.
    pub unreadable: Vec<Unreadable>,
    /// Files and folders that were passed over, sorted by path.
    pub ignored: Vec<Ignored>,
    /// The paths that were given.
    pub searched: Vec<PathBuf>,
}

/// A model that was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct DiscoveredModel {
    /// The name, unique among the models that were found.
    pub name: String,
    /// Its folder, or its file or index.
    pub path: PathBuf,
    /// How its files are laid out.
    pub layout: FileLayout,
    /// The name of the format of its weights, such as `safetensors`. `None` where several files of unlike formats make it up.
    pub format: Option<String>,
    /// The source of its parameters.
    pub source: Arc<dyn ParameterSource>,
}

/// A model that was found but cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// The name that it would have.
    pub name: String,
    /// Its folder, or its file or index.
    pub path: PathBuf,
    /// Why it cannot be read.
    pub error: SourceError,
}
