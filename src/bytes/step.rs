//! The steps by which files come into being. Tests make each of them fail, as a full or a broken disk does.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// A step that changes what is on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Making a folder.
    Folder,
    /// Making a temporary file.
    Create,
    /// Writing some bytes.
    Write,
    /// Bringing a file from memory to the disk.
    Sync,
    /// Giving a file its name.
    Rename,
    /// Removing a file.
    Remove,
}

/// Stands before each step. Only tests let it fail.
#[cfg(not(test))]
#[inline]
pub(crate) fn before(_step: Step, _path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use faults::before;

/// A file whose writes are steps.
#[derive(Debug)]
pub(crate) struct Stepwise<'a> {
    pub(super) file: &'a mut File,
    pub(super) path: &'a Path,
}

impl Write for Stepwise<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = before(Step::Write, self.path) {
            // A disk that becomes full takes a part of the bytes.
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Faults of the disk, for the files of one folder. Other tests run beside and are not affected.
#[cfg(test)]
pub(crate) mod faults {
    use super::Step;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};

    /// Linux's numbers of the two errors: no space left, and an error of the device.
    pub(crate) const ENOSPC: i32 = 28;
    pub(crate) const EIO: i32 = 5;

    static PLANS: Mutex<Vec<Arc<Plan>>> = Mutex::new(Vec::new());

    /// Which steps fail.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Failing {
        None,
        /// The step of this number alone.
        Once(usize),
        /// The step of this number, and all after it but removals.
        From(usize),
    }

    #[derive(Debug)]
    struct Plan {
        folder: PathBuf,
        failing: Failing,
        error: i32,
        steps: AtomicUsize,
        failed: AtomicUsize,
    }

    /// A plan of faults, which ends when it is dropped.
    #[derive(Debug)]
    pub(crate) struct Faults(Arc<Plan>);

    impl Faults {
        pub(crate) fn new(folder: &Path, failing: Failing, error: i32) -> Self {
            let (steps, failed) = Default::default();
            let plan = Arc::new(Plan { folder: folder.to_owned(), failing, error, steps, failed });
            PLANS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&plan));
            Self(plan)
        }

        /// How many steps there were.
        pub(crate) fn steps(&self) -> usize {
            self.0.steps.load(Ordering::SeqCst)
        }

        /// How many of them failed.
        pub(crate) fn failed(&self) -> usize {
            self.0.failed.load(Ordering::SeqCst)
        }
    }

    impl Drop for Faults {
        fn drop(&mut self) {
            PLANS.lock().unwrap_or_else(PoisonError::into_inner).retain(|plan| !Arc::ptr_eq(plan, &self.0));
        }
    }

    pub(crate) fn before(step: Step, path: &Path) -> io::Result<()> {
        let plans: Vec<Arc<Plan>> = PLANS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for plan in plans.iter().filter(|plan| path.starts_with(&plan.folder)) {
            let number = plan.steps.fetch_add(1, Ordering::SeqCst);
            let fails = match plan.failing {
                Failing::None => false,
                Failing::Once(at) => number == at,
                Failing::From(at) => number >= at && step != Step::Remove,
            };
            if fails {
                plan.failed.fetch_add(1, Ordering::SeqCst);
                return Err(io::Error::from_raw_os_error(plan.error));
            }
        }
        Ok(())
    }
}
