//! Alignments of one network under other names, joined where values show which tensors correspond.

use super::layout::{Alignment, Holder, Key};
use super::left_over;
use super::selection::Selection;
use crate::error::{Error, SourceError};
use crate::naming::{
    Correspondence, Link, Outline, OwnTensor, Side, Speller, View, Viewed, correspondence, natural, resemblance,
};
use crate::source::{Derived, Dtype, Made, ParameterInfo, ParameterSource, Part};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How the tensors of models are matched that use other names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Matching {
    /// By names alone, without the wrappers of training code. No value is read.
    ByNames,
    /// By names, and where they share too little, by the values of the models.
    ///
    /// Models whose names agree are not read. See the section *Names* of docs/method.md.
    #[default]
    ByValues,
}

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ByNames => "by-names",
            Self::ByValues => "by-values",
        })
    }
}

impl FromStr for Matching {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "by-names" => Ok(Self::ByNames),
            "by-values" => Ok(Self::ByValues),
            _ => Err(Error::unknown_word("matching", text, "`by-names` or `by-values`")),
        }
    }
}

/// Alignments, some of them joined by values.
pub(super) struct Spelled {
    pub(super) alignments: Vec<Alignment>,
    /// For each layout, the tensors that are made of stored ones to be compared.
    pub(super) made: BTreeMap<usize, BTreeMap<String, Made>>,
    /// Pairs of alignments whose shapes are alike, and that no value joins.
    pub(super) resembling: Vec<(usize, usize)>,
}

/// The models in which values are looked up.
pub(super) struct Models<'m> {
    pub(super) layout_of: &'m [usize],
    pub(super) sources: Vec<&'m Arc<dyn ParameterSource>>,
}

/// Joins alignments whose values correspond, if values may be read. The order of the models has no part in it.
pub(super) fn join(
    alignments: Vec<Alignment>,
    models: &Models<'_>,
    selection: &Selection,
    minimum: f64,
    matching: Matching,
) -> Spelled {
    let outline = |alignment: &Alignment| Outline::new(&shapes(alignment, &keys(alignment)));
    let mut made = BTreeMap::new();
    let alignments: Vec<Alignment> = match matching {
        Matching::ByNames => alignments,
        Matching::ByValues => {
            alignments.into_iter().map(|a| left_over::fill(a, models, selection, minimum, &mut made)).collect()
        }
    };
    let mut outlines: Vec<Outline> = alignments.iter().map(outline).collect();
    let mut all: Vec<Option<Alignment>> = alignments.into_iter().map(Some).collect();
    let mut waiting = pairs(&outlines);
    // Pairs whose shapes are alike, and that do not correspond.
    let mut resembling: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut found: BTreeMap<(usize, usize), Correspondence> = BTreeMap::new();
    loop {
        for (a, b) in std::mem::take(&mut waiting) {
            let (Some(first), Some(second)) = (&all[a], &all[b]) else { continue };
            if resemblance(&outlines[a], &outlines[b]) < minimum {
                continue;
            }
            let matched = (matching == Matching::ByValues).then(|| {
                let keys = [first, second].map(keys);
                let [x, y] = [(first, &keys[0]), (second, &keys[1])].map(|(al, keys)| side(al, keys, models, &made));
                correspondence(&x, &y, minimum)
            });
            match matched.flatten() {
                Some(matched) => _ = found.insert((a, b), matched),
                None => _ = resembling.insert((a, b)),
            }
        }
        // A file may hold the parts of a pipeline, which share nothing with each other. It goes to the part with most values.
        let values = |&(a, b): &(usize, usize), matched: &Correspondence| {
            let largest = |at: usize| all[at].as_ref().map_or(0.0, |alignment| alignment.largest);
            matched.share * largest(a).min(largest(b))
        };
        let weighed = found.iter().map(|(pair, matched)| (*pair, values(pair, matched)));
        let best = weighed.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let Some(((a, b), _)) = best else { break };
        let (Some(matched), Some(first), Some(second)) = (found.remove(&(a, b)), &all[a], &all[b]) else { continue };
        let mut with = made.clone();
        let keys = [first, second].map(keys);
        let both = [first.clone(), second.clone()];
        let merged = merge(both, &keys, &matched, selection, &mut with);
        if !each_shares(&merged, [&first.layouts, &second.layouts], minimum) {
            resembling.insert((a, b));
            continue;
        }
        made = with;
        outlines[a] = outline(&merged);
        all[a] = Some(merged);
        all[b] = None;
        let other = |&(x, y): &(usize, usize)| x != a && y != a && x != b && y != b;
        resembling.retain(other);
        found.retain(|pair, _| other(pair));
        // What is joined may correspond to what its parts did not.
        waiting = (0..all.len()).filter(|&x| x != a).map(|x| (x.min(a), x.max(a))).collect();
    }
    let mut number = BTreeMap::new();
    let mut kept = Vec::new();
    for (old, alignment) in all.into_iter().enumerate() {
        if let Some(alignment) = alignment {
            number.insert(old, kept.len());
            kept.push(alignment);
        }
    }
    let resembling = resembling.into_iter().filter_map(|(a, b)| Some((*number.get(&a)?, *number.get(&b)?))).collect();
    Spelled { alignments: kept, made, resembling }
}

