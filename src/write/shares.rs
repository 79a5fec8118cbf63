//! The weights of a merge's parents where they differ by tensor.

use super::columns::write_columns;
use super::text::shown;
use crate::phylogeny::{Edge, Phylogeny};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Number of groups of tensors that are listed.
const MOST: usize = 40;

/// The least and the largest of some weights.
#[derive(Clone, Copy)]
struct Range {
    least: f64,
    largest: f64,
}

impl Range {
    fn of(weights: impl Iterator<Item = f64>) -> Option<Self> {
        weights.fold(None, |range: Option<Self>, w| {
            Some(
                range.map_or(Self { least: w, largest: w }, |r| Self {
                    least: r.least.min(w),
                    largest: r.largest.max(w),
                }),
            )
        })
    }

    /// One number where two digits do not tell the two ends apart.
    fn text(self) -> String {
        let [least, largest] = [self.least, self.largest].map(|w| format!("{w:.2}"));
        if least == largest { least } else { format!("{least} to {largest}") }
    }
}

/// The range of an edge's weights, in brackets; nothing where all listed tensors have one weight.
pub(super) fn by_tensor(phylogeny: &Phylogeny, edge: &Edge) -> String {
    let weights = phylogeny.movements(edge.parent, edge.child).iter().filter_map(|m| m.weight);
    let range = Range::of(weights).filter(|range| range.least < range.largest);
    range.map_or_else(String::new, |range| format!(" ({} by tensor)", range.text()))
}

/// Writes the weights of each parent by group of tensors. A group is what names have in common before their last two parts.
pub(super) fn write_shares<W: Write>(phylogeny: &Phylogeny, parents: &[Edge], writer: &mut W) -> io::Result<()> {
    // Whole layers from other places have a list of their own.
    if parents.iter().any(|e| phylogeny.movements(e.parent, e.child).iter().any(|m| m.source.is_some())) {
        return Ok(());
    }
    // For each group, the weights of each parent.
    let mut groups: BTreeMap<Vec<Part<'_>>, Vec<Vec<f64>>> = BTreeMap::new();
    for (at, edge) in parents.iter().enumerate() {
        for m in phylogeny.movements(edge.parent, edge.child) {
            if let Some(weight) = m.weight {
                let weights = groups.entry(group(&m.parameter)).or_insert_with(|| vec![Vec::new(); parents.len()]);
                weights[at].push(weight);
            }
        }
    }
    if groups.is_empty() {
        return Ok(());
    }
    let names = parents.iter().map(|e| shown(phylogeny.name(e.parent)));
    let mut rows: Vec<Vec<String>> = vec![std::iter::once("weights by tensor".to_owned()).chain(names).collect()];
    for (group, weights) in groups.iter().take(MOST) {
        let parts: Vec<String> = group.iter().map(Part::text).collect();
        let range = |w: &Vec<f64>| Range::of(w.iter().copied()).map_or_else(|| "-".to_owned(), Range::text);
        rows.push(std::iter::once(shown(&parts.join("."))).chain(weights.iter().map(range)).collect());
    }
    writeln!(writer)?;
    write_columns(1, &rows, writer)?;
    match groups.len().saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(writer, "  and {more} more"),
    }
}

/// Writes which layer of the child is which of a parent, where some are others.
pub(super) fn write_sources<W: Write>(phylogeny: &Phylogeny, parents: &[Edge], writer: &mut W) -> io::Result<()> {
    let movements = |e: &Edge| phylogeny.movements(e.parent, e.child);
    if !parents.iter().flat_map(movements).any(|m| m.source.is_some()) {
        return Ok(());
    }
    let mut layers: BTreeMap<Vec<Part<'_>>, BTreeSet<(&str, Vec<Part<'_>>)>> = BTreeMap::new();
    for edge in parents {
        for m in movements(edge) {
            let source = layer(m.source.as_ref().unwrap_or(&m.parameter));
            layers.entry(layer(&m.parameter)).or_default().insert((phylogeny.name(edge.parent), source));
        }
    }
    let joined = |parts: &[Part<'_>]| shown(&parts.iter().map(Part::text).collect::<Vec<_>>().join("."));
    let mut rows: Vec<Vec<String>> = vec![["layer", "from", "layer there"].map(str::to_owned).to_vec()];
    for (own, sources) in &layers {
        rows.extend(sources.iter().map(|(parent, theirs)| vec![joined(own), shown(parent), joined(theirs)]));
    }
    let more = rows.len().saturating_sub(MOST + 1);
    rows.truncate(MOST + 1);
    writeln!(writer)?;
    write_columns(3, &rows, writer)?;
    if more > 0 { writeln!(writer, "  and {more} more") } else { Ok(()) }
}

