//! Parts that models of unlike families have in common.

use crate::model_set::ModelId;
use crate::phylogeny::{Phylogeny, SharedPart};
use serde::{Deserialize, Serialize};

/// A part as it stands in a file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SharedPartEntry {
    models: Vec<HolderEntry>,
    tensors: Vec<String>,
    values: usize,
}

/// A model that holds a part.
#[derive(Debug, Serialize, Deserialize)]
struct HolderEntry {
    name: String,
    /// The share of the model's values that are in the part.
    share: f64,
}

impl SharedPartEntry {
    pub(super) fn new(phylogeny: &Phylogeny, part: &SharedPart) -> Self {
        let holder = |&(model, share): &(ModelId, f64)| HolderEntry { name: phylogeny.name(model).to_owned(), share };
        Self { models: part.models.iter().map(holder).collect(), tensors: part.tensors.clone(), values: part.values }
    }

    /// The part, given the ids of names.
    ///
    /// # Errors
    ///
    /// That of `find`.
    pub(super) fn part<E>(self, find: impl Fn(&str) -> Result<ModelId, E>) -> Result<SharedPart, E> {
        let models = self.models.iter().map(|m| Ok((find(&m.name)?, m.share))).collect::<Result<Vec<_>, E>>()?;
        Ok(SharedPart::new(models, self.tensors, self.values))
    }
}
