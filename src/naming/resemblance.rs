//! Whether two lists of shapes could be those of one network, before any value is read.

use super::rows::may_hold;
use super::side::Piece;
use std::collections::BTreeMap;

/// The shapes of a network, by which it is told from most others at once.
#[derive(Clone, Debug)]
pub(crate) struct Outline {
    pieces: Vec<Piece>,
    /// All values, those of vectors too.
    total: usize,
    /// Matrices by their dimensions in rising order.
    counts: BTreeMap<Vec<usize>, Vec<usize>>,
}

impl Outline {
    /// The dimensions of its matrices, in rising order, each once.
    pub(crate) fn matrices(&self) -> impl Iterator<Item = &[usize]> {
        self.counts.keys().map(Vec::as_slice)
    }

    pub(crate) fn new(shapes: &[Vec<usize>]) -> Self {
        let pieces: Vec<Piece> =
            shapes.iter().enumerate().map(|(t, shape)| Piece::whole(t, shape)).filter(Piece::is_telling).collect();
        let mut counts: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for (at, piece) in pieces.iter().enumerate() {
            let mut dims = piece.dims.clone();
            dims.sort_unstable();
            counts.entry(dims).or_default().push(at);
        }
        Self { pieces, total: shapes.iter().map(|s| s.iter().product::<usize>()).sum(), counts }
    }
}

/// Returns the share of the values of the smaller network that the other one might hold too, in [0, 1].
///
/// Matrices of the same dimensions in any order pair up. A matrix that is left counts where one of the other side might hold
/// it, or where its number of rows alone differs.
pub(crate) fn resemblance(first: &Outline, second: &Outline) -> f64 {
    // Without one matrix in common nothing is found by values.
    if !first.counts.keys().any(|dims| second.counts.contains_key(dims)) {
        return 0.0;
    }
    could_hold(first, second)
}

/// The same for a part of two networks, of which other parts correspond: it needs no matrix in common.
pub(crate) fn could_hold(first: &Outline, second: &Outline) -> f64 {
    let both = [first, second];
    let mut held = [0usize; 2];
    let mut left: [Vec<&Piece>; 2] = [Vec::new(), Vec::new()];
    for side in 0..2 {
        for (dims, own) in &both[side].counts {
            let pairs = both[1 - side].counts.get(dims).map_or(0, |other| other.len().min(own.len()));
            held[side] += pairs * dims.iter().product::<usize>();
            left[side].extend(own[pairs..].iter().map(|&at| &both[side].pieces[at]));
        }
    }
    for side in 0..2 {
        // Many matrices of one shape are looked at once.
        let mut known: BTreeMap<(&[usize], bool), bool> = BTreeMap::new();
        let others: Vec<&Piece> = {
            let mut distinct: BTreeMap<&[usize], &Piece> = BTreeMap::new();
            left[1 - side].iter().for_each(|p| {
                distinct.insert(&p.dims, p);
            });
            distinct.into_values().collect()
        };
        for piece in &left[side] {
            let fits = *known.entry((&piece.dims, true)).or_insert_with(|| {
                others.iter().any(|o| may_hold(o, piece) || may_hold(piece, o) || o.dims[1..] == piece.dims[1..])
            });
            held[side] += if fits { piece.size() } else { 0 };
        }
    }
    held[0].min(held[1]) as f64 / first.total.min(second.total).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(first: &[Vec<usize>], second: &[Vec<usize>]) -> f64 {
        resemblance(&Outline::new(first), &Outline::new(second))
    }

    #[test]
    fn shapes_of_one_network_in_two_forms_resemble_each_other() {
        let split =
            vec![vec![64, 64]; 4].into_iter().chain([vec![256, 64], vec![64, 256], vec![64]]).collect::<Vec<_>>();
        let fused = vec![vec![192, 64], vec![64, 64], vec![64, 256], vec![256, 64], vec![64]];
        let turned: Vec<Vec<usize>> = fused.iter().map(|s| s.iter().rev().copied().collect()).collect();
        for other in [&split, &fused, &turned] {
            assert!(alike(&split, other) > 0.9, "{other:?}");
            assert!(alike(other, &split) > 0.9, "{other:?}");
        }
        let unlike = vec![vec![48, 48]; 6];
        assert_eq!(alike(&split, &unlike), 0.0);
        assert_eq!(alike(&[], &split), 0.0);
    }
}