/// The pairs of networks that have a matrix of the same dimensions. Only these can resemble each other.
fn pairs(outlines: &[Outline]) -> BTreeSet<(usize, usize)> {
    let mut holders: BTreeMap<&[usize], Vec<usize>> = BTreeMap::new();
    for (at, outline) in outlines.iter().enumerate() {
        for dims in outline.matrices() {
            holders.entry(dims).or_default().push(at);
        }
    }
    let of_one = |all: &Vec<usize>| {
        let all = all.clone();
        (1..all.len()).flat_map(move |b| (0..b).map(|a| (all[a], all[b])).collect::<Vec<_>>())
    };
    holders.values().flat_map(of_one).collect()
}

/// Whether each layout of one side shares enough values with each of the other, as all models of a group do.
fn each_shares(merged: &Alignment, [first, second]: [&Vec<usize>; 2], minimum: f64) -> bool {
    let mut size: BTreeMap<usize, usize> = BTreeMap::new();
    let mut common: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for holders in merged.tensors.values() {
        for holder in holders {
            *size.entry(holder.layout).or_default() += holder.values;
            for other in holders {
                *common.entry((holder.layout, other.layout)).or_default() += holder.values.min(other.values);
            }
        }
    }
    first.iter().flat_map(|&x| second.iter().map(move |&y| (x, y))).all(|(x, y)| {
        let least = size.get(&x).copied().unwrap_or(0).min(size.get(&y).copied().unwrap_or(0));
        common.get(&(x, y)).copied().unwrap_or(0) as f64 >= minimum * least as f64
    })
}

/// Returns the keys of an alignment in the natural order of their names.
pub(super) fn keys(alignment: &Alignment) -> Vec<Key> {
    let mut keys: Vec<Key> = alignment.tensors.keys().cloned().collect();
    keys.sort_by(|a, b| natural(&a.0, &b.0).then_with(|| a.1.cmp(&b.1)));
    keys
}

/// Returns the shape of each tensor in the model that holds most rows of it.
pub(super) fn shapes(alignment: &Alignment, keys: &[Key]) -> Vec<Vec<usize>> {
    let largest = |key: &Key| alignment.tensors[key].iter().max_by_key(|h| h.rows).map(|h| shape(h, key));
    keys.iter().filter_map(largest).collect()
}

/// Returns the shape of a held tensor.
fn shape(holder: &Holder, key: &Key) -> Vec<usize> {
    match &key.1 {
        Some(tail) => std::iter::once(holder.rows).chain(tail.iter().copied()).collect(),
        None => Vec::new(),
    }
}

pub(super) fn side(
    alignment: &Alignment,
    keys: &[Key],
    models: &Models<'_>,
    made: &BTreeMap<usize, BTreeMap<String, Made>>,
) -> Side {
    let mut spellers = Vec::new();
    for &layout in &alignment.layouts {
        let own = |key: &Key| {
            let holder = alignment.tensors[key].iter().find(|h| h.layout == layout)?;
            Some(OwnTensor { name: holder.own_name.clone(), shape: shape(holder, key) })
        };
        let tensors: Vec<Option<OwnTensor>> = keys.iter().map(own).collect();
        for (model, _) in models.layout_of.iter().enumerate().filter(|(_, l)| **l == layout) {
            let source = match made.get(&layout) {
                None => Arc::clone(models.sources[model]),
                Some(made) => match derived(models.sources[model], made) {
                    Ok(view) => view,
                    // A model that cannot be read matches nothing; the pass reports why.
                    Err(_) => continue,
                },
            };
            spellers.push(Speller { source, tensors: tensors.clone() });
        }
    }
    Side { names: keys.iter().map(|k| k.0.clone()).collect(), models: spellers }
}

/// Returns the view of a model in which tensors stand in the form that is compared.
pub(super) fn derived(
    source: &Arc<dyn ParameterSource>,
    made: &BTreeMap<String, Made>,
) -> Result<Arc<dyn ParameterSource>, SourceError> {
    Ok(Arc::new(Derived::new(Arc::clone(source), made.clone())?))
}

