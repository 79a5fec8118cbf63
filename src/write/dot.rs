use super::edge::{self, WeightColumn};
use super::format::{Content, ContentKind, OutputFormat};
use crate::error::{Error, unwritten};
use crate::model_set::ModelId;
use crate::phylogeny::{Node, Phylogeny, UnobservedId};
use std::io::{self, Write};

/// The form of [`write_dot`].
#[derive(Clone, Copy, Debug)]
pub struct Dot;

impl OutputFormat for Dot {
    fn name(&self) -> &'static str {
        "dot"
    }

    fn extension(&self) -> &'static str {
        "dot"
    }

    fn description(&self) -> &'static str {
        "Graphviz"
    }

    fn kinds(&self) -> &'static [ContentKind] {
        &[ContentKind::Phylogeny]
    }

    fn write(&self, content: &Content<'_>, writer: &mut dyn Write) -> Result<(), Error> {
        match content {
            Content::Phylogeny(phylogeny) => write_dot(phylogeny, writer),
            _ => Err(self.refuse(content.kind())),
        }
    }
}

/// Writes a phylogeny as a Graphviz digraph.
///
/// - Families of two or more are clusters, and models are boxes.
/// - Edges run from parent to child. Their labels have relation, distance (four digits) and confidence, and for a merge the
///   parent's weight. An edge of confidence below 0.5 is dashed.
/// - A family without a known parent (a tie) is a cluster without edges. The label of a family says when its root is not in the
///   set.
/// - A model that is not in the set is a dashed box, such as `?1`, with the probability that it is so. Its edges are dashed.
///
/// The writer is not `petgraph::dot`, which has no clusters.
///
/// `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny};
/// use neural_phylogeny::write::write_dot;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edge = Edge::new(ModelId::new(0), ModelId::new(1)).with_distance(3.21).with_confidence(0.98);
/// let phylogeny = Phylogeny::from_edges(2, vec![edge])?.with_names(["base", "tuned"])?;
///
/// let mut text = Vec::new();
/// write_dot(&phylogeny, &mut text)?;
/// assert!(String::from_utf8(text)?.contains("m0 -> m1 [label=\"fine-tune\\n3.210\\n0.98\"];"));
/// # Ok(())
/// # }
/// ```
pub fn write_dot<W: Write>(phylogeny: &Phylogeny, writer: W) -> Result<(), Error> {
    graph(phylogeny, writer).map_err(unwritten)
}

fn graph<W: Write>(phylogeny: &Phylogeny, mut writer: W) -> io::Result<()> {
    writeln!(writer, "digraph phylogeny {{")?;
    writeln!(writer, "  node [shape=box];")?;
    for family in phylogeny.families() {
        let number = phylogeny.family_of(family.members[0]);
        // A cluster around one box would only add a frame.
        if let [isolated] = family.members[..] {
            for id in phylogeny.unobserved_in(number) {
                unobserved(phylogeny, id, "  ", &mut writer)?;
            }
            node(phylogeny, isolated, "  ", &mut writer)?;
            continue;
        }
        writeln!(writer, "  subgraph cluster_{number} {{")?;
        let root = if phylogeny.unobserved_root(number) { ", its root not in the set" } else { "" };
        writeln!(writer, "    label=\"family {number}{root}\";")?;
        for id in phylogeny.unobserved_in(number) {
            unobserved(phylogeny, id, "    ", &mut writer)?;
        }
        for &member in &family.members {
            node(phylogeny, member, "    ", &mut writer)?;
        }
        writeln!(writer, "  }}")?;
    }
    for model in phylogeny.models() {
        let parents = phylogeny.parents(model);
        for edge in parents {
            let (p, c) = (edge.parent.index(), edge.child.index());
            let style = if edge::doubtful(edge) { ", style=dashed" } else { "" };
            // The weight of a single parent is always 1.
            let weights = if parents.len() > 1 { WeightColumn::Shown } else { WeightColumn::Hidden };
            let label = edge::label(phylogeny, edge, weights).join("\\n");
            writeln!(writer, "  m{p} -> m{c} [label=\"{label}\"{style}];")?;
        }
    }
    for link in phylogeny.links() {
        let several =
            link.child.model().map_or(0, |m| phylogeny.parents(m).len()) + phylogeny.links_to(link.child).len();
        let weight = (several > 1).then(|| format!("weight {:.2}", link.weight));
        let confidence = link.confidence.map(|c| format!("{c:.2}"));
        let label = weight.into_iter().chain(confidence).collect::<Vec<_>>().join("\\n");
        writeln!(writer, "  {} -> {} [label=\"{label}\", style=dashed];", place(link.parent), place(link.child))?;
    }
    writeln!(writer, "}}")?;
    writer.flush()?;
    Ok(())
}

/// The identifier of a node.
fn place(node: Node) -> String {
    match node {
        Node::Model(model) => format!("m{}", model.index()),
        Node::Unobserved(id) => format!("u{}", id.index()),
    }
}

fn unobserved<W: Write>(phylogeny: &Phylogeny, id: UnobservedId, indent: &str, writer: &mut W) -> io::Result<()> {
    let probability = phylogeny.unobserved_probability(id).map_or_else(String::new, |p| format!("\\n{p:.2}"));
    writeln!(writer, "{indent}u{} [label=\"{id}\\nnot in the set{probability}\", style=dashed];", id.index())
}

fn node<W: Write>(phylogeny: &Phylogeny, model: ModelId, indent: &str, writer: &mut W) -> io::Result<()> {
    writeln!(writer, "{indent}m{} [label=\"{}\"];", model.index(), escape(phylogeny.name(model)))?;
    Ok(())
}

/// Escapes a label's text between double quotes, where Graphviz reads backslash escapes and HTML entities.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '&' => escaped.push_str("&amp;"),
            '\n' => escaped.push_str("\\n"),
            c if super::is_hidden(c) => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescape(text: &str) -> String {
        let mut chars = text.chars();
        let mut plain = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\\' => plain.push(match chars.next() {
                    Some('n') => '\n',
                    Some(c) => c,
                    None => panic!("lone backslash at the end of {text}"),
                }),
                '"' => panic!("bare quote in {text}"),
                c => plain.push(c),
            }
        }
        plain.replace("&amp;", "&")
    }

    #[test]
    fn quotes_backslashes_entities_and_line_breaks_are_escaped() {
        assert_eq!(escape("a\"b\\c&lt;\nd\r"), "a\\\"b\\\\c&amp;lt;\\nd\u{fffd}");
    }

    proptest! {
        #[test]
        fn escapes_can_be_undone(name in "[^\u{0}-\u{9}\u{b}-\u{1f}\u{7f}-\u{9f}]{0,20}") {
            let shown = name.replace(|c| c != '\n' && crate::write::is_hidden(c), "\u{fffd}");
            prop_assert_eq!(unescape(&escape(&name)), shown);
        }

        #[test]
        fn every_label_stays_on_its_line(names in prop::collection::hash_set(any::<String>(), 1..6)) {
            let count = names.len();
            let phylogeny = Phylogeny::from_edges(count, Vec::new()).unwrap().with_names(names).unwrap();
            let mut text = Vec::new();
            write_dot(&phylogeny, &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(text.matches('\n').count(), count + 3);
            prop_assert!(text.lines().all(|l| !l.contains("label") || l.ends_with("\"];")));
        }
    }
}
