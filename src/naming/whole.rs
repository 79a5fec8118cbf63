//! Matches of whole pieces: of one shape, of turned axes, of more or fewer rows.

use super::correlation::{Centred, correlation, z_score};
use super::link::{Link, View, Viewed};
use super::mutual::mutual;
use super::rows::is_part;
use super::sample::{Places, read, read_turned, turned};
use super::side::{Piece, Speller};
use crate::source::Part;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Pieces of one model, each with its sample.
#[derive(Clone, Debug)]
pub(super) struct Sampled<'s> {
    pub(super) speller: &'s Speller,
    pub(super) pieces: Vec<Piece>,
    samples: Vec<Option<Centred>>,
    /// About how many values a sample has.
    values: usize,
}

impl<'s> Sampled<'s> {
    /// Reads the sample of every piece.
    pub(super) fn read(speller: &'s Speller, pieces: Vec<Piece>, values: usize) -> Self {
        let sample = |piece: &Piece| {
            let tensor = speller.tensors[piece.tensor].as_ref()?;
            let places = Places::of(piece.rows(), piece.columns(), values);
            read(&speller.source, tensor, piece, places).map(Centred::new).filter(Centred::varies)
        };
        let samples = pieces.par_iter().map(sample).collect();
        Self { speller, pieces, samples, values }
    }

    /// The matrices of a model that are large enough to be told by their values.
    pub(super) fn matrices(speller: &Speller) -> Vec<Piece> {
        let all = speller.tensors.iter().enumerate();
        all.filter_map(|(t, own)| Some(Piece::whole(t, &own.as_ref()?.shape))).filter(Piece::is_telling).collect()
    }

    /// The same without some pieces.
    pub(super) fn without(&self, taken: impl Fn(&Piece) -> bool) -> Self {
        let kept = self.pieces.iter().zip(&self.samples).filter(|(p, _)| !taken(p));
        let (pieces, samples) = kept.map(|(p, s)| (p.clone(), s.clone())).unzip();
        Self { pieces, samples, ..self.clone() }
    }

    fn part(&self, piece: usize, axes: &[usize]) -> Option<Part> {
        let piece = &self.pieces[piece];
        let name = &self.speller.tensors[piece.tensor].as_ref()?.name;
        let shape: Vec<usize> = axes.iter().map(|&a| piece.dims[a]).collect();
        Some(Part { start: piece.start, ..Part::turned(name, &piece.dims, axes, &shape) })
    }
}

/// Pieces of both sides whose dimensions are the same but for their order.
fn classes(first: &[Piece], second: &[Piece]) -> BTreeMap<Vec<usize>, [Vec<usize>; 2]> {
    let mut classes: BTreeMap<Vec<usize>, [Vec<usize>; 2]> = BTreeMap::new();
    for (side, pieces) in [first, second].into_iter().enumerate() {
        for (at, piece) in pieces.iter().enumerate() {
            let mut dims = piece.dims.clone();
            dims.sort_unstable();
            classes.entry(dims).or_default()[side].push(at);
        }
    }
    classes.retain(|_, [a, b]| !a.is_empty() && !b.is_empty());
    classes
}

/// Returns how many pairs of samples are compared, and how many multiplications that takes.
pub(super) fn comparisons(first: &[Piece], second: &[Piece], values: usize) -> (f64, f64) {
    let mut pairs = 0.0;
    let mut products = 0.0;
    for (dims, [a, b]) in classes(first, second) {
        let views = if dims.len() == 2 { 1.0 + f64::from(u8::from(dims[0] == dims[1])) } else { 1.0 };
        let both = a.len() as f64 * b.len() as f64 * views;
        pairs += both;
        products += both * Places::of(dims[0], dims[1..].iter().product(), values).count() as f64;
    }
    (pairs, products)
}

/// Matches pieces of one shape, and matrices of which one is turned.
pub(super) fn equal_shapes(first: &Sampled<'_>, second: &Sampled<'_>, threshold: f64) -> Vec<Link> {
    let mut links = Vec::new();
    for (_, [a, b]) in classes(&first.pieces, &second.pieces) {
        // The form in which a piece of the second side has the dimensions of one of the first.
        let places = |piece: &Piece| Places::of(piece.rows(), piece.columns(), first.values);
        let turned_b: Vec<Option<Vec<f32>>> = b
            .iter()
            .map(|&j| {
                let sample = second.samples[j].as_ref().filter(|_| second.pieces[j].dims.len() == 2)?;
                Some(turned(sample, places(&second.pieces[j])))
            })
            .collect();
        let score = |i: usize, j: usize| -> (f64, bool) {
            let (Some(x), Some(y)) = (&first.samples[a[i]], &second.samples[b[j]]) else { return (0.0, false) };
            let (of_a, of_b) = (&first.pieces[a[i]].dims, &second.pieces[b[j]].dims);
            let same = if of_a == of_b { correlation(x.values(), y.values()) } else { 0.0 };
            let other = match &turned_b[j] {
                Some(y) if of_a[..] == [of_b[1], of_b[0]] => correlation(x.values(), y),
                _ => 0.0,
            };
            if other > same { (other, true) } else { (same, false) }
        };
        let table: Vec<(f64, bool)> = (0..a.len())
            .into_par_iter()
            .flat_map_iter(|i| (0..b.len()).map(move |j| (i, j)))
            .map(|(i, j)| score(i, j))
            .collect();
        let count = places(&first.pieces[a[0]]).count();
        let scores: Vec<f64> = table.iter().map(|&(r, _)| r).collect();
        for (i, j, r) in mutual(&scores, b.len(), count, threshold) {
            let view = if table[i * b.len() + j].1 { View::Turned(vec![1, 0]) } else { View::Same };
            let (first, second) = (first.pieces[a[i]].clone(), second.pieces[b[j]].clone());
            links.push(Link { first, second, viewed: Viewed::Second, view, r });
        }
    }
    links
}

