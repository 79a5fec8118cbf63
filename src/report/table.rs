use super::{count, listed, shown};
use crate::error::{Error, unwritten};
use crate::export::{HeaviestParent, measured, significant};
use crate::model_set::ModelId;
use crate::phylogeny::{Edge, Family, Phylogeny};
use std::io::{self, Write};

/// Roots named in a family's heading; the tree below names them all.
const ROOTS_IN_HEADING: usize = 3;

/// Stands for a root that is not in the set.
const UNOBSERVED: &str = "(not in the set)";

const COLUMNS: [&str; 4] = ["model", "relation", "distance", "confidence"];

/// Writes a phylogeny as an indented table for a terminal.
///
/// - Families of two or more come first, each as a tree under a heading; then the isolated models, the remarks, and the
///   models that were skipped. Family numbers are those of the JSON form.
/// - A child stands under its parent with the edge's relation, distance (four digits) and confidence (two decimals).
/// - A merge stands under its heaviest parent (of equal weights, the first); a line below it gives each parent, its weight,
///   distance and confidence, and a last one the share of its squared distance that they leave unexplained.
/// - Siblings whose common parent is not in the set hang under a line that says so.
/// - Where no edge joins the roots of a family, the heading says that its parent is unknown (siblings, or a tie).
///
/// Columns are aligned by characters over the whole table. `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny, write_table};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edge = |child, distance| Edge::new(ModelId::new(0), ModelId::new(child)).with_distance(distance);
/// let phylogeny = Phylogeny::from_edges(4, vec![edge(1, 3.21), edge(2, 0.5)])?
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
///   ├─ chat  fine-tune     3.210        1.00
///   └─ code  fine-tune    0.5000        1.00
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
    let families: Vec<(usize, &Family)> =
        phylogeny.families().iter().enumerate().filter(|(_, f)| f.members.len() > 1).collect();
    let isolated: Vec<ModelId> = phylogeny.isolated().collect();
    let models = count(phylogeny.len(), "model", "models");
    writeln!(writer, "{models}: {}, {} isolated", count(families.len(), "family", "families"), isolated.len())?;

    let forest = HeaviestParent::new(phylogeny);
    let tables: Vec<Vec<Row>> = families.iter().map(|(_, f)| rows(phylogeny, &forest, f)).collect();
    let widths = widths(tables.iter().flatten());
    for ((number, family), table) in families.iter().zip(&tables) {
        writeln!(writer, "\n{}", heading(phylogeny, *number, family))?;
        line(&COLUMNS.map(str::to_owned), &widths, &mut writer)?;
        for row in table {
            line(row, &widths, &mut writer)?;
        }
    }
    let isolated: Vec<String> = isolated.iter().map(|&m| phylogeny.name(m).to_owned()).collect();
    let title = format!("isolated: {}", count(isolated.len(), "model", "models"));
    block(&title, &isolated, &mut writer)?;
    let remarks: Vec<String> = phylogeny.remarks().iter().map(ToString::to_string).collect();
    block("remarks", &remarks, &mut writer)?;
    let skipped: Vec<String> = phylogeny.skipped().iter().map(|s| format!("{}: {}", s.name, s.reason)).collect();
    let title = format!("skipped: {}", count(skipped.len(), "model", "models"));
    block(&title, &skipped, &mut writer)?;
    writer.flush()?;
    Ok(())
}

type Row = [String; COLUMNS.len()];

fn heading(phylogeny: &Phylogeny, number: usize, family: &Family) -> String {
    let mut text = format!("family {number}: {} models, ", family.members.len());
    text.push_str(if family.roots.len() == 1 { "root " } else { "roots " });
    text.push_str(&listed(family.roots.iter().map(|&m| phylogeny.name(m)), ROOTS_IN_HEADING));
    if phylogeny.unobserved_root(number) {
        text.push_str(", descended from one that is not in the set");
    } else if phylogeny.edge_components(number) > 1 {
        text.push_str(", no parent known between them");
    }
    if let Some(margin) = phylogeny.margin(number) {
        text.push_str(&format!(", margin {}", significant(margin)));
    }
    text
}

/// The rows of one family, depth first. Not recursive: a lineage may be as long as the set is large.
fn rows(phylogeny: &Phylogeny, forest: &HeaviestParent, family: &Family) -> Vec<Row> {
    let mut rows = Vec::new();
    // A model, and what stands before its own name and before the lines below it.
    let mut waiting: Vec<(ModelId, String, String)> = if phylogeny.unobserved_root(phylogeny.family_of(family.roots[0]))
    {
        rows.push([UNOBSERVED.to_owned(), String::new(), String::new(), String::new()]);
        branches(&family.roots, "")
    } else {
        family.roots.iter().rev().map(|&root| (root, String::new(), String::new())).collect()
    };
    while let Some((model, before, below)) = waiting.pop() {
        let children = forest.children(model);
        let name = format!("{before}{}", shown(phylogeny.name(model)));
        match phylogeny.parents(model) {
            [] => rows.push([name, String::new(), String::new(), String::new()]),
            [edge] => rows.push(row(name, edge.relation.as_str(), edge)),
            parents => {
                rows.push([name, format!("{} parents", parents.len()), String::new(), String::new()]);
                let stem = if children.is_empty() { " " } else { "│" };
                let share = |e: &Edge| format!("{below}{stem}  {:.2} × {}", e.weight, shown(phylogeny.name(e.parent)));
                rows.extend(parents.iter().map(|e| row(share(e), e.relation.as_str(), e)));
                rows.extend(phylogeny.residual(model).map(|residual| {
                    let unexplained = format!("{below}{stem}  unexplained {}", significant(residual));
                    [unexplained, String::new(), String::new(), String::new()]
                }));
            }
        }
        waiting.extend(branches(children, &below));
    }
    rows
}

