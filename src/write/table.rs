use super::columns::{line, widths};
use super::edge::{self, Columns, WeightColumn};
use super::format::{Content, ContentKind, OutputFormat};
use super::heaviest::HeaviestParent;
use super::in_part;
use super::number::significant;
use super::shares::by_tensor;
use super::text::{count, listed, shown};
use super::{write_answer, write_explanation};
use crate::error::{Error, unwritten};
use crate::model_set::ModelId;
use crate::phylogeny::{FamilyId, Node, Phylogeny, Remark, UnobservedId};
use std::fmt;
use std::io::{self, Write};

/// Number of roots that a family's heading names. The tree below it names them all.
const ROOTS_IN_HEADING: usize = 3;

/// Stands after an unobserved model.
const UNOBSERVED: &str = "not in the set";

/// Stands after a child that has no parent in the set with a higher probability than the one that is named.
const DOUBTED: &str = "*";

/// The form of [`write_table`], [`write_explanation`] and [`write_answer`].
#[derive(Clone, Copy, Debug)]
pub struct Table;

impl OutputFormat for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn extension(&self) -> &'static str {
        "txt"
    }

    fn description(&self) -> &'static str {
        "For a person"
    }

    fn kinds(&self) -> &'static [ContentKind] {
        &[ContentKind::Phylogeny, ContentKind::Explanation, ContentKind::Answer]
    }

    fn write(&self, content: &Content<'_>, writer: &mut dyn Write) -> Result<(), Error> {
        match *content {
            Content::Phylogeny(phylogeny) => write_table(phylogeny, writer),
            Content::Explanation(phylogeny, model) => write_explanation(phylogeny, model, writer),
            Content::Answer(answer) => write_answer(answer, writer),
        }
    }
}

/// Writes a phylogeny as an indented table for a terminal.
///
/// - Families of two or more come first, each as a tree under a heading. Then come the isolated models, those that could not be
///   compared with their reasons, the remarks, and the models that were skipped. Family numbers are those of the JSON form,
///   which counts each isolated model as a family too.
/// - A child stands under its parent with the edge's relation, distance (four digits) and confidence (two decimals).
/// - A merge stands under its heaviest parent (of equal weights, the first). A line below it gives each parent with its weight,
///   distance and confidence. The last line gives the share of its squared distance that they leave unexplained.
/// - A model that is not in the set has a line of its own, such as `?1`, with the words "not in the set". Its confidence is the
///   probability that it is so. The confidence of its children is that their parent is not in the set.
/// - Where the detector tells its three questions apart, three more columns have how sure it is that the two are kin, that this is
///   the parent and came first, and that the parent is in the set. The confidence is their product.
/// - A star stands after a child for which the detector gives "no parent in the set" a higher probability than its parent here.
///   The tree as a whole names a parent; the odds of that child alone do not.
/// - A model whose parent is [withheld](Phylogeny::is_withheld) has the words "parent withheld", and the heading does not name
///   it as a root.
/// - Where no edge joins the roots of a family, the heading says that its parent is unknown (siblings, or a tie).
/// - Tensors that models of unlike families have in common stand below the isolated models, one part a line.
///
/// Columns are aligned by characters over the whole table. `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny};
/// use neural_phylogeny::write::write_table;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edge = |child, distance| Edge::new(ModelId::new(0), ModelId::new(child)).with_distance(distance);
/// let phylogeny = Phylogeny::from_edges(4, vec![edge(1, 3.21).with_confidence(0.9), edge(2, 0.5)])?
///     .with_names(["base", "chat", "code", "stranger"])?;
///
/// let mut text = Vec::new();
/// write_table(&phylogeny, &mut text)?;
/// assert_eq!(
///     String::from_utf8(text)?,
///     "\
/// 4 models: 1 family, 1 isolated
///
/// family 0: 3 models, root base
///   model    relation   distance  confidence
///   base
///   ├─ chat  fine-tune     3.210        0.90
///   └─ code  fine-tune    0.5000           -
///
/// isolated: 1 model
///   stranger
/// "
/// );
/// # Ok(())
/// # }
/// ```
pub fn write_table<W: Write>(phylogeny: &Phylogeny, writer: W) -> Result<(), Error> {
    table(phylogeny, writer).map_err(unwritten)
}

fn table<W: Write>(phylogeny: &Phylogeny, mut writer: W) -> io::Result<()> {
    write!(writer, "{phylogeny}")?;
    if phylogeny.models().any(|m| is_doubted(phylogeny, m)) {
        let legend = "by the odds of this child alone, its parent is more probably not in the set";
        writeln!(writer, "\n{DOUBTED} {legend}")?;
    }
    block("remarks", phylogeny.remarks().iter().map(sentence).collect(), &mut writer)?;
    let skipped: Vec<String> = phylogeny.skipped().iter().map(|s| format!("{}: {}", s.name, s.reason)).collect();
    block(&format!("skipped: {}", count(skipped.len(), "model", "models")), skipped, &mut writer)?;
    writer.flush()?;
    Ok(())
}

