//! A few columns of all rows of a matrix, on which orders of rows are told.

use super::correlation::{Centred, correlation, z_score};
use super::side::{Piece, Speller};
use crate::source::RowRun;

/// Most rows of a matrix whose rows are looked at. Fused and permuted matrices have fewer.
const MOST_ROWS: usize = 1 << 17;

/// Most rows that are compared for one order.
const SAMPLED_ROWS: usize = 256;

/// The first columns of a matrix, row-major.
#[derive(Clone, Debug)]
pub(super) struct Strip {
    width: usize,
    values: Vec<f32>,
}

impl Strip {
    /// Reads a strip of a piece as it is stored.
    pub(super) fn straight(of: &Speller, piece: &Piece, width: usize) -> Option<Self> {
        let (rows, columns) = (piece.rows(), piece.columns());
        let width = width.min(columns);
        if rows > MOST_ROWS {
            return None;
        }
        let name = &of.tensors[piece.tensor].as_ref()?.name;
        let mut values = vec![0.0; rows * width];
        if width == columns {
            of.source.read(name, piece.start, &mut values).ok()?;
        } else {
            for (r, line) in values.chunks_exact_mut(width).enumerate() {
                of.source.read(name, piece.start + r * columns, line).ok()?;
            }
        }
        values.iter().all(|x| x.is_finite()).then_some(Self { width, values })
    }

    /// Reads a strip of a matrix whose axes are turned: its first stored rows.
    pub(super) fn turned(of: &Speller, piece: &Piece, width: usize) -> Option<Self> {
        let [stored, rows] = piece.dims[..] else { return None };
        let width = width.min(stored);
        if rows > MOST_ROWS {
            return None;
        }
        let name = &of.tensors[piece.tensor].as_ref()?.name;
        let mut lines = vec![0.0; rows * width];
        of.source.read(name, piece.start, &mut lines).ok()?;
        let values: Vec<f32> = (0..rows).flat_map(|r| lines.iter().skip(r).step_by(rows)).copied().collect();
        values.iter().all(|x| x.is_finite()).then_some(Self { width, values })
    }

    /// Returns some rows, centred together.
    fn taken(&self, rows: &[usize], width: usize) -> Centred {
        let lines = rows.iter().flat_map(|&r| &self.values[r * self.width..][..width]);
        Centred::new(lines.copied().collect())
    }
}

/// An order of rows that may lead from one matrix to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowOrder(pub(super) Vec<RowRun>);

impl RowOrder {
    /// Returns the row of each position, in order.
    pub(super) fn rows(&self) -> Vec<usize> {
        self.0.iter().flat_map(|run| (0..run.count).map(|i| run.first + i * run.step)).collect()
    }
}

/// Orders of rows, ready to be tried on any two matrices of some numbers of rows.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) orders: Vec<RowOrder>,
    /// The positions that are compared.
    sampled: Vec<usize>,
    /// For each order, its rows at these positions.
    rows: Vec<Vec<usize>>,
}

impl Orders {
    /// `count` is how many rows each order has.
    pub(super) fn new(orders: Vec<RowOrder>, count: usize) -> Self {
        let sampled: Vec<usize> = if count <= SAMPLED_ROWS {
            (0..count).collect()
        } else {
            // Even distances could fall in step with the heads of attention, so the places are scattered.
            let scattered = |i: usize| (i.wrapping_mul(0x9e37_79b9) ^ (i << 7)) % count;
            (0..SAMPLED_ROWS).map(scattered).collect()
        };
        let rows = orders.iter().map(|o| {
            let all = o.rows();
            sampled.iter().map(|&p| all[p]).collect()
        });
        Self { rows: rows.collect(), orders, sampled }
    }

    /// Returns the best order in which rows of `from` are those of `to`, its correlation, and how many standard deviations it
    /// is beyond the next.
    pub(super) fn best(&self, to: &Strip, from: &Strip) -> Option<(usize, f64, f64)> {
        let width = to.width.min(from.width);
        let wanted = to.taken(&self.sampled, width);
        let count = self.sampled.len() * width;
        let (mut best, mut next) = (None, 0.0f64);
        for (o, rows) in self.rows.iter().enumerate() {
            let r = correlation(wanted.values(), from.taken(rows, width).values());
            match best {
                Some((_, first)) if r <= first => next = next.max(r),
                _ => {
                    next = best.map_or(0.0, |(_, first): (usize, f64)| first.max(next));
                    best = Some((o, r));
                }
            }
        }
        best.map(|(o, r)| (o, r, z_score(r, count) - z_score(next, count)))
    }