/// Puts the tensors of the second alignment under the names of the first.
pub(super) fn merge(
    both: [Alignment; 2],
    keys: &[Vec<Key>; 2],
    found: &Correspondence,
    selection: &Selection,
    made: &mut BTreeMap<usize, BTreeMap<String, Made>>,
) -> Alignment {
    let [first, second] = both;
    let mut tensors: BTreeMap<Key, Vec<Holder>> = BTreeMap::new();
    let mut used: [BTreeSet<&Key>; 2] = Default::default();
    for link in &found.links {
        let (a, b) = (&keys[0][link.first.tensor], &keys[1][link.second.tensor]);
        let (kept, viewed) = match link.viewed {
            Viewed::Second => ((&first, a), (&second, b)),
            Viewed::First => ((&second, b), (&first, a)),
        };
        let respell = |h| respell(h, viewed.1, kept.1, link, selection, made);
        let respelled: Option<Vec<Respelled>> = viewed.0.tensors[viewed.1].iter().map(respell).collect();
        // A tensor that cannot be brought into the form keeps its own place.
        let Some(respelled) = respelled else { continue };
        // The names of the first side are kept, where its tensors stay as they are.
        let key = match link.viewed {
            Viewed::Second => a.clone(),
            Viewed::First => fresh(b, |key| first.tensors.contains_key(key)),
        };
        let holders = tensors.entry(key).or_default();
        holders.extend(kept.0.tensors[kept.1].iter().cloned());
        for Respelled { holder, part } in respelled {
            if let Some(part) = part {
                made.entry(holder.layout).or_default().insert(holder.own_name.to_string(), Made::Part(part));
            }
            holders.push(holder);
        }
        used[0].insert(a);
        used[1].insert(b);
    }
    for (side, alignment) in [&first, &second].into_iter().enumerate() {
        for key in keys[side].iter().filter(|key| !used[side].contains(*key)) {
            // One name in two vocabularies need not mean one tensor. Those that do are matched above.
            let key_of = fresh(key, |key| tensors.contains_key(key));
            tensors.insert(key_of, alignment.tensors[key].clone());
        }
    }
    let layouts = first.layouts.iter().chain(&second.layouts).copied().collect();
    Alignment { layouts, tensors, largest: first.largest.max(second.largest) }
}

/// Returns a key whose name is not taken: its own, or with a mark.
fn fresh(key: &Key, is_taken: impl Fn(&Key) -> bool) -> Key {
    let mut fresh = key.clone();
    while is_taken(&fresh) {
        fresh.0.push('\'');
    }
    fresh
}

/// A tensor as it is held under the name and in the form of another.
struct Respelled {
    holder: Holder,
    /// How it is made of a stored one. `None` where it is compared as it is stored.
    part: Option<Part>,
}

/// Brings a tensor into the form of `kept`, as a link says.
fn respell(
    holder: &Holder,
    key: &Key,
    kept: &Key,
    link: &Link,
    selection: &Selection,
    made: &BTreeMap<usize, BTreeMap<String, Made>>,
) -> Option<Respelled> {
    let own = shape(holder, key);
    let size: usize = own.iter().product();
    let piece = match link.viewed {
        Viewed::First => &link.first,
        Viewed::Second => &link.second,
    };
    let dims: Vec<usize> = own.iter().copied().filter(|&d| d > 1).collect();
    // Models that share the names may differ in rows. Then a whole tensor is its own whole.
    let is_whole = piece.start == 0 && piece.dims.len() == dims.len() && piece.dims.get(1..) == dims.get(1..);
    let (stored, axes, rows) = match &link.view {
        View::Same if is_whole && key.1 == kept.1 => return Some(Respelled { holder: holder.clone(), part: None }),
        View::Same => (if is_whole { &dims } else { &piece.dims }, (0..piece.dims.len()).collect(), None),
        View::Turned(axes) => (if is_whole { &dims } else { &piece.dims }, axes.clone(), None),
        // Orders of rows hold for one number of rows.
        View::Rows { .. } if is_whole && piece.dims != dims => return None,
        View::Rows { axes, rows } => (&piece.dims, axes.clone(), Some(rows.clone())),
    };
    // A view of a view is not made.
    let is_made = made.get(&holder.layout).is_some_and(|made| made.contains_key(&*holder.own_name));
    if is_made || piece.start + stored.iter().product::<usize>() > size {
        return None;
    }
    let part = Part::turned(&holder.own_name, stored, &axes, &[]);
    let part = Part { start: piece.start, rows: rows.unwrap_or_else(|| part.rows.clone()), ..part };
    // The rows are its own, all else is as the other side has it.
    let values = part.size();
    let shape: Vec<usize> = match &kept.1 {
        Some(tail) => {
            let row: usize = tail.iter().product();
            if row == 0 || !values.is_multiple_of(row) {
                return None;
            }
            std::iter::once(values / row).chain(tail.iter().copied()).collect()
        }
        None if values == 1 => Vec::new(),
        None => return None,
    };
    // A part of a fused tensor gets a name of its own, which says what it is.
    let name = if values < size { format!("{} as {}", holder.own_name, kept.0) } else { holder.own_name.to_string() };
    let info = ParameterInfo::new(name.as_str(), shape.as_slice(), Dtype::F32);
    let rows = shape.first().copied().unwrap_or(1);
    let holder =
        Holder { layout: holder.layout, own_name: name.as_str().into(), rows, values: selection.values(&info) };
    Some(Respelled { holder, part: Some(Part { shape, ..part }) })
}
