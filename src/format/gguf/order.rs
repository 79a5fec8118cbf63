//! The orders in which converters store the rows of a matrix, and how each is undone.

use super::stored::Stored;
use crate::bytes::ReadAt;
use crate::error::SourceError;

/// Rows of fewer values than this are read together with the rows between them.
const SHORT_ROW: usize = 256;

/// Values that are read at a time to put short rows in order: 256 KiB as f32.
const SPAN: usize = 1 << 16;

/// How the stored elements of a tensor lie, seen from those of the model.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Order {
    /// In the same order.
    Same,
    /// Rows of `length` values in another order.
    Rows { length: usize, order: RowOrder },
    /// Each matrix of `rows` times `columns` is stored as its transpose.
    Transposed { rows: usize, columns: usize },
}

/// An order of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RowOrder {
    /// The two halves of each head are interleaved: rows 0, `half`, 1, `half + 1`, and so on.
    ///
    /// Converters of llama.cpp store the queries and keys of some models in this way, because its rotary embedding turns
    /// neighbors where that of transformers turns halves.
    Interleaved { half: usize },
    /// Queries, keys and values of `groups` groups, each of `queries` queries, one key and one value of `head` rows, are
    /// stored as all queries, all keys and all values.
    Grouped { groups: usize, queries: usize, head: usize },
}

impl RowOrder {
    /// Returns which stored row is row `row` of the model.
    fn stored(self, row: usize) -> usize {
        match self {
            Self::Interleaved { half } => {
                let (head, within) = (row / (2 * half), row % (2 * half));
                head * 2 * half + within % half * 2 + within / half
            }
            Self::Grouped { groups, queries, head } => {
                let (part, within) = (row / head, row % head);
                let (group, place) = (part / (queries + 2), part % (queries + 2));
                let stored = if place < queries {
                    group * queries + place
                } else {
                    groups * (queries + place - queries) + group
                };
                stored * head + within
            }
        }
    }
}

impl Order {
    /// Fills `out` with the elements of the model from `offset` on.
    pub(super) fn read(
        &self,
        stored: &Stored,
        bytes: &dyn ReadAt,
        offset: usize,
        out: &mut [f32],
    ) -> Result<(), SourceError> {
        match *self {
            Self::Same => stored.read(bytes, offset, out),
            Self::Rows { length, order } if length < SHORT_ROW => short_rows(stored, length, order, bytes, offset, out),
            Self::Rows { length, order } => rows(stored, length, order, bytes, offset, out),
            Self::Transposed { rows, columns } => transposed(stored, rows, columns, bytes, offset, out),
        }
    }
}

/// Reads each row, or the part of it that is asked for, from where it is stored.
fn rows(
    stored: &Stored,
    length: usize,
    order: RowOrder,
    bytes: &dyn ReadAt,
    offset: usize,
    out: &mut [f32],
) -> Result<(), SourceError> {
    let (mut at, mut rest) = (offset, out);
    while !rest.is_empty() {
        let (row, column) = (at / length, at % length);
        let (part, after) = rest.split_at_mut((length - column).min(rest.len()));
        stored.read(bytes, order.stored(row) * length + column, part)?;
        (at, rest) = (at + part.len(), after);
    }
    Ok(())
}

/// Reads short rows. One read for each would take longer than to read the rows that lie between them.
fn short_rows(
    stored: &Stored,
    length: usize,
    order: RowOrder,
    bytes: &dyn ReadAt,
    offset: usize,
    out: &mut [f32],
) -> Result<(), SourceError> {
    let mut span = Vec::new();
    let (mut at, mut rest) = (offset, out);
    while !rest.is_empty() {
        let first = order.stored(at / length);
        let (mut least, mut most, mut end) = (first, first, at / length + 1);
        // The rows are those that lie near each other, up to the last one asked for.
        let last = (at + rest.len() - 1) / length;
        while end <= last {
            let next = order.stored(end);
            let (below, above) = (least.min(next), most.max(next));
            if (above - below + 1) * length > SPAN {
                break;
            }
            (least, most, end) = (below, above, end + 1);
        }
        span.resize((most - least + 1) * length, 0.0);
        stored.read(bytes, least * length, &mut span)?;
        let (part, after) = rest.split_at_mut((end * length - at).min(rest.len()));
        for (value, at) in part.iter_mut().zip(at..) {
            *value = span[(order.stored(at / length) - least) * length + at % length];
        }
        (at, rest) = (at + part.len(), after);
    }
    Ok(())
}

