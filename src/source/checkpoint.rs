//! What one folder is, by the files that the libraries of its ecosystem write there.

use super::listing::{Entry, Listing, unread_format};
use super::safetensors::{ShardNumber, index_stem, shard_number, weight_map};
use crate::error::SourceError;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// How the files of a model are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// One `.safetensors` file.
    SafetensorsFile,
    /// Several `.safetensors` files of one model, with an index or numbered.
    SafetensorsShards,
    /// A folder written by transformers.
    Transformers,
    /// A part of a pipeline written by diffusers.
    Diffusers {
        /// The part, such as `unet`.
        part: String,
    },
    /// An adapter written by peft, over the model that it adapts.
    Adapter {
        /// Where the base model was found.
        base: PathBuf,
    },
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SafetensorsFile => f.write_str("safetensors file"),
            Self::SafetensorsShards => f.write_str("safetensors shards"),
            Self::Transformers => f.write_str("transformers folder"),
            Self::Diffusers { part } => write!(f, "diffusers {part}"),
            Self::Adapter { base } => write!(f, "peft adapter over {}", base.display()),
        }
    }
}

/// A file or folder that was passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it is no model of the set.
    pub reason: String,
}

/// A folder that is one model as a whole.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) content: Content,
    /// Subfolders that are parts of the model and no models themselves.
    pub(super) parts: Vec<String>,
    pub(super) ignored: Vec<Ignored>,
}

/// Where the weights of a checkpoint are.
#[derive(Debug)]
pub(super) enum Content {
    /// In this file, or in the shards of this index or numbered like this file.
    Weights { layout: Layout, path: PathBuf },
    /// In `adapter_model.safetensors`, to be added to a base.
    Adapter,
    /// Nowhere they could be read.
    Unreadable(SourceError),
}

/// What weights files of transformers, and of the transformers parts of a pipeline, are called.
const TRANSFORMERS: &str = "model";
const DIFFUSERS: &str = "diffusion_pytorch_model";

/// Recognizes a folder that is one model, `None` when it is not.
///
/// `part` is the part of a diffusers pipeline to take instead of `unet` or `transformer`.
pub(super) fn recognize(listing: &Listing, part: Option<&str>) -> Option<Checkpoint> {
    if let Some(index) = listing.file("model_index.json") {
        return Some(pipeline(listing, index, part));
    }
    let diffusers = weights(listing, DIFFUSERS);
    if let Some(chosen) = diffusers {
        let part = listing.folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        return Some(single(listing, Layout::Diffusers { part }, chosen));
    }
    let configured = listing.file("config.json").is_some();
    if configured && let Some(chosen) = weights(listing, TRANSFORMERS) {
        return Some(single(listing, Layout::Transformers, chosen));
    }
    if listing.file("adapter_config.json").is_some() {
        let ignored = others(listing, |name| name == "adapter_model.safetensors", "beside an adapter");
        return Some(Checkpoint { content: Content::Adapter, parts: Vec::new(), ignored });
    }
    if configured && let Some(error) = unread(listing) {
        return Some(Checkpoint { content: Content::Unreadable(error), parts: Vec::new(), ignored: Vec::new() });
    }
    None
}

/// A checkpoint whose weights are in the folder itself.
fn single(listing: &Listing, layout: Layout, chosen: &Entry) -> Checkpoint {
    let reason = format!("beside {}, which is the one taken", chosen.name);
    let taken = members(listing, chosen);
    let mut ignored = others(listing, |name| taken.contains(name), &reason);
    if let Some(adapter) = listing.file("adapter_config.json") {
        ignored.push(Ignored { path: adapter.path.clone(), reason });
    }
    Checkpoint { content: Content::Weights { layout, path: chosen.path.clone() }, parts: Vec::new(), ignored }
}

fn pipeline(listing: &Listing, index: &Entry, part: Option<&str>) -> Checkpoint {
    let parts = match super::json::read::<Value>(&index.path) {
        Ok(Value::Object(entries)) => entries.into_iter().filter(|(_, v)| v.is_array()).map(|(k, _)| k).collect(),
        Ok(_) => Vec::new(),
        Err(error) => {
            return Checkpoint { content: Content::Unreadable(error), parts: Vec::new(), ignored: Vec::new() };
        }
    };
    let ignored = others(listing, |_| false, "beside a diffusers pipeline, which is the model taken");
    let (content, beside) = pipeline_part(listing, part);
    Checkpoint { content, parts, ignored: [ignored, beside].concat() }
}

