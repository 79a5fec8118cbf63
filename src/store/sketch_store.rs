//! A folder of sketches that can grow.

use super::entry::{AddOutcome, StoreEntry, StoreProblem};
use super::file_name::{TEMPORARY, is_entry, is_gone, is_leftover, of_entry};
use super::sketch_file::SketchFile;
use crate::bytes::{self, Existing, Step, before};
use crate::discover::SKETCHES;
use crate::error::{Error, SourceError};
use crate::kernel::format::{self, STORE_VERSION};
use crate::sketch::{Sketch, SketchSettings};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

/// The most bytes that the settings file may have. Settings take far less.
const SETTINGS_LIMIT: u64 = 1 << 16;

/// What can be opened, and what is wrong with the other files.
type Opened<T> = (Vec<T>, Vec<(PathBuf, SourceError)>);

/// A folder of [`Sketch`]es with one safetensors file for each model, all of one seed.
///
/// Any number of threads and processes may add and read at once: a file appears whole, under its name, in one step.
///
/// ```
/// use neural_phylogeny::InMemory;
/// use neural_phylogeny::sketch::{Sketch, SketchSettings};
/// use neural_phylogeny::store::{AddOutcome, SketchStore};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let store = SketchStore::open_or_create(folder.path().join("sketches"), &SketchSettings::new())?;
/// let model = InMemory::new().with_parameter("w", [2], vec![0.5, -0.5])?;
/// let sketch = Sketch::compute(&model, &store.settings())?;
///
/// assert_eq!(store.add("run/step-100", &sketch)?, AddOutcome::New);
/// assert_eq!(store.add("run/step-100", &sketch)?, AddOutcome::Unchanged);
/// assert_eq!(store.entries()?[0].name, "run/step-100");
/// assert!(store.verify()?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SketchStore {
    folder: PathBuf,
    recorded: StoreSettings,
    /// Whether temporary files of killed writers were removed. Once is enough for all that one process writes.
    tidied: Arc<Once>,
}

/// The content of the settings file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoreSettings {
    version: u64,
    /// The map that the sketches were made with: [`format::map`].
    #[serde(default)]
    map: String,
    seed: u64,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<usize>,
}