/// The [table](write_table) in short: trees and isolated models, without remarks and skipped models.
impl fmt::Display for Phylogeny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families: Vec<FamilyId> =
            self.families().iter().filter(|f| f.members.len() > 1).map(|f| self.family_of(f.members[0])).collect();
        // A model that could not be compared may have kin all the same, so that it is not called isolated.
        let (uncompared, isolated): (Vec<ModelId>, Vec<ModelId>) =
            self.isolated().partition(|&m| self.not_comparable(m).is_some());
        let models = count(self.len(), "model", "models");
        write!(f, "{models}: {}, {} isolated", count(families.len(), "family", "families"), isolated.len())?;
        match uncompared.len() {
            0 => writeln!(f)?,
            n => writeln!(f, ", {n} not comparable")?,
        }

        let forest = HeaviestParent::new(self);
        let columns = Columns::of(self, WeightColumn::Hidden);
        let headings = edge::headings("model", columns);
        // Widths are those of all families, so that the columns of the whole table align.
        let tables: Vec<Vec<Row>> = families.iter().map(|&id| rows(self, &forest, id, columns)).collect();
        let widths = widths(tables.iter().flatten().chain([&headings]));
        for (&id, table) in families.iter().zip(&tables) {
            writeln!(f, "\n{}", heading(self, id))?;
            for row in std::iter::once(&headings).chain(table) {
                writeln!(f, "{}", line(edge::TEXT, row, &widths))?;
            }
        }
        if !isolated.is_empty() {
            writeln!(f, "\nisolated: {}", count(isolated.len(), "model", "models"))?;
        }
        isolated.iter().try_for_each(|&m| writeln!(f, "  {}", shown(self.name(m))))?;
        if !uncompared.is_empty() {
            writeln!(f, "\nnot comparable: {}", count(uncompared.len(), "model", "models"))?;
        }
        uncompared.iter().try_for_each(|&m| {
            writeln!(f, "  {}: {}", shown(self.name(m)), shown(self.not_comparable(m).unwrap_or_default()))
        })?;
        let parts = in_part::parts(self);
        if !parts.is_empty() {
            writeln!(
                f,
                "\nkin in part: models of unlike families that have some tensors in common, all else is independent"
            )?;
        }
        parts.iter().try_for_each(|part| writeln!(f, "  {part}"))
    }
}

type Row = Vec<String>;

/// The number of expected families includes isolated models, and the headline does not count them. The remark says so.
fn sentence(remark: &Remark) -> String {
    match remark {
        Remark::FamiliesExpected { .. } => format!("{remark}, isolated models included"),
        _ => remark.to_string(),
    }
}

/// Whether "no parent in the set" is more probable for a child than any of its named parents.
fn is_doubted(phylogeny: &Phylogeny, model: ModelId) -> bool {
    let parents = phylogeny.parents(model);
    let candidates = phylogeny.candidates(model);
    let none = candidates.iter().find(|c| c.parent.is_none()).map_or(0.0, |c| c.probability);
    let named = candidates.iter().filter(|c| c.parent.is_some_and(|p| parents.iter().any(|e| e.parent == p)));
    !parents.is_empty() && none > named.map(|c| c.probability).fold(0.0, f64::max)
}

/// The members of a family whose parents are withheld.
fn withheld(phylogeny: &Phylogeny, id: FamilyId) -> Vec<ModelId> {
    phylogeny.tops(id).filter(|&m| phylogeny.is_withheld(m)).collect()
}

fn heading(phylogeny: &Phylogeny, id: FamilyId) -> String {
    let family = phylogeny.family(id);
    let (roots, withheld) = (&family.roots, withheld(phylogeny, id));
    let mut text = format!("family {id}: {} models", family.members.len());
    if !roots.is_empty() {
        text.push_str(if roots.len() == 1 { ", root " } else { ", roots " });
        text.push_str(&listed(roots.iter().map(|&m| phylogeny.name(m)), ROOTS_IN_HEADING));
    }
    let absent: Vec<String> = absent_roots(phylogeny, id).map(|root| root.to_string()).collect();
    if !absent.is_empty() {
        text.push_str(&format!(", descended from {}, {UNOBSERVED}", absent.join(", ")));
    } else if roots.len() > 1 && phylogeny.edge_components(id) > 1 {
        text.push_str(", no parent known between them");
    }
    if !withheld.is_empty() {
        text.push_str(&format!(", {} withheld", count(withheld.len(), "parent", "parents")));
    }
    if let Some(margin) = phylogeny.margin(id) {
        text.push_str(&format!(", margin {}", significant(margin)));
    }
    text
}