    /// How many values stand behind a correlation of two strips.
    pub(super) fn count(&self, to: &Strip, from: &Strip) -> usize {
        self.sampled.len() * to.width.min(from.width)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Returns the places that a matrix of `rows` rows may have in a fused one of `fused` rows.
///
/// It is cut into G equal runs, and each lies at the same place of one of G equal parts: G = 1 is a matrix after another, and
/// a larger G is the order by heads, by groups of heads, or row by row.
pub(super) fn places_in_fused(rows: usize, fused: usize) -> Vec<RowOrder> {
    let common = gcd(rows, fused);
    let mut orders = Vec::new();
    if rows == 0 || rows >= fused || fused / common > MOST_PARTS {
        return orders;
    }
    for groups in (1..=common).filter(|g| common.is_multiple_of(*g)) {
        let (run, part) = (rows / groups, fused / groups);
        for at in (0..=part - run).step_by(gcd(run, part)) {
            orders.push(RowOrder(match run {
                1 => vec![RowRun { first: at, count: groups, step: part }],
                _ => (0..groups).map(|g| RowRun::consecutive(g * part + at, run)).collect(),
            }));
        }
    }
    orders
}

/// Most matrices in a fused one.
const MOST_PARTS: usize = 64;

/// Returns the orders in which the two halves of each head are interleaved, and the orders that undo that.
///
/// Rotary position embeddings turn pairs of rows of the query and key matrices. Meta and GGUF store the rows of a pair side by
/// side, transformers stores them half a head apart
/// (<https://github.com/huggingface/transformers/blob/main/src/transformers/models/llama/convert_llama_weights_to_hf.py>).
pub(super) fn orders_of_heads(rows: usize) -> Vec<RowOrder> {
    let mut orders = Vec::new();
    for head in (4..=rows.min(512)).filter(|h| h.is_multiple_of(2) && rows.is_multiple_of(*h)) {
        let half = head / 2;
        let heads = (0..rows).step_by(head);
        let apart = heads.clone().flat_map(|h| [h, h + 1].map(|first| RowRun { first, count: half, step: 2 }));
        orders.push(RowOrder(apart.collect()));
        // Heads of four are undone by the same order.
        if half > 2 {
            let beside = heads.flat_map(|h| (h..h + half).map(move |first| RowRun { first, count: 2, step: half }));
            orders.push(RowOrder(beside.collect()));
        }
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_fused_matrices_are_those_that_libraries_use() {
        let places: Vec<Vec<usize>> = places_in_fused(4, 12).iter().map(RowOrder::rows).collect();
        // One after another, by two heads, and row by row.
        for rows in
            [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11], [1, 4, 7, 10]]
        {
            assert!(places.contains(&rows.to_vec()), "{rows:?}");
        }
        assert!(places.iter().all(|rows| rows.len() == 4 && rows.iter().all(|&r| r < 12)));
        // Grouped queries: two groups, each of two heads of queries, one of keys, one of values, of three rows.
        let queries: Vec<Vec<usize>> = places_in_fused(12, 24).iter().map(RowOrder::rows).collect();
        assert!(queries.contains(&vec![0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17]));
        let keys: Vec<Vec<usize>> = places_in_fused(6, 24).iter().map(RowOrder::rows).collect();
        assert!(keys.contains(&vec![6, 7, 8, 18, 19, 20]) && keys.contains(&vec![9, 10, 11, 21, 22, 23]));
        assert!(
            places_in_fused(4, 4).is_empty()
                && places_in_fused(0, 4).is_empty()
                && places_in_fused(999, 1000).is_empty()
        );
    }

    #[test]
    fn orders_of_heads_undo_each_other() {
        let orders = orders_of_heads(12);
        for order in &orders {
            let rows = order.rows();
            let undone = |other: &RowOrder| other.rows().iter().map(|&r| rows[r]).eq(0..12);
            assert!(orders.iter().any(undone), "{order:?}");
        }
        assert!(orders.contains(&RowOrder(vec![
            RowRun { first: 0, count: 3, step: 2 },
            RowRun { first: 1, count: 3, step: 2 },
            RowRun { first: 6, count: 3, step: 2 },
            RowRun { first: 7, count: 3, step: 2 },
        ])));
    }
}
