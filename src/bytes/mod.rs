//! Files as bytes.

mod small_file;
mod whole_file;

pub(crate) use small_file::read_small;
pub(crate) use whole_file::{Existing, Temporary, try_beside, write_whole};
