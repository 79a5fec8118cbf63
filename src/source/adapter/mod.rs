//! Adapters: changes of the weights of a base model, computed when a weight is read.

mod bound;
mod build;
mod cayley;
mod config;
mod factor;
mod file;
mod file_keys;
mod file_names;
mod file_scale;
mod fit;
mod increment;
mod increments;
mod kept;
mod keys;
mod kronecker;
mod low_rank;
mod magnitude;
mod method;
mod mlx;
mod module;
mod pattern;
mod piece;
mod rotation;
mod scaling;
mod turns;
mod variants;
mod wave;

pub(crate) use config::AdapterConfig;
pub(crate) use file::AdapterFile;
pub(crate) use mlx::STEM as MLX_STEM;

use super::{ParameterInfo, ParameterSource, check_range};
use crate::bytes::{Folder, LocalFolder};
use crate::error::SourceError;
use crate::format::Formats;
use fit::{Adapted, Change, Content, Tensor};
use kept::Kept;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A model that consists of a base and an adapter: a low-rank increment, a rotation or a scaling of some weights. A changed
/// weight is computed for each read, as peft does when it merges.
///
/// # What is computed
///
/// - The scale is alpha / r, or alpha / sqrt(r) with `use_rslora`. `rank_pattern` and `alpha_pattern` match as in peft.
/// - Linear layers, embeddings and convolutions are computed. A linear weight may be stored either way (`fan_in_fan_out`). If
///   only the other way fits the shapes, that way is used.
/// - DoRA rescales the weights of each output to the stored magnitude. The first read of a weight reads the whole weight once
///   to compute its norms.
/// - Tensors that are stored whole replace those of the base. These come from `modules_to_save`, `bias` and resized
///   vocabularies.
///
/// - Other methods of peft: AdaLoRA, LoHa, LoKr, VeRA with stored projections, OFT, BOFT, HRA, (IA)³ and FourierFT. The base of
///   rotations is read in whole rows.
/// - Adapters of MLX: LoRA, DoRA and whole fine-tuning.
///
/// [`Discovery`](crate::discover::Discovery) also lays single files over a base: those of kohya's scripts, LyCORIS, ComfyUI and
/// diffusers. `docs/formats.md` has the formulas.
///
/// Anything else that would change the weights is [`SourceError::AdapterUnsupported`]. Nothing is left out silently.
///
/// # Complexity
///
/// A read takes memory for what it returns and a bounded amount for the factors. Rotations of the weights that were read last
/// are kept, at most 64 MiB of them. A read reads the rows of B and the columns of A
/// that it needs, so reads of many rows are cheaper than reads of single rows.
///
/// # Dtypes and names
///
/// Increments are computed in f32, as peft does when it merges. An adapted tensor is listed with the wider of the base's dtype
/// and the adapter's dtype. Values are not rounded back to the base's dtype. The base may be any source, even another adapter.
/// If only one side has a common prefix in its names (`model.`), the prefix is recognized.
///
/// ```no_run
/// use neural_phylogeny::discover::Discovery;
/// use neural_phylogeny::source::PeftAdapter;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let base = Discovery::new().open("models/llama")?.source;
/// let model = PeftAdapter::open("runs/llama-lora", base)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PeftAdapter {
    base: Arc<dyn ParameterSource>,
    /// The tensors that the adapter stores.
    stored: Box<dyn ParameterSource>,
    tensors: BTreeMap<String, Tensor>,
    kept: Kept,
    /// Tensors of the adapter that change another part of a pipeline.
    left_out: Vec<(String, String)>,
}

impl PeftAdapter {
    /// Opens the adapter in a folder over its base.
    ///
    /// # Errors
    ///
    /// [`SourceError::AdapterUnsupported`] for a feature that is not computed; [`SourceError::AdapterMismatch`] when adapter
    /// and base do not fit; any error of the adapter's files.
    pub fn open(folder: impl AsRef<Path>, base: impl ParameterSource + 'static) -> Result<Self, SourceError> {
        let (tree, folder) = (&LocalFolder, folder.as_ref());
        let config = AdapterConfig::read(tree, folder)?;
        Self::with_config(tree, &Formats::default(), folder, &config, Arc::new(base))
    }

