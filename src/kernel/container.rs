//! The safetensors files that this crate writes. Their headers have a fixed order of entries, so equal content gives equal
//! bytes.

use safetensors::tensor::{Dtype, Metadata, TensorInfo, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::io;

/// One tensor of a file.
pub(crate) struct TensorBytes<'a> {
    pub(crate) name: &'static str,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Little-endian.
    pub(crate) bytes: &'a [u8],
}

/// Encodes a whole file.
pub(crate) fn encode(metadata: BTreeMap<&str, String>, tensors: Vec<TensorBytes<'_>>) -> io::Result<Vec<u8>> {
    let mut views = Vec::with_capacity(tensors.len());
    for TensorBytes { name, dtype, shape, bytes } in tensors {
        views.push((name, TensorView::new(dtype, shape, bytes).map_err(io::Error::other)?));
    }
    let file = safetensors::serialize(views, Some(owned(metadata))).map_err(io::Error::other)?;
    // Only the entries of the header change their order. Offsets and data stay as they are.
    let (length, rest) = file.split_at(8);
    let length = super::words::<u64>(length).next().unwrap_or_default();
    let (header, data) = rest.split_at(length as usize);
    let mut sorted = in_order(header)?;
    sorted.extend_from_slice(data);
    Ok(sorted)
}

/// Encodes the beginning of a file: the length of the header, then the header. The bytes of the tensors follow in their order.
pub(crate) fn header(metadata: BTreeMap<&str, String>, tensors: Vec<(String, TensorInfo)>) -> io::Result<Vec<u8>> {
    let header = Metadata::new(Some(owned(metadata)), tensors).map_err(io::Error::other)?;
    in_order(&serde_json::to_vec(&header)?)
}

fn owned(metadata: BTreeMap<&str, String>) -> HashMap<String, String> {
    metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Sorts the entries of a header, because the crate `safetensors` writes metadata in any order.
///
/// The header is padded with spaces to a multiple of 8 bytes, so that the tensors are aligned.
fn in_order(header: &[u8]) -> io::Result<Vec<u8>> {
    // Sorted maps at both levels make the text of the header unique.
    let entries: BTreeMap<String, BTreeMap<String, serde_json::Value>> = serde_json::from_slice(header)?;
    let mut text = serde_json::to_vec(&entries)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok([&(text.len() as u64).to_le_bytes(), text.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_is_the_same_bytes_and_is_read_back() -> Result<(), Box<dyn std::error::Error>> {
        let metadata =
            || (b'a'..=b'z').map(|c| (["key", "other"][usize::from(c % 2)], char::from(c).to_string())).collect();
        let tensors = || vec![TensorBytes { name: "t", dtype: Dtype::U8, shape: vec![3], bytes: &[1, 2, 3] }];
        let file = encode(metadata(), tensors())?;
        assert_eq!(file, encode(metadata(), tensors())?);
        assert_eq!(safetensors::SafeTensors::deserialize(&file)?.tensor("t")?.data(), [1, 2, 3]);
        let info = TensorInfo { dtype: Dtype::U8, shape: vec![3], data_offsets: (0, 3) };
        assert!(file.starts_with(&header(metadata(), vec![("t".to_owned(), info)])?));
        Ok(())
    }
}
