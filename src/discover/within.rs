//! The bounds of a search: what lies outside the given folders is not read, unless that is allowed.
//!
//! Models come from strangers. A link, a shard in an index or the recorded base of an adapter could lead a search to any file of the
//! machine, or have it ask any server.

use super::hub::{self, Place};
use crate::bytes::{Entry, EntryKind, Folder, ReadAt};
use crate::error::SourceError;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// A tree that opens and lists only what lies within some places.
#[derive(Clone, Debug)]
pub(super) struct Within {
    tree: Arc<dyn Folder>,
    /// The places as they were given.
    given: Vec<PathBuf>,
    /// The same with links resolved, and the repositories of a hub cache that they lie in.
    real: Vec<PathBuf>,
}

impl Within {
    /// The bounds of some given paths. A file stands for its folder, in which its shards and settings are.
    pub(super) fn new<'p>(tree: &Arc<dyn Folder>, given: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut within = Self { tree: Arc::clone(tree), given: Vec::new(), real: Vec::new() };
        for path in given {
            within.add(path);
            let is_folder = tree.entry(path).is_ok_and(|entry| entry.kind == EntryKind::Folder);
            if !is_folder && let Some(folder) = path.parent() {
                within.add(if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
            }
        }
        within
    }

    /// The same bounds and one more place.
    pub(super) fn and(&self, path: &Path) -> Self {
        let mut within = self.clone();
        within.add(path);
        within
    }

    fn add(&mut self, path: &Path) {
        self.given.push(path.to_owned());
        let Ok(real) = self.tree.identity(path) else { return };
        // The files of a revision are links into the blobs of its repository.
        self.real.extend(Place::of(&real).map(|place| place.folder));
        self.real.push(real);
    }

    /// Where a path leads, if that is outside. Nothing is opened for it, and no server is asked.
    pub(super) fn outside(&self, path: &Path) -> Result<Option<PathBuf>, SourceError> {
        let real = self.tree.identity(path)?;
        let is_inside = self.real.iter().any(|place| real.starts_with(place)) || self.is_plainly_inside(path);
        Ok((!is_inside).then_some(real))
    }

    /// Whether a path goes down from a given one, without a link on the way.
    ///
    /// Identities of trees that are no file system may be anything, so that they alone do not tell.
    fn is_plainly_inside(&self, path: &Path) -> bool {
        let below = |given: &PathBuf| {
            let rest = path.strip_prefix(given).ok()?;
            rest.components().all(|part| matches!(part, Component::Normal(_))).then(|| rest.to_owned())
        };
        // An address has no links, and asking for them would ask a server.
        let is_link = |path: &Path| !hub::is_address(path) && self.tree.entry(path).map_or(true, |entry| entry.is_link);
        self.given.iter().any(|given| {
            below(given).is_some_and(|rest| {
                let steps: Vec<&Path> = rest.ancestors().filter(|step| !step.as_os_str().is_empty()).collect();
                steps.into_iter().rev().all(|step| !is_link(&given.join(step)))
            })
        })
    }

    fn check(&self, path: &Path) -> Result<(), SourceError> {
        match self.outside(path)? {
            Some(target) => Err(SourceError::Outside { path: path.to_owned(), target }),
            None => Ok(()),
        }
    }
}

impl Folder for Within {
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, SourceError> {
        self.check(folder)?;
        self.tree.list(folder)
    }

