//! Bytes and where they lie: objects read at given positions, and the trees that hold them.
//!
//! Everything above this room reads through [`ReadAt`] and [`Folder`] alone. What lies elsewhere than on a local disk (a range of
//! an HTTP server, an object store) is one more file here.

mod folder;
pub(crate) mod json;
mod listing;
mod local_file;
mod local_folder;
mod memory;
mod read_at;
mod small_file;
mod whole_file;

pub use folder::{Entry, EntryKind, Folder};
pub(crate) use listing::Listing;
pub use local_file::LocalFile;
pub use local_folder::LocalFolder;
pub use memory::MemoryFile;
pub use read_at::ReadAt;
pub(crate) use read_at::beginning;
pub(crate) use small_file::read_small;
pub use whole_file::replace_file;
pub(crate) use whole_file::{Existing, Temporary, try_beside, write_whole};
