//! Storage of bytes: objects that are read at given positions, and the trees of folders that hold them.
//!
//! All modules above this one read through [`ReadAt`] and [`Folder`] alone. Storage that is no local disk, such as an HTTP
//! server with ranges or an object store, is one more file here.

mod folder;
pub(crate) mod json;
mod listing;
mod local_file;
mod local_folder;
mod memory;
mod read_at;
#[cfg(feature = "remote")]
mod remote;
mod small_file;
mod step;
mod temporary;
mod whole_file;

pub use folder::{Entry, EntryKind, Folder};
pub(crate) use listing::Listing;
pub use local_file::LocalFile;
pub use local_folder::LocalFolder;
pub use memory::MemoryFile;
pub use read_at::ReadAt;
pub(crate) use read_at::{beginning, check_end};
#[cfg(feature = "remote")]
pub use remote::Locations;
pub(crate) use small_file::read_small;
#[cfg(test)]
pub(crate) use step::faults;
pub(crate) use step::{Step, before};
pub(crate) use temporary::{Temporary, is_leftover, remove_leftovers};
pub use whole_file::replace_file;
pub(crate) use whole_file::{Existing, try_beside, write_whole};