    /// What stands at a path of this machine is no content. An address outside is not asked.
    fn entry(&self, path: &Path) -> Result<Entry, SourceError> {
        if hub::is_address(path) {
            self.check(path)?;
        }
        self.tree.entry(path)
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError> {
        self.check(path)?;
        self.tree.open(path)
    }

    fn identity(&self, path: &Path) -> Result<PathBuf, SourceError> {
        self.tree.identity(path)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::bytes::LocalFolder;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_lies_within_is_opened_and_listed() -> Result<(), Box<dyn std::error::Error>> {
        let scratch = tempfile::tempdir()?;
        let at = |name: &str| scratch.path().join(name);
        for folder in
            ["given/inner", "other", "hub/models--a--b/snapshots/1", "hub/models--a--b/blobs", "hub/models--c--d/blobs"]
        {
            fs::create_dir_all(at(folder))?;
        }
        for file in [
            "given/inner/own",
            "other/secret",
            "file",
            "beside",
            "hub/models--a--b/blobs/x",
            "hub/models--c--d/blobs/y",
        ] {
            fs::write(at(file), "1")?;
        }
        symlink(at("other"), at("given/out"))?;
        symlink("../other/secret", at("given/secret"))?;
        symlink("inner/own", at("given/within"))?;
        symlink("nowhere", at("given/gone"))?;
        symlink("../../blobs/x", at("hub/models--a--b/snapshots/1/own"))?;
        symlink("../../../models--c--d/blobs/y", at("hub/models--a--b/snapshots/1/of-another"))?;
        symlink(at("given"), at("linked"))?;
        let tree: Arc<dyn Folder> = Arc::new(LocalFolder);
        let opens = |given: &str, path: &str| {
            let within = Within::new(&tree, [at(given).as_path()]);
            match within.open(&at(path)) {
                Ok(_) => true,
                Err(SourceError::Outside { target, .. }) => {
                    assert!(!target.starts_with(fs::canonicalize(at(given)).unwrap()));
                    false
                }
                Err(error) => panic!("{path}: {error}"),
            }
        };
        for (given, path, expected) in [
            ("given", "given/inner/own", true),
            ("given", "given/within", true),
            ("given", "given/inner/../inner/own", true),
            ("given", "given/secret", false),
            ("given", "given/out/secret", false),
            ("given", "given/../other/secret", false),
            ("given", "beside", false),
            ("linked", "linked/inner/own", true),
            ("linked", "given/inner/own", true),
            ("given/secret", "given/secret", true),
            ("given/secret", "given/inner/own", true),
            ("file", "beside", true),
            ("file", "other/secret", true),
            ("hub/models--a--b/snapshots/1", "hub/models--a--b/snapshots/1/own", true),
            ("hub/models--a--b/snapshots/1", "hub/models--a--b/snapshots/1/of-another", false),
            ("hub/models--a--b/snapshots/1/own", "hub/models--a--b/snapshots/1/own", true),
            ("hub", "hub/models--a--b/snapshots/1/of-another", true),
        ] {
            assert_eq!(opens(given, path), expected, "{path} from {given}");
        }
        let within = Within::new(&tree, [at("given").as_path()]);
        assert!(matches!(within.list(&at("given/out")), Err(SourceError::Outside { .. })));
        assert!(matches!(within.open(&at("given/gone")), Err(SourceError::NotFound { .. })));
        assert_eq!(within.list(&at("given"))?.len(), LocalFolder.list(&at("given"))?.len());
        assert!(within.and(&at("other")).open(&at("given/secret")).is_ok());
        Ok(())
    }

    /// A tree whose identities tell nothing of where an object lies, and which fails when it is asked for an address.
    #[derive(Debug)]
    struct Numbered;

    impl Folder for Numbered {
        fn list(&self, _: &Path) -> Result<Vec<Entry>, SourceError> {
            Ok(Vec::new())
        }

        fn entry(&self, path: &Path) -> Result<Entry, SourceError> {
            assert!(!hub::is_address(path), "asked for {}", path.display());
            Ok(Entry::new(path, EntryKind::Folder))
        }

        fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError> {
            Ok(Arc::new(crate::bytes::MemoryFile::new(path, Vec::new())))
        }

        fn identity(&self, path: &Path) -> Result<PathBuf, SourceError> {
            Ok(PathBuf::from(format!("number {}", path.as_os_str().len())))
        }
    }

    #[test]
    fn identities_of_another_tree_may_be_anything() {
        let tree: Arc<dyn Folder> = Arc::new(Numbered);
        let within = Within::new(&tree, [Path::new("bucket/models")]);
        assert!(within.open(Path::new("bucket/models/a/b")).is_ok());
        assert!(within.open(Path::new("bucket/other")).is_err());
        assert!(within.open(Path::new("bucket/models/../other")).is_err());
        // An address is refused without asking for it.
        assert!(within.entry(Path::new("https://host/model.safetensors")).is_err());
    }
}
