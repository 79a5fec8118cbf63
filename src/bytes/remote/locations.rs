use super::address::Address;
use super::fault;
use super::object::{self, RemoteObject};
use super::place::{self, Listed, Place};
use super::pool::Pool;
use crate::bytes::{Entry, EntryKind, Folder, LocalFolder, ReadAt};
use crate::error::SourceError;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that wait in memory for all objects together, by default: 256 MiB.
const MEMORY: u64 = 1 << 28;

/// The places that addresses name, and the file system of this machine for all other paths.
///
/// | address | what it is | credentials |
/// |---|---|---|
/// | `hf://org/name`, `hf://org/name@revision` | a repository of the hub | `HF_TOKEN`, the token file of `hf auth login`; `HF_ENDPOINT` names a mirror |
/// | `s3://bucket/path` | an S3 bucket | `AWS_*`, the profile files of the AWS command |
/// | `gs://bucket/path` | a Google bucket | `GOOGLE_*`, the default credentials file |
/// | `az://container/path` | an Azure container | `AZURE_*` |
/// | `https://host/path` | a file of a web server with ranges | none |
///
/// Objects are read by ranges: the header first, then the tensors that are needed. Several requests run at once, and a request
/// that breaks is made again. An object that changes while it is read is an error. A repository is read at the commit that its
/// revision names when the search begins.
///
/// Each byte is requested once while reads go forward, whatever the [memory](Self::with_memory) for bytes that arrive ahead of them. A
/// second pass requests them again.
///
/// ```no_run
/// use neural_phylogeny::bytes::Locations;
/// use neural_phylogeny::discover::Discovery;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let found = Discovery::new().with_tree(Locations::new()).search(["hf://org/name", "s3://bucket/models", "local"])?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Locations {
    pool: Arc<Pool>,
    places: Arc<Mutex<BTreeMap<String, Place>>>,
}

impl Default for Locations {
    fn default() -> Self {
        Self { pool: Arc::new(Pool::new(MEMORY)), places: Arc::default() }
    }
}

impl Locations {
    /// Creates a tree without connections. They are made when an address is first used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many bytes may wait in memory for all objects together. Default: 256 MiB.
    ///
    /// Where it is used up, each read is a request of its own: slower, and no byte more. What nobody reads is dropped once eight times
    /// as much has been read. If it is read after all, it is requested again, so that at most an eighth is.
    pub fn with_memory(mut self, bytes: u64) -> Self {
        self.pool = Arc::new(Pool::new(bytes));
        self
    }

    /// Whether an address has been used, so that bytes may wait in memory.
    pub fn has_connections(&self) -> bool {
        !self.places.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Returns the connection of an address.
    fn place(&self, path: &Path, address: &Address) -> Result<Place, SourceError> {
        let root = address.root();
        // The lock is kept while a place is connected, so that a repository is asked once.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(&root) {
            return Ok(place.clone());
        }
        let place = Place::connect(path, address)?;
        places.insert(root, place.clone());
        Ok(place)
    }

    fn remote(&self, path: &Path) -> Result<Option<(Place, Address)>, SourceError> {
        match Address::parse(path) {
            None => Ok(None),
            Some(Err(reason)) => Err(fault::said(path, &reason)),
            Some(Ok(address)) => Ok(Some((self.place(path, &address)?, address))),
        }
    }
}

impl Folder for Locations {
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, SourceError> {
        let Some((place, address)) = self.remote(folder)? else { return LocalFolder.list(folder) };
        let (files, folders) = match &place.listing {
            Listed::Known(repository) => known(&repository.files, &address.path),
            Listed::Asked => asked(folder, &place, &address.path)?,
            Listed::Nothing => {
                let reason = "a web server does not list its files: give the address of a file or of an index";
                return Err(fault::said(folder, reason));
            }
        };
        if files.is_empty() && folders.is_empty() {
            return Err(SourceError::NotFound { path: folder.to_owned() });
        }
        let entry = |kind| move |name: String| Entry::new(folder.join(name), kind);
        let all =
            files.into_iter().map(entry(EntryKind::File)).chain(folders.into_iter().map(entry(EntryKind::Folder)));
        Ok(all.filter(|e| !e.name.starts_with('.')).collect())
    }

