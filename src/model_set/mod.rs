//! Sets of named models, divided into groups of comparable ones.

mod builder;
mod group;
mod inventory;
mod iterate;
mod layout;
mod left_over;
mod model_id;
mod near;
mod plain_weights;
mod position;
mod role;
mod selection;
mod skipped;
mod spelling;

pub use builder::{ModelSetBuilder, OnUnreadable};
pub use group::{Kind, LayoutGroup, SharedParameter};
pub use inventory::{GroupRecord, Inventory, ModelRecord, UnreadRecord};
pub use iterate::Iter;
pub use model_id::ModelId;
pub(crate) use near::unknown_model;
pub use position::Position;
pub use role::Role;
pub(crate) use role::is_buffer;
pub use skipped::Skipped;
pub use spelling::Matching;

use crate::discover::{FileLayout, Ignored};
use crate::error::Error;
use crate::source::{Dtype, ParameterInfo, ParameterSource};
use selection::Selection;
use std::path::PathBuf;
use std::sync::Arc;

/// One model of a set. Models with equal lists of parameters share the list.
#[derive(Clone, Debug)]
struct Model {
    name: String,
    source: Arc<dyn ParameterSource>,
    parameters: Arc<[ParameterInfo]>,
    /// Where it was found. `None` for a model that was not found in files.
    origin: Option<Arc<Origin>>,
}

/// Where a model was found.
#[derive(Debug)]
struct Origin {
    path: PathBuf,
    layout: FileLayout,
    format: Option<String>,
}

/// A set of models to compare. Their names are unique.
///
/// The set holds names, shapes and sources, but no parameter values. Models are divided into [groups](Self::groups) of
/// comparable layouts. Models of different groups are never in the same family. A clone shares sources and groups.
///
/// ```
/// use neural_phylogeny::{InMemory, ModelSet};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |w: f32| InMemory::new().with_parameter("w", [2], vec![w, 1.0]);
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
    unread: Vec<Ignored>,
    selection: Selection,
    minimum_shared: f64,
    matching: Matching,
    on_unreadable: OnUnreadable,
}

impl ModelSet {
    /// Creates a builder, which adds models one by one and has settings.
    pub fn builder() -> ModelSetBuilder {
        ModelSetBuilder::default()
    }

    /// Gathers every model below a file or folder. The name of a model is its path under the folder.
    ///
    /// It finds safetensors files and shards, folders of transformers and diffusers, and peft adapters over their bases, nested
    /// to any depth. [`Discovery`](crate::discover::Discovery) has options.
    ///
    /// # Errors
    ///
    /// The errors of [`ModelSetBuilder::with_path`] and [`ModelSetBuilder::build`]. One model that cannot be read is an error.
    pub fn discover(path: impl AsRef<std::path::Path>) -> Result<Self, Error> {
        Self::builder().with_path(path)?.build()
    }

    /// Returns the number of models.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there is no model. This is never the case, because a set without models cannot be built.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// Returns all models, in the order in which they were given.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ModelId> + use<> {
        (0..self.models.len()).map(ModelId::new)
    }

    /// Returns the name of a model.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this set's.
    pub fn name(&self, model: ModelId) -> &str {
        &self.models[model.index()].name
    }

    /// Returns all names, in the order of ids.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.models.iter().map(|m| m.name.as_str())
    }

    /// Returns the model of a name. Takes O(n_models) time.
    pub fn id(&self, name: &str) -> Option<ModelId> {
        self.models.iter().position(|m| m.name == name).map(ModelId::new)
    }

    /// Returns the source of a model's parameters.
    ///
    /// Where names are [matched by values](Matching::ByValues), it may be a view in which some tensors stand in the form of
    /// other models of the set: turned, with rows in another order, or as a part of a fused tensor.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this set's.
    pub fn source(&self, model: ModelId) -> &dyn ParameterSource {
        self.models[model.index()].source.as_ref()
    }

    /// Returns every tensor of a model with its role in comparisons, sorted by name.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this set's.
    pub fn parameters(&self, model: ModelId) -> impl ExactSizeIterator<Item = (&ParameterInfo, Role)> {
        self.models[model.index()].parameters.iter().map(|p| (p, self.selection.role(p)))
    }

    /// Returns the dtype of one tensor of a model.
    pub(crate) fn dtype(&self, model: ModelId, own_name: &str) -> Option<Dtype> {
        let list = &self.models.get(model.index())?.parameters;
        list.binary_search_by(|p| p.name.as_str().cmp(own_name)).ok().map(|at| list[at].dtype)
    }

    /// Returns the list behind [`parameters`](Self::parameters). Models with equal lists share it.
    pub(crate) fn listed(&self, model: ModelId) -> Arc<[ParameterInfo]> {
        self.models[model.index()].parameters.clone()
    }

    /// Returns the groups of comparable models, sorted by their first model. Every model is in exactly one group.
    pub fn groups(&self) -> &[LayoutGroup] {
        &self.groups
    }

    /// Returns the models that could not be read and were left out, because the caller allowed it.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Returns what to do with a model that proves unreadable later, while its values are read.
    pub(crate) fn on_unreadable(&self) -> OnUnreadable {
        self.on_unreadable
    }
}
