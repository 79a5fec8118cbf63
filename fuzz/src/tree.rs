use neural_phylogeny::SourceError;
use neural_phylogeny::bytes::{Entry, EntryKind, Folder, MemoryFile, ReadAt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders and files in memory.
#[derive(Debug)]
pub struct Tree(BTreeMap<PathBuf, Arc<MemoryFile>>);

impl Tree {
    /// Creates a tree of files by their paths.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let file = |(path, bytes): (&str, &[u8])| (PathBuf::from(path), Arc::new(MemoryFile::new(path, bytes)));
        Self(files.into_iter().map(file).collect())
    }
}

impl Folder for Tree {
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, SourceError> {
        let (mut files, mut folders) = (Vec::new(), BTreeSet::new());
        for path in self.0.keys() {
            let Ok(rest) = path.strip_prefix(folder) else { continue };
            let mut parts = rest.components();
            match (parts.next(), parts.next()) {
                (Some(_), None) => files.push(Entry::new(path, EntryKind::File)),
                (Some(first), Some(_)) => _ = folders.insert(folder.join(first)),
                (None, _) => {}
            }
        }
        if files.is_empty() && folders.is_empty() {
            return Err(SourceError::NotFound { path: folder.to_owned() });
        }
        files.extend(folders.into_iter().map(|path| Entry::new(path, EntryKind::Folder)));
        files.retain(|entry| !entry.name.starts_with('.'));
        Ok(files)
    }

    fn entry(&self, path: &Path) -> Result<Entry, SourceError> {
        if self.0.contains_key(path) {
            return Ok(Entry::new(path, EntryKind::File));
        }
        self.list(path).map(|_| Entry::new(path, EntryKind::Folder))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError> {
        match self.0.get(path) {
            Some(file) => Ok(Arc::clone(file) as Arc<dyn ReadAt>),
            None => Err(SourceError::NotFound { path: path.to_owned() }),
        }
    }

    fn identity(&self, path: &Path) -> Result<PathBuf, SourceError> {
        self.entry(path).map(|entry| entry.path)
    }
}
