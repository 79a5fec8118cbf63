//! Matches of matrices whose rows are in another order, and of parts of fused matrices.

use super::correlation::z_score;
use super::link::{Link, View, Viewed};
use super::mutual::mutual;
use super::side::{Piece, Speller};
use super::strip::{Orders, RowOrder, Strip, orders_of_heads, places_in_fused};
use crate::source::RowRun;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Least width of a strip, in columns.
const WIDTH: usize = 16;

/// About how many values a strip of a small matrix has.
const VALUES: usize = 4096;

/// By how much, in standard deviations, the best order of rows must exceed the next one.
const MARGIN: f64 = 4.0;

/// A correlation from which on another order of rows is not looked for.
const SURE: f64 = 0.98;

fn width(rows: usize) -> usize {
    (VALUES / rows.max(1)).max(WIDTH)
}

/// Matches matrices of one shape whose rows lie in another order within heads of attention.
pub(super) fn permuted(first: (&Speller, &[Piece]), second: (&Speller, &[Piece]), threshold: f64) -> Vec<Link> {
    let mut links = Vec::new();
    let mut classes: BTreeMap<&[usize], [Vec<&Piece>; 2]> = BTreeMap::new();
    for (side, pieces) in [first.1, second.1].into_iter().enumerate() {
        for piece in pieces.iter().filter(|p| p.dims.len() == 2) {
            classes.entry(&piece.dims).or_default()[side].push(piece);
        }
    }
    for (dims, [a, b]) in classes.into_iter().filter(|(_, [a, b])| !a.is_empty() && !b.is_empty()) {
        let orders = Orders::new(orders_of_heads(dims[0]), dims[0]);
        if orders.orders.is_empty() {
            continue;
        }
        let strips = |of: &Speller, pieces: &[&Piece]| -> Vec<Option<Strip>> {
            pieces.par_iter().map(|p| Strip::straight(of, p, width(dims[0]))).collect()
        };
        let (of_a, of_b) = (strips(first.0, &a), strips(second.0, &b));
        let pairs: Vec<(usize, usize)> = (0..a.len()).flat_map(|i| (0..b.len()).map(move |j| (i, j))).collect();
        let best: Vec<Option<(usize, f64)>> = pairs
            .par_iter()
            .map(|&(i, j)| {
                let (to, from) = (of_a[i].as_ref()?, of_b[j].as_ref()?);
                orders.best(to, from).filter(|(_, _, margin)| *margin >= MARGIN).map(|(o, r, _)| (o, r))
            })
            .collect();
        let Some(count) = of_a.iter().flatten().zip(of_b.iter().flatten()).map(|(x, y)| orders.count(x, y)).next()
        else {
            continue;
        };
        let scores: Vec<f64> = best.iter().map(|b| b.map_or(0.0, |(_, r)| r)).collect();
        for (i, j, r) in mutual(&scores, b.len(), count, threshold) {
            let Some((o, _)) = best[i * b.len() + j] else { continue };
            let view = View::Rows { axes: vec![0, 1], rows: orders.orders[o].0.clone() };
            let (first, second) = (a[i].clone(), b[j].clone());
            links.push(Link { first, second, viewed: Viewed::Second, view, r });
        }
    }
    links
}

/// Looks whether matches of one shape are better with the rows in another order.
///
/// The first and last rows of a head stay where they are, so that small heads match in part as they are.
pub(super) fn reordered(first: &Speller, second: &Speller, links: &mut [Link], threshold: f64) {
    let doubtful = links.par_iter_mut().filter(|l| l.r < SURE && l.view == View::Same && l.first.dims.len() == 2);
    doubtful.filter(|l| l.first.dims == l.second.dims).for_each(|link| {
        let rows = link.first.rows();
        let mut all = orders_of_heads(rows);
        all.push(RowOrder(vec![RowRun::consecutive(0, rows)]));
        let orders = Orders::new(all, rows);
        let strips =
            Strip::straight(first, &link.first, width(rows)).zip(Strip::straight(second, &link.second, width(rows)));
        let Some((to, from)) = strips else { return };
        let Some((o, r, margin)) = orders.best(&to, &from) else { return };
        if o + 1 < orders.orders.len() && margin >= MARGIN && z_score(r, orders.count(&to, &from)) >= threshold {
            link.view = View::Rows { axes: vec![0, 1], rows: orders.orders[o].0.clone() };
            link.r = r;
        }
    });
}

