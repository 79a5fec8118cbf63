//! The contents of a folder, in an order that does not depend on the tree.

use super::{Entry, EntryKind, Folder};
use crate::error::SourceError;
use std::path::{Path, PathBuf};

/// The visible contents of a folder, sorted by name. A link counts as what it leads to.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<Entry>,
    pub(crate) folders: Vec<Entry>,
}

impl Listing {
    /// Lists a folder of a tree.
    pub(crate) fn read(tree: &dyn Folder, folder: &Path) -> Result<Self, SourceError> {
        let mut entries = tree.list(folder)?;
        // Two names may be equal after bytes were replaced. Paths are exact, so they decide then.
        entries.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.path.cmp(&b.path)));
        let (folders, files) = entries.into_iter().partition(|e| e.kind == EntryKind::Folder);
        Ok(Self { folder: folder.to_owned(), files, folders })
    }

    /// Returns the file of that name.
    pub(crate) fn file(&self, name: &str) -> Option<&Entry> {
        self.files.iter().find(|f| f.name == name)
    }

    /// Returns the folder of that name.
    pub(crate) fn subfolder(&self, name: &str) -> Option<&Entry> {
        self.folders.iter().find(|f| f.name == name)
    }
}
