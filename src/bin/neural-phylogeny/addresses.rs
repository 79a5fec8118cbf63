//! Searches in folders, and behind addresses such as `hf://org/name` where the command is built with the feature `remote`.

use neural_phylogeny::discover::Discovery;

#[cfg(feature = "remote")]
use neural_phylogeny::bytes::Locations;

/// Most bytes that wait in memory until they are read, whatever the memory setting: 256 MiB.
#[cfg(feature = "remote")]
const MOST: u64 = 1 << 28;

/// Least bytes that stay for computing: 1 MiB.
#[cfg(feature = "remote")]
const LEAST_REST: u64 = 1 << 20;

/// The places where one run looks for models. Clones share their memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    #[cfg(feature = "remote")]
    locations: Locations,
}

impl Places {
    /// The places of a run that computes in `memory` bytes. If addresses are used, a part of them is for bytes that wait.
    #[cfg(feature = "remote")]
    pub(crate) fn within(memory: u64) -> Self {
        Self::waiting(share(memory))
    }

    /// The places of a run in which `memory` bytes may wait.
    #[cfg(feature = "remote")]
    pub(crate) fn waiting(memory: u64) -> Self {
        Self { locations: Locations::new().with_memory(memory) }
    }

    /// The places of a run that computes in `memory` bytes.
    #[cfg(not(feature = "remote"))]
    pub(crate) fn within(_memory: u64) -> Self {
        Self {}
    }

    /// Returns what is left of `memory` bytes for computing.
    #[cfg(feature = "remote")]
    pub(crate) fn rest(&self, memory: u64) -> u64 {
        if self.locations.has_connections() { memory - share(memory) } else { memory }
    }

    /// Returns what is left of `memory` bytes for computing: all of them.
    #[cfg(not(feature = "remote"))]
    pub(crate) fn rest(&self, memory: u64) -> u64 {
        memory
    }

    /// Makes a search in folders and behind addresses.
    #[cfg(feature = "remote")]
    pub(crate) fn search(&self) -> Discovery {
        Discovery::new().with_tree(self.locations.clone())
    }

    /// Makes a search in folders, which says of an address that it needs another build.
    #[cfg(not(feature = "remote"))]
    pub(crate) fn search(&self) -> Discovery {
        Discovery::new().with_tree(disk::Disk)
    }
}

/// Returns how many of `memory` bytes may wait until they are read: a quarter.
#[cfg(feature = "remote")]
fn share(memory: u64) -> u64 {
    (memory / 4).min(MOST).min(memory.saturating_sub(LEAST_REST))
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

#[cfg(all(test, feature = "remote"))]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_waits_and_the_rest_computes() {
        const MIB: u64 = 1 << 20;
        for (memory, expected) in
            [(0, 0), (MIB, 0), (MIB + 5, 5), (16 * MIB, 4 * MIB), (1 << 30, MOST), (1 << 40, MOST)]
        {
            assert_eq!(share(memory), expected, "{memory}");
        }
        assert_eq!(Places::within(1 << 30).rest(1 << 30), 1 << 30, "no address was used");
    }
}
