//! From a directory tree to named models.

use super::checkpoint::{self, Checkpoint, Content, Ignored, Layout};
use super::flat;
use super::listing::{Listing, io_error, is_safetensors, link_error, unread_format};
use super::open::Opener;
use super::safetensors::{index_stem, shard_number};
use super::{ParameterSource, names};
use crate::error::SourceError;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// The file that makes a folder a store of sketches.
pub(crate) const SKETCHES: &str = "sketches.json";

/// Finds models in folders: files, shards, transformers and diffusers folders, and peft adapters over their bases.
///
/// # What is searched
///
/// Folders nested to any depth, in sorted order, links followed. A folder that is one model is searched for further ones
/// too (trainers leave `checkpoint-500/` in it), except for the parts of a diffusers pipeline. Names that begin with a dot
/// are passed over unless given. A folder or file reached twice, by a link or by two of the given paths, is one model under
/// the name of the first; real folders come before links. A store of sketches, a folder with `sketches.json`, is passed over whole,
/// since its files are no models; it is among the [ignored](Discovered::ignored).
///
/// # Names
///
/// A model's name is its path under the given folder, with `/` on every platform and without `.safetensors`; a given path
/// that is itself a model is named by its last component. Where two names would be the same, those models are named by
/// their whole file name, else with the name of the given folder in front, else numbered.
///
/// # The base of an adapter
///
/// Taken from the first place that has it: the recorded `base_model_name_or_path` as a path, from the adapter's folder, the
/// current folder or a given folder; a model beside the adapter, then one anywhere under the given paths, that has the last
/// component of the recorded name; then [`base`](Self::base), which so serves adapters that record no base or one that is not here.
///
/// ```
/// use neural_phylogeny::Discovery;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::create_dir(folder.path().join("run"))?;
/// # let mut bytes = 2u64.to_le_bytes().to_vec();
/// # bytes.extend(b"{}");
/// # std::fs::write(folder.path().join("run/step-100.safetensors"), bytes)?;
/// let found = Discovery::new().search(&[folder.path()])?;
/// assert_eq!(found.models[0].name, "run/step-100");
/// assert!(found.unreadable.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    part: Option<String>,
    base: Option<PathBuf>,
}

/// What a search found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Discovered {
    /// The models, sorted by name.
    pub models: Vec<DiscoveredModel>,
    /// What would be a model if it could be read, sorted by name.
    pub unreadable: Vec<Unreadable>,
    /// Weights that are no model of the set, sorted by path.
    pub ignored: Vec<Ignored>,
    /// The paths that were given.
    pub searched: Vec<PathBuf>,
}

/// A model that was found.
#[derive(Debug)]
#[non_exhaustive]
pub struct DiscoveredModel {
    /// Its name, unique among those found.
    pub name: String,
    /// Its folder, or its file or index.
    pub path: PathBuf,
    /// How it is laid out.
    pub layout: Layout,
    /// Its parameters.
    pub source: Box<dyn ParameterSource>,
}

/// A model that was found and cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// The name it would have.
    pub name: String,
    /// Its folder, or its file or index.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: SourceError,
}

impl Discovery {
    /// A search with no options set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes this part of diffusers pipelines. Default: `unet`, else `transformer`.
    pub fn part(mut self, name: impl Into<String>) -> Self {
        self.part = Some(name.into());
        self
    }

    /// The base of adapters that record none, or one that is not found. Default: none.
    pub fn base(mut self, path: impl Into<PathBuf>) -> Self {
        self.base = Some(path.into());
        self
    }

