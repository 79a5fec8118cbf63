//! The files of a folder that are the weights of one model.

use super::surroundings::Surroundings;
use crate::bytes::{Entry, Listing};
use crate::format::{FilePart, Library, ModelUnit, index_name, variant_index_name, whole_name};
use crate::source::weight_map;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Finds the weights that a library wrote, in the first format that has some.
///
/// The order of preference is the whole file, then the index of shards, then shards without an index. A variant such as
/// `model.fp16` comes last.
pub(super) fn weights<'a>(around: &Surroundings, listing: &'a Listing, library: Library) -> Option<&'a Entry> {
    around.formats.iter().find_map(|format| {
        let stem = format.stem(library)?;
        format.extensions().iter().find_map(|extension| Files { around, listing, stem, extension }.weights())
    })
}

/// A folder's files of one stem and extension.
struct Files<'a, 'b> {
    around: &'b Surroundings,
    listing: &'a Listing,
    stem: &'b str,
    extension: &'b str,
}

impl<'a> Files<'a, '_> {
    fn weights(&self) -> Option<&'a Entry> {
        self.plain(self.stem).or_else(|| {
            let mut variants: Vec<&str> = self.listing.files.iter().filter_map(|f| self.variant(&f.name)).collect();
            variants.sort_unstable();
            variants.into_iter().find_map(|variant| {
                let index = self.listing.file(&variant_index_name(self.stem, self.extension, variant));
                self.plain(&format!("{}.{variant}", self.stem)).or(index)
            })
        })
    }

    fn plain(&self, stem: &str) -> Option<&'a Entry> {
        let numbered = || self.listing.files.iter().find(|f| self.shard_stem(&f.name).is_some_and(|s| s == stem));
        self.listing
            .file(&whole_name(stem, self.extension))
            .or_else(|| self.listing.file(&index_name(stem, self.extension)))
            .or_else(numbered)
    }

    fn shard_stem(&self, name: &str) -> Option<String> {
        let file = self.around.formats.parse(name).filter(|f| f.extension == self.extension)?;
        matches!(file.part, FilePart::Shard { .. }).then_some(file.stem)
    }

    /// Returns the variant in a file name, such as `fp16`. The file may be whole, a shard or an index.
    fn variant(&self, name: &'a str) -> Option<&'a str> {
        let rest = name.strip_prefix(self.stem)?.strip_prefix('.')?;
        let index = rest.strip_prefix(self.extension).and_then(|rest| rest.strip_prefix(".index."));
        if let Some(rest) = index {
            return rest.strip_suffix(".json").filter(|v| !v.is_empty());
        }
        let file = self.around.formats.parse(name).filter(|f| f.extension == self.extension)?;
        let end = match file.part {
            FilePart::Index | FilePart::Slice { .. } => return None,
            FilePart::Whole => name.len() - self.extension.len() - 1,
            FilePart::Shard { .. } => file.stem.len(),
        };
        let variant = name.get(name.len() - rest.len()..end)?;
        (!variant.is_empty() && !variant.contains('.')).then_some(variant)
    }
}

/// Returns the paths of all files of a model. `chosen` is one of them: the whole file, the index or a shard.
pub(super) fn members(around: &Surroundings, listing: &Listing, chosen: &Entry) -> BTreeSet<PathBuf> {
    let mut members = BTreeSet::from([chosen.path.clone()]);
    let Some(own) = around.formats.parse(&chosen.name) else { return members };
    if chosen.path.to_str().is_none() {
        // Bytes that are not UTF-8 are replaced in names, so other files may seem to have the same name.
        return members;
    }
    // A shard stands for the shards with its stem and count. An index stands for shards of any count that are named like it
    // and, if it can be read, for those that it lists.
    let count = match own.part {
        FilePart::Whole => return members,
        FilePart::Shard { count } => Some(count),
        FilePart::Index | FilePart::Slice { .. } => None,
    };
    // The index may be damaged. Its shards still belong to this model and must not become models of their own.
    if own.part == FilePart::Index {
        let listed = weight_map(&*around.tree, &chosen.path).unwrap_or_default();
        members.extend(listed.values().filter_map(|name| listing.file(name)).map(|file| file.path.clone()));
    }
    let same_set = |file: &&Entry| {
        around.formats.parse(&file.name).is_some_and(|other| match other.part {
            FilePart::Shard { count: of } if !matches!(own.part, FilePart::Slice { .. }) => {
                other.stem == own.stem && other.extension == own.extension && count.is_none_or(|count| count == of)
            }
            FilePart::Slice { .. } => {
                matches!(own.part, FilePart::Slice { .. }) && other.stem == own.stem && other.extension == own.extension
            }
            _ => false,
        })
    };
    members.extend(listing.files.iter().filter(same_set).map(|file| file.path.clone()));
    members
}

/// Returns the name of the format whose files in a folder are one model together, if there are several and no other weights.
pub(super) fn gathered(around: &Surroundings, listing: &Listing) -> Option<String> {
    let mut found: Vec<&str> = Vec::new();
    for file in &listing.files {
        let Some(name) = around.formats.parse(&file.name) else { continue };
        if name.format.unit() != ModelUnit::Folder {
            return None;
        }
        found.push(name.format.name());
    }
    let (first, others) = found.split_first()?;
    (!others.is_empty() && others.iter().all(|other| other == first)).then(|| (*first).to_owned())
}
