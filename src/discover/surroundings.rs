//! The settings of a search: its tree, the supported formats, and the part of pipelines that is the model.

use super::layout::FileLayout;
use crate::bytes::{EntryKind, Folder, LocalFolder};
use crate::format::{FileName, FilePart, Formats};
use std::path::Path;
use std::sync::Arc;

/// The settings of a search.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) tree: Arc<dyn Folder>,
    pub(super) formats: Formats,
    /// The part of a diffusers pipeline that is the model, instead of `unet` or `transformer`.
    pub(super) part: Option<String>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { tree: Arc::new(LocalFolder), formats: Formats::default(), part: None }
    }
}

impl Surroundings {
    /// Whether a file stands at a path.
    pub(super) fn is_file(&self, path: &Path) -> bool {
        self.tree.entry(path).is_ok_and(|entry| entry.kind == EntryKind::File)
    }

    /// Whether a folder stands at a path.
    pub(super) fn is_folder(&self, path: &Path) -> bool {
        self.tree.entry(path).is_ok_and(|entry| entry.kind == EntryKind::Folder)
    }
}

/// Returns the layout of the model that a weights file, an index or a shard belongs to.
pub(super) fn layout_of(file: &FileName<'_>) -> FileLayout {
    let format = file.format.name().to_owned();
    match file.part {
        FilePart::Whole => FileLayout::File { format },
        FilePart::Index | FilePart::Shard { .. } | FilePart::Slice { .. } => FileLayout::Shards { format },
    }
}
