use super::{Entry, EntryKind, Folder, LocalFile, ReadAt};
use crate::error::SourceError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file system of this machine. Relative paths begin at the current folder.
///
/// Sockets, pipes and devices are not listed. A link whose end cannot be found is listed as a file. Where weights are expected,
/// opening it reports what is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LocalFolder;

impl Folder for LocalFolder {
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, SourceError> {
        let fail = |source| io_error(folder, source);
        let mut entries = Vec::new();
        for found in fs::read_dir(folder).map_err(fail)? {
            let found = found.map_err(fail)?;
            let name = found.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let path = found.path();
            let is_link = found.file_type().map_err(|e| io_error(&path, e))?.is_symlink();
            let kind = match fs::metadata(&path) {
                Ok(m) if m.is_dir() => EntryKind::Folder,
                Ok(m) if m.is_file() => EntryKind::File,
                // A socket, a pipe or a device.
                Ok(_) => continue,
                // A link that leads nowhere, to itself, or into a folder without permission. The others of the folder are
                // listed all the same.
                Err(e) if is_link || e.kind() == io::ErrorKind::NotFound => EntryKind::File,
                Err(e) => return Err(link_error(&path, e)),
            };
            entries.push(Entry { name, path, kind, is_link });
        }
        Ok(entries)
    }

    fn entry(&self, path: &Path) -> Result<Entry, SourceError> {
        let metadata = fs::metadata(path).map_err(|e| link_error(path, e))?;
        let kind = if metadata.is_dir() { EntryKind::Folder } else { EntryKind::File };
        Ok(Entry { is_link: path.is_symlink(), ..Entry::new(path, kind) })
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError> {
        Ok(Arc::new(LocalFile::open(path)?))
    }

    fn identity(&self, path: &Path) -> Result<PathBuf, SourceError> {
        fs::canonicalize(path).map_err(|e| link_error(path, e))
    }
}

/// Adds the path to an error of the operating system. A missing file has its own variant.
fn io_error(path: &Path, source: io::Error) -> SourceError {
    match source.kind() {
        io::ErrorKind::NotFound => SourceError::NotFound { path: path.to_owned() },
        _ => SourceError::Io { path: path.to_owned(), source },
    }
}

/// Works as [`io_error`] does, but a link that leads to itself becomes [`SourceError::SymlinkLoop`].
fn link_error(path: &Path, source: io::Error) -> SourceError {
    // `io::ErrorKind::FilesystemLoop` is not stable; these are ELOOP and ERROR_CANT_RESOLVE_FILENAME.
    let code = if cfg!(windows) {
        1921
    } else if cfg!(any(target_os = "linux", target_os = "android")) {
        40
    } else {
        62
    };
    match fs::read_link(path) {
        Ok(target) if source.raw_os_error() == Some(code) => SourceError::SymlinkLoop { path: path.to_owned(), target },
        _ => io_error(path, source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lists_what_can_be_seen_in_it() -> Result<(), Box<dyn std::error::Error>> {
        let scratch = tempfile::tempdir()?;
        fs::create_dir(scratch.path().join("inner"))?;
        fs::write(scratch.path().join("a"), "1")?;
        fs::write(scratch.path().join(".hidden"), "2")?;
        let mut entries = LocalFolder.list(scratch.path())?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let expected = [("a", EntryKind::File), ("inner", EntryKind::Folder)]
            .map(|(name, kind)| Entry::new(scratch.path().join(name), kind));
        assert_eq!(entries, expected);
        assert_eq!(LocalFolder.entry(&entries[1].path)?, entries[1]);
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let path = Path::new("no such folder/at all");
        let errors = [
            LocalFolder.list(path).unwrap_err(),
            LocalFolder.entry(path).unwrap_err(),
            LocalFolder.open(path).unwrap_err(),
            LocalFolder.identity(path).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_marked() -> Result<(), Box<dyn std::error::Error>> {
        let scratch = tempfile::tempdir()?;
        let (real, link, gone) =
            (scratch.path().join("real"), scratch.path().join("link"), scratch.path().join("gone"));
        fs::write(&real, "1")?;
        std::os::unix::fs::symlink(&real, &link)?;
        std::os::unix::fs::symlink("nowhere", &gone)?;
        let mut entries = LocalFolder.list(scratch.path())?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let marks: Vec<(&str, bool)> = entries.iter().map(|e| (e.name.as_str(), e.is_link)).collect();
        assert_eq!(marks, [("gone", true), ("link", true), ("real", false)]);
        assert_eq!(LocalFolder.identity(&link)?, LocalFolder.identity(&real)?);
        assert!(LocalFolder.entry(&link)?.is_link);
        Ok(())
    }
}
