//! The models in a folder that is no model itself: its weights files, side by side.

use super::Ignored;
use super::checkpoint::Content;
use super::files::members;
use super::surroundings::{Surroundings, layout_of};
use crate::bytes::{Entry, Listing};
use crate::format::{FileName, FilePart, ModelUnit, whole_name};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Returns the stem, content and path of each model, and the files that were passed over.
pub(super) fn models(around: &Surroundings, listing: &Listing) -> (Vec<(String, Content, PathBuf)>, Vec<Ignored>) {
    let mut models = Vec::new();
    let mut ignored = Vec::new();
    // Files of a model that is already listed. Paths are compared, because names that are not UTF-8 may look alike.
    let mut taken: BTreeSet<PathBuf> = BTreeSet::new();
    let model = |name: FileName<'_>, file: &Entry| {
        let content = Content::Weights { layout: layout_of(&name), path: file.path.clone() };
        (name.stem, content, file.path.clone())
    };
    let named = |file: &'_ Entry| around.formats.parse(&file.name);

    // An array beside weights is no model: it may be anything. An array that is alone may be all that there is.
    let is_part = |file: &&Entry| named(file).is_some_and(|n| n.format.unit() == ModelUnit::Folder);
    let (parts, wholes): (Vec<&Entry>, Vec<&Entry>) =
        listing.files.iter().filter(|f| named(f).is_some()).partition(is_part);
    if !wholes.is_empty() {
        let reason = "beside other weights: arrays are a model only where they are alone";
        taken.extend(parts.iter().map(|f| f.path.clone()));
        ignored.extend(parts.iter().map(|f| Ignored::beside(&f.path, reason)));
    }

    // Indexes come first, so that their shards do not become models of their own.
    for file in &listing.files {
        let Some(name) = named(file).filter(|n| n.part == FilePart::Index) else { continue };
        let mut shards = members(around, listing, file);
        let whole = whole_name(&name.stem, name.extension);
        if let Some(whole) = listing.file(&whole) {
            shards.remove(&whole.path);
            ignored.push(Ignored::beside(&file.path, format!("beside {}, which is the one taken", whole.name)));
        } else {
            models.push(model(name, file));
        }
        taken.extend(shards);
    }
    for file in &listing.files {
        let Some(name) = named(file).filter(|n| n.part != FilePart::Index) else { continue };
        if taken.contains(&file.path) {
            continue;
        }
        if name.part == FilePart::Whole && around.formats.is_foreign(&*around.tree, &file.path, &file.name) {
            let format = format!("a .{} file of another program", name.extension);
            ignored.push(Ignored::unread(&file.path, format.as_str(), format!("{format}, by its first bytes")));
            continue;
        }
        // Only the shards of one model share a name, so that a folder of whole files is not searched for each of them.
        let alone = matches!(name.part, FilePart::Whole | FilePart::Shard { count: 1 });
        models.push(model(name, file));
        match alone {
            true => taken.insert(file.path.clone()),
            false => {
                taken.extend(members(around, listing, file));
                true
            }
        };
    }
    (models, ignored)
}
