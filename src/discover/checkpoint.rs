//! Recognition of a folder that is one model, by the files that the libraries of its ecosystem write there.

use super::files::{gathered, members, weights};
use super::surroundings::Surroundings;
use super::{FileLayout, Ignored};
use super::{pipeline, wrapped};
use crate::bytes::{Entry, Listing};
use crate::error::SourceError;
use crate::format::{FilePart, Library, whole_name};
use crate::source::MLX_STEM;
use std::path::PathBuf;

/// The folder of a transformers model that holds it a second time, and the stem of the files there.
const ORIGINAL: &str = "original";
const CONSOLIDATED: &str = "consolidated";

/// A folder that is one model.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) content: Content,
    /// The other parts of a pipeline that have weights.
    pub(super) further: Vec<Part>,
    /// Names of subfolders that are not searched, because they belong to the model.
    pub(super) parts: Vec<String>,
    pub(super) ignored: Vec<Ignored>,
}

impl Content {
    /// Returns the name of the format of the weights. `None` when they are not known.
    pub(super) fn format(&self, around: &Surroundings) -> Option<String> {
        match self {
            Self::Weights { layout: FileLayout::File { format } | FileLayout::Shards { format }, .. } => {
                Some(format.clone())
            }
            Self::Weights { path, .. } => {
                let name = path.file_name()?.to_string_lossy();
                Some(around.formats.parse(&name)?.format.name().to_owned())
            }
            _ => None,
        }
    }

    /// Whether only the ending of a file's name says that it holds a model.
    ///
    /// Many programs keep other things in files of such names, so that a file which is no model ends no search.
    pub(super) fn is_doubtful(&self, around: &Surroundings) -> bool {
        matches!(self, Self::Weights { layout: FileLayout::File { format } | FileLayout::Shards { format }, .. }
            if around.formats.is_ambiguous(format))
    }
}

/// A part of a pipeline that is a model of its own.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) content: Content,
}

impl Checkpoint {
    /// A folder that is one model, without parts.
    pub(super) fn whole(content: Content, ignored: Vec<Ignored>) -> Self {
        Self { content, further: Vec::new(), parts: Vec::new(), ignored }
    }
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
        return Some(pipeline::recognize(around, listing, index));
    }
    if let Some(chosen) = weights(around, listing, Library::Diffusers) {
        let part = listing.folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        return Some(single(around, listing, FileLayout::Diffusers { part }, chosen));
    }
    let configured = listing.file("config.json").is_some();
    if configured && let Some(chosen) = weights(around, listing, Library::Transformers) {
        let mut found = single(around, listing, FileLayout::Transformers, chosen);
        if let Some((folder, ignored)) = original(around, listing, chosen) {
            found.parts.push(folder);
            found.ignored.push(ignored);
        }
        return Some(found);
    }
    if listing.file("adapter_config.json").is_some() {
        let mut own: Vec<String> = around.formats.names_of(Library::Peft).collect();
        let extensions = around.formats.iter().flat_map(|format| format.extensions());
        own.extend(extensions.map(|extension| whole_name(MLX_STEM, extension)));
        let ignored = others(around, listing, |file| own.contains(&file.name), "beside an adapter");
        return Some(Checkpoint::whole(Content::Adapter, ignored));
    }
    if configured && let Some(error) = unread(around, listing) {
        return Some(Checkpoint::whole(Content::Unreadable(error), Vec::new()));
    }
    if let Some((chosen, layout)) = native(around, listing) {
        return Some(single(around, listing, layout, chosen));
    }
    if let Some(format) = gathered(around, listing) {
        let content = Content::Weights { layout: FileLayout::Shards { format }, path: listing.folder.clone() };
        return Some(Checkpoint::whole(content, Vec::new()));
    }
    wrapped::recognize(around, listing)
}

/// Recognizes the folder in which Meta's repositories keep the weights a second time, as the slices of its own layout.
///
/// The model would be found twice and would be its own nearest kin. A folder that holds anything else, further weights or
/// folders, is searched as any other.
fn original(around: &Surroundings, listing: &Listing, chosen: &Entry) -> Option<(String, Ignored)> {
    let folder = listing.subfolder(ORIGINAL)?;
    let inner = Listing::read(&*around.tree, &folder.path).ok()?;
    let mut weights = inner.files.iter().filter_map(|file| around.formats.parse(&file.name)).peekable();
    let is_copy = inner.folders.is_empty()
        && weights.peek().is_some()
        && weights.all(|name| matches!(name.part, FilePart::Slice { .. }) && name.stem == CONSOLIDATED);
    let reason =
        format!("the weights of {} once more, in Meta's layout; to compare them, give this folder", chosen.name);
    is_copy.then(|| (folder.name.clone(), Ignored::beside(&folder.path, reason)))
}

/// Recognizes a folder as Mistral writes it: the weights in one file, and the sizes of the network beside it.
fn native<'a>(around: &Surroundings, listing: &'a Listing) -> Option<(&'a Entry, FileLayout)> {
    listing.file("params.json")?;
    listing.files.iter().find_map(|file| {
        let name = around.formats.parse(&file.name)?;
        let is_whole = matches!(name.part, FilePart::Whole) && name.stem == CONSOLIDATED;
        is_whole.then(|| (file, FileLayout::File { format: name.format.name().to_owned() }))
    })
}

/// Creates a checkpoint whose weights are in the folder itself.
pub(super) fn single(around: &Surroundings, listing: &Listing, layout: FileLayout, chosen: &Entry) -> Checkpoint {
    let reason = format!("beside {}, which is the one taken", chosen.name);
    let taken = members(around, listing, chosen);
    let mut ignored = others(around, listing, |file| taken.contains(&file.path), &reason);
    // The weights are whole, so an adapter's configuration beside them is not used.
    if let Some(adapter) = listing.file("adapter_config.json") {
        ignored.push(Ignored::beside(&adapter.path, reason));
    }
    Checkpoint::whole(Content::Weights { layout, path: chosen.path.clone() }, ignored)
}

/// Lists the weights of a folder that are not part of its model.
pub(super) fn others(
    around: &Surroundings,
    listing: &Listing,
    taken: impl Fn(&Entry) -> bool,
    reason: &str,
) -> Vec<Ignored> {
    let read = |file: &&Entry| around.formats.parse(&file.name).is_some_and(|f| f.part != FilePart::Index);
    let left = listing.files.iter().filter(read).filter(|f| !taken(f));
    left.map(|f| Ignored::beside(&f.path, reason)).collect()
}

/// Creates the error for a folder whose weights all have formats that are not supported.
pub(super) fn unread(around: &Surroundings, listing: &Listing) -> Option<SourceError> {
    if listing.files.iter().any(|f| around.formats.parse(&f.name).is_some_and(|f| f.part != FilePart::Index)) {
        return None;
    }
    listing.files.iter().find_map(|file| {
        let format = around.formats.unread(&file.name).filter(|format| format.is_weights(&file.name))?;
        Some(SourceError::UnsupportedFormat { path: file.path.clone(), format: format.described() })
    })
}
