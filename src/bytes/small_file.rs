use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] when the path is not a regular file; [`io::ErrorKind::InvalidData`] when the file is larger
/// than `limit`; any other error of the operating system.
pub(crate) fn read_small(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let too_large =
        |found: u64| io::Error::new(io::ErrorKind::InvalidData, format!("{found} bytes, at most {limit} are read"));
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // The file may have grown since its length was read, so the read itself is limited too.
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_up_to_the_limit_are_read() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("small");
        fs::write(&path, [7; 100])?;
        assert_eq!(read_small(&path, 100)?, [7; 100]);
        let refused = read_small(&path, 99).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.to_string().as_str()),
            (io::ErrorKind::InvalidData, "100 bytes, at most 99 are read")
        );
        assert_eq!(read_small(folder.path(), 100).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read_small(&folder.path().join("none"), 100).unwrap_err().kind(), io::ErrorKind::NotFound);
        Ok(())
    }
}
