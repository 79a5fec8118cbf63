//! Recognition of a folder that is one model, by the files that the libraries of its ecosystem write there.

use super::files::{gathered, members, weights};
use super::surroundings::Surroundings;
use super::{FileLayout, Ignored};
use crate::bytes::{Entry, Listing, json};
use crate::error::SourceError;
use crate::format::{FilePart, Library};
use serde_json::Value;
use std::path::PathBuf;

/// A folder that is one model.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) content: Content,
    /// Names of subfolders that are parts of the model and no models themselves.
    pub(super) parts: Vec<String>,
    pub(super) ignored: Vec<Ignored>,
}

/// Where the weights of a checkpoint are.
#[derive(Debug)]
pub(super) enum Content {
    /// The weights are in this file, in the shards of this index, or in the shards numbered like this file.
    Weights { layout: FileLayout, path: PathBuf },
    /// The weights file is that of an adapter and adds to a base.
    Adapter,
    /// There are no weights that can be read.
    Unreadable(SourceError),
}

/// Recognizes a folder that is one model. `None` when it is not.
///
/// A pipeline comes first, because its parts would count as models of their own. Weights come before an adapter's
/// configuration: a folder with both holds a whole model.
pub(super) fn recognize(around: &Surroundings, listing: &Listing) -> Option<Checkpoint> {
    if let Some(index) = listing.file("model_index.json") {
        return Some(pipeline(around, listing, index));
    }
    if let Some(chosen) = weights(around, listing, Library::Diffusers) {
        let part = listing.folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        return Some(single(around, listing, FileLayout::Diffusers { part }, chosen));
    }
    let configured = listing.file("config.json").is_some();
    if configured && let Some(chosen) = weights(around, listing, Library::Transformers) {
        return Some(single(around, listing, FileLayout::Transformers, chosen));
    }
    if listing.file("adapter_config.json").is_some() {
        let mut own: Vec<String> = around.formats.names_of(Library::Peft).collect();
        // The weights of an adapter of MLX.
        own.push("adapters.safetensors".to_owned());
        let ignored = others(around, listing, |file| own.contains(&file.name), "beside an adapter");
        return Some(Checkpoint { content: Content::Adapter, parts: Vec::new(), ignored });
    }
    if configured && let Some(error) = unread(around, listing) {
        return Some(Checkpoint { content: Content::Unreadable(error), parts: Vec::new(), ignored: Vec::new() });
    }
    let format = gathered(around, listing)?;
    let content = Content::Weights { layout: FileLayout::Shards { format }, path: listing.folder.clone() };
    Some(Checkpoint { content, parts: Vec::new(), ignored: Vec::new() })
}

/// Creates a checkpoint whose weights are in the folder itself.
fn single(around: &Surroundings, listing: &Listing, layout: FileLayout, chosen: &Entry) -> Checkpoint {
    let reason = format!("beside {}, which is the one taken", chosen.name);
    let taken = members(around, listing, chosen);
    let mut ignored = others(around, listing, |file| taken.contains(&file.path), &reason);
    // The weights are whole, so an adapter's configuration beside them is not used.
    if let Some(adapter) = listing.file("adapter_config.json") {
        ignored.push(Ignored { path: adapter.path.clone(), reason });
    }
    Checkpoint { content: Content::Weights { layout, path: chosen.path.clone() }, parts: Vec::new(), ignored }
}

fn pipeline(around: &Surroundings, listing: &Listing, index: &Entry) -> Checkpoint {
    // The values of `model_index.json` that are lists describe the parts. All other values are settings.
    let parts = match around.tree.open(&index.path).and_then(|bytes| json::read::<Value>(&*bytes)) {
        Ok(Value::Object(entries)) => entries.into_iter().filter(|(_, v)| v.is_array()).map(|(k, _)| k).collect(),
        Ok(_) => Vec::new(),
        Err(error) => {
            return Checkpoint { content: Content::Unreadable(error), parts: Vec::new(), ignored: Vec::new() };
        }
    };
    let ignored = others(around, listing, |_| false, "beside a diffusers pipeline, which is the model taken");
    let (content, beside) = pipeline_part(around, listing);
    Checkpoint { content, parts, ignored: [ignored, beside].concat() }
}

fn pipeline_part(around: &Surroundings, listing: &Listing) -> (Content, Vec<Ignored>) {
    let wanted = around.part.as_deref().map_or(vec!["unet", "transformer"], |p| vec![p]);
    let Some(folder) = wanted.iter().find_map(|name| listing.subfolder(name)) else {
        let expected = format!("a part `{}`", wanted.join("` or `"));
        return (Content::Unreadable(SourceError::NoWeights { path: listing.folder.clone(), expected }), Vec::new());
    };
    let inner = match Listing::read(&*around.tree, &folder.path) {
        Ok(inner) => inner,
        Err(error) => return (Content::Unreadable(error), Vec::new()),
    };
    let found = [Library::Diffusers, Library::Transformers].into_iter().find_map(|l| weights(around, &inner, l));
    match found {
        Some(chosen) => {
            let inside = single(around, &inner, FileLayout::Diffusers { part: folder.name.clone() }, chosen);
            (inside.content, inside.ignored)
        }
        None => {
            let expected = format!("{} or its index", around.formats.usual_name(Library::Diffusers));
            let none = SourceError::NoWeights { path: folder.path.clone(), expected };
            (Content::Unreadable(unread(around, &inner).unwrap_or(none)), Vec::new())
        }
    }
}

/// Lists the weights of a folder that are not part of its model.
fn others(around: &Surroundings, listing: &Listing, taken: impl Fn(&Entry) -> bool, reason: &str) -> Vec<Ignored> {
    let read = |file: &&Entry| around.formats.parse(&file.name).is_some_and(|f| f.part != FilePart::Index);
    let left = listing.files.iter().filter(read).filter(|f| !taken(f));
    left.map(|f| Ignored { path: f.path.clone(), reason: reason.to_owned() }).collect()
}

/// Creates the error for a folder whose weights all have formats that are not supported.
fn unread(around: &Surroundings, listing: &Listing) -> Option<SourceError> {
    if listing.files.iter().any(|f| around.formats.parse(&f.name).is_some_and(|f| f.part != FilePart::Index)) {
        return None;
    }
    listing.files.iter().find_map(|file| {
        let format = around.formats.unread(&file.name).filter(|format| format.is_weights(&file.name))?;
        Some(SourceError::UnsupportedFormat { path: file.path.clone(), format: format.described() })
    })
}
