//! Correspondence of parameters across models of different layouts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A compared tensor of one layout.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// How many of its values are compared: all, unless the selection limits them to the first few.
    pub(super) values: usize,
}

/// The compared tensors of one or more models, sorted by name.
pub(super) type Layout = Vec<Tensor>;

/// Most parts of a prefix that counts as a wrapper: `base_model.model.model.` has three.
const PREFIX_DEPTH: usize = 3;

/// Least share of a layout's elements, in (0, 1], that a prefix must cover to count as a wrapper around the network.
const PREFIX_SHARE: f64 = 0.5;

/// Share of common elements, in (0, 1] of the smaller side, from which on names agree as they are. No prefix is searched for
/// then.
const NAMES_AGREE: f64 = 0.9;

/// The key that corresponding tensors share: the name without wrapper, and every dimension but the first (`None` for a scalar).
type Key = (String, Option<Vec<usize>>);

/// A layout that holds a tensor, and how it holds it.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) layout: usize,
    pub(super) own_name: Arc<str>,
    pub(super) rows: usize,
    /// How many values are compared, from the first on.
    pub(super) values: usize,
}

impl Holder {
    fn of(layout: usize, tensor: &Tensor) -> Self {
        let rows = tensor.shape.first().copied().unwrap_or(1);
        Self { layout, own_name: tensor.name.as_str().into(), rows, values: tensor.values }
    }
}

/// Layouts that share enough to be compared, and their corresponding tensors.
#[derive(Clone, Debug)]
pub(super) struct Alignment {
    pub(super) layouts: Vec<usize>,
    pub(super) tensors: BTreeMap<Key, Vec<Holder>>,
    largest: f64,
}

/// Returns how many values of a whole layout are compared.
fn compared(layout: &Layout) -> f64 {
    layout.iter().map(|t| t.values as f64).sum()
}

fn key(name: &str, shape: &[usize]) -> Key {
    (name.to_owned(), shape.split_first().map(|(_, tail)| tail.to_vec()))
}

/// Returns the prefixes of at least half of the elements. They may be wrappers that the other side does not have.
fn prefixes<'a>(tensors: impl Iterator<Item = (&'a str, f64)> + Clone) -> Vec<String> {
    let total: f64 = tensors.clone().map(|(_, n)| n).sum();
    let mut covered: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, n) in tensors {
        for (at, _) in name.match_indices('.').take(PREFIX_DEPTH) {
            *covered.entry(&name[..=at]).or_default() += n;
        }
    }
    // Candidates are few: a prefix has at most three parts and must cover half of the elements.
    covered.into_iter().filter(|&(_, n)| n >= PREFIX_SHARE * total).map(|(p, _)| p.to_owned()).collect()
}

fn strip<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(name)
}

impl Alignment {
    fn of(index: usize, layout: &Layout) -> Self {
        let mut tensors = BTreeMap::new();
        for t in layout {
            tensors.insert(key(&t.name, &t.shape), vec![Holder::of(index, t)]);
        }
        Self { layouts: vec![index], tensors, largest: compared(layout) }
    }

    /// Counts the elements that every layout here and `layout` hold. `own` is removed from the names here, `other` from its
    /// names.
    ///
    /// It is 0 when a removed prefix makes two names equal.
    fn shared(&self, layout: &Layout, own: &str, other: &str) -> f64 {
        let theirs: BTreeMap<Key, usize> =
            layout.iter().map(|t| (key(strip(&t.name, other), &t.shape), t.values)).collect();
        // A prefix that makes two tensors equal is no wrapper.
        if theirs.len() < layout.len() {
            return 0.0;
        }
        let mut seen = BTreeSet::new();
        let mut shared = 0.0;
        for (k, holders) in &self.tensors {
            let stripped = (strip(&k.0, own).to_owned(), k.1.clone());
            if let Some(&values) = theirs.get(&stripped).filter(|_| holders.len() == self.layouts.len()) {
                // Tensors of one key have the same row size, so the fewest values are those of the common rows.
                shared += holders.iter().map(|h| h.values).fold(values, usize::min) as f64;
            }
            if !own.is_empty() && !seen.insert(stripped) {
                return 0.0;
            }
        }
        shared
    }

    /// Finds the best way to compare with `layout`: the shared elements, the prefix to remove here, and the prefix to remove
    /// there.
    fn best(&self, layout: &Layout, total: f64) -> (f64, String, String) {
        let plain = self.shared(layout, "", "");
        let mut best = (plain, String::new(), String::new());
        if plain >= NAMES_AGREE * total.min(self.largest) {
            return best;
        }
        let here = self.tensors.iter().map(|(k, h)| (k.0.as_str(), h[0].values as f64));
        let there = layout.iter().map(|t| (t.name.as_str(), t.values as f64));
        let ours = prefixes(here).into_iter().map(|p| (p, String::new()));
        let theirs = prefixes(there).into_iter().map(|p| (String::new(), p));
        // Only one side loses a prefix, because both sides together would match networks that merely resemble each other.
        for (own, other) in ours.chain(theirs) {
            let shared = self.shared(layout, &own, &other);
            if shared > best.0 {
                best = (shared, own, other);
            }
        }
        best
    }

