//! Opening what was found, adapters over their bases included.

use super::ParameterSource;
use super::checkpoint::{self, Content, Layout};
use super::listing::{Listing, link_error, unread_format};
use super::safetensors::{SafetensorsFile, SafetensorsShards, index_stem, shard_number};
use crate::error::SourceError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A model and how it is laid out.
type Opened = (Layout, Arc<dyn ParameterSource>);

/// Opens models, given what a search knows.
#[derive(Debug)]
#[expect(dead_code, reason = "read when adapters are computed")]
pub(super) struct Opener<'a> {
    part: Option<&'a str>,
    base: Option<&'a Path>,
    /// The paths searched.
    roots: Vec<PathBuf>,
    /// Names and paths of all models found.
    known: Vec<(String, PathBuf)>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(
        part: Option<&'a str>,
        base: Option<&'a Path>,
        roots: Vec<PathBuf>,
        known: Vec<(String, PathBuf)>,
    ) -> Self {
        Self { part, base, roots, known }
    }

    /// Opens the model at `path` whose content was recognized.
    pub(super) fn open(&self, path: &Path, content: Content) -> Result<Opened, SourceError> {
        match content {
            Content::Weights { layout, path } => Ok((layout, weights(&path)?)),
            Content::Adapter => {
                Err(SourceError::AdapterUnsupported { path: path.to_owned(), feature: "LoRA".to_owned() })
            }
            Content::Unreadable(error) => Err(error),
        }
    }

    /// Recognizes and opens one model.
    pub(super) fn open_path(&self, path: &Path) -> Result<Opened, SourceError> {
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        if !fs::metadata(path).map_err(|e| link_error(path, e))?.is_dir() {
            if let Some(format) = unread_format(&name) {
                return Err(SourceError::UnsupportedFormat { path: path.to_owned(), format: format.to_owned() });
            }
            let sharded = index_stem(&name).is_some() || shard_number(&name).is_some();
            let layout = if sharded { Layout::SafetensorsShards } else { Layout::SafetensorsFile };
            return Ok((layout, weights(path)?));
        }
        let listing = Listing::read(path)?;
        if let Some(checkpoint) = checkpoint::recognize(&listing, self.part) {
            return self.open(path, checkpoint.content);
        }
        let (models, _) = super::flat::models(&listing);
        match <[_; 1]>::try_from(models) {
            Ok([(_, content, path)]) => self.open(&path, content),
            Err(models) => Err(SourceError::NoWeights {
                path: path.to_owned(),
                expected: format!("one model, found {}", models.len()),
            }),
        }
    }
}

/// Opens a file, or the shards that an index or one of them stands for.
fn weights(path: &Path) -> Result<Arc<dyn ParameterSource>, SourceError> {
    let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    if index_stem(&name).is_some() || shard_number(&name).is_some() {
        return Ok(Arc::new(SafetensorsShards::open(path)?));
    }
    Ok(Arc::new(SafetensorsFile::open(path)?))
}
