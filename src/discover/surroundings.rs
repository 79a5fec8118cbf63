//! The settings of a search: its tree, the supported formats, and the part of pipelines that is the model.

use super::Ignored;
use super::base::Bases;
use super::layout::FileLayout;
use super::within::Within;
use crate::bytes::{EntryKind, Folder, LocalFolder};
use crate::format::{FileName, FilePart, Formats, UnreadFormat};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The settings of a search.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) tree: Arc<dyn Folder>,
    pub(super) formats: Formats,
    /// The part of a diffusers pipeline that is the model. `None` for every part that has weights.
    pub(super) part: Option<String>,
    pub(super) on_unsearchable: OnUnsearchable,
    pub(super) outside: Outside,
    /// The bounds of the search that runs. `None` where all may be read.
    pub(super) within: Option<Arc<Within>>,
}

/// Whether paths that lead outside the given folders are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outside {
    /// They are refused.
    #[default]
    Refused,
    /// They are followed.
    Allowed,
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
            outside: Outside::Refused,
            within: None,
        }
    }
}

impl Surroundings {
    /// The same for one search, which reads within the given paths and the bases that options give.
    pub(super) fn bounded(&self, given: &[PathBuf], bases: &Bases) -> Self {
        if self.outside == Outside::Allowed {
            return self.clone();
        }
        let given = given.iter().chain(&bases.fallback).chain(bases.given.iter().map(|(_, path)| path));
        self.read_within(Within::new(&self.tree, given.map(PathBuf::as_path)))
    }

    /// The same, and a place that may be read besides.
    pub(super) fn with_place(&self, place: &Path) -> Self {
        self.within.as_ref().map_or_else(|| self.clone(), |within| self.read_within(within.and(place)))
    }

    fn read_within(&self, within: Within) -> Self {
        let within = Arc::new(within);
        Self { tree: Arc::<Within>::clone(&within), within: Some(within), ..self.clone() }
    }

    /// Where a path leads, if it leads outside the bounds of the search.
    pub(super) fn outside_of(&self, path: &Path) -> Option<PathBuf> {
        self.within.as_ref()?.outside(path).ok()?
    }

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
