//! Tensors of one group that some of its models hold under other names, such as a fused matrix in place of its parts.
//!
//! Most names of two models may agree, so that they are compared, and those of the attention alone differ. What is left on
//! both sides is then matched by values, as two networks are.

use super::layout::{Alignment, Holder, Key, NAMES_AGREE};
use super::selection::Selection;
use super::spelling::{Models, keys, merge, shapes, side};
use crate::naming::{Outline, correspondence, could_hold};
use crate::source::Made;
use std::collections::{BTreeMap, BTreeSet};

/// Layouts that hold the same names.
type Class = (BTreeSet<Key>, Vec<usize>);

/// Joins what two layouts of one alignment hold under other names, where values show that it corresponds.
///
/// Layouts whose names agree in nine of ten values are left as they are.
pub(super) fn fill(
    alignment: Alignment,
    models: &Models<'_>,
    selection: &Selection,
    minimum: f64,
    made: &mut BTreeMap<usize, BTreeMap<String, Made>>,
) -> Alignment {
    let mut alignment = alignment;
    // What was tried without a match: the names of both sides.
    let mut tried: BTreeSet<[BTreeSet<Key>; 2]> = BTreeSet::new();
    loop {
        let classes = classes(&alignment);
        let pairs = (1..classes.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        let joined = pairs.into_iter().find_map(|(a, b)| {
            let both = left_over(&alignment, [&classes[a], &classes[b]])?;
            let names = both.each_ref().map(|side| side.tensors.keys().cloned().collect());
            if !tried.insert(names) {
                return None;
            }
            join(&alignment, both, models, selection, minimum, made)
        });
        match joined {
            Some(next) => alignment = next,
            None => return alignment,
        }
    }
}

/// Divides the layouts of an alignment by the names that they hold.
fn classes(alignment: &Alignment) -> Vec<Class> {
    let mut held: BTreeMap<usize, BTreeSet<Key>> = alignment.layouts.iter().map(|&l| (l, BTreeSet::new())).collect();
    for (key, holders) in &alignment.tensors {
        for holder in holders {
            held.entry(holder.layout).or_default().insert(key.clone());
        }
    }
    let mut classes: BTreeMap<BTreeSet<Key>, Vec<usize>> = BTreeMap::new();
    for (layout, keys) in held {
        classes.entry(keys).or_default().push(layout);
    }
    classes.into_iter().collect()
}

/// Returns the tensors of each of two classes that the other one lacks. `None` where names agree, or one side lacks nothing.
///
/// Where one side stores matrices turned under the names of the other, square ones have the same shape. They count as left.
fn left_over(alignment: &Alignment, classes: [&Class; 2]) -> Option<[Alignment; 2]> {
    let held = |key: &Key, layouts: &[usize]| -> Vec<Holder> {
        alignment.tensors[key].iter().filter(|h| layouts.contains(&h.layout)).cloned().collect()
    };
    let rows = |key: &Key, layouts: &[usize]| held(key, layouts).iter().map(|h| h.rows).max().unwrap_or(0);
    let is_turned = |key: &Key| {
        let Some([columns]) = key.1.as_deref() else { return false };
        let other = (key.0.clone(), Some(vec![rows(key, &classes[0].1)]));
        !classes[1].0.contains(key) && classes[1].0.contains(&other) && rows(&other, &classes[1].1) == *columns
    };
    let are_turned = classes[0].0.iter().any(is_turned);
    let is_square = |key: &Key| {
        let square = |class: &Class| matches!(key.1.as_deref(), Some([n]) if rows(key, &class.1) == *n);
        classes.iter().all(|class| class.0.contains(key) && square(class))
    };
    let mut total = [0; 2];
    let mut left = [0; 2];
    let both = [0, 1].map(|side| {
        let ((own, layouts), other) = (classes[side], &classes[1 - side].0);
        let mut tensors: BTreeMap<Key, Vec<Holder>> = BTreeMap::new();
        for key in own {
            let holders = held(key, layouts);
            let values = holders.iter().map(|h| h.values).max().unwrap_or(0);
            total[side] += values;
            if !other.contains(key) || are_turned && is_square(key) {
                left[side] += values;
                tensors.insert(key.clone(), holders);
            }
        }
        Alignment { layouts: layouts.clone(), tensors, largest: left[side] as f64 }
    });
    let least = (1.0 - NAMES_AGREE) * total[0].min(total[1]) as f64;
    (left[0].min(left[1]) as f64 > least).then_some(both)
}

/// Matches what is left on both sides. `None` where nothing is found.
///
/// The values of all tensors are looked at, so that those with equal names show which models are kin.
fn join(
    alignment: &Alignment,
    both: [Alignment; 2],
    models: &Models<'_>,
    selection: &Selection,
    minimum: f64,
    made: &mut BTreeMap<usize, BTreeMap<String, Made>>,
) -> Option<Alignment> {
    let left = both.each_ref().map(keys);
    let outlines = [0, 1].map(|at| Outline::new(&shapes(&both[at], &left[at])));
    if could_hold(&outlines[0], &outlines[1]) < minimum {
        return None;
    }
    let whole = both.each_ref().map(|side| held_by(alignment, &side.layouts));
    let of_whole = whole.each_ref().map(keys);
    let [x, y] = [0, 1].map(|at| side(&whole[at], &of_whole[at], models, made));
    let mut found = correspondence(&x, &y, minimum)?;
    // A place among all tensors becomes a place among those that are left.
    let place = |at: usize, tensor: usize| left[at].iter().position(|key| *key == of_whole[at][tensor]);
    found.links.retain_mut(|link| match (place(0, link.first.tensor), place(1, link.second.tensor)) {
        (Some(first), Some(second)) => {
            (link.first.tensor, link.second.tensor) = (first, second);
            true
        }
        _ => false,
    });
    if found.links.is_empty() {
        return None;
    }
    let mut tensors = alignment.tensors.clone();
    for side in &both {
        for key in side.tensors.keys() {
            if let Some(holders) = tensors.get_mut(key) {
                holders.retain(|h| !side.layouts.contains(&h.layout));
            }
        }
    }
    let merged = merge(both, &left, &found, selection, made);
    for (key, holders) in merged.tensors {
        tensors.entry(key).or_default().extend(holders);
    }
    tensors.retain(|_, holders| !holders.is_empty());
    Some(Alignment { layouts: alignment.layouts.clone(), tensors, largest: alignment.largest })
}

/// Returns the tensors that some layouts hold.
fn held_by(alignment: &Alignment, layouts: &[usize]) -> Alignment {
    let mut tensors: BTreeMap<Key, Vec<Holder>> = BTreeMap::new();
    for (key, holders) in &alignment.tensors {
        let held: Vec<Holder> = holders.iter().filter(|h| layouts.contains(&h.layout)).cloned().collect();
        if !held.is_empty() {
            tensors.insert(key.clone(), held);
        }
    }
    Alignment { layouts: layouts.to_vec(), tensors, largest: alignment.largest }
}