/// The orders of axes in which libraries store kernels of convolutions, beside that of PyTorch, and back.
const KERNELS: [&[usize]; 7] =
    [&[2, 1, 0], &[2, 0, 1], &[1, 2, 0], &[3, 2, 0, 1], &[2, 3, 1, 0], &[4, 3, 0, 1, 2], &[3, 4, 2, 0, 1]];

/// Matches kernels of convolutions whose axes are in another order.
pub(super) fn turned_kernels(first: &Sampled<'_>, second: &Sampled<'_>, threshold: f64) -> Vec<Link> {
    let mut links = Vec::new();
    for (dims, [a, b]) in classes(&first.pieces, &second.pieces).into_iter().filter(|(dims, _)| dims.len() > 2) {
        for axes in KERNELS.iter().filter(|axes| axes.len() == dims.len()) {
            // All kernels of one shape are turned alike.
            let fits = |i: usize, j: usize| {
                axes.iter().zip(&first.pieces[i].dims).all(|(&k, &d)| second.pieces[j].dims[k] == d)
            };
            let of_b: Vec<Option<Centred>> = b
                .par_iter()
                .map(|&j| {
                    a.iter().any(|&i| fits(i, j)).then_some(())?;
                    let part = second.part(j, axes)?;
                    let places = Places::of(part.shape[0], part.shape[1..].iter().product(), first.values);
                    read_turned(&second.speller.source, &part, places).map(Centred::new).filter(Centred::varies)
                })
                .collect();
            let mut scores = Vec::with_capacity(a.len() * b.len());
            for &i in &a {
                for (&j, sample) in b.iter().zip(&of_b) {
                    let both = first.samples[i].as_ref().zip(sample.as_ref()).filter(|_| fits(i, j));
                    scores.push(both.map_or(0.0, |(x, y)| correlation(x.values(), y.values())));
                }
            }
            let of_a = &first.pieces[a[0]];
            let count = Places::of(of_a.rows(), of_a.columns(), first.values).count();
            for (i, j, r) in mutual(&scores, b.len(), count, threshold) {
                let (first, second) = (first.pieces[a[i]].clone(), second.pieces[b[j]].clone());
                links.push(Link { first, second, viewed: Viewed::Second, view: View::Turned(axes.to_vec()), r });
            }
        }
    }
    links
}

/// Matches matrices that differ in their number of rows alone, as a resized vocabulary does.
pub(super) fn other_rows(first: &Sampled<'_>, second: &Sampled<'_>, threshold: f64) -> Vec<Link> {
    let mut links = Vec::new();
    for (i, of_a) in first.pieces.iter().enumerate() {
        for (j, of_b) in second.pieces.iter().enumerate() {
            // Twice the rows would be another matrix, or two of them.
            let (few, many) = (of_a.rows().min(of_b.rows()), of_a.rows().max(of_b.rows()));
            if of_a.dims[1..] != of_b.dims[1..] || few == many || 2 * few <= many {
                continue;
            }
            let places = Places::of(few, of_a.columns(), first.values);
            let sample = |of: &Sampled<'_>, at: usize| {
                let piece = &of.pieces[at];
                read(&of.speller.source, of.speller.tensors[piece.tensor].as_ref()?, piece, places).map(Centred::new)
            };
            let (Some(x), Some(y)) = (sample(first, i), sample(second, j)) else { continue };
            let r = correlation(x.values(), y.values());
            if z_score(r, places.count()) < threshold {
                continue;
            }
            // The first rows of a fused matrix resemble a part of it that begins with them.
            let (of_first, of_second) = ((first.speller, of_a), (second.speller, of_b));
            let is_fused = match few == of_a.rows() {
                true => is_part(of_first, of_second, &first.pieces, threshold),
                false => is_part(of_second, of_first, &second.pieces, threshold),
            };
            if !is_fused {
                let (first, second) = (of_a.clone(), of_b.clone());
                links.push(Link { first, second, viewed: Viewed::Second, view: View::Same, r });
            }
        }
    }
    // Where one matrix fits several others, nothing tells which is meant.
    let once = |l: &Link, pick: &dyn Fn(&Link) -> usize| links.iter().filter(|m| pick(m) == pick(l)).count() == 1;
    let (a, b) = (|l: &Link| l.first.tensor, |l: &Link| l.second.tensor);
    links.iter().filter(|l| once(l, &a) && once(l, &b)).cloned().collect()
}
