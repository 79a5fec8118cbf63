//! Partial sums in a file, for a pass that is stopped to go on from.
//!
//! A safetensors file, its values in F64 and fingerprints in U64, everything else in `__metadata__`. Whatever follows from the
//! models and the settings (names, holders, jobs) is not in it: the file is bound to them, and only how many jobs are done is
//! recorded. It is written beside its place, synced and renamed: there is a whole one at any time.

mod archive;
mod binding;
mod file;
mod header;
mod pace;

pub(super) use binding::Binding;

use super::plan::Plan;
use super::sums::Sums;
use crate::error::Error;
use pace::Pace;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the sums of a pass are kept while it runs.
#[derive(Debug)]
pub(crate) struct ResumeFile {
    path: PathBuf,
    binding: Binding,
    pace: Pace,
}

impl ResumeFile {
    /// Reads the sums, none of whose jobs are done, from the file when there is one; finds out whether it can be written.
    pub(super) fn open(path: &Path, every: Duration, binding: Binding, sums: &mut [Sums]) -> Result<Self, Error> {
        // A link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        match fs::metadata(&path) {
            Ok(_) => file::read(&path, &binding, sums)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::CheckpointIo { path, source }),
        }
        // Not after the first half a minute, and not when hours of work are to be saved.
        file::try_beside(&path).map_err(|source| Error::CheckpointIo { path: path.clone(), source })?;
        Ok(Self { path, binding, pace: Pace::new(every) })
    }

    /// How many jobs to do before coming back.
    pub(super) fn jobs(&self, plan: &Plan) -> usize {
        self.pace.jobs(plan.threads, plan.wave)
    }

    /// Saves when it is time to, and whenever a wave failed: what was done before is not lost.
    pub(super) fn after(&mut self, outcome: Result<(), Error>, sums: &mut [Sums]) -> Result<(), Error> {
        let saved = if self.pace.after_wave() || outcome.is_err() { self.save(sums) } else { Ok(()) };
        match outcome {
            // Whoever interrupts counts on the file; whoever has a damaged model needs to know that first.
            Err(fault) if !matches!(fault, Error::Interrupted) => Err(fault),
            outcome => saved.and(outcome),
        }
    }

    fn save(&mut self, sums: &mut [Sums]) -> Result<(), Error> {
        let began = Instant::now();
        file::write(&self.path, &self.binding, sums)
            .map_err(|source| Error::CheckpointIo { path: self.path.clone(), source })?;
        self.pace.saved(began.elapsed());
        Ok(())
    }

    /// Deletes the file of a pass that is whole.
    pub(crate) fn delete(self) {
        // One that stays is read by the next run, which then has nothing to do: no reason to fail this one.
        let _ = fs::remove_file(&self.path);
    }
}
