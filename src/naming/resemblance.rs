//! Whether two lists of shapes could be those of one network, before any value is read.

use super::rows::may_hold;
use super::side::Piece;
use std::collections::BTreeMap;

/// Returns the share of the values of the smaller list that the other one might hold too, in [0, 1].
///
/// Matrices of the same dimensions in any order pair up. A matrix that is left counts where one of the other side might hold
/// it, or where its number of rows alone differs.
pub(crate) fn resemblance(first: &[Vec<usize>], second: &[Vec<usize>]) -> f64 {
    let pieces = [first, second].map(|shapes| -> Vec<Piece> {
        shapes.iter().enumerate().map(|(t, shape)| Piece::whole(t, shape)).filter(Piece::is_telling).collect()
    });
    let totals = [first, second].map(|shapes| shapes.iter().map(|s| s.iter().product::<usize>()).sum::<usize>());
    let mut counts: BTreeMap<Vec<usize>, [Vec<usize>; 2]> = BTreeMap::new();
    for (side, pieces) in pieces.iter().enumerate() {
        for (at, piece) in pieces.iter().enumerate() {
            let mut dims = piece.dims.clone();
            dims.sort_unstable();
            counts.entry(dims).or_default()[side].push(at);
        }
    }
    let mut held = [0usize; 2];
    let mut left: [Vec<&Piece>; 2] = [Vec::new(), Vec::new()];
    for (dims, both) in counts {
        let pairs = both[0].len().min(both[1].len());
        for side in 0..2 {
            held[side] += pairs * dims.iter().product::<usize>();
            left[side].extend(both[side][pairs..].iter().map(|&at| &pieces[side][at]));
        }
    }
    // Without one matrix in common nothing is found by values.
    if held[0] == 0 {
        return 0.0;
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
    held[0].min(held[1]) as f64 / totals[0].min(totals[1]).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_one_network_in_two_forms_resemble_each_other() {
        let split =
            vec![vec![64, 64]; 4].into_iter().chain([vec![256, 64], vec![64, 256], vec![64]]).collect::<Vec<_>>();
        let fused = vec![vec![192, 64], vec![64, 64], vec![64, 256], vec![256, 64], vec![64]];
        let turned: Vec<Vec<usize>> = fused.iter().map(|s| s.iter().rev().copied().collect()).collect();
        for other in [&split, &fused, &turned] {
            assert!(resemblance(&split, other) > 0.9, "{other:?}");
            assert!(resemblance(other, &split) > 0.9, "{other:?}");
        }
        let unlike = vec![vec![48, 48]; 6];
        assert_eq!(resemblance(&split, &unlike), 0.0);
        assert_eq!(resemblance(&[], &split), 0.0);
    }
}
