//! The store of Ollama: `manifests` names models, `blobs` holds their files under their hashes.
//!
//! A manifest has the form of an image of the Open Container Initiative:
//! <https://github.com/opencontainers/image-spec/blob/main/manifest.md>. The weights are the layer of the media type
//! `application/vnd.ollama.image.model`.

use super::checkpoint::Content;
use super::surroundings::Surroundings;
use super::{FileLayout, Ignored};
use crate::bytes::{Entry, Listing, json};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The folders of names and of files.
pub(super) const FOLDERS: [&str; 2] = ["manifests", "blobs"];

/// The layer that holds the weights.
const MODEL: &str = "application/vnd.ollama.image.model";

/// The layers that hold weights which are no model by themselves: adapters, and projectors of pictures.
const BESIDE: [&str; 2] = ["application/vnd.ollama.image.adapter", "application/vnd.ollama.image.projector"];

/// Deepest folder of manifests: server, namespace and model. Some servers have one more.
const DEPTH: usize = 5;

/// The server and the namespace that Ollama does not show.
const SERVER: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    digest: String,
}

/// The models of a store: name, content and path of each.
type Models = Vec<(String, Content, PathBuf)>;

/// Returns the models of a store, and what was passed over. `None` when the folder is no store.
pub(super) fn models(around: &Surroundings, listing: &Listing) -> Option<(Models, Vec<Ignored>)> {
    let (manifests, blobs) = (listing.subfolder(FOLDERS[0])?, listing.subfolder(FOLDERS[1])?);
    let mut named: Vec<(Vec<String>, Entry)> = Vec::new();
    collect(around, manifests, &mut Vec::new(), &mut named);
    let (mut models, mut ignored): (Models, Vec<Ignored>) = Default::default();
    let mut first: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (parts, file) in named {
        let manifest: Manifest =
            match around.tree.open(&file.path).and_then(|bytes| json::read(&*bytes, json::CONFIGURATION)) {
                Ok(manifest) => manifest,
                Err(error) => {
                    ignored.push(Ignored::unread(&file.path, "a manifest of Ollama", error.to_string()));
                    continue;
                }
            };
        let name = name(&parts);
        for layer in &manifest.layers {
            // A digest becomes a file name, so that it must not lead out of the folder.
            let Some(digest) =
                layer.digest.strip_prefix("sha256:").filter(|d| d.bytes().all(|b| b.is_ascii_alphanumeric()))
            else {
                continue;
            };
            let path = blobs.path.join(format!("sha256-{digest}"));
            if BESIDE.contains(&layer.media_type.as_str()) {
                let kind = layer.media_type.rsplit('.').next().unwrap_or_default();
                ignored.push(Ignored::unread(&path, "a GGUF file", format!("the {kind} of {name}, which is not read")));
            }
            if layer.media_type != MODEL {
                continue;
            }
            if let Some(same) = first.get(&path) {
                ignored.push(Ignored::repeated(&file.path, format!("the same file as {same}")));
                continue;
            }
            first.insert(path.clone(), name.clone());
            match around.formats.recognized(&*around.tree, &path) {
                Some(format) => {
                    let layout = FileLayout::File { format };
                    models.push((name.clone(), Content::Weights { layout, path: path.clone() }, path));
                }
                None => {
                    let reason = format!("the weights of {name}: not read, convert it to safetensors");
                    ignored.push(Ignored::unread(&path, "a GGUF file", reason));
                }
            }
        }
    }
    Some((models, ignored))
}

/// Collects the manifests below a folder, with the path of each.
fn collect(around: &Surroundings, folder: &Entry, parts: &mut Vec<String>, found: &mut Vec<(Vec<String>, Entry)>) {
    let Ok(listing) = Listing::read(&*around.tree, &folder.path) else { return };
    for file in listing.files {
        let path = parts.iter().cloned().chain([file.name.clone()]).collect();
        found.push((path, file));
    }
    // Links could lead back, and no store is deeper.
    let inside: &[Entry] = if parts.len() < DEPTH { &listing.folders } else { &[] };
    for inner in inside.iter().filter(|inner| !inner.is_link) {
        parts.push(inner.name.clone());
        collect(around, inner, parts, found);
        parts.pop();
    }
}

/// Returns the name that Ollama shows: `model:tag`, with the namespace and the server where they are not the usual ones.
fn name(parts: &[String]) -> String {
    let mut parts = parts;
    if let [server, rest @ ..] = parts
        && server == SERVER
    {
        parts = rest;
        if let [namespace, rest @ ..] = parts
            && namespace == NAMESPACE
        {
            parts = rest;
        }
    }
    match parts.split_last() {
        Some((tag, model)) if !model.is_empty() => format!("{}:{tag}", model.join("/")),
        _ => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_ollama_shows() {
        let shown = |path: &str| name(&path.split('/').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(shown("registry.ollama.ai/library/llama3/8b"), "llama3:8b");
        assert_eq!(shown("registry.ollama.ai/eve/llama3/latest"), "eve/llama3:latest");
        assert_eq!(shown("hf.co/org/repo/Q4_K_M"), "hf.co/org/repo:Q4_K_M");
        assert_eq!(shown("stray"), "stray");
    }
}
