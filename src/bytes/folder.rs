use super::ReadAt;
use crate::error::SourceError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A tree of folders and objects: a disk, a bucket, a repository on a server.
///
/// Paths are those of the tree. A tree that is no file system may read them as it likes, as long as joining a name to the path of
/// a folder gives the path of what has that name in it.
///
/// # Contract
///
/// - [`list`](Self::list) gives what stands directly in a folder, in any order, each name once. Names that begin with a dot are
///   left out.
/// - An object that is listed need not be there: [`open`](Self::open) says so.
/// - Two paths have the same [`identity`](Self::identity) if and only if they lead to the same object.
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
    /// What stands directly in a folder, but for names that begin with a dot.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when there is no such folder, and what the system or server says otherwise.
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, SourceError>;

    /// What stands at a path, links followed.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when nothing does, and what the system or server says otherwise.
    fn entry(&self, path: &Path) -> Result<Entry, SourceError>;

    /// Opens the object at a path.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when there is none, and what the system or server says otherwise.
    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError>;

    /// The one path of what a path leads to, links resolved.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`] when nothing is there, and what the system or server says otherwise.
    fn identity(&self, path: &Path) -> Result<PathBuf, SourceError>;
}

/// An object or folder as a [`Folder`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name; what is no UTF-8 is replaced, so that two entries of one folder may have one name.
    pub name: String,
    /// Its path in the tree, exact.
    pub path: PathBuf,
    /// What it is, links followed.
    pub kind: EntryKind,
    /// Whether it is a link to something else.
    pub is_link: bool,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// An object that can be opened.
    File,
    /// A folder that can be listed.
    Folder,
}

impl Entry {
    /// An entry that is no link, named by the last component of its path.
    pub fn new(path: impl Into<PathBuf>, kind: EntryKind) -> Self {
        let path = path.into();
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        Self { name, path, kind, is_link: false }
    }

    /// The same entry, reached by a link.
    pub fn with_link(mut self) -> Self {
        self.is_link = true;
        self
    }
}
