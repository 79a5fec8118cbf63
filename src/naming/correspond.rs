//! The whole matching of two sides, and when it counts.

use super::correlation::threshold;
use super::link::{Link, Viewed};
use super::rest::rest;
use super::rows::{parts, permuted, reordered, slabs};
use super::side::{OwnTensor, Piece, Side, Speller};
use super::whole::{Sampled, comparisons, equal_shapes, other_rows, turned_kernels};
use std::collections::BTreeSet;

/// Probability that any tensors of unrelated models are matched, in all comparisons together.
const FALSE_ALARM: f64 = 1e-3;

/// Most values of a sample, and most values of the samples of one model together.
const SAMPLE: usize = 4096;
const SAMPLES: usize = 1 << 20;
/// Least values of a sample.
const SHORT_SAMPLE: usize = 256;

/// Most multiplications for all pairs of models: some ten seconds of one core.
const PRODUCTS: f64 = 2e10;

/// Most models of a side that are tried.
const MOST_MODELS: usize = 32;

/// Share of the values of the smaller model from which on no better pair of models is looked for.
const ENOUGH: f64 = 0.9;

/// Values that are read of each tensor to bring models in order.
const GLANCE: usize = 64;

/// The tensors that two spellings have in common.
#[derive(Clone, Debug)]
pub(crate) struct Correspondence {
    /// Every match. A fused tensor has one for each of its parts.
    pub(crate) links: Vec<Link>,
    /// The share of the values of the smaller model that is matched, in (0, 1].
    pub(crate) share: f64,
}

/// Finds which tensors of one spelling are which of another, by the values of some models of both.
///
/// `None` where no pair of models is related beyond chance in `minimum` of the values of the smaller model and in half of its
/// matrices. The result does not depend on the order of the models.
pub(crate) fn correspondence(first: &Side, second: &Side, minimum: f64) -> Option<Correspondence> {
    let sides = [first, second];
    let matrices = sides.map(|s| s.models.first().map(Sampled::matrices).unwrap_or_default());
    let most = matrices.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let values = (SAMPLES / most).clamp(SHORT_SAMPLE, SAMPLE);
    let (pairs, products) = comparisons(&matrices[0], &matrices[1], values);
    if pairs == 0.0 {
        return None;
    }
    let models = ((PRODUCTS / products).sqrt() as usize).clamp(2, MOST_MODELS);
    let chosen = sides.map(|s| ordered(s, models));
    let tried = (chosen[0].len() * chosen[1].len()) as f64;
    let limit = threshold(FALSE_ALARM, pairs * tried);

    let samples = chosen.map(|spellers| {
        spellers.into_iter().map(|s| Sampled::read(s, Sampled::matrices(s), values)).collect::<Vec<_>>()
    });
    let mut best: Option<(f64, Vec<Link>, [&Sampled<'_>; 2])> = None;
    'pairs: for a in &samples[0] {
        for b in &samples[1] {
            let links = equal_shapes(a, b, limit);
            let share = share(&links, [a.speller, b.speller]);
            if !links.is_empty() && best.as_ref().is_none_or(|(before, ..)| share > *before) {
                best = Some((share, links, [a, b]));
                if share >= ENOUGH {
                    break 'pairs;
                }
            }
        }
    }
    let (_, mut links, [a, b]) = best?;
    let spellers = [a.speller, b.speller];
    complete(&mut links, [a, b], limit);
    let share = share(&links, spellers);
    if share < minimum || !most_matrices(&links, spellers) {
        return None;
    }
    links.extend(rest(sides, spellers, &links));
    Some(Correspondence { links, share })
}

/// Brings the models of a side in an order that follows from their values, and takes the first of them.
fn ordered(side: &Side, most: usize) -> Vec<&Speller> {
    let mut keyed: Vec<(u128, &Speller)> = side.models.iter().map(|s| (glance(s), s)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    // Copies tell nothing that the original does not.
    keyed.dedup_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, s)| s).take(most).collect()
}

/// Returns a number that follows from a few values of every tensor.
fn glance(speller: &Speller) -> u128 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for own in speller.tensors.iter().flatten() {
        let size: usize = own.shape.iter().product();
        let mut values = vec![0.0; size.min(GLANCE)];
        if speller.source.read(&own.name, (size - values.len()) / 2, &mut values).is_ok() {
            hash.update(bytemuck::cast_slice(&values));
        }
    }
    hash.digest128()
}