/// Reads the transposes of stored matrices, one after another.
fn transposed(
    stored: &Stored,
    rows: usize,
    columns: usize,
    bytes: &dyn ReadAt,
    offset: usize,
    out: &mut [f32],
) -> Result<(), SourceError> {
    let area = rows * columns;
    let (mut at, mut rest) = (offset, out);
    while !rest.is_empty() {
        let (part, after) = rest.split_at_mut((area - at % area).min(rest.len()));
        transpose(&stored.part(at / area * area, area), rows, columns, bytes, at % area, part)?;
        (at, rest) = (at + part.len(), after);
    }
    Ok(())
}

/// Reads the transpose of a stored matrix: of each stored row the stretch that is asked for.
fn transpose(
    stored: &Stored,
    rows: usize,
    columns: usize,
    bytes: &dyn ReadAt,
    offset: usize,
    out: &mut [f32],
) -> Result<(), SourceError> {
    let end = offset + out.len();
    let (first, last) = (offset / columns, (end - 1) / columns);
    let needed = if first == last { offset % columns..(end - 1) % columns + 1 } else { 0..columns };
    let mut stretch = vec![0.0; last - first + 1];
    for column in needed {
        stored.read(bytes, column * rows + first, &mut stretch)?;
        for (value, row) in stretch.iter().zip(first..) {
            let at = row * columns + column;
            if (offset..end).contains(&at) {
                out[at - offset] = *value;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;
    use crate::format::gguf::tensor_type::TensorType;

    /// A file of F32 that counts, and its values.
    fn counting(size: usize) -> (MemoryFile, Stored) {
        let bytes: Vec<u8> = (0..size).flat_map(|i| (i as f32).to_le_bytes()).collect();
        (MemoryFile::new("a", bytes), Stored { kind: TensorType::of(0).unwrap(), begin: 0, size })
    }

    /// Every range of a tensor is a part of the whole.
    fn whole(order: &Order, size: usize) -> Vec<f32> {
        let (file, stored) = counting(size);
        let mut whole = vec![0.0; size];
        order.read(&stored, &file, 0, &mut whole).unwrap();
        for (begin, length) in [(0, 1), (1, 7), (size / 2, size / 3), (size - 5, 5), (size / 3, size / 2)] {
            let mut part = vec![0.0; length];
            order.read(&stored, &file, begin, &mut part).unwrap();
            assert_eq!(part, whole[begin..begin + length], "{order:?} {begin} {length}");
        }
        whole
    }

    #[test]
    fn interleaved_halves_are_parted() {
        // Two heads of six rows. Stored rows of a head are 0, 3, 1, 4, 2, 5 of the model.
        for length in [1, 3, SHORT_ROW] {
            let order = Order::Rows { length, order: RowOrder::Interleaved { half: 3 } };
            let found: Vec<usize> = whole(&order, 12 * length).chunks(length).map(|r| r[0] as usize / length).collect();
            assert_eq!(found, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
        }
        let many = Order::Rows { length: 1, order: RowOrder::Interleaved { half: SPAN } };
        assert_eq!(whole(&many, 4 * SPAN)[SPAN], 1.0);
    }

    #[test]
    fn groups_are_put_together_again() {
        // Two groups of two queries, a key and a value, a row each.
        let order = Order::Rows { length: 2, order: RowOrder::Grouped { groups: 2, queries: 2, head: 1 } };
        let found: Vec<usize> = whole(&order, 16).chunks(2).map(|r| r[0] as usize / 2).collect();
        assert_eq!(found, [0, 1, 4, 6, 2, 3, 5, 7]);
    }

    #[test]
    fn a_transpose_is_transposed() {
        let found = whole(&Order::Transposed { rows: 5, columns: 4 }, 40);
        assert_eq!(found[..5], [0.0, 5.0, 10.0, 15.0, 1.0]);
        assert_eq!(found[20..25], [20.0, 25.0, 30.0, 35.0, 21.0]);
    }
}
