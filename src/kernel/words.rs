//! Conversion of words to little-endian bytes and back, and of hashes to text.

use bytemuck::Pod;
use std::borrow::Cow;
use xxhash_rust::xxh3::Xxh3;

/// A number of fixed size that is stored with its least byte first.
pub(crate) trait Word: Pod {
    /// The same number with its bytes in the order of a little-endian file.
    fn to_little(self) -> Self;
}

macro_rules! words_of {
    ($($float:ty, $bits:ty);*) => {$(
        impl Word for $bits {
            fn to_little(self) -> Self {
                self.to_le()
            }
        }
        impl Word for $float {
            fn to_little(self) -> Self {
                Self::from_bits(self.to_bits().to_le())
            }
        }
    )*};
}
words_of!(f32, u32; f64, u64);

impl Word for u128 {
    fn to_little(self) -> Self {
        self.to_le()
    }
}

/// Returns the bytes of some numbers as they are stored in a file. They are a copy only on a big-endian host.
pub(crate) fn little_endian<W: Word>(values: &[W]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(bytemuck::cast_slice(values));
    }
    let swapped: Vec<W> = values.iter().map(|v| v.to_little()).collect();
    Cow::Owned(bytemuck::cast_slice(&swapped).to_vec())
}

/// Returns the numbers in some bytes of a file. An incomplete number at the end is left out.
pub(crate) fn words<W: Word>(bytes: &[u8]) -> impl Iterator<Item = W> {
    // Swapping is its own inverse, so the conversion to little-endian also converts from it.
    bytes.chunks_exact(size_of::<W>()).map(|word| bytemuck::pod_read_unaligned::<W>(word).to_little())
}

/// Adds the little-endian bytes of some numbers to a hash.
pub(crate) fn update<W: Word>(hash: &mut Xxh3, values: &[W]) {
    if cfg!(target_endian = "little") {
        hash.update(bytemuck::cast_slice(values));
    } else {
        values.iter().for_each(|v| hash.update(bytemuck::bytes_of(&v.to_little())));
    }
}

/// Returns the upper and the lower half of a hash.
pub(crate) fn halves(hash: u128) -> [u64; 2] {
    [(hash >> 64) as u64, hash as u64]
}

/// Returns the hash that has this upper and lower half.
pub(crate) fn joined([upper, lower]: [u64; 2]) -> u128 {
    u128::from(upper) << 64 | u128::from(lower)
}

/// Returns a hash as 32 hexadecimal digits.
pub(crate) fn hex(hash: u128) -> String {
    format!("{hash:032x}")
}

/// Returns the hash of 32 lowercase hexadecimal digits. `None` for any other text.
pub(crate) fn from_hex(text: &str) -> Option<u128> {
    let hexadecimal = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hexadecimal { u128::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_byte_comes_first_and_bytes_come_back() {
        assert_eq!(&*little_endian(&[0x0102_0304_0506_0708u64]), [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(&*little_endian(&[1.0f32, -2.0]), [0, 0, 128, 63, 0, 0, 0, 192]);
        let numbers = [1.5, -0.0, f64::MAX];
        // Bytes of a file begin anywhere.
        let bytes = [&[7], &*little_endian(&numbers)].concat();
        assert_eq!(words::<f64>(&bytes[1..]).collect::<Vec<_>>(), numbers);
        let (mut one, mut other) = (Xxh3::new(), Xxh3::new());
        update(&mut one, &numbers);
        other.update(&bytes[1..]);
        assert_eq!(one.digest128(), other.digest128());
    }

    #[test]
    fn hashes_come_back_from_text_and_halves() {
        let hash = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
        assert_eq!((from_hex(&hex(hash)), joined(halves(hash))), (Some(hash), hash));
        for text in ["", "0123", "0123456789ABCDEF0011223344556677", "+123456789abcdef0011223344556677"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}