    fn entry(&self, path: &Path) -> Result<Entry, SourceError> {
        let Some((place, address)) = self.remote(path)? else { return LocalFolder.entry(path) };
        let is_folder = match &place.listing {
            Listed::Known(repository) if repository.files.contains(&address.path) => false,
            Listed::Known(repository) => {
                let (files, folders) = known(&repository.files, &address.path);
                if files.is_empty() && folders.is_empty() {
                    return Err(SourceError::NotFound { path: path.to_owned() });
                }
                true
            }
            Listed::Asked if address.path.is_empty() => true,
            listing => match head(path, &place, &address.path) {
                Ok(()) => false,
                Err(SourceError::NotFound { .. }) if matches!(listing, Listed::Asked) => {
                    let (files, folders) = asked(path, &place, &address.path)?;
                    if files.is_empty() && folders.is_empty() {
                        return Err(SourceError::NotFound { path: path.to_owned() });
                    }
                    true
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Entry::new(path, if is_folder { EntryKind::Folder } else { EntryKind::File }))
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError> {
        let Some((place, address)) = self.remote(path)? else { return LocalFolder.open(path) };
        if let Listed::Known(repository) = &place.listing
            && !repository.files.contains(&address.path)
        {
            return Err(SourceError::NotFound { path: path.to_owned() });
        }
        let key = place::key(path, &address.path)?;
        Ok(Arc::new(RemoteObject::open(path, place.store, key, Arc::clone(&self.pool))?))
    }

    fn identity(&self, path: &Path) -> Result<PathBuf, SourceError> {
        match Address::parse(path) {
            None => LocalFolder.identity(path),
            Some(Err(reason)) => Err(fault::said(path, &reason)),
            Some(Ok(address)) => {
                let root = address.root();
                Ok(PathBuf::from(if address.path.is_empty() { root } else { format!("{root}/{}", address.path) }))
            }
        }
    }
}

/// The names of the files and of the folders directly below a folder.
type Names = (BTreeSet<String>, BTreeSet<String>);

/// Lists a folder of a repository whose paths are all known.
fn known(paths: &BTreeSet<String>, folder: &str) -> Names {
    let (mut files, mut folders) = Names::default();
    for path in paths {
        let rest = match folder {
            "" => Some(path.as_str()),
            folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
        };
        match rest.map(|rest| rest.split_once('/')) {
            Some(Some((first, _))) => _ = folders.insert(first.to_owned()),
            Some(None) => _ = files.insert(rest.unwrap_or_default().to_owned()),
            None => {}
        }
    }
    (files, folders)
}

/// Lists a folder of a store.
fn asked(at: &Path, place: &Place, folder: &str) -> Result<Names, SourceError> {
    let prefix = if folder.is_empty() { None } else { Some(place::key(at, folder)?) };
    let store = Arc::clone(&place.store);
    let answer = object::wait(at, async move { store.list_with_delimiter(prefix.as_ref()).await })?;
    let answer = answer.map_err(|error| fault::of(at, &error))?;
    let last = |key: &object_store::path::Path| key.filename().map(str::to_owned);
    let files = answer.objects.iter().filter_map(|meta| last(&meta.location)).collect();
    Ok((files, answer.common_prefixes.iter().filter_map(last).collect()))
}

/// Asks whether there is an object.
fn head(at: &Path, place: &Place, path: &str) -> Result<(), SourceError> {
    let (store, key) = (Arc::clone(&place.store), place::key(at, path)?);
    let answer = object::wait(at, async move { store.head(&key).await })?;
    answer.map(|_| ()).map_err(|error| fault::of(at, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_a_repository_are_a_tree() {
        let paths: BTreeSet<String> = ["a", "b/c", "b/d/e", "bc/f"].map(str::to_owned).into();
        let names = |folder| {
            let (files, folders) = known(&paths, folder);
            (files.into_iter().collect::<Vec<_>>().join(" "), folders.into_iter().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(names(""), ("a".to_owned(), "b bc".to_owned()));
        assert_eq!(names("b"), ("c".to_owned(), "d".to_owned()));
        assert_eq!(names("x"), (String::new(), String::new()));
    }

    #[test]
    fn a_path_of_this_machine_is_read_as_always() -> Result<(), Box<dyn std::error::Error>> {
        let scratch = tempfile::tempdir()?;
        std::fs::write(scratch.path().join("a"), "1")?;
        let locations = Locations::new();
        assert_eq!(locations.list(scratch.path())?, LocalFolder.list(scratch.path())?);
        assert_eq!(locations.open(&scratch.path().join("a"))?.length(), 1);
        assert!(!locations.has_connections());
        let refused = locations.open(Path::new("ftp://host/a")).unwrap_err();
        assert!(refused.to_string().contains("ftp://host/a"), "{refused}");
        Ok(())
    }
}
