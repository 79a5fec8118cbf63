use super::ReadAt;
use crate::error::SourceError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A tree of folders and objects, such as a disk, a bucket or a repository on a server.
///
/// A path belongs to its tree. A tree that is no file system may interpret paths in its own way. One rule holds for all trees:
/// the path of a folder joined with the name of an entry is the path of that entry.
///
/// # Contract
///
/// - [`list`](Self::list) returns the direct entries of a folder, in any order, each name once. Names that begin with a dot are
///   left out.
/// - A listed object may be missing. Then [`open`](Self::open) returns an error.
/// - Two paths have the same [`identity`](Self::identity) if and only if they lead to the same object.
/// - Calls come from several threads at once.
///
/// ```
/// use neural_phylogeny::bytes::{EntryKind, Folder, LocalFolder};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let path = scratch.path();
/// std::fs::write(path.join("notes.txt"), "hello")?;
///
/// let entries = LocalFolder.list(path)?;
/// assert_eq!(entries[0].name, "notes.txt");
/// assert_eq!(entries[0].kind, EntryKind::File);
/// assert_eq!(LocalFolder.open(&entries[0].path)?.length(), 5);
/// # Ok(())
/// # }
/// ```
pub trait Folder: Send + Sync + fmt::Debug {
    /// Returns the direct entries of a folder, without names that begin with a dot.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when there is no such folder; any other error of the system or server.
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, SourceError>;

    /// Returns the entry at a path. Links are followed.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when the path leads to nothing; any other error of the system or server.
    fn entry(&self, path: &Path) -> Result<Entry, SourceError>;

    /// Opens the object at a path.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when there is no object; any other error of the system or server.
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError>;

    /// Returns the one path of the object that a path leads to, with all links resolved.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when the path leads to nothing; any other error of the system or server.
    fn identity(&self, path: &Path) -> Result<PathBuf, SourceError>;
}

/// An object or folder as a [`Folder`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The name. Bytes that are not UTF-8 are replaced, so two entries of a folder may have the same name.
    pub name: String,
    /// The exact path in the tree.
    pub path: PathBuf,
    /// File or folder. For a link, the kind of what it leads to.
    pub kind: EntryKind,
    /// Whether the entry is a link to something else.
    pub is_link: bool,
}

/// The kind of an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// An object that can be opened.
    File,
    /// A folder that can be listed.
    Folder,
}

impl Entry {
    /// Creates an entry that is no link. Its name is the last component of the path.
    pub fn new(path: impl Into<PathBuf>, kind: EntryKind) -> Self {
        let path = path.into();
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Self { name, path, kind, is_link: false }
    }

    /// Marks the entry as a link.
    pub fn with_link(mut self) -> Self {
        self.is_link = true;
        self
    }
}
