//! Matches of what is too small to be told by its values alone: vectors, scalars, small matrices.

use super::correlation::{Centred, correlation};
use super::link::{Link, View, Viewed};
use super::mutual::mutual;
use super::side::{OwnTensor, Piece, Side, Speller};
use crate::source::RowRun;
use std::collections::{BTreeMap, BTreeSet};

/// Most values of a tensor that are read.
const MOST_VALUES: usize = 4096;

/// Least number of values whose correlation says anything.
const LEAST_VALUES: usize = 8;

/// Least correlation of vectors that are matched by it. Scales of normalization of different layers resemble each other.
const LEAST_CORRELATION: f64 = 0.8;

/// The state of the matching of small tensors of two models.
struct Rest<'s> {
    sides: [&'s Side; 2],
    spellers: [&'s Speller; 2],
    /// Which tensors have a match.
    taken: [BTreeSet<usize>; 2],
    links: Vec<Link>,
}

/// The modules around a tensor in both sides, its dimensions, and the last part of its name.
type Place = ([String; 2], Vec<usize>, String);

/// Finds matches of the tensors that have none yet, given those of the matrices.
pub(super) fn rest(sides: [&Side; 2], spellers: [&Speller; 2], matched: &[Link]) -> Vec<Link> {
    let taken = [
        matched.iter().map(|l| l.first.tensor).collect(),
        matched.iter().map(|l| l.second.tensor).collect::<BTreeSet<usize>>(),
    ];
    let mut rest = Rest { sides, spellers, taken, links: Vec::new() };
    rest.biases(matched);
    rest.by_values();
    rest.by_place(matched);
    rest.links
}

fn own(speller: &Speller, tensor: usize) -> Option<&OwnTensor> {
    speller.tensors.get(tensor)?.as_ref()
}

/// Returns the name of the bias that belongs to a weight.
fn bias_of(weight: &str) -> Option<String> {
    weight.strip_suffix("weight").or_else(|| weight.strip_suffix("kernel")).map(|rest| format!("{rest}bias"))
}

impl Rest<'_> {
    fn dims(&self, side: usize, tensor: usize) -> Option<Vec<usize>> {
        Some(Piece::whole(tensor, &own(self.spellers[side], tensor)?.shape).dims)
    }

    /// Returns the tensors without a match that are not matched by their values as matrices.
    fn free(&self, side: usize) -> Vec<usize> {
        let small =
            |t: &usize| own(self.spellers[side], *t).is_some_and(|own| !Piece::whole(*t, &own.shape).is_telling());
        (0..self.sides[side].names.len()).filter(|t| !self.taken[side].contains(t)).filter(small).collect()
    }

    /// The first values of a tensor.
    fn values(&self, side: usize, tensor: usize) -> Option<Vec<f32>> {
        let own = own(self.spellers[side], tensor)?;
        let mut values = vec![0.0; own.shape.iter().product::<usize>().min(MOST_VALUES)];
        self.spellers[side].source.read(&own.name, 0, &mut values).ok()?;
        values.iter().all(|x| x.is_finite()).then_some(values)
    }

    fn add(&mut self, link: Link) {
        self.taken[0].insert(link.first.tensor);
        self.taken[1].insert(link.second.tensor);
        self.links.push(link);
    }

    fn same(&mut self, a: usize, b: usize, r: f64) {
        let (Some(of_a), Some(of_b)) = (self.dims(0, a), self.dims(1, b)) else { return };
        let piece = |tensor, dims| Piece { tensor, start: 0, dims };
        let (first, second) = (piece(a, of_a), piece(b, of_b));
        self.add(Link { first, second, viewed: Viewed::Second, view: View::Same, r });
    }

    /// The bias of a matched weight is matched as its rows are.
    fn biases(&mut self, matched: &[Link]) {
        let numbers =
            self.sides.map(|s| s.names.iter().enumerate().map(|(t, n)| (n.clone(), t)).collect::<BTreeMap<_, _>>());
        let taken = self.taken.clone();
        for link in matched {
            let bias = |side: usize, piece: &Piece| {
                let bias = *numbers[side].get(&bias_of(&self.sides[side].names[piece.tensor])?)?;
                let dims = self.dims(side, bias).filter(|d| d.len() == 1 && !taken[side].contains(&bias))?;
                Some(Piece { tensor: bias, start: 0, dims })
            };
            let (Some(first), Some(second)) = (bias(0, &link.first), bias(1, &link.second)) else { continue };
            let view = match &link.view {
                View::Rows { rows, .. } => View::Rows { axes: vec![0], rows: rows.clone() },
                _ => View::Same,
            };
            let link = Link { first, second, viewed: link.viewed, view, r: 1.0 };
            let (kept, viewed) = match link.viewed {
                Viewed::First => (&link.second, &link.first),
                Viewed::Second => (&link.first, &link.second),
            };
            let fits = match &link.view {
                View::Rows { rows, .. } => {
                    let last = |run: &RowRun| run.first + run.count.saturating_sub(1) * run.step;
                    rows.iter().map(|run| run.count).sum::<usize>() == kept.dims[0]
                        && rows.iter().all(|run| last(run) < viewed.dims[0])
                }
                _ => kept.dims == viewed.dims,
            };
            if fits {
                self.add(link);
            }
        }
    }

    /// Vectors that vary are matched where both are each other's best by far.
    fn by_values(&mut self) {
        let mut classes: BTreeMap<Vec<usize>, [Vec<(usize, Centred)>; 2]> = BTreeMap::new();
        for side in 0..2 {
            for tensor in self.free(side) {
                let Some(dims) = self.dims(side, tensor).filter(|d| d.iter().product::<usize>() >= LEAST_VALUES) else {
                    continue;
                };
                let Some(sample) = self.values(side, tensor).map(Centred::new).filter(Centred::varies) else {
                    continue;
                };
                classes.entry(dims).or_default()[side].push((tensor, sample));
            }
        }
        for [a, b] in classes.into_values().filter(|[a, b]| !a.is_empty() && !b.is_empty()) {
            let count = a[0].1.values().len();
            let scores: Vec<f64> = a
                .iter()
                .flat_map(|(_, x)| b.iter().map(|(_, y)| correlation(x.values(), y.values())))
                .map(|r| if r >= LEAST_CORRELATION { r } else { 0.0 })
                .collect();
            for (i, j, r) in mutual(&scores, b.len(), count, 0.0) {
                self.same(a[i].0, b[j].0, r);
            }
        }
    }

    /// What is left is matched by its place: below the same module, of the same shape and the same last part of the name.
    ///
    /// Several of one place are matched in order if all their values are the same, as those of untrained scales are.
    fn by_place(&mut self, matched: &[Link]) {
        let pairs: Vec<[&str; 2]> = matched
            .iter()
            .chain(&self.links)
            .map(|l| [self.sides[0].names[l.first.tensor].as_str(), self.sides[1].names[l.second.tensor].as_str()])
            .collect();
        let images = [images(&pairs, 0), images(&pairs, 1)];
        // The place of a tensor: the nearest module around it that has an image, and that image.
        let mut places: BTreeMap<Place, [Vec<usize>; 2]> = BTreeMap::new();
        for (side, images) in images.iter().enumerate() {
            for tensor in self.free(side) {
                let name = &self.sides[side].names[tensor];
                let around = modules(name).into_iter().rev().find_map(|m| Some((m.to_owned(), images.get(m)?.clone())));
                let (Some((module, image)), Some(dims)) = (around, self.dims(side, tensor)) else { continue };
                let both = if side == 0 { [module, image] } else { [image, module] };
                let last = name.rsplit('.').next().unwrap_or_default().to_owned();
                places.entry((both, dims, last)).or_default()[side].push(tensor);
            }
        }
        for [a, b] in places.into_values().filter(|[a, b]| a.len() == b.len()) {
            let values: Vec<_> = a.iter().zip(&b).map(|(&x, &y)| self.values(0, x).zip(self.values(1, y))).collect();
            let first = values[0].as_ref().map(|(x, _)| x.clone());
            let alike = values.iter().flatten().all(|(x, y)| x == y && Some(x) == first.as_ref());
            if values.iter().all(Option::is_some) && (alike || a.len() == 1 && near(&values[0])) {
                for (&x, &y) in a.iter().zip(&b) {
                    self.same(x, y, 1.0);
                }
            }
        }
    }
}