fn pipeline_part(listing: &Listing, part: Option<&str>) -> (Content, Vec<Ignored>) {
    let wanted = part.map_or(vec!["unet", "transformer"], |p| vec![p]);
    let Some(folder) = wanted.iter().find_map(|name| listing.subfolder(name)) else {
        let expected = format!("a part `{}`", wanted.join("` or `"));
        return (Content::Unreadable(SourceError::NoWeights { path: listing.folder.clone(), expected }), Vec::new());
    };
    let inner = match Listing::read(&folder.path) {
        Ok(inner) => inner,
        Err(error) => return (Content::Unreadable(error), Vec::new()),
    };
    match weights(&inner, DIFFUSERS).or_else(|| weights(&inner, TRANSFORMERS)) {
        Some(chosen) => {
            let inside = single(&inner, Layout::Diffusers { part: folder.name.clone() }, chosen);
            (inside.content, inside.ignored)
        }
        None => {
            let expected = format!("{DIFFUSERS}.safetensors or its index");
            let none = SourceError::NoWeights { path: folder.path.clone(), expected };
            (Content::Unreadable(unread(&inner).unwrap_or(none)), Vec::new())
        }
    }
}

/// The weights of that stem: the file, else its index, else shards without one; else a variant such as `stem.fp16`.
fn weights<'a>(listing: &'a Listing, stem: &str) -> Option<&'a Entry> {
    plain(listing, stem).or_else(|| {
        let mut variants: Vec<&str> = listing.files.iter().filter_map(|f| variant(&f.name, stem)).collect();
        variants.sort_unstable();
        variants.into_iter().find_map(|v| {
            let index = listing.file(&format!("{stem}.safetensors.index.{v}.json"));
            plain(listing, &format!("{stem}.{v}")).or(index)
        })
    })
}

fn plain<'a>(listing: &'a Listing, stem: &str) -> Option<&'a Entry> {
    let numbered = || listing.files.iter().find(|f| shard_number(&f.name).is_some_and(|s| s.stem == stem));
    listing
        .file(&format!("{stem}.safetensors"))
        .or_else(|| listing.file(&format!("{stem}.safetensors.index.json")))
        .or_else(numbered)
}

/// The `fp16` of `stem.fp16.safetensors`, of its index and of its shards.
fn variant<'a>(name: &'a str, stem: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(stem)?.strip_prefix('.')?;
    if let Some(rest) = rest.strip_prefix("safetensors.index.") {
        return rest.strip_suffix(".json").filter(|v| !v.is_empty());
    }
    let stem = shard_number(name).map_or_else(|| name.strip_suffix(".safetensors"), |s| Some(s.stem))?;
    let variant = stem.get(name.len() - rest.len()..)?;
    (!variant.is_empty() && !variant.contains('.')).then_some(variant)
}

/// The names of the files that make up the model which `chosen`, a file, an index or a shard, stands for.
pub(super) fn members(listing: &Listing, chosen: &Entry) -> BTreeSet<String> {
    let mut members = BTreeSet::from([chosen.name.clone()]);
    let same_set: Box<dyn Fn(&ShardNumber<'_>) -> bool> = if let Some(chosen) = shard_number(&chosen.name) {
        Box::new(move |s| s.stem == chosen.stem && s.count == chosen.count)
    } else if let Some(stem) = index_stem(&chosen.name) {
        // An index that does not parse still claims the shards that are named like it.
        members.extend(weight_map(&chosen.path).unwrap_or_default().into_values());
        Box::new(move |s| s.stem == stem)
    } else {
        return members;
    };
    members.extend(
        listing.files.iter().map(|f| &f.name).filter(|n| shard_number(n).is_some_and(|s| same_set(&s))).cloned(),
    );
    members
}

/// Weights of a folder that are not the ones taken.
fn others(listing: &Listing, taken: impl Fn(&str) -> bool, reason: &str) -> Vec<Ignored> {
    let left = listing.files.iter().filter(|f| super::listing::is_safetensors(&f.name) && !taken(&f.name));
    left.map(|f| Ignored { path: f.path.clone(), reason: reason.to_owned() }).collect()
}

/// The error of a folder whose weights are all in formats that are not read.
fn unread(listing: &Listing) -> Option<SourceError> {
    let known = |name: &str| {
        ["pytorch_model", "model", DIFFUSERS, "flax_model", "tf_model"].iter().any(|stem| name.starts_with(stem))
            || name.ends_with(".gguf")
    };
    if listing.files.iter().any(|f| super::listing::is_safetensors(&f.name)) {
        return None;
    }
    let file = listing.files.iter().find(|f| known(&f.name) && unread_format(&f.name).is_some())?;
    let format = unread_format(&file.name)?.to_owned();
    Some(SourceError::UnsupportedFormat { path: file.path.clone(), format })
}
