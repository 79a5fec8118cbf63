//! Correspondence of parameters across models of different layouts.

use crate::naming::unwrapped;
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
pub(super) const NAMES_AGREE: f64 = 0.9;

/// The key that corresponding tensors share: the name without wrapper, and every dimension but the first (`None` for a scalar).
pub(super) type Key = (String, Option<Vec<usize>>);

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
    pub(super) largest: f64,
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
    let mut wide: Vec<String> =
        covered.into_iter().filter(|&(_, n)| n >= PREFIX_SHARE * total).map(|(p, _)| p.to_owned()).collect();
    // A file may hold a network and its average. The network is what others were trained from, so it comes first.
    wide.sort_by_key(|prefix| prefix.split('.').any(|part| part.contains("ema")));
    wide
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

    /// Counts the elements that every layout here and `layout` hold, under these names of both.
    ///
    /// It is 0 when two tensors of one side become equal.
    fn shared(&self, layout: &Layout, names: &Names) -> f64 {
        let theirs: BTreeMap<Key, usize> =
            layout.iter().zip(&names.theirs).map(|(t, name)| (key(name, &t.shape), t.values)).collect();
        // A prefix that makes two tensors equal is no wrapper.
        if theirs.len() < layout.len() {
            return 0.0;
        }
        let mut seen = BTreeSet::new();
        let mut shared = 0.0;
        for ((k, holders), name) in self.tensors.iter().zip(&names.ours) {
            let renamed = (name.clone(), k.1.clone());
            if let Some(&values) = theirs.get(&renamed).filter(|_| holders.len() == self.layouts.len()) {
                // Tensors of one key have the same row size, so the fewest values are those of the common rows.
                shared += holders.iter().map(|h| h.values).fold(values, usize::min) as f64;
            }
            if !seen.insert(renamed) {
                return 0.0;
            }
        }
        shared
    }

    /// Finds the best way to compare with `layout`: the shared elements, and the names under which they are shared.
    ///
    /// `most` is what any names could share, by the shapes.
    fn best(&self, layout: &Layout, total: f64, most: f64) -> (f64, Names) {
        let plain = Names {
            ours: self.tensors.keys().map(|k| k.0.clone()).collect(),
            theirs: layout.iter().map(|t| t.name.clone()).collect(),
        };
        let shared = self.shared(layout, &plain);
        if shared >= NAMES_AGREE * total.min(self.largest) || most <= shared {
            return (shared, plain);
        }
        let unwrapped = Names { ours: unwrapped_all(&plain.ours), theirs: unwrapped_all(&plain.theirs) };
        let mut best = (shared, plain.clone());
        // Fewer changes come first, so that they are kept where more of them share no more.
        for names in [plain, unwrapped] {
            for candidate in std::iter::once(names.clone()).chain(self.without_prefix(layout, &names)) {
                let shared = self.shared(layout, &candidate);
                if shared > best.0 {
                    best = (shared, candidate);
                }
            }
        }
        best
    }

    /// Returns names of which one side loses a prefix. Only one does, because both sides together would match networks that
    /// merely resemble each other.
    fn without_prefix(&self, layout: &Layout, names: &Names) -> Vec<Names> {
        let strip_all = |names: &[String], prefix: &str| names.iter().map(|n| strip(n, prefix).to_owned()).collect();
        let here = names.ours.iter().zip(self.tensors.values()).map(|(n, h)| (n.as_str(), h[0].values as f64));
        let there = names.theirs.iter().zip(layout).map(|(n, t)| (n.as_str(), t.values as f64));
        let ours = prefixes(here).into_iter().map(|p| Names { ours: strip_all(&names.ours, &p), ..names.clone() });
        let theirs =
            prefixes(there).into_iter().map(|p| Names { theirs: strip_all(&names.theirs, &p), ..names.clone() });
        ours.chain(theirs).collect()
    }

    fn join(&mut self, index: usize, layout: &Layout, names: Names) {
        let tensors = std::mem::take(&mut self.tensors);
        self.tensors = tensors.into_iter().zip(names.ours).map(|(((_, tail), h), name)| ((name, tail), h)).collect();
        for (t, name) in layout.iter().zip(&names.theirs) {
            self.tensors.entry(key(name, &t.shape)).or_default().push(Holder::of(index, t));
        }
        self.layouts.push(index);
        self.largest = self.largest.max(compared(layout));
    }
}

/// Names under which an alignment and a layout are compared: of each tensor, in the order of both.
#[derive(Clone, Debug)]
struct Names {
    ours: Vec<String>,
    theirs: Vec<String>,
}

