//! Opening of models that a search found, and of adapters over their bases.

use super::FileLayout;
use super::checkpoint::{self, Content};
use super::surroundings::{Surroundings, layout_of};
use crate::bytes::{EntryKind, Listing};
use crate::error::SourceError;
use crate::format::{FilePart, whole_name};
use crate::source::{AdapterConfig, ParameterSource, PeftAdapter, Shards};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A model and the layout of its files.
type Opened = (FileLayout, Arc<dyn ParameterSource>);

/// Opens models with the paths and names that a search knows.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    around: &'a Surroundings,
    base: Option<&'a Path>,
    /// The paths that were searched.
    roots: Vec<PathBuf>,
    /// Names and paths of all models that were found.
    known: Vec<(String, PathBuf)>,
    /// The models that are already open, by their paths with links resolved. Many adapters share a base.
    open: RefCell<BTreeMap<PathBuf, Opened>>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(
        around: &'a Surroundings,
        base: Option<&'a Path>,
        roots: Vec<PathBuf>,
        known: Vec<(String, PathBuf)>,
    ) -> Self {
        Self { around, base, roots, known, open: RefCell::default() }
    }

    /// Opens the model at `path`, whose content is already recognized.
    pub(super) fn open(&self, path: &Path, content: Content) -> Result<Opened, SourceError> {
        self.open_below(path, content, &[])
    }

    /// Recognizes and opens the model at `path`.
    pub(super) fn open_path(&self, path: &Path) -> Result<Opened, SourceError> {
        self.open(path, self.recognize(path)?)
    }

    /// Opens a model that is the base of the adapters `above`, directly or through one another.
    fn open_below(&self, path: &Path, content: Content, above: &[PathBuf]) -> Result<Opened, SourceError> {
        let real = self.around.tree.identity(path)?;
        if let Some(opened) = self.open.borrow().get(&real) {
            return Ok(opened.clone());
        }
        let opened: Opened = match content {
            Content::Weights { layout, path } => (layout, self.weights(&path)?),
            Content::Adapter => self.adapter(path, &real, above)?,
            Content::Unreadable(error) => return Err(error),
        };
        self.open.borrow_mut().insert(real, opened.clone());
        Ok(opened)
    }

    fn adapter(&self, folder: &Path, real: &Path, above: &[PathBuf]) -> Result<Opened, SourceError> {
        // Without this check, adapters that are each other's base would be opened for ever.
        if above.iter().any(|a| a == real) {
            let base = above.last().map_or_else(PathBuf::new, Clone::clone);
            return Err(SourceError::AdapterCycle { path: folder.to_owned(), base });
        }
        let above: Vec<PathBuf> = above.iter().cloned().chain([real.to_owned()]).collect();
        let config = AdapterConfig::read(&*self.around.tree, folder)?;
        let base = self.base_of(folder, real, config.base.as_deref())?;
        let (_, source) = self.open_below(&base, self.recognize(&base)?, &above)?;
        let Surroundings { tree, formats, .. } = self.around;
        let adapter = PeftAdapter::with_config(&**tree, formats, folder, &config, source)?;
        Ok((FileLayout::Adapter { base }, Arc::new(adapter)))
    }

    /// Finds the base of an adapter. [`Discovery`](crate::discover::Discovery) documents the order of the places.
    fn base_of(&self, folder: &Path, real: &Path, recorded: Option<&str>) -> Result<PathBuf, SourceError> {
        let missing = |reason| SourceError::BaseMissing { path: folder.to_owned(), reason };
        let mut reason = "adapter_config.json records none in `base_model_name_or_path`".to_owned();
        if let Some(recorded) = recorded {
            let places = [folder, Path::new("")].into_iter().chain(self.roots.iter().map(PathBuf::as_path));
            if let Some(found) = places.map(|p| p.join(recorded)).find(|p| self.recognize(p).is_ok()) {
                return Ok(found);
            }
            // A model beside the adapter is more likely to be meant than one elsewhere.
            let name = recorded.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(recorded);
            let other = |p: &PathBuf| self.around.tree.identity(p).is_ok_and(|p| p != real);
            let files = self.around.formats.iter().flat_map(|f| f.extensions()).map(|end| whole_name(name, end));
            let mut beside = [name.to_owned()].into_iter().chain(files).filter_map(|n| Some(folder.parent()?.join(n)));
            let beside = beside.find(|p| other(p) && self.recognize(p).is_ok());
            if let Some(found) = beside {
                return Ok(found);
            }
            // If two models have the name, none is taken: a wrong base would give wrong weights without an error.
            let named = |(n, p): &&(String, PathBuf)| n.rsplit('/').next() == Some(name) && other(p);
            let mut known = self.known.iter().filter(named).map(|(_, p)| p);
            match (known.next(), known.next()) {
                (Some(found), None) => return Ok(found.clone()),
                (Some(one), Some(two)) => {
                    reason =
                        format!("its `{recorded}` is no path here and may be {} or {}", one.display(), two.display());
                }
                (None, _) => {
                    reason = format!(
                        "its `{recorded}` is no model's path from {}, the current folder or the searched ones, \
                         and no model found is named `{name}`",
                        folder.display()
                    );
                }
            }
        }
        self.base.map(Path::to_owned).ok_or_else(|| missing(reason))
    }

    /// Recognizes the model at a path.
    pub(super) fn recognize(&self, path: &Path) -> Result<Content, SourceError> {
        let entry = self.around.tree.entry(path)?;
        if entry.kind == EntryKind::File {
            if let Some(format) = self.around.formats.unread(&entry.name) {
                let format = format.name().to_owned();
                return Err(SourceError::UnsupportedFormat { path: path.to_owned(), format });
            }
            let layout = match self.around.formats.parse(&entry.name) {
                Some(name) => layout_of(&name),
                None => FileLayout::File { format: self.around.formats.of_file(&*self.around.tree, path) },
            };
            return Ok(Content::Weights { layout, path: path.to_owned() });
        }
        let listing = Listing::read(&*self.around.tree, path)?;
        if let Some(checkpoint) = checkpoint::recognize(self.around, &listing) {
            return Ok(checkpoint.content);
        }
        let (models, _) = super::flat::models(self.around, &listing);
        match <[_; 1]>::try_from(models) {
            Ok([(_, content, _)]) => Ok(content),
            Err(models) => Err(SourceError::NoWeights {
                path: path.to_owned(),
                expected: format!("one model, found {}", models.len()),
            }),
        }
    }

    /// Opens a whole file, or all shards of a model, given by the index or by one of them.
    fn weights(&self, path: &Path) -> Result<Arc<dyn ParameterSource>, SourceError> {
        let Surroundings { tree, formats, .. } = self.around;
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let source: Arc<dyn ParameterSource> = match formats.parse(&name).map(|n| n.part) {
            Some(FilePart::Index | FilePart::Shard { .. }) => Arc::new(Shards::open_in(&**tree, formats, path)?),
            Some(FilePart::Whole) | None => Arc::new(formats.open(&**tree, path)?),
        };
        // The factors of an increment are not weights. Without this check they would be compared with the weights of other
        // models.
        let is_factor = |name: &str| {
            name.split('.').any(|part| LOW_RANK.contains(&part)) || LOW_RANK_ENDS.iter().any(|end| name.ends_with(end))
        };
        match source.parameters()?.iter().find(|p| is_factor(&p.name)) {
            Some(factor) => Err(SourceError::AdapterUnsupported {
                path: path.to_owned(),
                feature: format!("LoRA tensors (`{}`) without an adapter_config.json beside them", factor.name),
            }),
            None => Ok(source),
        }
    }
}

/// Parts of the names that libraries of the ecosystem give to the factors of an increment.
const LOW_RANK: [&str; 7] =
    ["lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_down", "lora_up", "lora_magnitude_vector"];

/// Ends of the names that diffusers, and the scripts before it, give to the factors of an increment.
const LOW_RANK_ENDS: [&str; 3] = ["lora.up.weight", "lora.down.weight", "lora_linear_layer.up.weight"];