/// Adds matches of matrices in another form than that of the other side.
fn complete(links: &mut Vec<Link>, samples: [&Sampled<'_>; 2], limit: f64) {
    let [a, b] = samples;
    let spellers = [a.speller, b.speller];
    let taken = |links: &[Link], side: usize| -> BTreeSet<usize> {
        links.iter().map(|l| if side == 0 { l.first.tensor } else { l.second.tensor }).collect()
    };
    let left = |links: &[Link]| {
        let (of_a, of_b) = (taken(links, 0), taken(links, 1));
        [a.without(|p| of_a.contains(&p.tensor)), b.without(|p| of_b.contains(&p.tensor))]
    };
    let [x, y] = left(links);
    // Each of these comparisons tries up to some hundred orders of rows.
    let tries = 1e3 * (x.pieces.len() + links.len()) as f64 * (y.pieces.len() + links.len()) as f64;
    let limit = limit.max(threshold(FALSE_ALARM, tries));
    reordered(spellers[0], spellers[1], links, limit);
    links.extend(turned_kernels(&x, &y, limit));
    let [x, y] = left(links);
    links.extend(permuted((spellers[0], &x.pieces), (spellers[1], &y.pieces), limit));
    let [x, y] = left(links);
    links.extend(other_rows(&x, &y, limit));

    // Stacks are cut only now, so that a kernel that matched as a whole stays one.
    let [x, y] = left(links);
    let of_x = Sampled::read(spellers[0], slabs(&x.pieces, &y.pieces), SAMPLE);
    let of_y = Sampled::read(spellers[1], slabs(&y.pieces, &x.pieces), SAMPLE);
    let cut = (of_x.pieces.len(), of_y.pieces.len()) != (x.pieces.len(), y.pieces.len());
    if cut {
        let of_stacks = equal_shapes(&of_x, &of_y, limit).into_iter().map(|mut link| {
            // The matrix of a stack is the one to be taken out.
            let whole = |side: usize, p: &Piece| is_whole(spellers[side], p);
            if !whole(0, &link.first) && whole(1, &link.second) {
                link.viewed = Viewed::First;
            }
            link
        });
        links.extend(of_stacks);
    }
    let free = |links: &[Link], all: &[Piece], side: usize| -> Vec<Piece> {
        let used: Vec<&Piece> = links.iter().map(|l| if side == 0 { &l.first } else { &l.second }).collect();
        all.iter().filter(|p| !used.contains(p)).cloned().collect()
    };
    let (x, y) = (free(links, &of_x.pieces, 0), free(links, &of_y.pieces, 1));
    let whole = |side: usize, pieces: &[Piece]| -> Vec<Piece> {
        pieces.iter().filter(|p| is_whole(spellers[side], p)).cloned().collect()
    };
    links.extend(parts((spellers[0], &whole(0, &x)), (spellers[1], &y), Viewed::Second, limit));
    let (x, y) = (free(links, &x, 0), free(links, &y, 1));
    links.extend(parts((spellers[1], &whole(1, &y)), (spellers[0], &x), Viewed::First, limit));
}

fn size(own: &OwnTensor) -> usize {
    own.shape.iter().product()
}

/// Whether a piece is a whole tensor.
fn is_whole(speller: &Speller, piece: &Piece) -> bool {
    speller.tensors[piece.tensor].as_ref().is_some_and(|own| size(own) == piece.size())
}

/// Returns how many values of the smaller model are matched, as a share.
fn share(links: &[Link], spellers: [&Speller; 2]) -> f64 {
    let totals = spellers.map(|s| s.tensors.iter().flatten().map(size).sum::<usize>());
    let matched: usize = links.iter().map(|l| l.first.size().min(l.second.size())).sum();
    matched as f64 / totals[0].min(totals[1]).max(1) as f64
}

/// Whether at least half of the matrices of the smaller model have a match.
///
/// Single matrices, such as embeddings of similar text, resemble each other without kinship.
fn most_matrices(links: &[Link], spellers: [&Speller; 2]) -> bool {
    let totals = spellers.map(|s| s.tensors.iter().flatten().map(size).sum::<usize>());
    let smaller = usize::from(totals[1] < totals[0]);
    let all = Sampled::matrices(spellers[smaller]);
    let matched: BTreeSet<usize> =
        links.iter().map(|l| if smaller == 0 { l.first.tensor } else { l.second.tensor }).collect();
    2 * all.iter().filter(|p| matched.contains(&p.tensor)).count() >= all.len()
}
