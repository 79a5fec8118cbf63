//! The zip archives of `torch.save`: which entries there are, and where the bytes of each begin.
//!
//! Source: `caffe2/serialize/inline_container.cc` of PyTorch. All entries are stored and not compressed, so a storage is a range
//! of the file.

use super::{malformed, unsupported};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::positioned::Positioned;
use std::collections::HashMap;
use std::io::BufReader;
use std::sync::Arc;
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;

/// Most bytes that are read to list the entries. An entry takes about a hundred.
const DIRECTORY: u64 = 1 << 26;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 12;

/// A list of the entries of an archive.
pub(super) struct Archive<'a> {
    zip: ZipArchive<BufReader<Positioned>>,
    object: &'a dyn ReadAt,
    /// The folder of all entries, with a slash at the end.
    folder: String,
}

/// Where the bytes of an entry are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) begin: u64,
    pub(super) length: u64,
}

impl<'a> Archive<'a> {
    /// Lists the entries of an archive that `torch.save` wrote.
    pub(super) fn open(bytes: &'a Arc<dyn ReadAt>) -> Result<Self, SourceError> {
        let object = &**bytes;
        let reader = Positioned::new(Arc::clone(bytes)).with_limit(DIRECTORY);
        // The archive begins where the file does. A search for another beginning would find archives inside of entries.
        let config = Config { archive_offset: ArchiveOffset::Known(0) };
        let zip = ZipArchive::with_config(config, BufReader::with_capacity(BUFFER, reader));
        let zip = zip.map_err(|error| failed(object, error))?;
        if zip.has_duplicate_names() {
            return Err(malformed(object.path(), "two entries of the archive have the same name".to_owned()));
        }
        let mut archive = Self { zip, object, folder: String::new() };
        archive.folder = archive.own_folder()?;
        Ok(archive)
    }

    /// Returns the folder that holds `data.pkl`. An archive without one has another content.
    fn own_folder(&self) -> Result<String, SourceError> {
        let names: Vec<&str> = self.zip.file_names_raw().filter_map(|name| std::str::from_utf8(name).ok()).collect();
        let ends = |end: &str| names.iter().any(|name| name.ends_with(end));
        let refuse = |reason: &str| Err(unsupported(self.object.path(), reason.to_owned()));
        let mut pickles = names.iter().filter_map(|name| name.strip_suffix("data.pkl")).filter(|f| f.ends_with('/'));
        let (first, second) = (pickles.next(), pickles.next());
        match (first, second) {
            _ if ends("/serialized_exported_program.json") || ends("/models/model.json") => {
                refuse("a program of torch.export; load it with `torch.export.load` and save its `state_dict`")
            }
            (Some(_), _) if ends("/constants.pkl") || names.iter().any(|name| name.contains("/code/")) => refuse(
                "a TorchScript program; save its weights with `torch.save(torch.jit.load(PATH).state_dict(), NEW)`",
            ),
            (Some(folder), None) => Ok(folder.to_owned()),
            (Some(_), Some(_)) => refuse("an archive with several pickles; save each `state_dict` by itself"),
            (None, _) => refuse(
                "a zip archive without the `data.pkl` of torch.save; unpack it, or save the model's `state_dict` by itself",
            ),
        }
    }

    /// Returns where the bytes of an entry are. `name` is relative to the archive's folder.
    pub(super) fn range(&mut self, name: &str) -> Result<Option<Range>, SourceError> {
        let full = format!("{}{name}", self.folder);
        let object = self.object;
        let Some(index) = self.zip.index_for_name(&full) else { return Ok(None) };
        let entry = self.zip.by_index_raw(index).map_err(|error| failed(object, error))?;
        if entry.encrypted() || entry.compression() != zip::CompressionMethod::Stored {
            let reason =
                format!("its entry `{full}` is compressed, as torch.save never does; load it and save it again");
            return Err(unsupported(object.path(), reason));
        }
        let (begin, length) = (entry.data_start(), entry.size());
        let begin = begin.ok_or_else(|| malformed(object.path(), format!("the entry `{full}` has no place")))?;
        let end = begin.saturating_add(length);
        if length != entry.compressed_size() || end > object.length() {
            let reason = format!("the entry `{full}` ends at byte {end}, the file at byte {}", object.length());
            return Err(malformed(object.path(), reason));
        }
        Ok(Some(Range { begin, length }))
    }

    /// Returns the content of a short text entry, at most 64 bytes of it.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, SourceError> {
        let Some(range) = self.range(name)? else { return Ok(None) };
        let mut bytes = vec![0; range.length.min(64) as usize];
        self.object.read_at(&mut bytes, range.begin)?;
        Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    /// Returns where the bytes of several entries are, by their names. Entries that are not there are left out.
    pub(super) fn ranges<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<HashMap<String, Range>, SourceError> {
        let mut ranges = HashMap::new();
        for name in names {
            if let Some(range) = self.range(&format!("data/{name}"))? {
                ranges.insert(name.to_owned(), range);
            }
        }
        Ok(ranges)
    }
}

/// Returns the error of an archive. An error of the object itself is kept as it is.
fn failed(object: &dyn ReadAt, error: ZipError) -> SourceError {
    match error {
        ZipError::Io(error) => match error.downcast::<SourceError>() {
            Ok(source) => source,
            Err(error) => malformed(object.path(), format!("its list of entries cannot be read: {error}")),
        },
        error => malformed(object.path(), format!("its list of entries cannot be read: {error}")),
    }
}
