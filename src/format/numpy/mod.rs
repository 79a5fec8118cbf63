//! NumPy arrays (`.npy`) and archives of them (`.npz`).
//!
//! Both are defined in <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>. The library py_literal parses
//! the description of an array, and zip the directory of an archive. npyz, which reads the whole format, multiplies the
//! dimensions of a hostile shape without a check. Values are read at their places in the file.

mod columns;
mod header;

use super::archive::{self, Member};
use super::elsewhere::{ByteOrder, Elsewhere};
use super::{Format, Library, ModelUnit, Tensors, has_extension};
use crate::bytes::ReadAt;
use crate::error::SourceError;
use columns::Columns;
use header::{Array, Header, Layout};
use std::sync::Arc;

/// The ending of an array, alone or in an archive.
const ARRAY: &str = "npy";

/// A NumPy archive of arrays, as `numpy.savez` and `numpy.savez_compressed` write it.
///
/// Each array is a tensor with the name under which it was saved. Opening reads the description of each array only. Text and
/// times are passed over. Arrays of Python objects and of unknown dtypes are refused by name.
///
/// A compressed array has no index. Reading it from beginning to end decodes it once. Reading it backwards decodes it from its
/// beginning for each range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Npz;

impl Format for Npz {
    fn name(&self) -> &str {
        "npz"
    }

    fn extensions(&self) -> &[&str] {
        &["npz"]
    }

    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        let named = has_extension(name, self.extensions());
        match archive::first_name(beginning) {
            // Other formats are zip archives too, but their first member is no array.
            Some(first) => named || first.ends_with(b".npy"),
            None => named && (beginning.is_empty() || beginning.starts_with(b"PK\x05\x06")),
        }
    }

    /// # Errors
    ///
    /// [`SourceError::Malformed`] when the archive or the description of an array is damaged; [`SourceError::SizeMismatch`] when
    /// an array has more or fewer bytes than its shape needs; [`SourceError::UnsupportedContent`] when an array may hold
    /// weights that cannot be read.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        super::refuse_pointer(&*bytes)?;
        let members = archive::members(&bytes, "npz")?;
        let mut tensors = Tensors::new(bytes);
        for Member { name, begin, object } in members {
            let Some(array) = name.strip_suffix(".npy").filter(|name| !name.is_empty()) else {
                tensors = tensors.with_left_out(name, "it is no array");
                continue;
            };
            tensors = match header::read(&*object, self.name(), array)? {
                Header::Array(found) => with_array(tensors, array, found, begin, object)?,
                Header::LeftOut(reason) => tensors.with_left_out(array, reason),
            };
        }
        Ok(tensors)
    }

    fn stem(&self, _: Library) -> Option<&str> {
        None
    }
}

/// One NumPy array, as `numpy.save` writes it. Its tensor has the name of the file.
///
/// The arrays of a folder without other weights are one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Npy;

impl Format for Npy {
    fn name(&self) -> &str {
        "npy"
    }

    fn extensions(&self) -> &[&str] {
        &[ARRAY]
    }

    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        if beginning.is_empty() { has_extension(name, self.extensions()) } else { beginning.starts_with(header::MAGIC) }
    }

    /// # Errors
    ///
    /// The errors of [`Npz`], and [`SourceError::UnsupportedContent`] when the array holds no numbers.
    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        super::refuse_pointer(&*bytes)?;
        let file = bytes.path().file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let name = super::without_extension(&file, ARRAY).unwrap_or(&file).to_owned();
        let header = header::read(&*bytes, self.name(), &name)?;
        let tensors = Tensors::new(Arc::clone(&bytes));
        match header {
            Header::Array(found) => with_array(tensors, &name, found, Some(0), bytes),
            Header::LeftOut(reason) => Ok(tensors.with_left_out(name, reason)),
        }
    }

    fn stem(&self, _: Library) -> Option<&str> {
        None
    }

    fn unit(&self) -> ModelUnit {
        ModelUnit::Folder
    }
}

/// Adds an array that is all of `object`. `begin` is the place of the object in the file, if its bytes are not compressed.
fn with_array(
    tensors: Tensors,
    name: &str,
    array: Array,
    begin: Option<u64>,
    object: Arc<dyn ReadAt>,
) -> Result<Tensors, SourceError> {
    let (shape, dtype) = (array.shape.clone(), array.dtype);
    match (array.layout, array.bytes, begin) {
        (Layout::Rows, ByteOrder::Little, Some(begin)) => tensors.with_tensor(name, shape, dtype, begin + array.begin),
        (Layout::Rows, order, _) => {
            tensors.with_decoded(name, shape, dtype, Elsewhere::new(object, array.begin, dtype, order))
        }
        (Layout::Columns, ..) => tensors.with_decoded(name, shape, dtype, Columns::new(object, array)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_recognized_by_its_first_member() {
        let zip = |name: &str| {
            let mut bytes = b"PK\x03\x04".to_vec();
            bytes.extend([0; 22]);
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend([0; 2]);
            bytes.extend(name.as_bytes());
            bytes
        };
        assert!(Npz.recognizes("blob", &zip("fc.weight.npy")) && !Npz.recognizes("blob", &zip("archive/data.pkl")));
        assert!(Npz.recognizes("a.npz", &zip("a.txt")) && Npz.recognizes("A.NPZ", &[]));
        assert!(!Npz.recognizes("a.npz", b"\x93NUMPY\x01\x00") && !Npz.recognizes("blob", &[]));
        assert!(Npy.recognizes("blob", b"\x93NUMPY\x01\x00") && !Npy.recognizes("a.npy", b"PK\x03\x04"));
        assert!(Npy.recognizes("a.npy", &[]) && !Npy.recognizes("npy", &[]));
    }
}