    /// Finds every model in the given files and folders.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`], [`SourceError::Io`] and [`SourceError::SymlinkLoop`] when one of the paths, or a folder
    /// below it, cannot be searched. A model that cannot be read is no error here: it is listed as unreadable.
    pub fn search<P: AsRef<Path>>(&self, paths: &[P]) -> Result<Discovered, SourceError> {
        let mut search = Search { part: self.part.as_deref(), ..Search::default() };
        for path in paths {
            search.given(path.as_ref())?;
        }
        search.links()?;
        let Search { mut candidates, mut ignored, .. } = search;
        without_repeats(&mut candidates, &mut ignored);
        names::make_unique(&mut candidates);
        candidates.sort_by(|a, b| a.name.cmp(&b.name));

        let searched: Vec<PathBuf> = paths.iter().map(|p| p.as_ref().to_owned()).collect();
        let known = candidates.iter().map(|c| (c.name.clone(), c.path.clone())).collect();
        let opener = Opener::new(self.part.as_deref(), self.base.as_deref(), searched.clone(), known);
        let mut found = Discovered { searched, ..Discovered::default() };
        for Candidate { name, path, content, .. } in candidates {
            match opener.open(&path, content) {
                Ok((layout, source)) => {
                    found.models.push(DiscoveredModel { name, path, layout, source: Box::new(source) });
                }
                Err(error) => found.unreadable.push(Unreadable { name, path, error }),
            }
        }
        ignored.sort_by(|a, b| a.path.cmp(&b.path));
        found.ignored = ignored;
        Ok(found)
    }

    /// Opens one model, given by its file, its index or its folder.
    ///
    /// # Errors
    ///
    /// When there is no model, [`SourceError::NoWeights`] and [`SourceError::UnsupportedFormat`] among others, or it cannot be read.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<DiscoveredModel, SourceError> {
        let path = path.as_ref();
        let opener = Opener::new(self.part.as_deref(), self.base.as_deref(), Vec::new(), Vec::new());
        let (layout, source) = opener.open_path(path)?;
        Ok(DiscoveredModel { name: names::of_given(path), path: path.to_owned(), layout, source: Box::new(source) })
    }
}

/// Something that looks like a model, not opened yet.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) name: String,
    /// Name of the given folder it is under, which is put in front of the name where names collide.
    pub(super) root: String,
    /// The folder, file or index.
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

/// The state of one search.
#[derive(Debug, Default)]
struct Search<'a> {
    part: Option<&'a str>,
    candidates: Vec<Candidate>,
    ignored: Vec<Ignored>,
    /// The folders searched, links resolved, and the names they were reached by.
    visited: BTreeMap<PathBuf, PathBuf>,
    /// Folders behind links, searched when all real ones are.
    links: VecDeque<Folder>,
}

/// A folder to search.
#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    /// The name a model would have that is the folder itself.
    name: String,
    /// What the names of models in it begin with: empty, or ending in `/`.
    prefix: String,
    root: String,
    /// The folders it is in, links resolved.
    above: Vec<PathBuf>,
}

