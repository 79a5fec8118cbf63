//! Repositories of a hub: in its cache, `models--ORG--NAME/snapshots/REVISION` with the revision of a branch in `refs/BRANCH`, and
//! behind its addresses, `hf://ORG/NAME@REVISION`.
//!
//! Layout: <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

use crate::bytes::{EntryKind, Folder, Listing};
use std::path::{Component, Path, PathBuf};

/// How the folder of a repository begins. The rest is its name, with `--` in place of `/`.
const REPOSITORY: &str = "models--";

/// The folder of revisions in that of a repository.
const SNAPSHOTS: &str = "snapshots";

/// How the address of a repository begins.
const ADDRESS: &str = "hf://";

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

/// A place in a cache or behind an address: a revision of a repository, or a path in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The folder of the repository, or its address.
    pub(super) folder: PathBuf,
    /// The name of the repository, such as `org/name`.
    pub(super) repository: String,
    pub(super) revision: String,
    /// What follows the folder of the revision.
    pub(super) inside: PathBuf,
}

impl Place {
    /// Takes a path apart. `None` when it leads to or into no revision.
    pub(super) fn of(path: &Path) -> Option<Self> {
        if let Some(address) = path.to_str().and_then(|text| text.strip_prefix(ADDRESS)) {
            return Self::of_address(address);
        }
        let parts: Vec<Component<'_>> = path.components().collect();
        let text = |at: usize| parts.get(at).map(|part: &Component<'_>| part.as_os_str().to_string_lossy());
        let is_place = |at: usize| Some((repository(&text(at)?)?, text(at + 1).filter(|name| name == SNAPSHOTS)?));
        let (at, repository) = (0..parts.len()).rev().find_map(|at| Some((at, is_place(at)?.0)))?;
        Some(Self {
            folder: parts[..=at].iter().collect(),
            repository,
            revision: text(at + 2)?.into_owned(),
            inside: parts.get(at + 3..).unwrap_or_default().iter().collect(),
        })
    }

    /// Takes what follows the scheme of an address apart.
    fn of_address(address: &str) -> Option<Self> {
        let mut parts = Path::new(address).components().map(|part| part.as_os_str().to_string_lossy());
        let (organization, name) = (parts.next()?, parts.next()?);
        let (name, revision) = name.split_once('@').unwrap_or((&name, MAIN));
        let repository = format!("{organization}/{name}");
        let folder = PathBuf::from(format!("{ADDRESS}{repository}"));
        Some(Self {
            folder,
            repository,
            revision: revision.to_owned(),
            inside: parts.map(|part| part.into_owned()).collect(),
        })
    }

    /// Returns the revision that the repository's name alone stands for, if it is known.
    pub(super) fn main(&self, tree: &dyn Folder) -> Option<String> {
        match is_address(&self.folder) {
            true => Some(MAIN.to_owned()),
            false => reference(tree, &self.folder.join("refs").join(MAIN)),
        }
    }

    /// Takes the path of a revision apart. `None` for a path in it, which may be another model than the repository's.
    pub(super) fn of_revision(path: &Path) -> Option<Self> {
        Self::of(path).filter(|place| place.inside.as_os_str().is_empty())
    }
}

/// Whether a path is an address, behind which there is no cache.
pub(super) fn is_address(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains("://"))
}

/// Returns the name of the repository whose folder has this name. `None` for another folder.
pub(super) fn repository(folder: &str) -> Option<String> {
    // Names on the hub do not contain `--`.
    Some(folder.strip_prefix(REPOSITORY).filter(|name| !name.is_empty())?.replacen("--", "/", 1))
}

/// Returns the name of the folder that holds a repository. `None` for a name that is neither `org/name` nor the `name` of an
/// old repository without organization.
pub(super) fn folder_name(identifier: &str) -> Option<String> {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\']);
    match identifier.split_once('/') {
        Some((organization, name)) => {
            (plain(organization) && plain(name)).then(|| format!("{REPOSITORY}{organization}--{name}"))
        }
        None => plain(identifier).then(|| format!("{REPOSITORY}{identifier}")),
    }
}

/// Finds the snapshot in a folder `models--ORG--NAME`. `None` when there is no such folder, or no snapshot in it.
pub(super) fn snapshot(tree: &dyn Folder, folder: &Path, revision: Option<&str>) -> Option<Cached> {
    let is_folder = |path: &Path| tree.entry(path).is_ok_and(|entry| entry.kind == EntryKind::Folder);
    let snapshots = folder.join(SNAPSHOTS);
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
        assert_eq!(folder_name("gpt2").as_deref(), Some("models--gpt2"));
        for other in ["/abs/base", "a/b/c", "../base", "acme/..", "..", ""] {
            assert_eq!(folder_name(other), None, "{other}");
        }
        assert_eq!(repository("models--acme--big--base").as_deref(), Some("acme/big--base"));
        for other in ["models--", "datasets--a--b", "acme--base"] {
            assert_eq!(repository(other), None, "{other}");
        }
    }

    #[test]
    fn a_place_tells_repository_revision_and_file() {
        let place = Place::of(Path::new("/hub/models--acme--base-7b/snapshots/0a1b/unet/x.safetensors")).unwrap();
        assert_eq!((place.repository.as_str(), place.revision.as_str()), ("acme/base-7b", "0a1b"));
        assert_eq!((place.folder, place.inside), ("/hub/models--acme--base-7b".into(), "unet/x.safetensors".into()));
        let old = Place::of(Path::new("models--gpt2/snapshots/0a")).unwrap();
        assert_eq!((old.repository.as_str(), &old.inside), ("gpt2", &PathBuf::new()));
        assert_eq!(Place::of_revision(Path::new("models--gpt2/snapshots/0a")), Some(old));
        assert_eq!(Place::of_revision(Path::new("models--gpt2/snapshots/0a/unet")), None);
        let address = Place::of(Path::new("hf://acme/base@v1.0/unet/x.safetensors")).unwrap();
        assert_eq!((address.repository.as_str(), address.revision.as_str()), ("acme/base", "v1.0"));
        assert_eq!((address.folder, address.inside), ("hf://acme/base".into(), "unet/x.safetensors".into()));
        assert_eq!(Place::of_revision(Path::new("hf://acme/base")).unwrap().revision, "main");
        for path in ["models--a--b", "models--a--b/snapshots", "datasets--a--b/snapshots/0a", "a/snapshots/b", "hf://a"]
        {
            assert_eq!(Place::of(Path::new(path)), None, "{path}");
        }
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
