use super::columns::write_columns;
use super::edge::{self, Columns, WeightColumn};
use super::text::{count, listed, shown};
use crate::error::{Error, chain, unwritten};
use crate::model_set::ModelId;
use crate::phylogeny::Edge;
use crate::query::Answer;
use std::io::{self, Write};

/// Number of models that are named on one line.
const MOST: usize = 10;

/// Writes what one model is derived from among those of a store, for a terminal.
///
/// - How many models the store has, how many of them look like kin, and how many were compared in full.
/// - Stored models of the very same content.
/// - Parents, then children, with relation, distance (four digits) and confidence. A distance that comes from sketches has its
///   standard error. Where there are several parents, each has its weight.
/// - A model that could not be compared has the reason. "No kin" is said only of one that was.
/// - Siblings by name, the sketches that were left out, then the remarks of the detector.
///
/// `W` is taken by value; pass `&mut writer` to keep it.
///
/// # Errors
///
/// [`Error::Write`] when the writer fails.
///
/// An example is at [`Query`](crate::query::Query).
pub fn write_answer<W: Write>(answer: &Answer, writer: W) -> Result<(), Error> {
    answer_rows(answer, writer).map_err(unwritten)
}

fn answer_rows<W: Write>(answer: &Answer, mut writer: W) -> io::Result<()> {
    let (phylogeny, nearest) = (&answer.phylogeny, &answer.nearest);
    let name = |m: ModelId| shown(phylogeny.name(m));
    let stored = count(nearest.stored, "model", "models");
    // The model itself is in the phylogeny too.
    let compared = phylogeny.len() - 1;
    writeln!(writer, "{}: {stored} stored, {} like kin, {compared} compared", name(answer.model), nearest.related)?;
    if !nearest.identical.is_empty() {
        let same = nearest.identical.iter().map(String::as_str);
        writeln!(writer, "identical to {}", listed(same, MOST))?;
    }
    let parents: Vec<&Edge> = answer.parents().iter().collect();
    // A model without parents is one of five things, which a reader must be able to tell apart.
    if !answer.has_kin() {
        let other = if nearest.identical.is_empty() { "" } else { " other" };
        match answer.not_comparable() {
            Some(reason) => writeln!(writer, "could not be compared: {}", shown(reason))?,
            None => writeln!(writer, "no{other} kin in the store")?,
        }
    } else if parents.is_empty() {
        writeln!(
            writer,
            "{}",
            match phylogeny.has_unobserved_parent(answer.model) {
                _ if phylogeny.is_withheld(answer.model) => "its parent is withheld, as less sure than the limit",
                true => "its parent is not in the store",
                false => "a root: nothing compared was before it",
            }
        )?;
    }
    edges(answer, "parent", &parents, |e| e.parent, &mut writer)?;
    let children: Vec<&Edge> = answer.children().collect();
    edges(answer, "child", &children, |e| e.child, &mut writer)?;
    let siblings = answer.siblings();
    if !siblings.is_empty() {
        let number = count(siblings.len(), "sibling", "siblings");
        writeln!(writer, "\n{number}: {}", listed(siblings.iter().map(|&m| phylogeny.name(m)), MOST))?;
    }
    let left_out = &nearest.unreadable;
    if !left_out.is_empty() {
        let number = count(left_out.len(), "sketch", "sketches");
        writeln!(writer, "\n{number} of the store cannot be read and took no part, so that kin may be missing")?;
    }
    for one in left_out.iter().take(MOST) {
        writeln!(writer, "  {}", shown(&chain(&one.problem)))?;
    }
    if left_out.len() > MOST {
        writeln!(writer, "  and {} more", left_out.len() - MOST)?;
    }
    let remarks = phylogeny.remarks();
    if !remarks.is_empty() {
        writeln!(writer, "\nremarks")?;
    }
    for remark in remarks {
        writeln!(writer, "  {}", shown(&remark.to_string()))?;
    }
    writer.flush()?;
    Ok(())
}

fn edges<W: Write>(
    answer: &Answer,
    title: &str,
    edges: &[&Edge],
    other: impl Fn(&Edge) -> ModelId,
    writer: &mut W,
) -> io::Result<()> {
    if edges.is_empty() {
        return Ok(());
    }
    let weights = if edges.iter().any(|e| e.weight != 1.0) { WeightColumn::Shown } else { WeightColumn::Hidden };
    let columns = Columns::of(&answer.phylogeny, weights);
    let mut table = vec![edge::headings(title, columns)];
    let row = |e: &&Edge| edge::row(&answer.phylogeny, shown(answer.phylogeny.name(other(e))), e, columns);
    table.extend(edges.iter().map(row));
    writeln!(writer)?;
    write_columns(edge::TEXT, &table, writer)
}
