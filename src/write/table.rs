use super::columns::{line, widths};
use super::edge::{self, WeightColumn};
use super::format::{Content, ContentKind, OutputFormat};
use super::heaviest::HeaviestParent;
use super::number::significant;
use super::shares::by_tensor;
use super::text::{count, listed, shown};
use super::{write_answer, write_explanation};
use crate::error::{Error, unwritten};
use crate::model_set::ModelId;
use crate::phylogeny::{FamilyId, Phylogeny, Remark};
use std::fmt;
use std::io::{self, Write};

/// Number of roots that a family's heading names. The tree below it names them all.
const ROOTS_IN_HEADING: usize = 3;

/// Stands for a root that is not in the set.
const UNOBSERVED: &str = "(not in the set)";

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
/// - Siblings whose common parent is not in the set hang under a line that says so.
/// - A star stands after a child for which the detector gives "no parent in the set" a higher probability than its parent here.
///   The tree as a whole names a parent; the odds of that child alone do not.
/// - A model whose parent is [withheld](Phylogeny::is_withheld) has the words "parent withheld", and the heading does not name
///   it as a root.
/// - Where no edge joins the roots of a family, the heading says that its parent is unknown (siblings, or a tie).
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
        let headings = edge::headings("model", WeightColumn::Hidden);
        // Widths are those of all families, so that the columns of the whole table align.
        let tables: Vec<Vec<Row>> = families.iter().map(|&id| rows(self, &forest, id)).collect();
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
        })
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
    if phylogeny.unobserved_root(id) {
        text.push_str(", descended from one that is not in the set");
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

/// Makes the rows of one family, depth first. It is not recursive, because a lineage may be as long as the set is large.
fn rows(phylogeny: &Phylogeny, forest: &HeaviestParent, id: FamilyId) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let roots = &phylogeny.family(id).roots;
    let on_top =
        |models: &[ModelId]| -> Vec<_> { models.iter().rev().map(|&m| (m, String::new(), String::new())).collect() };
    // Each entry is a model, the text before its own name, and the text before the lines below it. The next model is the last.
    let mut waiting: Vec<(ModelId, String, String)> = on_top(&withheld(phylogeny, id));
    if phylogeny.unobserved_root(id) {
        rows.push(vec![UNOBSERVED.to_owned()]);
        waiting.extend(branches(roots, ""));
    } else {
        waiting.extend(on_top(roots));
    }
    while let Some((model, before, below)) = waiting.pop() {
        let children = forest.children(model);
        let name = format!("{before}{}", shown(phylogeny.name(model)));
        let mut own = match phylogeny.parents(model) {
            [] if phylogeny.is_withheld(model) => vec![name, "parent withheld".to_owned()],
            [] => vec![name],
            [edge] => edge::row(phylogeny, name, edge, WeightColumn::Hidden),
            parents => vec![name, format!("{} parents", parents.len())],
        };
        if is_doubted(phylogeny, model) {
            // The mark has a column of its own, after those that this row leaves empty.
            own.resize(edge::headings("", WeightColumn::Hidden).len(), String::new());
            own.push(DOUBTED.to_owned());
        }
        rows.push(own);
        // A merge stands in the tree once, so its parents are listed below it. The stem goes on to its own children.
        if let parents @ [_, _, ..] = phylogeny.parents(model) {
            let stem = if children.is_empty() { " " } else { "│" };
            rows.extend(parents.iter().map(|e| {
                let name = shown(phylogeny.name(e.parent));
                let share = format!("{below}{stem}  {:.2} × {name}{}", e.weight, by_tensor(phylogeny, e));
                edge::row(phylogeny, share, e, WeightColumn::Hidden)
            }));
            let unexplained = |residual| vec![format!("{below}{stem}  unexplained {}", significant(residual))];
            rows.extend(phylogeny.residual(model).map(unexplained));
        }
        waiting.extend(branches(children, &below));
    }
    rows
}

/// The models that hang under one, the last first, each with the text before its name and before the lines below it.
fn branches(models: &[ModelId], below: &str) -> Vec<(ModelId, String, String)> {
    let branch = |(i, &model): (usize, &ModelId)| {
        let (branch, stem) = if i + 1 == models.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        (model, format!("{below}{branch}"), format!("{below}{stem}"))
    };
    models.iter().enumerate().rev().map(branch).collect()
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
