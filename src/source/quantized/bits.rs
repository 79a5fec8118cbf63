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
        (4, BitOrder::LowFirst) if begin.is_multiple_of(8) => {
            let (pairs, last) = codes.as_chunks_mut::<2>();
            for (pair, byte) in pairs.iter_mut().zip(&bytes[begin / 8..]) {
                *pair = [byte & 15, byte >> 4];
            }
            if let [code] = last {
                *code = bytes[begin / 8 + pairs.len()] & 15;
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
    }
}
