//! Folders of other programs, in which the one model stands a folder deeper: mlflow and sentence-transformers.

use super::checkpoint::{self, Checkpoint};
use super::flat;
use super::surroundings::Surroundings;
use crate::bytes::{Listing, json};
use serde::Deserialize;

/// A module of sentence-transformers, as `modules.json` lists it.
#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    path: String,
}

/// Recognizes a folder whose model stands in one of its subfolders. The model has the name of the folder.
///
/// Sources: <https://mlflow.org/docs/latest/ml/model/#storage-format> for `MLmodel`, and
/// <https://sbert.net/docs/sentence_transformer/usage/custom_models.html> for `modules.json`.
pub(super) fn recognize(around: &Surroundings, listing: &Listing) -> Option<Checkpoint> {
    if listing.file("MLmodel").is_some() {
        // The flavors of transformers keep the network in `model`, those of PyTorch, TensorFlow and Keras in `data`.
        return ["model", "data"].into_iter().find_map(|name| inside(around, listing, name));
    }
    let modules = listing.file("modules.json")?;
    let modules: Vec<Module> =
        around.tree.open(&modules.path).and_then(|bytes| json::read(&*bytes, json::CONFIGURATION)).ok()?;
    // Pooling and normalization have no weights. A dense layer behind the network is a model of its own.
    inside(around, listing, &modules.first()?.path)
}

/// Takes the one model of a subfolder.
fn inside(around: &Surroundings, listing: &Listing, name: &str) -> Option<Checkpoint> {
    let folder = listing.subfolder(name)?;
    let inner = Listing::read(&*around.tree, &folder.path).ok()?;
    // Such a folder within another one would be searched without end where a link leads back.
    if inner.file("MLmodel").is_some() || inner.file("modules.json").is_some() {
        return None;
    }
    let parts = vec![folder.name.clone()];
    if let Some(found) = checkpoint::recognize(around, &inner) {
        return Some(Checkpoint { parts, ..found });
    }
    let (models, ignored) = flat::models(around, &inner);
    let [(_, content, _)] = <[_; 1]>::try_from(models).ok()?;
    Some(Checkpoint { parts, ..Checkpoint::whole(content, ignored) })
}