impl Search<'_> {
    fn given(&mut self, path: &Path) -> Result<(), SourceError> {
        let metadata = fs::metadata(path).map_err(|e| link_error(path, e))?;
        let name = names::of_given(path);
        if metadata.is_dir() {
            let root = name.clone();
            let folder = Folder { path: path.to_owned(), name, prefix: String::new(), root, above: Vec::new() };
            return self.folder(&folder);
        }
        self.given_file(path, name);
        Ok(())
    }

    fn given_file(&mut self, path: &Path, name: String) {
        let file = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let root = names::parent_of_given(path);
        let shards = Content::Weights { layout: Layout::SafetensorsShards, path: path.to_owned() };
        let content = if index_stem(&file).is_some() {
            shards
        } else if let Some(shard) = shard_number(&file) {
            // Any shard stands for all: the same model whichever was given, so that `detect folder/*` finds it once.
            let index = path.with_file_name(format!("{}.safetensors.index.json", shard.stem));
            let first = path.with_file_name(format!("{}-00001-of-{:05}.safetensors", shard.stem, shard.count));
            match [index, first].into_iter().find(|p| p.is_file()) {
                Some(whole) if whole != path => return self.given_file(&whole, name),
                _ => shards,
            }
        } else if is_safetensors(&file) {
            Content::Weights { layout: Layout::SafetensorsFile, path: path.to_owned() }
        } else if let Some(format) = unread_format(&file) {
            Content::Unreadable(SourceError::UnsupportedFormat { path: path.to_owned(), format: format.to_owned() })
        } else {
            // `detect folder/*` gives the documents of a folder along with its models.
            self.ignored.push(Ignored { path: path.to_owned(), reason: "no weights file by its name".to_owned() });
            return;
        };
        self.candidates.push(Candidate { name, root, path: path.to_owned(), content });
    }

    fn folder(&mut self, folder: &Folder) -> Result<(), SourceError> {
        let real = fs::canonicalize(&folder.path).map_err(|e| io_error(&folder.path, e))?;
        if folder.above.contains(&real) {
            return Err(SourceError::SymlinkLoop { path: folder.path.clone(), target: real });
        }
        if let Some(first) = self.visited.get(&real) {
            let reason = format!("the same folder as {}", first.display());
            self.ignored.push(Ignored { path: folder.path.clone(), reason });
            return Ok(());
        }
        self.visited.insert(real.clone(), folder.path.clone());

        let listing = Listing::read(&folder.path)?;
        if listing.file(SKETCHES).is_some() {
            // Its files look like models by their names.
            self.ignored.push(Ignored { path: folder.path.clone(), reason: "a store of sketches".to_owned() });
            return Ok(());
        }
        let parts = self.models_of(folder, &listing);

        let above: Vec<PathBuf> = folder.above.iter().cloned().chain([real]).collect();
        for entry in listing.folders.iter().filter(|f| !parts.contains(&f.name)) {
            let name = format!("{}{}", folder.prefix, entry.name);
            let prefix = format!("{name}/");
            let (path, root, above) = (entry.path.clone(), folder.root.clone(), above.clone());
            let inner = Folder { path, name, prefix, root, above };
            match entry.is_link {
                true => self.links.push_back(inner),
                false => self.folder(&inner)?,
            }
        }
        Ok(())
    }

    fn links(&mut self) -> Result<(), SourceError> {
        while let Some(folder) = self.links.pop_front() {
            self.folder(&folder)?;
        }
        Ok(())
    }

    /// Adds the models of a folder itself; returns the subfolders not to search.
    fn models_of(&mut self, folder: &Folder, listing: &Listing) -> Vec<String> {
        if let Some(Checkpoint { content, parts, ignored }) = checkpoint::recognize(listing, self.part) {
            let (name, path) = (folder.name.clone(), folder.path.clone());
            let root = match folder.prefix.is_empty() {
                true => names::parent_of_given(&path),
                false => folder.root.clone(),
            };
            if !matches!(content, Content::Unreadable(SourceError::UnsupportedFormat { .. })) {
                self.unread(listing);
            }
            self.candidates.push(Candidate { name, root, path, content });
            self.ignored.extend(ignored);
            return parts;
        }
        self.unread(listing);
        let (models, ignored) = flat::models(listing);
        self.ignored.extend(ignored);
        self.candidates.extend(models.into_iter().map(|(stem, content, path)| Candidate {
            name: format!("{}{stem}", folder.prefix),
            root: folder.root.clone(),
            path,
            content,
        }));
        Vec::new()
    }

    /// Notes the weights of a folder that are in formats not read.
    fn unread(&mut self, listing: &Listing) {
        for file in &listing.files {
            if let Some(format) = unread_format(&file.name) {
                let reason = format!("{format}: not read, convert it to safetensors");
                self.ignored.push(Ignored { path: file.path.clone(), reason });
            }
        }
    }
}

/// Leaves out files that were reached twice; those behind links first.
fn without_repeats(candidates: &mut Vec<Candidate>, ignored: &mut Vec<Ignored>) {
    candidates.sort_by_key(|c| c.path.is_symlink());
    let mut first: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    candidates.retain(|c| {
        let Ok(real) = fs::canonicalize(&c.path) else { return true };
        match first.get(&real) {
            Some(taken) => {
                let reason = format!("the same file as {}", taken.display());
                ignored.push(Ignored { path: c.path.clone(), reason });
                false
            }
            None => {
                first.insert(real, c.path.clone());
                true
            }
        }
    });
}
