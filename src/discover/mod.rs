//! Search for models in folders. Each model that is found gets a name.

mod base;
mod checkpoint;
mod discovered;
mod files;
mod flat;
mod hub;
mod ignored;
mod layout;
mod names;
mod ollama;
mod open;
mod pipeline;
mod revisions;
mod search;
mod surroundings;
mod within;
mod wrapped;

pub use discovered::{Discovered, DiscoveredModel, Unreadable};
pub use ignored::{Ignored, IgnoredKind};
pub use layout::{BaseRule, FileLayout};
pub(crate) use search::SKETCHES;

use crate::bytes::Folder;
use crate::error::{SourceError, chain};
use crate::format::Format;
use base::Bases;
use names::Chosen;
use open::Opener;
use search::{Candidate, Found, Origin};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use surroundings::{OnUnsearchable, Outside, Surroundings};

/// A search for models in folders: files, shards, transformers and diffusers folders, and adapters over their bases.
///
/// # What is searched
///
/// - Folders are searched to any depth and in sorted order. Links within the given folders are followed; real folders come
///   before links.
/// - What lies outside the given folders is not read, whether a link leads there, or the path of a shard or of a base. A folder
///   there is [passed over](Discovered::ignored), a model there is [unreadable](Discovered::unreadable). A given file stands for its
///   folder, and a revision of a hub cache for its repository. [`with_outside`](Self::with_outside) lifts this.
/// - A folder that is one model is searched for further models too, because trainers leave folders such as `checkpoint-500/` in
///   it. Its folder `original`, with the same weights in Meta's layout, is [passed over](Discovered::ignored).
/// - Each part of a diffusers pipeline that has weights is a model, unless [`with_part`](Self::with_part) asks for one.
/// - Folders of mlflow (`MLmodel`) and sentence-transformers (`modules.json`) are the one model in them. The store of Ollama
///   (`manifests` and `blobs`) has the models that its manifests name.
/// - Names that begin with a dot are passed over, unless they are given as paths.
/// - A folder or file may be reached twice, by a link or by two of the given paths. It is one model, under the first name.
/// - A store of sketches is a folder with `sketches.json`. It is passed over whole, because its files are no models. It is
///   among the [ignored](Discovered::ignored).
///
/// # Names
///
/// The name of a model is its path under the given folder, with `/` on every platform and without the ending of its format. If
/// a given path is itself a model, its name is the last component of the path. The spelling of a path does not matter, nor does
/// the order of several.
///
/// - A model in a hub cache has the name of its repository, such as `org/name`, also where a folder in the cache is given. Where
///   revisions differ, `@` and the revision follow; a commit is cut short. Revisions with the same blobs are one model. A model
///   behind the address `hf://org/name` is named in the same way.
/// - A model of Ollama is named `model:tag`, as Ollama shows it.
/// - The main part of a pipeline, its `unet` or `transformer`, has the name of the pipeline. Another part is named `pipeline/part`.
///   [`FileLayout::Diffusers`] says which part a model is.
/// - [`with_name`](Self::with_name) chooses a name.
///
/// Models that would have the same name get their whole file names. If these are equal too, the name of the given folder comes
/// in front, and then of the folders above it, until they differ. Names that are still equal are numbered.
///
/// # Formats
///
/// The formats are those of this crate and those that [`with_format`](Self::with_format) adds. The name of a file decides its
/// format. If the name fits no format or several, the first bytes of the file decide when it is opened. If a library's folder
/// holds its weights in several formats, the format that is listed first is used. This crate's formats come before added ones.
///
/// Endings such as `.bin` are those of many other things. A file of such a name that holds no model is
/// [passed over](Discovered::ignored) with the reason, unless it was given by its own path.
///
/// # The base of an adapter
///
/// The base is the first of these that exists. [`FileLayout::Adapter`] says which one it was.
///
/// 1. The model of [`with_base_for`](Self::with_base_for) for the recorded base, or for the name of the adapter.
/// 2. The recorded base as a path from the adapter's folder, the current folder or a given folder, unless it leads outside.
/// 3. The recorded `org/name`, or `name` without organization, in a hub cache (`models--org--name`). The cache holds the adapter, or a given path, or is given. The
///    recorded revision decides which snapshot is meant, else the branch `main`, else there must be only one.
/// 4. The one model found whose name or path ends in the last two components of the recorded base. A recorded name without
///    `/` must be the whole name of a model found, or that of a model beside the adapter.
/// 5. The model of [`with_base`](Self::with_base). It serves adapters that record no base, or one that is not found.
///
/// A model that has only the last component of `org/name` is never taken. A wrong base would give wrong weights without an
/// error.
///
/// ```
/// use neural_phylogeny::discover::Discovery;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::create_dir(folder.path().join("run"))?;
/// # let mut bytes = 2u64.to_le_bytes().to_vec();
/// # bytes.extend(b"{}");
/// # std::fs::write(folder.path().join("run/step-100.safetensors"), bytes)?;
/// let found = Discovery::new().search([folder.path()])?;
/// assert_eq!(found.models[0].name, "run/step-100");
/// assert!(found.unreadable.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    around: Surroundings,
    bases: Bases,
    chosen: Vec<Chosen>,
}

impl Discovery {
    /// Creates a search without options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the part of diffusers pipelines that is the model. It then has the name of its pipeline. Default: each part with
    /// weights is a model of its own.
    pub fn with_part(mut self, name: impl Into<String>) -> Self {
        self.around.part = Some(name.into());
        self
    }

