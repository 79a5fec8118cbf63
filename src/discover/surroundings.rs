//! The settings of a search: its tree, the supported formats, and the part of pipelines that is the model.

use super::Ignored;
use super::layout::FileLayout;
use crate::bytes::{EntryKind, Folder, LocalFolder};
use crate::format::{FileName, FilePart, Formats, UnreadFormat};
use std::path::Path;
use std::sync::Arc;

/// The settings of a search.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) tree: Arc<dyn Folder>,
    pub(super) formats: Formats,
    /// The part of a diffusers pipeline that is the model. `None` for every part that has weights.
    pub(super) part: Option<String>,
    pub(super) on_unsearchable: OnUnsearchable,
}

/// What to do with a folder below the given ones that cannot be searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnUnsearchable {
    /// End the search with the error.
    #[default]
    Stop,
    /// List the folder as a model that cannot be read.
    List,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            tree: Arc::new(LocalFolder),
            formats: Formats::default(),
            part: None,
            on_unsearchable: OnUnsearchable::Stop,
        }
    }
}

impl Surroundings {
    /// Describes a file of a format that is not supported.
    pub(super) fn unread(&self, path: &Path, format: &UnreadFormat) -> Ignored {
        let reason = match format.command() {
            Some(command) => format!("{}: not read, convert it with `{command}`", format.name()),
            None => format!("{}: not read, convert it to safetensors", format.name()),
        };
        Ignored::unread(path, format.name(), reason)
    }

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
