//! Opening of models that a search found, and of adapters over their bases.

use super::base::{Bases, Spellings, Wanted};
use super::checkpoint::{self, Content};
use super::surroundings::{Surroundings, layout_of};
use super::{BaseRule, FileLayout};
use crate::bytes::{EntryKind, Listing};
use crate::error::SourceError;
use crate::format::{FilePart, Tensors};
use crate::source::{
    AdapterConfig, AdapterFile, Dequantized, ParameterSource, PeftAdapter, QuantizationConfig, Shards, Slices,
};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A model and the layout of its files.
type Opened = (FileLayout, Arc<dyn ParameterSource>);

/// Opens models with the paths and names that a search knows.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    pub(super) around: &'a Surroundings,
    pub(super) bases: &'a Bases,
    /// The paths that were searched.
    pub(super) roots: Vec<PathBuf>,
    /// Names and paths of all models that were found.
    pub(super) known: Vec<(String, PathBuf)>,
    pub(super) spellings: OnceCell<Vec<Spellings>>,
    /// The models that are already open, by their paths with links resolved. Many adapters share a base.
    open: RefCell<BTreeMap<PathBuf, Opened>>,
}

impl<'a> Opener<'a> {
    pub(super) fn new(
        around: &'a Surroundings,
        bases: &'a Bases,
        roots: Vec<PathBuf>,
        known: Vec<(String, PathBuf)>,
    ) -> Self {
        Self { around, bases, roots, known, spellings: OnceCell::new(), open: RefCell::default() }
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
            Content::Weights { layout, path: file } => match self.weights(&file)? {
                Weights::Model(source) => (layout, source),
                Weights::Adapter(adapter, tensors) => {
                    self.adapter_file(path, &file, &real, above, &adapter, tensors)?
                }
            },
            Content::Adapter => self.adapter(path, &real, above)?,
            Content::Unreadable(error) => return Err(error),
        };
        self.open.borrow_mut().insert(real, opened.clone());
        Ok(opened)
    }

    fn adapter(&self, folder: &Path, real: &Path, above: &[PathBuf]) -> Result<Opened, SourceError> {
        let config = AdapterConfig::read(&*self.around.tree, folder)?;
        let (recorded, revision) = (config.base.as_deref(), config.revision.as_deref());
        let place = "adapter_config.json";
        let wanted = Wanted { path: folder, real, recorded, revision, place };
        let (source, layout) = self.base_below(&wanted, config.kind(), above)?;
        let Surroundings { tree, formats, .. } = self.around;
        let adapter = PeftAdapter::with_config(&**tree, formats, folder, &config, source)?;
        Ok((layout, Arc::new(adapter)))
    }

    /// Opens an adapter that is one file. `path` is the model that was found, which may be a folder that holds the file.
    fn adapter_file(
        &self,
        path: &Path,
        file: &Path,
        real: &Path,
        above: &[PathBuf],
        adapter: &AdapterFile,
        tensors: Tensors,
    ) -> Result<Opened, SourceError> {
        let recorded = adapter.base.as_deref();
        let place = format!("the {}", adapter.kind);
        let wanted = Wanted { path, real, recorded, revision: None, place: &place };
        let (source, layout) = self.base_below(&wanted, adapter.kind, above)?;
        let adapter = PeftAdapter::of_file(file, adapter, Box::new(tensors), source)?;
        Ok((layout, Arc::new(adapter)))
    }

    /// Finds and opens the base of an adapter.
    fn base_below(
        &self,
        wanted: &Wanted<'_>,
        kind: &str,
        above: &[PathBuf],
    ) -> Result<(Arc<dyn ParameterSource>, FileLayout), SourceError> {
        // Without this check, adapters that are each other's base would be opened for ever.
        if above.iter().any(|a| a == wanted.real) {
            let base = above.last().map_or_else(PathBuf::new, Clone::clone);
            return Err(SourceError::AdapterCycle { path: wanted.path.to_owned(), base });
        }
        let above: Vec<PathBuf> = above.iter().cloned().chain([wanted.real.to_owned()]).collect();
        let (base, found) = self.base_of(wanted)?;
        let source = match found {
            BaseRule::HubCache => self.open_cached(&base, &above)?,
            _ => self.open_below(&base, self.recognize(&base)?, &above)?.1,
        };
        let recorded = wanted.recorded.map(ToOwned::to_owned);
        Ok((source, FileLayout::Adapter { kind: kind.to_owned(), base, recorded, found }))
    }

    /// Opens a base of a hub cache. Its repository may lie outside the given folders, beside that of the adapter.
    fn open_cached(&self, base: &Path, above: &[PathBuf]) -> Result<Arc<dyn ParameterSource>, SourceError> {
        let real = self.around.tree.identity(base)?;
        if let Some((_, source)) = self.open.borrow().get(&real) {
            return Ok(Arc::clone(source));
        }
        let around = self.around.with_place(base);
        let opener = Opener::new(&around, self.bases, self.roots.clone(), self.known.clone());
        let opened = opener.open_below(base, opener.recognize(base)?, above)?;
        self.open.borrow_mut().insert(real, opened.clone());
        Ok(opened.1)
    }

    /// Recognizes the model at a path.
    pub(super) fn recognize(&self, path: &Path) -> Result<Content, SourceError> {
        let entry = self.around.tree.entry(path)?;
        if entry.kind == EntryKind::File {
            if let Some(format) = self.around.formats.unread(&entry.name) {
                let format = format.described();
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
    fn weights(&self, path: &Path) -> Result<Weights, SourceError> {
        let Surroundings { tree, formats, .. } = self.around;
        let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        // The factors of an increment are not weights. Without this check they would be compared with the weights of other
        // models.
        match formats.parse(&name).map(|n| n.part) {
            _ if self.around.is_folder(path) => {
                Ok(Weights::Model(self.dequantized(path, Arc::new(Shards::gathered(&**tree, formats, path)?))?))
            }
            Some(FilePart::Index | FilePart::Shard { .. }) => {
                let source = Shards::open_in(&**tree, formats, path)?;
                match AdapterFile::recognize(path, &source, &BTreeMap::new())? {
                    None => Ok(Weights::Model(self.dequantized(path, Arc::new(source))?)),
                    Some(_) => Err(SourceError::AdapterUnsupported {
                        path: path.to_owned(),
                        feature: "several files for one adapter".to_owned(),
                    }),
                }
            }
            Some(FilePart::Slice { .. }) => Ok(Weights::Model(Slices::open_in(&**tree, formats, path)?)),
            Some(FilePart::Whole) | None => {
                let tensors = formats.open(&**tree, path)?;
                Ok(match AdapterFile::recognize(path, &tensors, tensors.metadata())? {
                    None => Weights::Model(self.dequantized(path, Arc::new(tensors))?),
                    Some(adapter) => Weights::Adapter(adapter, tensors),
                })
            }
        }
    }

    /// Reads the quantized tensors of a model as floats. A model without such tensors is left as it is.
    fn dequantized(
        &self,
        path: &Path,
        source: Arc<dyn ParameterSource>,
    ) -> Result<Arc<dyn ParameterSource>, SourceError> {
        let config = || QuantizationConfig::read(&*self.around.tree, path.parent().unwrap_or(Path::new("")));
        Ok(match Dequantized::find(&source, path, &config)? {
            Some(dequantized) => Arc::new(dequantized),
            None => source,
        })
    }
}

/// What a weights file holds.
enum Weights {
    Model(Arc<dyn ParameterSource>),
    Adapter(AdapterFile, Tensors),
}