    /// Sets the base of adapters that record no base, or one that is not found. Default: none.
    pub fn with_base(mut self, path: impl Into<PathBuf>) -> Self {
        self.bases.fallback = Some(path.into());
        self
    }

    /// Sets the base of the adapters that record `id`, or of the one whose own name is `id`. Default: none.
    ///
    /// An `id` is compared as a whole with what an adapter records, such as `org/name`. If it is given twice, the first counts.
    pub fn with_base_for(mut self, id: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.bases.given.push((id.into(), path.into()));
        self
    }

    /// Sets the name of the model at a path. If the path is a folder of several models, the name stands in front of theirs.
    /// Default: none, so that [paths](Self#names) give the names.
    ///
    /// The path is not searched by this call. It names what a search finds there.
    ///
    /// ```
    /// use neural_phylogeny::discover::Discovery;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let mut bytes = 2u64.to_le_bytes().to_vec();
    /// # bytes.extend(b"{}");
    /// let path = folder.path().join("step-100.safetensors");
    /// # std::fs::write(&path, bytes)?;
    /// let found = Discovery::new().with_name(&path, "acme/base").search([&path])?;
    /// assert_eq!(found.models[0].name, "acme/base");
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_name(mut self, path: impl Into<PathBuf>, name: impl Into<String>) -> Self {
        self.chosen.push(Chosen { path: path.into(), name: name.into() });
        self
    }

    /// Lists a folder that cannot be searched as an [unreadable](Discovered::unreadable) model, such as one without permission or
    /// a link that leads back. Default: such a folder ends the search with its error.
    ///
    /// A given path that cannot be searched is always an error.
    pub fn with_unsearchable_listed(mut self) -> Self {
        self.around.on_unsearchable = OnUnsearchable::List;
        self
    }

    /// Reads what lies outside the given folders too, where links and the recorded paths of models lead there. Default: that is
    /// refused with [`SourceError::Outside`], because models come from strangers.
    pub fn with_outside(mut self) -> Self {
        self.around.outside = Outside::Allowed;
        self
    }

    /// Adds a file format. It replaces an earlier format of the same name. Default: the formats of this crate.
    ///
    /// If a format of this crate fits a file as well, that one is used. `examples/own_format.rs` shows a format.
    pub fn with_format(mut self, format: impl Format + 'static) -> Self {
        self.around.formats.add(Arc::new(format));
        self
    }

    /// Sets the tree that is searched. The paths for [`search`](Self::search) and [`open`](Self::open) are then paths of this
    /// tree. Default: the file system of this machine.
    pub fn with_tree(mut self, tree: impl Folder + 'static) -> Self {
        self.around.tree = Arc::new(tree);
        self
    }

    /// Finds every model in the given files and folders.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`], [`SourceError::Io`] and [`SourceError::SymlinkLoop`] when one of the paths, or a folder
    /// below it, cannot be searched. A model that cannot be read is not an error here. It is listed as
    /// [unreadable](Discovered::unreadable).
    pub fn search(&self, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Discovered, SourceError> {
        let searched: Vec<PathBuf> = paths.into_iter().map(|p| p.as_ref().to_owned()).collect();
        let around = &self.around.bounded(&searched, &self.bases);
        let Found { candidates, mut ignored } = search::search(around, &searched)?;
        let mut candidates = names::assign(around, &self.chosen, candidates, &mut ignored);
        candidates.sort_by(|a, b| a.name.cmp(&b.name));

        let known = candidates.iter().map(|c| (c.name.clone(), c.path.clone())).collect();
        let opener = Opener::new(around, &self.bases, searched.clone(), known);
        let mut found = Discovered { searched, ..Discovered::default() };
        for Candidate { name, path, content, origin, .. } in candidates {
            let format = content.format(around);
            let doubtful = origin == Origin::Found && content.is_doubtful(around);
            match opener.open(&path, content) {
                Ok((layout, source)) => found.models.push(DiscoveredModel { name, path, layout, format, source }),
                // What holds no weights is no model that could not be read.
                Err(error @ SourceError::NotAWeightChange { .. }) => {
                    ignored.push(Ignored::other(&path, error.to_string()));
                }
                // What lies outside was not looked at, so that it may well be a model.
                Err(error) if doubtful && !matches!(error, SourceError::Outside { .. }) => {
                    ignored.push(Ignored::unread(&path, format.unwrap_or_default(), chain(&error)));
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
    /// The folder of a repository in a hub cache stands for the revision of `refs/main`, or for its only one. A pipeline is
    /// opened by one part: that of [`with_part`](Self::with_part), else `unet`, `transformer`, or the first with weights. If it
    /// has several, the name says which.
    ///
    /// # Errors
    ///
    /// When there is no model or it cannot be read, for example [`SourceError::NoWeights`] and
    /// [`SourceError::UnsupportedFormat`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<DiscoveredModel, SourceError> {
        let given = path.as_ref();
        let around = &self.around.bounded(&[given.to_owned()], &self.bases);
        let snapshot = revisions::snapshot(around, given);
        let path = snapshot.as_deref().unwrap_or(given);
        let opener = Opener::new(around, &self.bases, Vec::new(), Vec::new());
        let format = opener.recognize(path)?.format(around);
        let (layout, source) = opener.open_path(path)?;
        let name = names::of_one(around, &self.chosen, path);
        Ok(DiscoveredModel { name, path: given.to_owned(), layout, format, source })
    }
}