/// Whether the only two candidates are at least not unlike: equal, or correlated.
fn near(values: &Option<(Vec<f32>, Vec<f32>)>) -> bool {
    let Some((x, y)) = values else { return false };
    let (a, b) = (Centred::new(x.clone()), Centred::new(y.clone()));
    x == y || x.len() >= LEAST_VALUES && correlation(a.values(), b.values()) >= 0.5
}

/// Returns the modules around a tensor, from the outermost, which is the whole network.
fn modules(name: &str) -> Vec<&str> {
    std::iter::once("").chain(name.match_indices('.').map(|(at, _)| &name[..at])).collect()
}

/// Returns for each module of one side the smallest module of the other that holds all that is matched with parts of it.
fn images(pairs: &[[&str; 2]], side: usize) -> BTreeMap<String, String> {
    let mut images: BTreeMap<String, String> = BTreeMap::new();
    for pair in pairs {
        let own = *modules(pair[1 - side]).last().unwrap_or(&"");
        for module in modules(pair[side]) {
            let image = images.entry(module.to_owned()).or_insert_with(|| own.to_owned());
            *image = common(image, own).to_owned();
        }
    }
    images
}

/// Returns the innermost module around two.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let mut end = 0;
    for ((at, part), other) in parts(a).zip(parts(b).map(|(_, part)| part)) {
        if part != other {
            break;
        }
        end = at + part.len();
    }
    &a[..end]
}

/// Returns the parts of a path, each with the place where it begins.
fn parts(path: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut begin = 0;
    path.split('.').map(move |part| {
        let at = begin;
        begin += part.len() + 1;
        (at, part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_images() {
        assert_eq!(modules("a.b.w"), ["", "a", "a.b"]);
        assert_eq!(
            [common("a.b.c", "a.b.d"), common("a.b", "a.bc"), common("", "a"), common("a.b", "a.b.c")],
            ["a.b", "a", "", "a.b"]
        );
        let pairs =
            [["d.0.conv1.w", "i.1.0.in.2.w"], ["d.0.conv2.w", "i.1.0.out.3.w"], ["d.1.conv1.w", "i.2.0.in.2.w"]];
        let images = images(&pairs, 0);
        assert_eq!((images["d.0"].as_str(), images["d"].as_str(), images[""].as_str()), ("i.1.0", "i", "i"));
    }
}
