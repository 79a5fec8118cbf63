//! An HDF5 file: its groups and datasets, read at positions by the library hdf5-reader.

use super::dataset::{self, Content};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use hdf5_reader::group::Group;
use hdf5_reader::storage::{Storage, StorageBuffer};
use hdf5_reader::{Dataset, Hdf5File, OpenOptions};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The first bytes of every HDF5 file.
pub(super) const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Deepest nesting of groups.
const DEPTH_LIMIT: usize = 64;

/// Bytes of decoded chunks that a file keeps, at most. Keras itself writes no chunks.
const CHUNKS: usize = 1 << 25;

/// Largest chunk that is decoded.
const CHUNK: usize = 1 << 26;

/// Largest description of an object.
const DESCRIPTION: usize = 1 << 24;

/// An object as the library's storage.
struct Object(Arc<dyn ReadAt>);

impl Storage for Object {
    fn len(&self) -> u64 {
        self.0.length()
    }

    fn read_range(&self, offset: u64, length: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        // The length comes from the file: memory is taken for it only if the file has as many bytes.
        if offset.checked_add(length as u64).is_none_or(|end| end > self.0.length()) {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        let mut bytes = vec![0; length];
        self.0.read_at(&mut bytes, offset).map_err(std::io::Error::other)?;
        Ok(StorageBuffer::from_vec(bytes))
    }
}

/// An open file.
pub(super) struct Hdf5 {
    object: Arc<dyn ReadAt>,
    file: Hdf5File,
}

impl fmt::Debug for Hdf5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hdf5").field("object", &self.object).finish_non_exhaustive()
    }
}

/// A dataset, and where it stands.
#[derive(Debug)]
pub(super) struct Found {
    /// The names of the groups from the root on, and its own.
    pub(super) path: Vec<String>,
    pub(super) shape: Vec<usize>,
    pub(super) content: Content,
}

impl Hdf5 {
    /// Opens a file, and reads the description of its root.
    pub(super) fn open(object: Arc<dyn ReadAt>) -> Result<Self, SourceError> {
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(CHUNKS)
            .with_max_chunk_bytes(CHUNK)
            .with_max_object_header_bytes(DESCRIPTION);
        match Hdf5File::from_storage_with_options(Arc::new(Object(Arc::clone(&object))), options) {
            Ok(file) => Ok(Self { object, file }),
            Err(error) => Err(failed(&*object, "", &error)),
        }
    }

    /// The object that holds the file.
    pub(super) fn object(&self) -> &Arc<dyn ReadAt> {
        &self.object
    }

    pub(super) fn file(&self) -> &Hdf5File {
        &self.file
    }

    pub(super) fn failed(&self, what: &str, error: &hdf5_reader::error::Error) -> SourceError {
        failed(&*self.object, what, error)
    }

    pub(super) fn malformed(&self, reason: String) -> SourceError {
        malformed(&*self.object, reason)
    }

    pub(super) fn root(&self) -> Result<Group, SourceError> {
        self.file.root_group().map_err(|e| self.failed("", &e))
    }

    /// Returns the names of the groups that a group holds, and whether Keras listed its layers or wrote its version there, as it
    /// does in the older layout.
    pub(super) fn groups(&self, group: &Group) -> Result<(Vec<String>, bool), SourceError> {
        let (groups, _) = group.member_names().map_err(|e| self.failed("", &e))?;
        let is_written = |name: &str| group.attribute(name).is_ok();
        Ok((groups, is_written("keras_version") || is_written("layer_names")))
    }

    /// Returns every dataset below a group, but for those in the named groups directly below it.
    ///
    /// A group that is reached twice, through links, is read once: links may lead in a circle.
    pub(super) fn datasets(
        &self,
        top: Group,
        without: &[String],
        bare: dataset::Bare,
    ) -> Result<Vec<Found>, SourceError> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::from([top.address()]);
        let mut left = vec![(Vec::new(), top)];
        while let Some((path, group)) = left.pop() {
            if path.len() > DEPTH_LIMIT {
                return Err(self.malformed(format!("groups are nested deeper than {DEPTH_LIMIT}")));
            }
            let (mut groups, datasets) = group.members().map_err(|e| self.failed(&path.join("/"), &e))?;
            for dataset in datasets {
                let path = below(&path, dataset.name());
                found.push(self.found(path, dataset, bare)?);
            }
            // The order of a listing is the file's own affair, and must not decide which name of a group counts.
            groups.sort_by(|a, b| a.name().cmp(b.name()));
            for group in groups {
                let skipped = path.is_empty() && without.iter().any(|name| name == group.name());
                if !skipped && seen.insert(group.address()) {
                    left.push((below(&path, group.name()), group));
                }
            }
        }
        Ok(found)
    }

    fn found(&self, path: Vec<String>, dataset: Dataset, bare: dataset::Bare) -> Result<Found, SourceError> {
        let name = path.join("/");
        let shape: Option<Vec<usize>> = dataset.shape().iter().map(|&d| usize::try_from(d).ok()).collect();
        let shape = shape.ok_or_else(|| self.malformed(format!("dataset `{name}` has shape {:?}", dataset.shape())))?;
        let content = dataset::content(self, &name, &shape, dataset, bare)?;
        Ok(Found { path, shape, content })
    }
}

fn below(path: &[String], name: &str) -> Vec<String> {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

fn malformed(object: &dyn ReadAt, reason: String) -> SourceError {
    SourceError::Malformed { path: object.path().to_owned(), format: "keras".to_owned(), reason }
}

/// Turns an error of the library into one of ours. `what` is the dataset or group, if any.
pub(super) fn failed(object: &dyn ReadAt, what: &str, error: &hdf5_reader::error::Error) -> SourceError {
    let place = if what.is_empty() { String::new() } else { format!("`{what}`: ") };
    malformed(object, format!("{place}{error}"))
}
