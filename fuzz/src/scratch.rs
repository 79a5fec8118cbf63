use std::fs;
use std::path::{Path, PathBuf};

/// A folder on this machine, for what is read from local files alone.
#[derive(Debug)]
pub struct Scratch(tempfile::TempDir);

impl Default for Scratch {
    fn default() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }
}

impl Scratch {
    /// Returns the folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes every file, and writes others.
    pub fn fill<'a>(&self, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        for entry in fs::read_dir(self.path()).into_iter().flatten().flatten() {
            let _ = fs::remove_file(entry.path());
        }
        for (name, bytes) in files {
            self.write(name, bytes);
        }
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, bytes).expect("a file in the folder for temporary files");
        path
    }
}
