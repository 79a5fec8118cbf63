//! Sketches on disk: files, folders of them, and an index by which those near to a model are found.

mod entry;
mod index;
mod nearest;
mod sketch_file;
mod sketch_store;

pub use entry::{Added, StoreEntry, StoreProblem};
pub use nearest::{Nearest, Neighbor};
pub use sketch_store::SketchStore;