/// The unobserved models of a family that have no parent.
fn absent_roots(phylogeny: &Phylogeny, id: FamilyId) -> impl Iterator<Item = UnobservedId> + '_ {
    phylogeny.unobserved_in(id).filter(|&root| phylogeny.links_to(root).is_empty())
}

/// Makes the rows of one family, depth first. It is not recursive, because a lineage may be as long as the set is large.
fn rows(phylogeny: &Phylogeny, forest: &HeaviestParent, id: FamilyId, columns: Columns) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let roots = phylogeny.family(id).roots.iter().copied().map(Node::from);
    let unsure = withheld(phylogeny, id).into_iter().map(Node::from);
    // Each entry is a node, the text before its own name, and the text before the lines below it. The next node is the last.
    let tops: Vec<Node> = roots.chain(absent_roots(phylogeny, id).map(Node::from)).chain(unsure).collect();
    let mut waiting: Vec<(Node, String, String)> =
        tops.into_iter().rev().map(|node| (node, String::new(), String::new())).collect();
    while let Some((node, before, below)) = waiting.pop() {
        let children = forest.children(node);
        match node {
            Node::Model(model) => {
                let stem = if children.is_empty() { " " } else { "│" };
                of_model(phylogeny, model, &before, &format!("{below}{stem}"), columns, &mut rows);
            }
            Node::Unobserved(id) => rows.push(of_unobserved(phylogeny, id, &before, columns)),
        }
        waiting.extend(branches(children, &below));
    }
    rows
}

/// The row of a model. A merge stands in the tree once, so its parents are listed below it; the stem goes on to its children.
fn of_model(phylogeny: &Phylogeny, model: ModelId, before: &str, stem: &str, columns: Columns, rows: &mut Vec<Row>) {
    let name = format!("{before}{}", shown(phylogeny.name(model)));
    let (parents, links) = (phylogeny.parents(model), phylogeny.links_to(model));
    let mut own = match (parents, links) {
        ([], []) if phylogeny.is_withheld(model) => vec![name, "parent withheld".to_owned()],
        ([], []) => vec![name],
        ([edge], []) => edge::row(phylogeny, name, edge, columns),
        ([], [link]) => edge::link_row(name, link, columns),
        _ => vec![name, format!("{} parents", parents.len() + links.len())],
    };
    if is_doubted(phylogeny, model) {
        // The mark has a column of its own, after those that this row leaves empty.
        own.resize(edge::headings("", columns).len(), String::new());
        own.push(DOUBTED.to_owned());
    }
    rows.push(own);
    if parents.len() + links.len() < 2 {
        return;
    }
    rows.extend(parents.iter().map(|e| {
        let name = shown(phylogeny.name(e.parent));
        let share = format!("{stem}  {:.2} × {name}{}", e.weight, by_tensor(phylogeny, e));
        edge::row(phylogeny, share, e, columns)
    }));
    rows.extend(links.iter().map(|link| {
        edge::link_row(format!("{stem}  {:.2} × {}, {UNOBSERVED}", link.weight, link.parent), link, columns)
    }));
    let unexplained = |residual| vec![format!("{stem}  unexplained {}", significant(residual))];
    rows.extend(phylogeny.residual(model).map(unexplained));
}

/// The row of an unobserved model: where it descends from something, the probability of that stands in its children's rows.
fn of_unobserved(phylogeny: &Phylogeny, id: UnobservedId, before: &str, columns: Columns) -> Row {
    let name = format!("{before}{id}");
    let probability = phylogeny.unobserved_probability(id).map_or_else(|| "-".to_owned(), |p| format!("{p:.2}"));
    let mut row = vec![name, UNOBSERVED.to_owned(), "-".to_owned(), probability];
    row.resize(edge::headings("", columns).len(), "-".to_owned());
    row
}

/// The nodes that hang under one, the last first, each with the text before its name and before the lines below it.
fn branches(nodes: &[Node], below: &str) -> Vec<(Node, String, String)> {
    let branch = |(i, &node): (usize, &Node)| {
        let (branch, stem) = if i + 1 == nodes.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        (node, format!("{below}{branch}"), format!("{below}{stem}"))
    };
    nodes.iter().enumerate().rev().map(branch).collect()
}

fn block<W: Write>(title: &str, lines: Vec<String>, writer: &mut W) -> io::Result<()> {
    if !lines.is_empty() {
        writeln!(writer, "\n{title}")?;
    }
    for line in lines {
        writeln!(writer, "  {}", shown(&line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
