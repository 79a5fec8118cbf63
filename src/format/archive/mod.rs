//! Zip archives whose members are read at positions, as files are.

mod inflated;

use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::positioned::Positioned;
use crate::format::section::Section;
use inflated::{Inflated, Inflaters};
use std::io::BufReader;
use std::sync::Arc;
use zip::{CompressionMethod, ZipArchive};

/// How many bytes deflate makes of one, at most. A member that claims more was not made by a compressor.
const RATIO: u64 = 1032;

/// Names that end like this are folders. They hold no bytes.
const FOLDER: char = '/';

/// A member of an archive. It is an object of its own, with its own length.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// Where its bytes begin in the archive. `None` when they are compressed.
    pub(super) begin: Option<u64>,
    pub(super) object: Arc<dyn ReadAt>,
}

/// Lists the members of an archive, in the order of its directory. `format` is the name of the format in errors.
///
/// Members may be stored or deflated. A member must lie within the archive and must not share bytes with another: an archive
/// of a few bytes could hold without end what is read again and again otherwise.
pub(super) fn members(bytes: &Arc<dyn ReadAt>, format: &'static str) -> Result<Vec<Member>, SourceError> {
    let path = || bytes.path().to_owned();
    let malformed = |reason: String| SourceError::Malformed { path: path(), format: format.to_owned(), reason };
    let failed = |error: zip::result::ZipError| malformed(error.to_string());
    let reader = BufReader::new(Positioned::new(Arc::clone(bytes)));
    let mut archive = ZipArchive::new(reader).map_err(failed)?;
    if archive.has_duplicate_names() {
        return Err(malformed("two members have the same name".to_owned()));
    }
    if archive.has_overlapping_entries().map_err(failed)? {
        return Err(malformed("two members share bytes".to_owned()));
    }
    let inflaters = Arc::new(Inflaters::default());
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(failed)?;
        let name = member.name().map_err(failed)?.into_owned();
        if name.ends_with(FOLDER) {
            continue;
        }
        let unsupported = |what: String| SourceError::UnsupportedContent {
            path: path(),
            format: format.to_owned(),
            reason: format!("its member `{name}` is {what}: save it stored or deflated"),
        };
        if member.encrypted() {
            return Err(unsupported("encrypted".to_owned()));
        }
        let (stored, length, crc) = (member.compressed_size(), member.size(), member.crc32());
        let begin = member.data_start().ok_or_else(|| malformed(format!("its member `{name}` has no place")))?;
        let end = begin.checked_add(stored).ok_or_else(|| malformed(format!("its member `{name}` has no end")))?;
        if end > bytes.length() {
            return Err(SourceError::Truncated { path: path(), found: bytes.length(), expected: end });
        }
        let (begin, object): (_, Arc<dyn ReadAt>) = match member.compression() {
            CompressionMethod::Stored => {
                if stored != length {
                    return Err(malformed(format!("its member `{name}` has {stored} bytes, expected {length}")));
                }
                (Some(begin), Arc::new(Section::new(Arc::clone(bytes), begin, length)))
            }
            CompressionMethod::Deflated => {
                if length > stored.saturating_mul(RATIO) {
                    let reason = format!("its member `{name}` claims {length} bytes, but {stored} cannot hold so much");
                    return Err(malformed(reason));
                }
                let section = Section::new(Arc::clone(bytes), begin, stored);
                (None, Arc::new(Inflated::new(section, index, length, crc, format, &name, Arc::clone(&inflaters))))
            }
            other => return Err(unsupported(format!("compressed by {other}"))),
        };
        members.push(Member { name, begin, object });
    }
    Ok(members)
}

/// Returns the name of the first member of an archive that begins with these bytes, or as much of it as they hold. `None` when
/// it is no archive.
pub(super) fn first_name(beginning: &[u8]) -> Option<&[u8]> {
    // The local header of a member has 30 bytes before the name, with the length of the name at byte 26.
    let rest = beginning.strip_prefix(b"PK\x03\x04")?;
    let length = rest.get(22..24).map_or(0, |b| usize::from(b[0]) | usize::from(b[1]) << 8);
    let name = rest.get(26..).unwrap_or_default();
    Some(name.get(..length).unwrap_or(name))
}
