//! Models in several numbered files. Only the first has the metadata of the model, and it may hold no tensors.

use super::cursor::malformed;
use super::header::Header;
use super::metadata::Metadata;
use super::names::Naming;
use super::{Gguf, NAME, scale};
use crate::bytes::{Folder, ReadAt};
use crate::error::{ShardError, SourceError};
use crate::format::{FileName, FilePart, Format, shard_name};
use std::sync::Arc;

/// The place of a file among those of its model, as its header has it.
#[derive(Debug)]
pub(super) struct Split {
    /// From 0 on.
    number: u32,
    count: u32,
    /// The name of the model in the names of its files, and their extension.
    stem: String,
    extension: String,
}

/// One of the other files of a model.
pub(super) type Part = (Arc<dyn ReadAt>, Header);

impl Split {
    /// Reads the place from the metadata of a file. `None` when the file is the whole model.
    pub(super) fn of(bytes: &dyn ReadAt, metadata: &Metadata) -> Result<Option<Self>, SourceError> {
        let Some(count) = metadata.integer("split.count").filter(|count| *count > 1) else { return Ok(None) };
        let number = metadata.integer("split.no").unwrap_or(0);
        let (Ok(count), Ok(number)) = (u32::try_from(count), u32::try_from(number)) else {
            return Err(malformed(bytes, format!("it is file {number} of {count}, more than can be")));
        };
        if number >= count {
            return Err(malformed(bytes, format!("its `split.no` is {number}, expected less than {count}")));
        }
        let name = bytes.path().file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let format: Arc<dyn Format> = Arc::new(Gguf);
        let place = FileName::parse(&name, &format).filter(|n| matches!(n.part, FilePart::Shard { .. }));
        let (said, expected) = (format!("file {} of {count} of a split model", number + 1), number + 1);
        let Some(FileName { stem, extension, .. }) = place else {
            let wanted = shard_name("NAME", "gguf", expected, count);
            return Err(SourceError::UnsupportedContent {
                path: bytes.path().to_owned(),
                format: NAME.to_owned(),
                reason: format!(
                    "it is {said}; name it {wanted} beside the others, or merge them with llama-gguf-split"
                ),
            });
        };
        let split = Self { number, count, stem, extension: extension.to_owned() };
        // A file under the name of another part would be read twice, and its own part not at all.
        if split.name(number) != name {
            return Err(malformed(bytes, format!("it is {said}, expected the name {}", split.name(number))));
        }
        Ok(Some(split))
    }

    fn name(&self, number: u32) -> String {
        shard_name(&self.stem, &self.extension, number + 1, self.count)
    }

    pub(super) fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Whether the tensors of this file can be read without the other files. `metadata` is that of the model.
    pub(super) fn stands_alone(header: &Header, metadata: &Metadata) -> bool {
        !Naming::depends_on_tensors(metadata) && !scale::lacks_partner(header)
    }

    /// The error of a file that needs the others, where their folder is not known.
    pub(super) fn needs_folder(&self, bytes: &dyn ReadAt) -> SourceError {
        SourceError::UnsupportedContent {
            path: bytes.path().to_owned(),
            format: NAME.to_owned(),
            reason: format!(
                "it is file {} of {} of a split model, and what it holds stands in {}: open the model by its folder",
                self.number + 1,
                self.count,
                self.name(0)
            ),
        }
    }

    /// Opens another file of the model and reads its header.
    pub(super) fn part(&self, tree: &dyn Folder, bytes: &dyn ReadAt, number: u32) -> Result<Part, SourceError> {
        let path = bytes.path().with_file_name(self.name(number));
        let part = tree.open(&path).map_err(|error| match error {
            SourceError::NotFound { path } => {
                SourceError::Shards(ShardError::Missing { index: bytes.path().to_owned(), shard: path })
            }
            other => other,
        })?;
        let header = Header::read(&*part)?;
        match Self::of(&*part, &header.metadata)? {
            Some(split) if split.count == self.count && split.number == number => Ok((part, header)),
            _ => {
                let reason = format!("expected file {} of {} of a split model", number + 1, self.count);
                Err(malformed(&*part, reason))
            }
        }
    }

    /// Opens all other files of the model.
    pub(super) fn others(&self, tree: &dyn Folder, bytes: &dyn ReadAt) -> Result<Vec<Part>, SourceError> {
        (0..self.count).filter(|number| *number != self.number).map(|number| self.part(tree, bytes, number)).collect()
    }
}