/// Whether a matrix is a part of a fused one, rather than the same matrix with fewer rows.
///
/// It is where its rows are clearly others than the first, or where one of the pieces `beside` it is a part as well.
pub(super) fn is_part(part: (&Speller, &Piece), fused: (&Speller, &Piece), beside: &[Piece], threshold: f64) -> bool {
    let few = part.1.rows();
    let first = RowOrder(vec![RowRun::consecutive(0, few)]);
    let clear = |piece: &Piece| place((part.0, piece), fused, threshold);
    let fits = |piece: &Piece| piece.dims[1..] == part.1.dims[1..] && few + piece.rows() <= fused.1.rows();
    clear(part.1).is_some_and(|order| order != first) || beside.iter().any(|p| fits(p) && clear(p).is_some())
}

/// Returns the place of a part in a fused matrix, if one is clearly better than all others.
fn place(part: (&Speller, &Piece), fused: (&Speller, &Piece), threshold: f64) -> Option<RowOrder> {
    let ([few, _], [many, _]) = (&part.1.dims[..], &fused.1.dims[..]) else { return None };
    let orders = Orders::new(places_in_fused(*few, *many), *few);
    if orders.orders.is_empty() {
        return None;
    }
    let strip = |(of, piece): (&Speller, &Piece)| Strip::straight(of, piece, width(*few));
    let (to, from) = strip(part).zip(strip(fused))?;
    let (o, r, margin) = orders.best(&to, &from)?;
    let clear = margin >= MARGIN && z_score(r, orders.count(&to, &from)) >= threshold;
    clear.then(|| orders.orders[o].clone())
}

/// How the strip of a piece is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Straight,
    Turned,
}

/// Which matrices may be parts of which fused one, in which forms of the part and of the fused.
fn fits(part: &Piece, fused: &Piece) -> Vec<(Form, Form)> {
    let ([r, c], [rows, columns]) = (&part.dims[..], &fused.dims[..]) else { return Vec::new() };
    let mut forms = Vec::new();
    if c == columns && rows > r {
        forms.push((Form::Straight, Form::Straight));
    }
    if c == rows && columns > r {
        forms.push((Form::Straight, Form::Turned));
    }
    if r == columns && rows > c {
        forms.push((Form::Turned, Form::Straight));
    }
    forms
}

/// Whether one of the pieces can be a part of the fused one.
pub(super) fn may_hold(fused: &Piece, part: &Piece) -> bool {
    !fits(part, fused).is_empty() || matches!(fused.dims[..], [_, a, b] if slab_fits(part, a, b))
}

fn slab_fits(part: &Piece, a: usize, b: usize) -> bool {
    let slab = Piece { tensor: 0, start: 0, dims: vec![a, b] };
    matches!(part.dims[..], [r, c] if (r, c) == (a, b) || (r, c) == (b, a)) || !fits(part, &slab).is_empty()
}

/// Cuts stacks of matrices into the matrices, where the other side has some that fit.
pub(super) fn slabs(pieces: &[Piece], others: &[Piece]) -> Vec<Piece> {
    let cut = |piece: &Piece| match piece.dims[..] {
        [count, a, b] if others.iter().any(|o| slab_fits(o, a, b)) => (0..count)
            .map(|i| Piece { tensor: piece.tensor, start: piece.start + i * a * b, dims: vec![a, b] })
            .collect(),
        _ => vec![piece.clone()],
    };
    pieces.iter().flat_map(cut).collect()
}

/// One part of one fused matrix.
struct Found {
    part: usize,
    fused: usize,
    rows: RowOrder,
    forms: (Form, Form),
    r: f64,
    count: usize,
}