    fn join(&mut self, index: usize, layout: &Layout, own: &str, other: &str) {
        if !own.is_empty() {
            let tensors = std::mem::take(&mut self.tensors);
            self.tensors =
                tensors.into_iter().map(|((name, tail), h)| ((strip(&name, own).to_owned(), tail), h)).collect();
        }
        for t in layout {
            self.tensors.entry(key(strip(&t.name, other), &t.shape)).or_default().push(Holder::of(index, t));
        }
        self.layouts.push(index);
        self.largest = self.largest.max(compared(layout));
    }
}

/// Divides layouts into alignments in which every layout shares at least `minimum` of its elements with all others.
///
/// Each layout joins the alignment with which it shares most. The largest layouts come first. The order of `layouts` decides
/// only their numbers.
pub(super) fn align(layouts: &[Layout], minimum: f64) -> Vec<Alignment> {
    let totals: Vec<f64> = layouts.iter().map(compared).collect();
    let mut order: Vec<usize> = (0..layouts.len()).collect();
    // Layouts of one size are sorted by content, so that the order of the models does not matter.
    order.sort_by(|&a, &b| totals[b].total_cmp(&totals[a]).then_with(|| layouts[a].cmp(&layouts[b])));

    let mut alignments: Vec<Alignment> = Vec::new();
    for index in order {
        let layout = &layouts[index];
        let mut best: Option<(f64, usize, String, String)> = None;
        for (a, alignment) in alignments.iter().enumerate() {
            let (shared, own, other) = alignment.best(layout, totals[index]);
            let share = shared / alignment.largest.max(totals[index]);
            if share >= minimum && best.as_ref().is_none_or(|b| share > b.0) {
                best = Some((share, a, own, other));
            }
        }
        match best {
            Some((_, a, own, other)) => alignments[a].join(index, layout, &own, &other),
            None => alignments.push(Alignment::of(index, layout)),
        }
    }
    alignments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(tensors: &[(&str, &[usize])]) -> Layout {
        cut_layout(tensors, usize::MAX)
    }

    fn cut_layout(tensors: &[(&str, &[usize])], first: usize) -> Layout {
        let values = |shape: &[usize]| shape.iter().product::<usize>().min(first);
        let tensor = |(n, s): &(&str, &[usize])| Tensor { name: (*n).into(), shape: s.to_vec(), values: values(s) };
        let mut layout: Layout = tensors.iter().map(tensor).collect();
        layout.sort();
        layout
    }

    fn common(alignment: &Alignment) -> Vec<String> {
        let all = alignment.layouts.len();
        alignment.tensors.iter().filter(|(_, h)| h.len() == all).map(|(k, _)| k.0.clone()).collect()
    }

    #[test]
    fn a_prefix_that_one_side_has_is_recognized() {
        let wrapped = layout(&[
            ("model.embed.weight", &[100, 8]),
            ("model.layers.0.weight", &[8, 8]),
            ("model.layers.1.weight", &[8, 8]),
            ("lm_head.weight", &[10, 8]),
        ]);
        let plain = layout(&[("embed.weight", &[100, 8]), ("layers.0.weight", &[8, 8]), ("layers.1.weight", &[8, 8])]);
        for layouts in [[wrapped.clone(), plain.clone()], [plain, wrapped]] {
            let alignments = align(&layouts, 0.5);
            assert_eq!(alignments.len(), 1);
            assert_eq!(common(&alignments[0]), ["embed.weight", "layers.0.weight", "layers.1.weight"]);
        }
    }

    #[test]
    fn a_resized_vocabulary_is_compared_on_the_common_rows() {
        let small = layout(&[("embed.weight", &[256, 8]), ("fc.weight", &[8, 8])]);
        let large = layout(&[("embed.weight", &[264, 8]), ("fc.weight", &[8, 8])]);
        let alignments = align(&[small, large], 0.5);
        assert_eq!(alignments.len(), 1);
        let rows: Vec<usize> = alignments[0].tensors.values().next().unwrap().iter().map(|h| h.rows).collect();
        assert_eq!(rows, [264, 256]);
    }

    #[test]
    fn shares_are_of_the_values_compared() {
        let layouts = |first| {
            let small = cut_layout(&[("embed.weight", &[8, 8]), ("fc.weight", &[8, 8])], first);
            [small, cut_layout(&[("embed.weight", &[800, 8]), ("fc.weight", &[8, 8])], first)]
        };
        assert_eq!(align(&layouts(usize::MAX), 0.5).len(), 2);
        assert_eq!(align(&layouts(20), 1.0).len(), 1);
    }

    #[test]
    fn layouts_with_too_little_in_common_stay_apart() {
        let a = layout(&[("embed.weight", &[256, 8]), ("fc.weight", &[8, 8])]);
        let b = layout(&[("embed.weight", &[256, 16]), ("fc.weight", &[8, 8])]);
        assert_eq!(align(&[a, b], 0.5).len(), 2);
    }

    #[test]
    fn two_networks_of_other_dominant_layers_are_not_stripped_into_each_other() {
        let a = layout(&[("fc1.weight", &[100, 8]), ("fc2.weight", &[8, 8])]);
        let b = layout(&[("fc1.weight", &[8, 8]), ("fc2.weight", &[100, 8])]);
        for alignment in align(&[a, b], 0.5) {
            for key in alignment.tensors.keys() {
                assert!(key.0.starts_with("fc"), "{key:?}");
            }
        }
    }
}
