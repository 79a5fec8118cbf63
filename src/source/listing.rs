//! What stands in a folder, and what a file name says about its contents.

use crate::error::SourceError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file or folder within a folder.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) is_link: bool,
}

/// The visible contents of a folder, sorted by name, links followed.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) folder: PathBuf,
    pub(super) files: Vec<Entry>,
    pub(super) folders: Vec<Entry>,
}

impl Listing {
    /// Lists a folder; names that begin with a dot are left out.
    pub(super) fn read(folder: &Path) -> Result<Self, SourceError> {
        let fail = |source| io_error(folder, source);
        let mut listing = Self { folder: folder.to_owned(), files: Vec::new(), folders: Vec::new() };
        for entry in fs::read_dir(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            let is_link = entry.file_type().map_err(|e| io_error(&path, e))?.is_symlink();
            match fs::metadata(&path) {
                Ok(m) if m.is_dir() => listing.folders.push(Entry { name, path, is_link }),
                Ok(m) if m.is_file() => listing.files.push(Entry { name, path, is_link }),
                // Sockets, pipes, devices.
                Ok(_) => {}
                // A link to nothing is listed: where weights are expected, opening it tells.
                Err(e) if e.kind() == io::ErrorKind::NotFound => listing.files.push(Entry { name, path, is_link }),
                Err(e) => return Err(link_error(&path, e)),
            }
        }
        listing.files.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.path.cmp(&b.path)));
        listing.folders.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.path.cmp(&b.path)));
        Ok(listing)
    }

    /// The file of that name.
    pub(super) fn file(&self, name: &str) -> Option<&Entry> {
        self.files.iter().find(|f| f.name == name)
    }

    /// The folder of that name.
    pub(super) fn subfolder(&self, name: &str) -> Option<&Entry> {
        self.folders.iter().find(|f| f.name == name)
    }
}

/// Names the file an operating system error is about; absence has its own variant.
pub(super) fn io_error(path: &Path, source: io::Error) -> SourceError {
    match source.kind() {
        io::ErrorKind::NotFound => SourceError::NotFound { path: path.to_owned() },
        _ => SourceError::Io { path: path.to_owned(), source },
    }
}

/// As [`io_error`], with a link that leads to itself told apart.
pub(super) fn link_error(path: &Path, source: io::Error) -> SourceError {
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

/// Whether a file name is that of a safetensors file.
pub(super) fn is_safetensors(name: &str) -> bool {
    extension(name).eq_ignore_ascii_case("safetensors")
}

/// What kind of weights a file holds that is not read, `None` when it holds none or is a trainer's state.
pub(super) fn unread_format(name: &str) -> Option<&'static str> {
    const TRAINER_STATE: [&str; 7] =
        ["optimizer", "scheduler", "rng_state", "training_args", "scaler", "sampler", "random_states"];

    let format = match extension(name).to_ascii_lowercase().as_str() {
        "bin" | "pt" | "pth" | "ckpt" => "a PyTorch pickle",
        "gguf" => "a GGUF file",
        "onnx" => "an ONNX model",
        "h5" => "an HDF5 file",
        "msgpack" => "a Flax msgpack file",
        "npz" => "a NumPy archive",
        _ => return None,
    };
    (!TRAINER_STATE.iter().any(|state| name.starts_with(state))).then_some(format)
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}
