//! Codes of a few bits, packed without a gap.

/// Which bits of a byte hold the first code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BitOrder {
    /// The lowest. Codes may reach across bytes.
    LowFirst,
    /// The highest, and codes are of four bits.
    HighFirst,
}

/// Unpacks codes of 1 to 8 bits. The first code begins at bit `begin` of `bytes`.
///
/// Bits are counted from the lowest of each byte, so codes in little-endian words of any width are unpacked alike.
///
/// # Panics
///
/// Panics when `bytes` are too few.
pub(super) fn unpack(bits: usize, order: BitOrder, bytes: &[u8], begin: usize, codes: &mut [u8]) {
    match (bits, order) {
        (8, _) => codes.copy_from_slice(&bytes[begin / 8..begin / 8 + codes.len()]),
        (4, _) if begin.is_multiple_of(8) => {
            let swapped = order == BitOrder::HighFirst;
            let bytes = &bytes[begin / 8..];
            let (eights, last) = codes.as_chunks_mut::<8>();
            let (words, _) = bytes.as_chunks::<4>();
            for (eight, word) in eights.iter_mut().zip(words) {
                let word = u32::from_le_bytes(*word);
                let word = if swapped { (word & LOW as u32) << 4 | word >> 4 & LOW as u32 } else { word };
                *eight = spread(word).to_le_bytes();
            }
            let rest = &bytes[4 * eights.len()..];
            for (at, code) in last.iter_mut().enumerate() {
                let byte = rest[at / 2];
                *code = if (at % 2 == 1) == swapped { byte & 15 } else { byte >> 4 };
            }
        }
        (4, _) => {
            let high_first = order == BitOrder::HighFirst;
            for (code, at) in codes.iter_mut().zip(begin / 4..) {
                let byte = bytes[at / 2];
                *code = if (at % 2 == 1) == high_first { byte & 15 } else { byte >> 4 };
            }
        }
        _ => {
            for (code, at) in codes.iter_mut().zip((begin..).step_by(bits)) {
                *code = code_at(bits, bytes, at);
            }
        }
    }
}

/// The lower half of each byte.
pub(super) const LOW: u64 = 0x0f0f_0f0f_0f0f_0f0f;

/// Returns the eight 4-bit codes of a word, a byte each, the lowest first.
pub(super) fn spread(word: u32) -> u64 {
    let x = u64::from(word);
    let x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    let x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    (x | x << 4) & LOW
}

/// Returns the transpose of eight rows of eight bytes. The first byte of a row is its lowest.
pub(super) fn transposed(rows: [u64; 8]) -> [u64; 8] {
    let mut x = rows;
    // Squares of one, two and four bytes on both sides of the diagonal change places.
    for (distance, shift, mask) in
        [(1, 8, 0x00ff_00ff_00ff_00ff), (2, 16, 0x0000_ffff_0000_ffff), (4, 32, 0x0000_0000_ffff_ffff_u64)]
    {
        for at in (0..8).filter(|at| at & distance == 0) {
            let change = (x[at] >> shift ^ x[at + distance]) & mask;
            x[at] ^= change << shift;
            x[at + distance] ^= change;
        }
    }
    x
}

/// Unpacks the code of 1 to 8 bits that begins at bit `at`.
pub(super) fn code_at(bits: usize, bytes: &[u8], at: usize) -> u8 {
    let low = u16::from(bytes[at / 8]);
    // The last code of all may end with its byte, after which there is none.
    let high = bytes.get(at / 8 + 1).map_or(0, |&byte| u16::from(byte));
    (((high << 8 | low) >> (at % 8)) & ((1 << bits) - 1)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_out_as_they_went_in() {
        for bits in 1..=8 {
            let codes: Vec<u8> = (0..50u32).map(|at| (at * 37 % (1 << bits)) as u8).collect();
            let mut bytes = vec![0u8; (codes.len() * bits).div_ceil(8)];
            for (at, code) in codes.iter().enumerate() {
                for bit in (0..bits).filter(|bit| code >> bit & 1 == 1) {
                    bytes[(at * bits + bit) / 8] |= 1 << ((at * bits + bit) % 8);
                }
            }
            for from in [0, 1, 7, 49] {
                let mut found = vec![0; codes.len() - from];
                unpack(bits, BitOrder::LowFirst, &bytes, from * bits, &mut found);
                assert_eq!(found, codes[from..], "{bits} bits from {from}");
            }
        }
        let mut found = [0; 3];
        unpack(4, BitOrder::HighFirst, &[0x12, 0x34], 4, &mut found);
        assert_eq!(found, [2, 3, 4]);
        // Whole words, and what is left after them.
        let bytes = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc];
        let mut found = [0; 11];
        unpack(4, BitOrder::HighFirst, &bytes, 0, &mut found);
        assert_eq!(found, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        unpack(4, BitOrder::LowFirst, &bytes, 0, &mut found);
        assert_eq!(found, [2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12]);
    }

    #[test]
    fn bytes_of_rows_become_bytes_of_columns() {
        let rows: [u64; 8] =
            std::array::from_fn(|row| u64::from_le_bytes(std::array::from_fn(|at| (8 * row + at) as u8)));
        for (column, found) in transposed(rows).into_iter().enumerate() {
            assert_eq!(found.to_le_bytes(), std::array::from_fn(|row| (8 * row + column) as u8));
        }
        assert_eq!(spread(0x8765_4321).to_le_bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
