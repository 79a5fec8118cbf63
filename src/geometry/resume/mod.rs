//! Files of partial sums, from which a stopped pass can continue.
//!
//! The file is a safetensors file. Values are in F64, fingerprints in U64, and everything else is in `__metadata__`. Names,
//! holders and jobs are not in it, because they follow from the models and the settings. The file is bound to these, and
//! records only how many jobs are done. It is written under a temporary name, synced and renamed, so a complete file exists at
//! any time.

mod archive;
mod binding;
mod file;
mod header;
mod pace;
#[cfg(test)]
mod tests;

pub(super) use binding::Binding;

use super::plan::Plan;
use super::sums::Sums;
use crate::error::Error;
use pace::Pace;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file that keeps the sums of a pass while it runs.
#[derive(Debug)]
pub(crate) struct ResumeFile {
    path: PathBuf,
    binding: Binding,
    pace: Pace,
    /// Why the last save failed, if it did.
    unkept: Option<io::Error>,
}

impl ResumeFile {
    /// Reads the sums from the file if there is one, and checks that the file can be written. `sums` must have no finished job.
    pub(super) fn open(path: &Path, every: Duration, binding: Binding, sums: &mut [Sums]) -> Result<Self, Error> {
        // Renaming would replace a link by a file, so the file behind the link is used.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(_) => file::read(&path, &binding, sums)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::ResumeFileIo { path, source }),
        }
        // The user learns at once that the folder cannot be written, and not when hours of work are to be saved.
        let unkept = match file::try_beside(&path) {
            Ok(()) => None,
            // There may be room later. What is full or broken is no mistake in the settings.
            Err(source) if is_of_disk(&source) => Some(source),
            Err(source) => return Err(Error::ResumeFileIo { path, source }),
        };
        Ok(Self { path, binding, pace: Pace::new(every), unkept })
    }

    /// Returns how many jobs the next wave should have.
    pub(super) fn jobs(&self, plan: &Plan) -> usize {
        self.pace.jobs(plan.threads, plan.wave)
    }

    /// Saves when it is time, and whenever a wave failed, so that finished work is not lost.
    ///
    /// A save that fails costs nothing but itself. The pass goes on, and the next save may succeed.
    pub(super) fn after(&mut self, outcome: Result<(), Error>, sums: &mut [Sums]) -> Result<(), Error> {
        if self.pace.after_wave() || outcome.is_err() {
            self.save(sums);
        }
        match (outcome, self.unkept.take()) {
            // After an interruption the user relies on the file, so a failed save is reported. A damaged model is more
            // important than a failed save, so its error comes first.
            (Err(Error::Interrupted), Some(source)) => Err(Error::ResumeFileIo { path: self.path.clone(), source }),
            (outcome, unkept) => {
                self.unkept = unkept;
                outcome
            }
        }
    }

    fn save(&mut self, sums: &mut [Sums]) {
        // The time of a save is measured, because the next one is delayed in proportion to it.
        let began = Instant::now();
        self.unkept = file::write(&self.path, &self.binding, sums).err();
        self.pace.saved(began.elapsed());
    }

    /// Why the sums could not be kept, if the last save failed.
    pub(super) fn unkept(&self) -> Option<String> {
        self.unkept.as_ref().map(ToString::to_string)
    }

    /// Deletes the file after the pass is complete.
    pub(crate) fn delete(self) {
        // If the file stays, the next run reads it and has nothing to do. So this failure needs no error.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether an error comes from the disk, and not from a path that cannot be written.
fn is_of_disk(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        || (cfg!(unix) && error.raw_os_error() == Some(EIO))
}