/// Models that hang under one, the last first, each with what stands before its name and before the lines below it.
fn branches(models: &[ModelId], below: &str) -> Vec<(ModelId, String, String)> {
    let branch = |(i, &model): (usize, &ModelId)| {
        let (branch, stem) = if i + 1 == models.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        (model, format!("{below}{branch}"), format!("{below}{stem}"))
    };
    models.iter().enumerate().rev().map(branch).collect()
}

fn row(name: String, relation: &str, edge: &Edge) -> Row {
    let distance = measured(edge);
    [name, relation.to_owned(), distance, format!("{:.2}", edge.confidence)]
}

fn widths<'a>(rows: impl Iterator<Item = &'a Row>) -> [usize; COLUMNS.len()] {
    let mut widths = COLUMNS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

/// Text to the left, numbers to the right, no blanks at the end.
fn line<W: Write>(row: &Row, widths: &[usize; COLUMNS.len()], writer: &mut W) -> io::Result<()> {
    let [model, relation, distance, confidence] = row;
    let [a, b, c, d] = *widths;
    let text = format!("  {model:<a$}  {relation:<b$}  {distance:>c$}  {confidence:>d$}");
    writeln!(writer, "{}", text.trim_end())?;
    Ok(())
}

fn block<W: Write>(title: &str, lines: &[String], writer: &mut W) -> io::Result<()> {
    if !lines.is_empty() {
        writeln!(writer, "\n{title}")?;
    }
    for line in lines {
        writeln!(writer, "  {}", shown(line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phylogeny::Remark;
    use crate::phylogeny::arbitrary::{any_phylogeny, family};
    use proptest::prelude::*;

    fn table(phylogeny: &Phylogeny) -> String {
        let mut text = Vec::new();
        write_table(phylogeny, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn no_models_are_said_in_one_line() {
        assert_eq!(table(&family(0, &[])), "0 models: 0 families, 0 isolated\n");
    }

    #[test]
    fn a_tie_is_said_and_not_drawn_as_a_tree() {
        let kin = [(0..5).map(ModelId::new).collect::<Vec<_>>()];
        let phylogeny = Phylogeny::with_families(5, Vec::new(), &kin).unwrap().with_margin(ModelId::new(0), 0.0);
        let text = table(&phylogeny);
        assert!(
            text.contains("family 0: 5 models, roots 0, 1, 2 and 2 more, no parent known between them, margin 0\n")
        );
        assert!(text.contains("\n  3\n  4\n"), "{text}");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let phylogeny = family(3, &[(0, 1, 1.0)]).with_names(["a\u{1b}[2J", "b\nc", "d\r"]).unwrap();
        let phylogeny = phylogeny.with_remark(Remark::Other("e\u{7}".into()));
        assert!(!table(&phylogeny).contains(|c: char| c.is_control() && c != '\n'));
        assert_eq!(table(&phylogeny).lines().count(), 12);
    }

    #[test]
    fn a_merge_shows_every_parent_with_its_weight() {
        let text = table(&family(4, &[(0, 2, 0.75), (1, 2, 0.25), (2, 3, 1.0)]));
        let expected = "\
family 0: 4 models, roots 0, 1
  model           relation   distance  confidence
  0
  └─ 2            2 parents
     │  0.75 × 0  fine-tune         -        1.00
     │  0.25 × 1  fine-tune         -        1.00
     └─ 3         fine-tune         -        1.00
  1
";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn a_merge_shows_what_its_parents_leave_unexplained() {
        let phylogeny = family(3, &[(0, 2, 0.75), (1, 2, 0.25)]).with_residual(ModelId::new(2), 0.0123);
        let text = table(&phylogeny);
        assert!(text.contains("\n        unexplained 0.01230\n  1\n"), "{text}");
    }

    #[test]
    fn siblings_hang_under_a_root_that_is_not_in_the_set() {
        let kin = [(0..3).map(ModelId::new).collect::<Vec<_>>()];
        let edges = vec![Edge::new(ModelId::new(0), ModelId::new(2))];
        let phylogeny = Phylogeny::with_families(3, edges, &kin).unwrap().with_unobserved_root(ModelId::new(0));
        let expected = "\
family 0: 3 models, roots 0, 1, descended from one that is not in the set
  model             relation   distance  confidence
  (not in the set)
  ├─ 0
  │  └─ 2           fine-tune         -        1.00
  └─ 1
";
        assert!(table(&phylogeny).ends_with(expected), "{}", table(&phylogeny));
    }

    proptest! {
        #[test]
        fn columns_end_at_the_same_character(phylogeny in any_phylogeny()) {
            let names = (0..phylogeny.len()).map(|i| format!("m{i}é"));
            let text = table(&phylogeny.with_names(names).unwrap());
            let tail = |l: &&str| l.split_whitespace().last().is_some_and(|w| w.len() == 4 && w.as_bytes()[1] == b'.');
            let tree = |l: &&str| l.contains("─ ") || l.contains(" × ");
            let mut ends = text.lines().filter(tree).filter(tail).map(|l| l.chars().count()).collect::<Vec<_>>();
            ends.dedup();
            prop_assert!(ends.len() <= 1, "{}", text);
        }
    }
}
