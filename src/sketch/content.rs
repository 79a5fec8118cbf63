use super::Sketch;
use crate::kernel::hex;
use xxhash_rust::xxh3::Xxh3;

impl Sketch {
    /// A hash of the model. It covers the name, dtype, shape and fingerprints of every tensor, and no seed or width.
    pub fn content(&self) -> String {
        hex(self.content_hash())
    }

    /// The hash of [`content`](Self::content) as a number.
    pub(crate) fn content_hash(&self) -> u128 {
        let mut hash = Xxh3::new();
        for (info, tensor) in self.parameters.iter().zip(self.tensors.iter()) {
            update_text(&mut hash, &info.name);
            update_text(&mut hash, &info.dtype.to_string());
            // Without its length, a shape could run into what follows.
            hash.update(&(info.shape.len() as u64).to_le_bytes());
            info.shape.iter().for_each(|&d| hash.update(&(d as u64).to_le_bytes()));
            tensor.iter().for_each(|segment| hash.update(&segment.fingerprint.to_le_bytes()));
        }
        hash.digest128()
    }
}

/// Adds a text to a hash, with its length, so that it cannot run into the next text.
pub(crate) fn update_text(hash: &mut Xxh3, text: &str) {
    hash.update(&(text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}
