//! The models of a folder that is none itself: files side by side.

use super::checkpoint::{Content, Ignored, Layout, members};
use super::listing::{Entry, Listing, is_safetensors};
use super::safetensors::{index_stem, shard_number};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The stem, content and path of each model, and what was passed over.
pub(super) fn models(listing: &Listing) -> (Vec<(String, Content, PathBuf)>, Vec<Ignored>) {
    let mut models = Vec::new();
    let mut ignored = Vec::new();
    // Files that belong to a model already listed.
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let weights = |layout, file: &Entry| Content::Weights { layout, path: file.path.clone() };

    for file in &listing.files {
        let Some(stem) = index_stem(&file.name) else { continue };
        let mut shards = members(listing, file);
        let whole = format!("{stem}.safetensors");
        if listing.file(&whole).is_some() {
            shards.remove(&whole);
            ignored
                .push(Ignored { path: file.path.clone(), reason: format!("beside {whole}, which is the one taken") });
        } else {
            models.push((stem, weights(Layout::SafetensorsShards, file), file.path.clone()));
        }
        taken.extend(shards);
    }
    for file in listing.files.iter().filter(|f| is_safetensors(&f.name)) {
        if taken.contains(&file.name) {
            continue;
        }
        let (stem, layout) = match shard_number(&file.name) {
            Some(shard) => (shard.stem, Layout::SafetensorsShards),
            None => (&file.name[..file.name.len() - ".safetensors".len()], Layout::SafetensorsFile),
        };
        models.push((stem.to_owned(), weights(layout, file), file.path.clone()));
        taken.extend(members(listing, file));
    }
    (models, ignored)
}