/// Matches matrices of one side with parts of fused matrices of the other side. `fused` says which side has those.
pub(super) fn parts(
    whole: (&Speller, &[Piece]),
    fused: (&Speller, &[Piece]),
    viewed: Viewed,
    threshold: f64,
) -> Vec<Link> {
    let mut strips: BTreeMap<(bool, usize, bool, usize), Option<Strip>> = BTreeMap::new();
    let mut orders: BTreeMap<(usize, usize), Orders> = BTreeMap::new();
    let mut tried = Vec::new();
    for (p, part) in whole.1.iter().enumerate() {
        for (f, piece) in fused.1.iter().enumerate() {
            for forms in fits(part, piece) {
                let (of_p, of_f) = (of_form(part, forms.0), of_form(piece, forms.1));
                let wide = width(of_p);
                strips
                    .entry((false, p, forms.0 == Form::Turned, wide))
                    .or_insert_with(|| strip(whole.0, part, forms.0, wide));
                strips
                    .entry((true, f, forms.1 == Form::Turned, wide))
                    .or_insert_with(|| strip(fused.0, piece, forms.1, wide));
                orders.entry((of_p, of_f)).or_insert_with(|| Orders::new(places_in_fused(of_p, of_f), of_p));
                tried.push((p, f, forms, (of_p, of_f), wide));
            }
        }
    }
    let found: Vec<Found> = tried
        .par_iter()
        .filter_map(|&(part, f, forms, sizes, wide)| {
            let to = strips[&(false, part, forms.0 == Form::Turned, wide)].as_ref()?;
            let from = strips[&(true, f, forms.1 == Form::Turned, wide)].as_ref()?;
            let orders = &orders[&sizes];
            let (o, r, margin) = orders.best(to, from)?;
            let count = orders.count(to, from);
            let clear = margin >= MARGIN && z_score(r, count) >= threshold;
            clear.then(|| Found { part, fused: f, rows: orders.orders[o].clone(), forms, r, count })
        })
        .collect();
    disjoint(found).into_iter().filter_map(|found| link(whole.1, fused.1, viewed, found)).collect()
}

fn of_form(piece: &Piece, form: Form) -> usize {
    match form {
        Form::Straight => piece.dims[0],
        Form::Turned => piece.dims[1],
    }
}

fn strip(of: &Speller, piece: &Piece, form: Form, wide: usize) -> Option<Strip> {
    match form {
        Form::Straight => Strip::straight(of, piece, wide),
        Form::Turned => Strip::turned(of, piece, wide),
    }
}

/// Keeps the best place of each part, if it is clear, and of places that share rows the best.
fn disjoint(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(|a, b| b.r.total_cmp(&a.r).then_with(|| (a.part, a.fused).cmp(&(b.part, b.fused))));
    let mut first: BTreeMap<usize, f64> = BTreeMap::new();
    let mut unclear: BTreeSet<usize> = BTreeSet::new();
    let mut taken: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut kept: Vec<Found> = Vec::new();
    for place in found {
        if let Some(&best) = first.get(&place.part) {
            if z_score(best, place.count) - z_score(place.r, place.count) < MARGIN {
                unclear.insert(place.part);
            }
            continue;
        }
        first.insert(place.part, place.r);
        let rows = place.rows.rows();
        let of_fused = taken.entry(place.fused).or_default();
        if rows.iter().all(|row| !of_fused.contains(row)) {
            of_fused.extend(rows);
            kept.push(place);
        }
    }
    kept.retain(|place| !unclear.contains(&place.part));
    kept
}

fn link(whole: &[Piece], fused: &[Piece], viewed: Viewed, found: Found) -> Option<Link> {
    let (part, mut piece) = (whole[found.part].clone(), fused[found.fused].clone());
    let view = match found.forms {
        (Form::Straight, Form::Straight) => View::Rows { axes: vec![0, 1], rows: found.rows.0 },
        (Form::Straight, Form::Turned) => View::Rows { axes: vec![1, 0], rows: found.rows.0 },
        (Form::Turned, _) => {
            // Rows are taken before the axes are turned, which one run of rows allows.
            let [run] = found.rows.0[..] else { return None };
            if run.step != 1 {
                return None;
            }
            piece.start += run.first * piece.columns();
            piece.dims[0] = run.count;
            View::Turned(vec![1, 0])
        }
    };
    let (first, second) = match viewed {
        Viewed::First => (piece, part),
        Viewed::Second => (part, piece),
    };
    Some(Link { first, second, viewed, view, r: found.r })
}
