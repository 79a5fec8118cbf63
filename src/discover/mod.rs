//! From folders to named models.

mod checkpoint;
mod discovered;
mod files;
mod flat;
mod ignored;
mod layout;
mod names;
mod open;
mod search;
mod surroundings;

pub use discovered::{Discovered, DiscoveredModel, Unreadable};
pub use ignored::Ignored;
pub use layout::FileLayout;
pub(crate) use search::SKETCHES;

use crate::bytes::Folder;
use crate::error::SourceError;
use crate::format::Format;
use open::Opener;
use search::{Candidate, Found};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use surroundings::Surroundings;

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
/// A model's name is its path under the given folder, with `/` on every platform and without the ending of its format; a given path
/// that is itself a model is named by its last component. Where two names would be the same, those models are named by
/// their whole file name, else with the name of the given folder in front, else numbered.
///
/// # Formats
///
/// Those of this crate, and those that [`with_format`](Self::with_format) adds. A file is of the format that its name tells; where
/// it tells none or several, the first bytes of a file that is opened decide. Where a folder of a library holds its weights in several
/// formats, the one listed first is taken: this crate's before added ones.
///
/// # The base of an adapter
///
/// Taken from the first place that has it: the recorded `base_model_name_or_path` as a path, from the adapter's folder, the
/// current folder or a given folder; a model beside the adapter, then one anywhere under the given paths, that has the last
/// component of the recorded name; then [`with_base`](Self::with_base), which so serves adapters that record no base or one that is not here.
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
    base: Option<PathBuf>,
}

impl Discovery {
    /// A search with no options set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes this part of diffusers pipelines. Default: `unet`, else `transformer`.
    pub fn with_part(mut self, name: impl Into<String>) -> Self {
        self.around.part = Some(name.into());
        self
    }

    /// The base of adapters that record none, or one that is not found. Default: none.
    pub fn with_base(mut self, path: impl Into<PathBuf>) -> Self {
        self.base = Some(path.into());
        self
    }

    /// Reads files of one more format; one that has the name of another replaces it. Default: the formats of this crate.
    ///
    /// Where a format of this crate would do as well, that one is taken. `examples/own_format.rs` is a format.
    pub fn with_format(mut self, format: impl Format + 'static) -> Self {
        self.around.formats.add(Arc::new(format));
        self
    }

    /// Searches this tree, whose paths [`search`](Self::search) and [`open`](Self::open) are then given. Default: the file system
    /// of this machine.
    pub fn with_tree(mut self, tree: impl Folder + 'static) -> Self {
        self.around.tree = Arc::new(tree);
        self
    }

    /// Finds every model in the given files and folders.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotFound`], [`SourceError::Io`] and [`SourceError::SymlinkLoop`] when one of the paths, or a folder
    /// below it, cannot be searched. A model that cannot be read is no error here: it is listed as unreadable.
    pub fn search(&self, paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<Discovered, SourceError> {
        let searched: Vec<PathBuf> = paths.into_iter().map(|p| p.as_ref().to_owned()).collect();
        let Found { mut candidates, mut ignored } = search::search(&self.around, &searched)?;
        names::make_unique(&self.around, &mut candidates);
        candidates.sort_by(|a, b| a.name.cmp(&b.name));

        let known = candidates.iter().map(|c| (c.name.clone(), c.path.clone())).collect();
        let opener = Opener::new(&self.around, self.base.as_deref(), searched.clone(), known);
        let mut found = Discovered { searched, ..Discovered::default() };
        for Candidate { name, path, content, .. } in candidates {
            match opener.open(&path, content) {
                Ok((layout, source)) => found.models.push(DiscoveredModel { name, path, layout, source }),
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
        let opener = Opener::new(&self.around, self.base.as_deref(), Vec::new(), Vec::new());
        let (layout, source) = opener.open_path(path)?;
        Ok(DiscoveredModel { name: names::of_given(&self.around, path), path: path.to_owned(), layout, source })
    }
}