    /// Opens the adapter in a folder of a tree.
    pub(crate) fn with_config(
        tree: &dyn Folder,
        formats: &Formats,
        folder: &Path,
        config: &AdapterConfig,
        base: Arc<dyn ParameterSource>,
    ) -> Result<Self, SourceError> {
        let stored = match config.library() {
            Some(library) => formats.open_weights(tree, folder, library, config::FILE)?,
            None => mlx::open(tree, formats, folder)?,
        };
        let tensors = build::tensors(folder, config, &stored, base.parameters()?)?;
        Ok(Self { base, stored: Box::new(stored), tensors, kept: Kept::default(), left_out: Vec::new() })
    }

    /// Lays an adapter that is one file over its base. `stored` are the tensors of the file.
    pub(crate) fn of_file(
        path: &Path,
        file: &AdapterFile,
        stored: Box<dyn ParameterSource>,
        base: Arc<dyn ParameterSource>,
    ) -> Result<Self, SourceError> {
        let (tensors, left_out) = file.tensors(path, &*stored, base.parameters()?)?;
        Ok(Self { base, stored, tensors, kept: Kept::default(), left_out })
    }

    /// Reads elements of a tensor before it is changed.
    fn read_under(&self, name: &str, adapted: &Adapted, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        match &adapted.under {
            Some(stored) => self.stored.read(stored, offset, out),
            None => self.base.read(name, offset, out),
        }
    }

    fn read_adapted(&self, name: &str, adapted: &Adapted, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let stored = &*self.stored;
        match &adapted.change {
            Change::Sum { increment, magnitude } => {
                let sum = |offset: usize, out: &mut [f32]| {
                    self.read_under(name, adapted, offset, out)?;
                    increment.add(stored, offset, out)
                };
                sum(offset, out)?;
                match magnitude {
                    Some(magnitude) => magnitude.rescale(stored, sum, offset, out),
                    None => Ok(()),
                }
            }
            Change::Rotation(rotation) => {
                let under = |offset: usize, out: &mut [f32]| self.read_under(name, adapted, offset, out);
                rotation.read(&self.kept, name, stored, under, offset, out)
            }
            Change::Scaling(scaling) => {
                self.read_under(name, adapted, offset, out)?;
                scaling.scale(stored, offset, out)
            }
        }
    }
}

impl ParameterSource for PeftAdapter {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let info = |(name, tensor): (&String, &Tensor)| {
            let info = ParameterInfo::new(name.as_str(), tensor.shape.as_slice(), tensor.dtype);
            tensor.quantization.clone().into_iter().fold(info, ParameterInfo::with_quantization)
        };
        Ok(self.tensors.iter().map(info).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let tensor =
            self.tensors.get(name).ok_or_else(|| SourceError::UnknownParameter { parameter: name.to_owned() })?;
        let size = tensor.shape.iter().fold(1usize, |n, &d| n.saturating_mul(d));
        check_range(name, size, offset, out.len())?;
        if out.is_empty() {
            return Ok(());
        }
        match &tensor.content {
            Content::Base => self.base.read(name, offset, out),
            Content::Stored(stored) => self.stored.read(stored, offset, out),
            Content::Adapted(adapted) => self.read_adapted(name, adapted, offset, out),
        }
    }

    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        match self.tensors.get(name).map(|tensor| &tensor.content) {
            Some(Content::Base) => self.base.read_bytes(name, offset, out),
            Some(Content::Stored(stored)) => self.stored.read_bytes(stored, offset, out),
            // Adapted values are computed and stored nowhere.
            Some(Content::Adapted(_)) => Err(SourceError::NoBytes { parameter: name.to_owned() }),
            None => Err(SourceError::UnknownParameter { parameter: name.to_owned() }),
        }
    }

    fn rounding(&self, name: &str) -> Result<Option<f64>, SourceError> {
        match self.tensors.get(name).map(|tensor| &tensor.content) {
            Some(Content::Base) => self.base.rounding(name),
            Some(Content::Stored(stored)) => self.stored.rounding(stored),
            Some(Content::Adapted(_)) => Ok(None),
            None => Err(SourceError::UnknownParameter { parameter: name.to_owned() }),
        }
    }

    fn left_out(&self) -> Vec<(String, String)> {
        [self.base.left_out(), self.stored.left_out(), self.left_out.clone()].concat()
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        match self.tensors.get(name).map(|tensor| &tensor.content) {
            // The factors of an increment are small, so only the base is worth a hint.
            Some(Content::Base | Content::Adapted(_)) => self.base.prefetch(name, offset, length),
            Some(Content::Stored(stored)) => self.stored.prefetch(stored, offset, length),
            None => {}
        }
    }
}
