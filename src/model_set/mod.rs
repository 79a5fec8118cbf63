//! Named models, and what is comparable with what.

mod builder;
mod group;
mod iterate;
mod layout;
mod model_id;
mod near;
mod role;
mod selection;
mod skipped;

pub use builder::{ModelSetBuilder, OnUnreadable};
pub use group::{Kind, LayoutGroup, SharedParameter};
pub use iterate::Iter;
pub use model_id::ModelId;
pub(crate) use near::unknown_model;
pub use role::Role;
pub(crate) use role::is_buffer;
pub use skipped::Skipped;

use crate::error::Error;
use crate::source::{Dtype, ParameterInfo, ParameterSource};
use selection::Selection;
use std::sync::Arc;

#[derive(Clone, Debug)]
struct Model {
    name: String,
    source: Arc<dyn ParameterSource>,
    parameters: Arc<[ParameterInfo]>,
}

/// Models to be compared, by unique names.
///
/// Holds names, shapes and where to read; no parameter values. Models are divided into [groups](Self::groups) of comparable
/// layouts; models of different groups are never put into one family. A clone shares sources and groups.
///
/// ```
/// use neural_phylogeny::{InMemory, ModelSet};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |w: f32| InMemory::new().with_parameter("w", &[2], vec![w, 1.0]);
/// let models = ModelSet::builder().with_model("a", model(0.0)?).with_model("b", model(1.0)?).build()?;
/// for (name, source) in &models {
///     println!("{name}: {} tensors", source.parameters()?.len());
/// }
/// assert_eq!(models.groups().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ModelSet {
    models: Vec<Model>,
    groups: Arc<[LayoutGroup]>,
    skipped: Vec<Skipped>,
    selection: Selection,
}

impl ModelSet {
    /// Gathers models one by one, or with settings.
    pub fn builder() -> ModelSetBuilder {
        ModelSetBuilder::default()
    }

    /// Every model below a file or folder, named by its path under it.
    ///
    /// Finds safetensors files and shards, folders of transformers and diffusers, and peft adapters over their base, nested to
    /// any depth; [`Discovery`](crate::discover::Discovery) has options.
    ///
    /// # Errors
    ///
    /// As [`ModelSetBuilder::with_path`] and [`ModelSetBuilder::build`]: one model that cannot be read is an error.
    pub fn discover(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        Self::builder().with_path(path)?.build()
    }

    /// Number of models.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there is no model; never true of a set that was built.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// All models, in the order they were given.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ModelId> + use<> {
        (0..self.models.len()).map(ModelId::new)
    }

    /// A model's name.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this set's.
    pub fn name(&self, model: ModelId) -> &str {
        &self.models[model.index()].name
    }

    /// All names, in the order of ids.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.models.iter().map(|m| m.name.as_str())
    }

    /// The model of a name. O(n_models).
    pub fn id(&self, name: &str) -> Option<ModelId> {
        self.models.iter().position(|m| m.name == name).map(ModelId::new)
    }

    /// Where a model's parameters are read from.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this set's.
    pub fn source(&self, model: ModelId) -> &dyn ParameterSource {
        self.models[model.index()].source.as_ref()
    }

    /// Every tensor of a model with what it is to the comparison, sorted by name.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this set's.
    pub fn parameters(&self, model: ModelId) -> impl ExactSizeIterator<Item = (&ParameterInfo, Role)> {
        self.models[model.index()].parameters.iter().map(|p| (p, self.selection.role(p)))
    }

    /// How one tensor of a model is stored.
    pub(crate) fn dtype(&self, model: ModelId, own_name: &str) -> Option<Dtype> {
        let list = &self.models.get(model.index())?.parameters;
        list.binary_search_by(|p| p.name.as_str().cmp(own_name)).ok().map(|at| list[at].dtype)
    }

    /// The list behind [`parameters`](Self::parameters), which models of one layout share.
    pub(crate) fn listed(&self, model: ModelId) -> Arc<[ParameterInfo]> {
        self.models[model.index()].parameters.clone()
    }

    /// Groups of comparable models, sorted by their first model; every model is in exactly one.
    pub fn groups(&self) -> &[LayoutGroup] {
        &self.groups
    }

    /// Models that could not be read and were left out, as the caller allowed.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}