fn unwrapped_all(names: &[String]) -> Vec<String> {
    // A name may come twice, with rows of other shapes. The wrappers of both are those of the name.
    let mut distinct: Vec<&str> = names.iter().map(String::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let new = unwrapped(&distinct);
    names.iter().map(|n| distinct.binary_search(&n.as_str()).map_or_else(|_| n.clone(), |at| new[at].clone())).collect()
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
    let mut tails = Tails::default();
    for index in order {
        let layout = &layouts[index];
        let mut best: Option<(f64, usize, Names)> = None;
        for (a, most) in tails.shared(layout) {
            let alignment = &alignments[a];
            let larger = alignment.largest.max(totals[index]);
            // Shapes bound what any names can share, and most pairs of architectures end here.
            if most < minimum * larger {
                continue;
            }
            let (shared, names) = alignment.best(layout, totals[index], most);
            let share = shared / larger;
            if share >= minimum && best.as_ref().is_none_or(|b| share > b.0) {
                best = Some((share, a, names));
            }
        }
        let joined = match best {
            Some((_, a, names)) => {
                alignments[a].join(index, layout, names);
                a
            }
            None => {
                alignments.push(Alignment::of(index, layout));
                alignments.len() - 1
            }
        };
        tails.add(joined, layout);
    }
    alignments
}

/// Which alignments hold tensors of a shape, all dimensions but the first.
///
/// Thousands of layouts have few shapes in common. Each is compared with those alone.
#[derive(Debug, Default)]
struct Tails<'l>(BTreeMap<Option<&'l [usize]>, BTreeSet<usize>>);

impl<'l> Tails<'l> {
    fn add(&mut self, alignment: usize, layout: &'l Layout) {
        for tensor in layout {
            self.0.entry(tail(tensor)).or_default().insert(alignment);
        }
    }

    /// Returns the alignments that hold a shape of the layout, and how many of its values have such shapes.
    fn shared(&self, layout: &Layout) -> BTreeMap<usize, f64> {
        let mut values: BTreeMap<Option<&[usize]>, f64> = BTreeMap::new();
        for tensor in layout {
            *values.entry(tail(tensor)).or_default() += tensor.values as f64;
        }
        let mut shared: BTreeMap<usize, f64> = BTreeMap::new();
        for (tail, values) in values {
            for &alignment in self.0.get(&tail).into_iter().flatten() {
                *shared.entry(alignment).or_default() += values;
            }
        }
        shared
    }
}

fn tail(tensor: &Tensor) -> Option<&[usize]> {
    tensor.shape.split_first().map(|(_, tail)| tail)
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
    fn two_different_wrappers_are_recognized() {
        let plain: Vec<(String, Vec<usize>)> = [("embed_tokens", 64), ("layers.0.mlp.up_proj", 32), ("norm", 1)]
            .map(|(n, rows)| (format!("model.{n}.weight"), vec![rows, 8]))
            .into_iter()
            .chain([("lm_head.weight".to_owned(), vec![64, 8])])
            .collect();
        let spelled = |spell: &dyn Fn(&str) -> String| -> Layout {
            let named: Vec<(String, &[usize])> = plain.iter().map(|(n, s)| (spell(n), s.as_slice())).collect();
            layout(&named.iter().map(|(n, s)| (n.as_str(), *s)).collect::<Vec<_>>())
        };
        let new_nesting = |n: &str| match n.strip_prefix("model.") {
            Some(rest) => format!("model.language_model.{rest}"),
            None => n.to_owned(),
        };
        let layouts = [
            spelled(&|n| format!("module.{n}")),
            spelled(&|n| format!("_orig_mod.{n}")),
            spelled(&|n| format!("language_model.{n}")),
            spelled(&new_nesting),
            spelled(&|n| n.replace(".mlp", ".mlp._checkpoint_wrapped_module")),
            spelled(&|n| n.replace("proj.weight", "proj.base_layer.weight")),
            spelled(&str::to_owned),
        ];
        // Every two of them, and all together.
        for a in 0..layouts.len() {
            for b in 0..a {
                let alignments = align(&[layouts[a].clone(), layouts[b].clone()], 1.0);
                assert_eq!(alignments.len(), 1, "{:?} and {:?}", layouts[a], layouts[b]);
                assert_eq!(common(&alignments[0]).len(), 4);
            }
        }
        let all = align(&layouts, 1.0);
        assert_eq!((all.len(), common(&all[0]).len()), (1, 4));
    }

    #[test]
    fn a_network_beside_its_average_is_compared_with_the_network() {
        let both = layout(&[("model.fc.weight", &[8, 8]), ("ema.fc.weight", &[8, 8])]);
        let plain = layout(&[("module.fc.weight", &[8, 8])]);
        let alignments = align(&[both, plain], 0.5);
        assert_eq!(alignments.len(), 1);
        let (_, holders) = alignments[0].tensors.iter().find(|(_, h)| h.len() == 2).unwrap();
        assert_eq!(&*holders[0].own_name, "model.fc.weight");
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
    fn many_layouts_of_other_shapes_cost_nothing() {
        let of = |width: usize| -> Layout {
            let shape = vec![8, width];
            (10..40)
                .map(|k| Tensor { name: format!("layers.{k}.w"), shape: shape.clone(), values: 8 * width })
                .collect()
        };
        let layouts: Vec<Layout> = (0..2000).map(|i| of(8 + i)).collect();
        // Two thousand squared times thirty comparisons of names would take minutes.
        let begun = std::time::Instant::now();
        assert_eq!(align(&layouts, 0.5).len(), 2000);
        assert!(begun.elapsed().as_secs() < 20);
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
