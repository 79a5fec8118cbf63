//! Searches behind addresses such as `hf://org/name`, where the command is built with the feature `remote`.

use neural_phylogeny::discover::Discovery;

/// Makes a search in folders and behind addresses.
#[cfg(feature = "remote")]
pub(crate) fn search() -> Discovery {
    Discovery::new().with_tree(neural_phylogeny::bytes::Locations::new())
}

/// Makes a search in folders, which says of an address that it needs another build.
#[cfg(not(feature = "remote"))]
pub(crate) fn search() -> Discovery {
    Discovery::new().with_tree(disk::Disk)
}

#[cfg(not(feature = "remote"))]
mod disk {
    use neural_phylogeny::SourceError;
    use neural_phylogeny::bytes::{Entry, Folder, LocalFolder, ReadAt};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    /// The file system of this machine.
    #[derive(Debug)]
    pub(super) struct Disk;

    /// Refuses an address. As a path it would only be said not to exist.
    fn local(path: &Path) -> Result<&Path, SourceError> {
        if !path.to_str().is_some_and(|text| text.contains("://")) {
            return Ok(path);
        }
        let message = format!("{} is an address: it needs a build with `--features cli,remote`", path.display());
        Err(SourceError::Other { message, source: None })
    }

    impl Folder for Disk {
        fn list(&self, folder: &Path) -> Result<Vec<Entry>, SourceError> {
            LocalFolder.list(local(folder)?)
        }

        fn entry(&self, path: &Path) -> Result<Entry, SourceError> {
            LocalFolder.entry(local(path)?)
        }

        fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError> {
            LocalFolder.open(local(path)?)
        }

        fn identity(&self, path: &Path) -> Result<PathBuf, SourceError> {
            LocalFolder.identity(local(path)?)
        }
    }
}
