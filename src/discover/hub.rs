//! Folders of a hub cache: `models--ORG--NAME/snapshots/REVISION`, and `refs/BRANCH` with the revision of a branch.
//!
//! Layout: <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

use crate::bytes::{EntryKind, Folder, Listing};
use std::path::{Path, PathBuf};

/// The branch whose revision is meant where none is recorded.
const MAIN: &str = "main";

/// Longest content of a file in `refs`, in bytes. A revision has 40.
const LONGEST: u64 = 256;

/// The model that a hub cache holds under an identifier.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cached {
    Snapshot(PathBuf),
    /// The cache holds the model in several revisions, and nothing says which one is meant.
    Several(Vec<PathBuf>),
    /// The cache does not hold the revision that is recorded.
    OtherRevision(PathBuf),
}

/// Returns the name of the folder that holds a model of the hub. `None` for a name that is no identifier `org/name`.
pub(super) fn folder_name(identifier: &str) -> Option<String> {
    let (organization, name) = identifier.split_once('/')?;
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\']);
    (plain(organization) && plain(name)).then(|| format!("models--{organization}--{name}"))
}

/// Returns the identifier of the model whose snapshot a path leads to or into.
pub(super) fn identifier(path: &Path) -> Option<String> {
    let mut parts = path.components().rev().map(|part| part.as_os_str().to_string_lossy());
    let _revision = parts.next()?;
    let (snapshots, model) = (parts.next()?, parts.next()?);
    let (organization, name) = model.strip_prefix("models--")?.split_once("--")?;
    (snapshots == "snapshots").then(|| format!("{organization}/{name}"))
}

/// Finds the snapshot in a folder `models--ORG--NAME`. `None` when there is no such folder, or no snapshot in it.
pub(super) fn snapshot(tree: &dyn Folder, folder: &Path, revision: Option<&str>) -> Option<Cached> {
    let is_folder = |path: &Path| tree.entry(path).is_ok_and(|entry| entry.kind == EntryKind::Folder);
    let snapshots = folder.join("snapshots");
    let of = |revision: &str| {
        // A reference comes from a file or a configuration, and must not lead out of the cache.
        let plain = !revision.is_empty() && !revision.starts_with('.') && !revision.contains(['/', '\\']);
        plain.then(|| snapshots.join(revision)).filter(|path| is_folder(path))
    };
    if !is_folder(&snapshots) {
        return None;
    }
    let named = |branch: &str| reference(tree, &folder.join("refs").join(branch)).and_then(|commit| of(&commit));
    if let Some(revision) = revision {
        let plain = !revision.starts_with('.') && !revision.contains(['/', '\\']);
        let found = of(revision).or_else(|| if plain { named(revision) } else { None });
        if let Some(found) = found {
            return Some(Cached::Snapshot(found));
        }
        // Without a record of branches, the only snapshot may be that of the main one.
        if revision != MAIN {
            return Some(Cached::OtherRevision(snapshots));
        }
    }
    if let Some(found) = named(MAIN) {
        return Some(Cached::Snapshot(found));
    }
    let mut all: Vec<PathBuf> = Listing::read(tree, &snapshots).ok()?.folders.into_iter().map(|f| f.path).collect();
    match all.len() {
        0 => None,
        1 => all.pop().map(Cached::Snapshot),
        _ => Some(Cached::Several(all)),
    }
}

/// Returns the revision that the main branch names.
pub(super) fn main_revision(tree: &dyn Folder, folder: &Path) -> Option<String> {
    reference(tree, &folder.join("refs").join(MAIN))
}

/// Reads the revision that a reference names.
fn reference(tree: &dyn Folder, path: &Path) -> Option<String> {
    let bytes = tree.open(path).ok().filter(|bytes| bytes.length() <= LONGEST)?;
    let mut text = vec![0; bytes.length() as usize];
    bytes.read_at(&mut text, 0).ok()?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::LocalFolder;

    #[test]
    fn identifiers_become_folders_and_back() {
        assert_eq!(folder_name("acme/base").as_deref(), Some("models--acme--base"));
        for other in ["base", "/abs/base", "a/b/c", "../base", "acme/..", ""] {
            assert_eq!(folder_name(other), None, "{other}");
        }
        let path = Path::new("/hub/models--acme--big--base/snapshots/a1");
        assert_eq!(identifier(path).as_deref(), Some("acme/big--base"));
        assert_eq!(identifier(Path::new("/hub/acme/base")), None);
    }

    #[test]
    fn the_main_reference_decides_between_snapshots() -> Result<(), Box<dyn std::error::Error>> {
        let scratch = tempfile::tempdir()?;
        let folder = scratch.path().join("models--acme--base");
        let find = |revision: Option<&str>| snapshot(&LocalFolder, &folder, revision);
        assert_eq!(find(None), None);
        std::fs::create_dir_all(folder.join("snapshots/a1"))?;
        let at = |name: &str| folder.join("snapshots").join(name);
        assert_eq!(find(None), Some(Cached::Snapshot(at("a1"))));
        std::fs::create_dir_all(folder.join("snapshots/b2"))?;
        assert_eq!(find(None), Some(Cached::Several(vec![at("a1"), at("b2")])));
        std::fs::create_dir_all(folder.join("refs"))?;
        std::fs::write(folder.join("refs/main"), "b2\n")?;
        assert_eq!(find(None), Some(Cached::Snapshot(at("b2"))));
        assert_eq!(find(Some("a1")), Some(Cached::Snapshot(at("a1"))));
        assert_eq!(find(Some("main")), Some(Cached::Snapshot(at("b2"))));
        assert_eq!(find(Some("c3")), Some(Cached::OtherRevision(folder.join("snapshots"))));
        // A reference that leads elsewhere is none.
        std::fs::write(folder.join("refs/main"), "../../other")?;
        assert_eq!(find(Some("../..")), Some(Cached::OtherRevision(folder.join("snapshots"))));
        assert_eq!(find(None), Some(Cached::Several(vec![at("a1"), at("b2")])));
        Ok(())
    }
}
