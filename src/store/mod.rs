//! Sketches on disk: files, folders of files, and an index that finds the sketches near to a model.

mod entry;
#[cfg(test)]
mod faults;
mod file_name;
mod index;
mod nearest;
mod sketch_file;
mod sketch_store;

pub use entry::{AddOutcome, StoreEntry, StoreProblem};
pub use nearest::{Nearest, Neighbor};
pub use sketch_store::SketchStore;
