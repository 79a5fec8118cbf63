//! Pipelines of diffusers. Each part that has weights is a model of its own, because two pipelines may share some parts only.
//!
//! The main part has the name of the pipeline. Other tools give that name to its single file.

use super::checkpoint::{self, Checkpoint, Content, Part};
use super::files::weights;
use super::surroundings::Surroundings;
use super::{FileLayout, Ignored};
use crate::bytes::{Entry, Listing, json};
use crate::error::SourceError;
use crate::format::Library;
use serde_json::Value;
use std::collections::BTreeSet;

/// The parts that stand for a pipeline where one model is asked for, the first that is there.
const MAIN: [&str; 2] = ["unet", "transformer"];

/// Recognizes the parts of a pipeline. `index` is its `model_index.json`.
pub(super) fn recognize(around: &Surroundings, listing: &Listing, index: &Entry) -> Checkpoint {
    // The values of `model_index.json` that are lists describe the parts. All other values are settings.
    let parts: Vec<String> =
        match around.tree.open(&index.path).and_then(|bytes| json::read::<Value>(&*bytes, json::CONFIGURATION)) {
            Ok(Value::Object(entries)) => entries.into_iter().filter(|(_, v)| v.is_array()).map(|(k, _)| k).collect(),
            Ok(_) => Vec::new(),
            Err(error) => return Checkpoint::whole(Content::Unreadable(error), Vec::new()),
        };
    let mut ignored =
        checkpoint::others(around, listing, |_| false, "beside a diffusers pipeline, which is the model taken");
    // A pipeline without an index of parts still has those that stand for it.
    let mut wanted: Vec<&str> = match &around.part {
        Some(part) => vec![part.as_str()],
        None => MAIN.into_iter().chain(parts.iter().map(String::as_str)).collect(),
    };
    let mut seen = BTreeSet::new();
    wanted.retain(|name| seen.insert(*name));
    let mut found: Vec<Part> = Vec::new();
    for folder in wanted.iter().filter_map(|name| listing.subfolder(name)) {
        let (content, beside) = part(around, folder);
        ignored.extend(beside);
        found.extend(content.map(|content| Part { name: folder.name.clone(), path: folder.path.clone(), content }));
    }
    if found.is_empty() {
        let expected = format!("a part `{}`", around.part.as_deref().map_or(MAIN.join("` or `"), str::to_owned));
        let none = SourceError::NoWeights { path: listing.folder.clone(), expected };
        return Checkpoint { parts, ..Checkpoint::whole(Content::Unreadable(none), ignored) };
    }
    let further = found.split_off(1);
    let Some(Part { content, .. }) = found.pop() else {
        return Checkpoint { parts, ..Checkpoint::whole(Content::Adapter, ignored) };
    };
    Checkpoint { further, parts, ..Checkpoint::whole(content, ignored) }
}

/// Returns the weights of a part, and what was passed over there. `None` for a part without weights, such as a tokenizer.
fn part(around: &Surroundings, folder: &Entry) -> (Option<Content>, Vec<Ignored>) {
    let inner = match Listing::read(&*around.tree, &folder.path) {
        Ok(inner) => inner,
        Err(error) => return (Some(Content::Unreadable(error)), Vec::new()),
    };
    let found = [Library::Diffusers, Library::Transformers].into_iter().find_map(|l| weights(around, &inner, l));
    if let Some(chosen) = found {
        let layout = FileLayout::Diffusers { part: folder.name.clone() };
        let inside = checkpoint::single(around, &inner, layout, chosen);
        return (Some(inside.content), inside.ignored);
    }
    let error = checkpoint::unread(around, &inner);
    if MAIN.contains(&folder.name.as_str()) || around.part.is_some() {
        // Without this part, the pipeline is not what its name says.
        let expected = format!("{} or its index", around.formats.usual_name(Library::Diffusers));
        let none = SourceError::NoWeights { path: folder.path.clone(), expected };
        return (Some(Content::Unreadable(error.unwrap_or(none))), Vec::new());
    }
    let unread = inner.files.iter().filter_map(|file| {
        let format = around.formats.unread(&file.name).filter(|format| format.is_weights(&file.name))?;
        Some(around.unread(&file.path, format))
    });
    (None, unread.collect())
}