/// The layer of a tensor: its name up to the first number, or its group where it has none.
fn layer(name: &str) -> Vec<Part<'_>> {
    let parts = group(name);
    let number = parts.iter().position(|p| matches!(p, Part::Number(_)));
    let kept = number.map_or(parts.len(), |at| at + 1);
    parts[..kept].to_vec()
}

/// A part of a name. Numbers are sorted as numbers: layer 10 comes after layer 9.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'n> {
    Number(u64),
    Word(&'n str),
}

impl Part<'_> {
    fn text(&self) -> String {
        match self {
            Self::Number(n) => n.to_string(),
            Self::Word(word) => (*word).to_owned(),
        }
    }
}

/// The group of a tensor: its name without the last two parts, as of `layers.3.mlp` for `layers.3.mlp.up_proj.weight`. A name
/// of at most two parts is a group by itself.
fn group(name: &str) -> Vec<Part<'_>> {
    let parts: Vec<&str> = name.split('.').collect();
    let kept = if parts.len() > 2 { parts.len() - 2 } else { parts.len() };
    // A number with a leading zero is kept as it is written.
    let part = |p: &&'_ str| p.parse().ok().filter(|n: &u64| n.to_string() == **p);
    parts[..kept].iter().map(|p| part(p).map_or(Part::Word(p), Part::Number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_set::ModelId;
    use crate::phylogeny::Movement;
    use crate::phylogeny::arbitrary::builder;

    fn merged(weights: &[(&str, f64)]) -> Phylogeny {
        let [a, b, child] = [0, 1, 2].map(ModelId::new);
        let movements = |share: &dyn Fn(f64) -> f64| {
            weights.iter().map(|&(name, w)| Movement::new(name, 4, 0.1).with_weight(share(w))).collect()
        };
        let merge = builder(3, &[(0, 2, 0.5), (1, 2, 0.5)]);
        merge
            .with_movements(a, child, movements(&|w| w))
            .with_movements(b, child, movements(&|w| 1.0 - w))
            .build()
            .unwrap()
    }

    #[test]
    fn tensors_of_one_part_of_a_layer_are_one_row() {
        let tensors = [
            ("layers.10.mlp.up.weight", 0.25),
            ("layers.2.mlp.up.weight", 0.5),
            ("layers.2.mlp.down.weight", 0.5),
            ("layers.2.norm.weight", 1.0),
            ("head.weight", 0.0),
        ];
        let phylogeny = merged(&tensors);
        let mut text = Vec::new();
        write_shares(&phylogeny, phylogeny.parents(ModelId::new(2)), &mut text).unwrap();
        let expected = "
  weights by tensor     0     1
  head.weight        0.00  1.00
  layers.2           1.00  0.00
  layers.2.mlp       0.50  0.50
  layers.10.mlp      0.25  0.75
";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert_eq!(by_tensor(&phylogeny, &phylogeny.edges()[0]), " (0.00 to 1.00 by tensor)");
    }

    #[test]
    fn layers_from_other_places_are_named() {
        let [a, b, child] = [0, 1, 2].map(ModelId::new);
        let from = |name: &str, source: &str| Movement::new(name, 4, 0.0).with_weight(1.0).with_source(source);
        let merge = builder(3, &[(0, 2, 0.5), (1, 2, 0.5)]);
        let merge = merge.with_movements(a, child, vec![Movement::new("layers.0.up.weight", 4, 0.0).with_weight(1.0)]);
        let moved = vec![
            from("layers.1.up.weight", "layers.0.up.weight"),
            from("layers.1.down.weight", "layers.0.down.weight"),
        ];
        let phylogeny = merge.with_movements(b, child, moved).build().unwrap();
        let mut text = Vec::new();
        write_sources(&phylogeny, phylogeny.edges(), &mut text).unwrap();
        let expected = "
  layer     from  layer there
  layers.0  0     layers.0
  layers.1  1     layers.0
";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn long_lists_are_cut_and_one_weight_needs_none() {
        let names: Vec<String> = (0..45).map(|i| format!("layers.{i}.fc.weight")).collect();
        let tensors: Vec<(&str, f64)> = names.iter().map(|n| (n.as_str(), 0.5)).collect();
        let phylogeny = merged(&tensors);
        let mut text = Vec::new();
        write_shares(&phylogeny, phylogeny.edges(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\n  layers.39") && text.ends_with("\n  and 5 more\n"), "{text}");
        let plain = builder(3, &[(0, 2, 0.5), (1, 2, 0.5)]).build().unwrap();
        let mut text = Vec::new();
        write_shares(&plain, plain.edges(), &mut text).unwrap();
        assert_eq!((text.len(), by_tensor(&plain, &plain.edges()[0])), (0, String::new()));
    }
}