impl SketchStore {
    /// Opens the store in a folder.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the folder is no store, its settings cannot be read, or its sketches were made with another map.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        let path = folder.join(SKETCHES);
        let none =
            |reason: String| Error::Store { source: SourceError::NotAStore { path: folder.clone(), reason }.into() };
        let bytes = bytes::read_small(&path, SETTINGS_LIMIT).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => none(format!("it has no {SKETCHES}; sketch a model into it to make one")),
            _ => Error::Store { source: SourceError::Io { path: path.clone(), source }.into() },
        })?;
        let recorded: StoreSettings = serde_json::from_slice(&bytes)
            .map_err(|source| Error::Store { source: SourceError::Json { path, source }.into() })?;
        if recorded.version != STORE_VERSION {
            return Err(none(format!("found version {} of {SKETCHES}, expected {STORE_VERSION}", recorded.version)));
        }
        // Sketches made with another map cannot be compared with new ones.
        if recorded.map != format::map() {
            let (path, found, expected) = (folder.join(SKETCHES), recorded.map, format::map());
            return Err(Error::Store { source: SourceError::SketchMap { path, found, expected }.into() });
        }
        Ok(Self { folder, recorded, tidied: Arc::new(Once::new()) })
    }

    /// Opens the store in a folder, or makes one there. If several make one at once, the first succeeds and the others open it.
    ///
    /// # Errors
    ///
    /// - [`Error::StoreMismatch`] when there is a store with another seed, size or width.
    /// - [`Error::StoreWrite`] when a store cannot be made.
    /// - Those of [`open`](Self::open).
    pub fn open_or_create(folder: impl Into<PathBuf>, settings: &SketchSettings) -> Result<Self, Error> {
        let folder = folder.into();
        let recorded = StoreSettings {
            version: STORE_VERSION,
            map: format::map(),
            seed: settings.seed,
            size: settings.size,
            width: settings.width,
        };
        let path = folder.join(SKETCHES);
        // Nothing is written where a store is, so a store that may only be read can be opened this way too.
        if !path.exists() {
            let failed = |source| Error::StoreWrite { path: path.clone(), source };
            before(Step::Folder, &path).and_then(|()| fs::create_dir_all(&folder)).map_err(failed)?;
            let bytes = serde_json::to_vec_pretty(&recorded).map_err(|e| failed(e.into()))?;
            match write(&path, &bytes, Existing::Keep) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => other.map_err(failed)?,
            }
        }
        // Another process may have made the store first, so settings are compared even after writing.
        let store = Self::open(folder)?;
        if store.recorded != recorded {
            let (found, expected) = (store.recorded.described(), recorded.described());
            return Err(Error::StoreMismatch { path: store.folder, found, expected });
        }
        Ok(store)
    }

    /// The folder of the store.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The seed of all sketches in the store.
    pub(super) fn seed(&self) -> u64 {
        self.recorded.seed
    }

    /// The settings by which sketches for this store must be made.
    pub fn settings(&self) -> SketchSettings {
        let settings = SketchSettings::new().with_seed(self.recorded.seed).with_size(self.recorded.size);
        self.recorded.width.map_or(settings.clone(), |width| settings.with_width(width))
    }

    /// Adds the sketch of the model `name`, unless the store has the same already.
    ///
    /// # Errors
    ///
    /// - [`Error::SketchExists`] when the store has another sketch of that name.
    /// - [`Error::SketchSeed`] when the seed is not that of the store.
    /// - [`Error::Store`] when the sketch of that name cannot be read, [`Error::StoreWrite`] when the file cannot be written.
    /// - [`Error::Source`] when `sketch` is itself in a file that cannot be read.
    pub fn add(&self, name: &str, sketch: &Sketch) -> Result<AddOutcome, Error> {
        let path = self.checked_path(name, sketch)?;
        let described = |content: &str, width: usize| format!("content {content} at width {width}");
        let bytes = sketch.encode(&path, name)?;
        loop {
            if let Some(stored) = self.read(name)? {
                if same(&stored, sketch) {
                    return Ok(AddOutcome::Unchanged);
                }
                let found = described(&stored.content, stored.sketch.width);
                let expected = described(&sketch.content(), sketch.width);
                return Err(Error::SketchExists { name: name.to_owned(), found, expected });
            }
            match self.write(&path, &bytes, Existing::Keep) {
                // Another process was faster. The next turn of the loop finds out whether it wrote the same sketch.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::StoreWrite { path, source }),
                Ok(()) => return Ok(AddOutcome::New),
            }
        }
    }

    /// Adds the sketch of the model `name`, and replaces another of that name, also a damaged one.
    ///
    /// # Errors
    ///
    /// - [`Error::SketchSeed`] when the seed is not that of the store.
    /// - [`Error::StoreWrite`] when the file cannot be written.
    /// - [`Error::Source`] when `sketch` is itself in a file that cannot be read.
    pub fn replace(&self, name: &str, sketch: &Sketch) -> Result<AddOutcome, Error> {
        let path = self.checked_path(name, sketch)?;
        let added = match self.read(name) {
            Ok(None) => AddOutcome::New,
            // Values are verified on opening. Replacing is how a damaged entry is repaired.
            Ok(Some(stored)) if same(&stored, sketch) => return Ok(AddOutcome::Unchanged),
            Ok(Some(_)) | Err(_) => AddOutcome::Replaced,
        };
        let bytes = sketch.encode(&path, name)?;
        match self.write(&path, &bytes, Existing::Replace) {
            Ok(()) => Ok(added),
            Err(source) => Err(Error::StoreWrite { path, source }),
        }
    }

    /// Removes the sketch of the model `name`, in whatever state it is.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownModel`] when there is no such sketch, [`Error::StoreWrite`] when it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path_of(name);
        self.tidy();
        before(Step::Remove, &path).and_then(|()| fs::remove_file(&path)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => Error::UnknownModel { name: name.to_owned(), near: Vec::new() },
            _ => Error::StoreWrite { path, source },
        })
    }

    /// Whether there is a sketch of the model `name`, also one that is damaged.
    pub fn contains(&self, name: &str) -> bool {
        fs::symlink_metadata(self.path_of(name)).is_ok()
    }

    /// The sketch of the model `name`. Its values stay on disk until they are needed.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownModel`] when there is no such sketch, [`Error::Store`] when it cannot be read.
    pub fn get(&self, name: &str) -> Result<Sketch, Error> {
        let stored = self.read(name)?;
        Ok(stored.ok_or_else(|| Error::UnknownModel { name: name.to_owned(), near: Vec::new() })?.sketch)
    }

    /// All sketches, sorted by name. Every byte is read and compared with its checksum.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the folder or a sketch cannot be read, or a sketch is damaged.
    pub fn entries(&self) -> Result<Vec<StoreEntry>, Error> {
        Ok(self.stored()?.into_iter().map(SketchFile::recorded).collect())
    }

    /// All sketches with the names of their models, sorted by name.
    ///
    /// Each file is opened and verified once. Values stay on disk until they are needed.
    ///
    /// # Errors
    ///
    /// Those of [`entries`](Self::entries).
    pub fn sketches(&self) -> Result<Vec<(String, Sketch)>, Error> {
        Ok(self.stored()?.into_iter().map(|stored| (stored.name, stored.sketch)).collect())
    }

    /// The sketches that can be read with the names of their models, and what is wrong with the others.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the folder cannot be listed.
    pub fn readable_sketches(&self) -> Result<Opened<(String, Sketch)>, Error> {
        let (stored, problems) = self.opened()?;
        Ok((stored.into_iter().map(|stored| (stored.name, stored.sketch)).collect(), problems))
    }

    /// What the headers of the sketches record that can be read, sorted by name, and what is wrong with the others.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the folder cannot be listed.
    pub fn readable_entries(&self) -> Result<Opened<StoreEntry>, Error> {
        let (stored, problems) = self.opened()?;
        Ok((stored.into_iter().map(SketchFile::recorded).collect(), problems))
    }

    /// All entries, opened and sorted by name.
    fn stored(&self) -> Result<Vec<SketchFile>, Error> {
        let (stored, problems) = self.opened()?;
        match problems.into_iter().next() {
            Some((_, source)) => Err(Error::Store { source: source.into() }),
            None => Ok(stored),
        }
    }

    /// The entries that can be opened, sorted by name, and what is wrong with the others, sorted by path.
    fn opened(&self) -> Result<Opened<SketchFile>, Error> {
        let (mut all, mut problems) = (Vec::new(), Vec::new());
        for path in self.files()?.into_iter().filter(|path| is_entry(path)) {
            match self.read_file(&path) {
                Ok(stored) => all.push(stored),
                // The file was removed since it was listed.
                Err(SourceError::NotFound { .. }) if is_gone(&path) => {}
                Err(problem) => problems.push((path, problem)),
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((all, problems))
    }

    /// Reads every byte again and lists the files that are not as they were written, sorted by path.
    ///
    /// Temporary files whose writers were killed are listed too. The next writer of the store removes them.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the folder cannot be listed.
    pub fn verify(&self) -> Result<Vec<StoreProblem>, Error> {
        let mut problems = Vec::new();
        for path in self.files()? {
            let outcome = if is_entry(&path) {
                self.read_file(&path).map(drop)
            } else if is_leftover(&path) {
                Err(SourceError::Leftover { path: path.clone() })
            } else {
                Ok(())
            };
            match outcome {
                Ok(()) => {}
                // Another process may remove a file after it was listed.
                Err(SourceError::NotFound { .. }) if is_gone(&path) => {}
                Err(problem) => problems.push(StoreProblem { path, problem: problem.into() }),
            }
        }
        Ok(problems)
    }

    /// The path of a model's file.
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.folder.join(of_entry(name))
    }

    /// The path of a model's file, for a sketch of the store's seed.
    fn checked_path(&self, name: &str, sketch: &Sketch) -> Result<PathBuf, Error> {
        let (found, expected) = (sketch.seed, self.recorded.seed);
        if found != expected {
            return Err(Error::SketchSeed { name: Some(name.to_owned()), found, expected });
        }
        Ok(self.path_of(name))
    }

    /// Writes a file of the store, whole or not at all.
    pub(super) fn write(&self, path: &Path, content: &[u8], existing: Existing) -> io::Result<()> {
        self.tidy();
        write(path, content, existing)
    }

    /// Removes temporary files of writers that were killed.
    fn tidy(&self) {
        self.tidied.call_once(|| bytes::remove_leftovers(&self.folder.join(SKETCHES), TEMPORARY));
    }

    /// Opens the entry of a model; `None` when there is none.
    fn read(&self, name: &str) -> Result<Option<SketchFile>, Error> {
        let path = self.path_of(name);
        match self.read_file(&path) {
            Err(SourceError::NotFound { .. }) if is_gone(&path) => Ok(None),
            other => other.map(Some).map_err(|source| Error::Store { source: source.into() }),
        }
    }

    /// Opens an entry and checks that it belongs where it is.
    pub(super) fn read_file(&self, path: &Path) -> Result<SketchFile, SourceError> {
        let stored = SketchFile::open(path)?;
        let file = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        // A file that was renamed by hand would stand for a model that it does not hold.
        stored.agrees("file name", &file, &of_entry(&stored.name))?;
        stored.agrees("seed", &stored.sketch.seed.to_string(), &self.recorded.seed.to_string())?;
        // A flipped bit of a value would change distances in silence. Reading a sketch once more costs a millisecond.
        stored.verify()?;
        Ok(stored)
    }

    /// The paths of all files in the folder, sorted.
    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let failed = |source| Error::Store { source: SourceError::Io { path: self.folder.clone(), source }.into() };
        let listed: io::Result<Vec<PathBuf>> =
            fs::read_dir(&self.folder).map_err(failed)?.map(|entry| Ok(entry?.path())).collect();
        let mut files = listed.map_err(failed)?;
        files.sort();
        Ok(files)
    }
}

impl StoreSettings {
    /// The settings in words, for an error.
    fn described(&self) -> String {
        let width = self.width.map_or_else(String::new, |width| format!(" and width {width}"));
        format!("seed {}, size {} bytes{width}", self.seed, self.size)
    }
}

/// Writes a sketch or the settings of a store, whole or not at all.
pub(super) fn write(path: &Path, content: &[u8], existing: Existing) -> io::Result<()> {
    bytes::write_whole(path, TEMPORARY, existing, |file| io::Write::write_all(file, content))
}

/// Whether a stored sketch has the content and the width of another.
fn same(stored: &SketchFile, sketch: &Sketch) -> bool {
    stored.content == sketch.content() && stored.sketch.width == sketch.width
}
