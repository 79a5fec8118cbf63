use super::columns::write_columns;
use super::edited::{self, edited};
use super::number::significant;
use super::text::{count, listed_of, shown};
use crate::phylogeny::{Edge, Movement, Phylogeny};
use std::io::{self, Write};

/// Number of parameters in each list. The JSON form has them all.
const MOST: usize = 10;

/// Writes which parameters moved most along an edge, and which were untouched.
pub(super) fn write_movements<W: Write>(phylogeny: &Phylogeny, edge: &Edge, writer: &mut W) -> io::Result<()> {
    let (parent, child) = (edge.parent, edge.child);
    let compared = phylogeny.compared(parent, child);
    if compared == 0 {
        return Ok(());
    }
    let untouched = phylogeny.untouched(parent, child);
    let parameters = count(compared, "parameter", "parameters");
    writeln!(writer, "\nfrom {}: {parameters} compared, {untouched} untouched", shown(phylogeny.name(parent)))?;
    if let Some(taken) = edited(edge.relation, phylogeny.method(child), phylogeny.movements(parent, child)) {
        writeln!(writer, "{taken}")?;
    }
    write_moved(&phylogeny.movements(parent, child).iter().collect::<Vec<_>>(), compared, untouched, writer)
}

/// Writes the parameters that moved most of `compared` ones, and those that were untouched.
pub(super) fn write_moved<W: Write>(
    movements: &[&Movement],
    compared: usize,
    untouched: usize,
    writer: &mut W,
) -> io::Result<()> {
    let (still, moved): (Vec<&Movement>, Vec<&Movement>) = movements.iter().partition(|m| m.relative == 0.0);
    if !moved.is_empty() {
        let mut rows = vec![["moved most", "values", "movement", "rank"].map(str::to_owned).to_vec()];
        rows.extend(moved.iter().take(MOST).map(|m| row(m)));
        if moved.iter().any(|m| m.removed.is_some()) {
            rows[0].push(edited::HEADING.to_owned());
            rows.iter_mut().skip(1).zip(&moved).for_each(|(row, m)| row.push(edited::cell(m)));
        }
        write_columns(1, &rows, writer)?;
        // A list may have been cut, so that the counts say how many there are.
        let more = compared.saturating_sub(untouched).saturating_sub(MOST.min(moved.len()));
        if more > 0 {
            writeln!(writer, "  and {more} more")?;
        }
    }
    if !still.is_empty() {
        writeln!(writer, "  untouched: {}", listed_of(untouched, still.iter().map(|m| m.parameter.as_str()), MOST))?;
    }
    Ok(())
}

fn row(movement: &Movement) -> Vec<String> {
    let relative = if movement.relative.is_finite() { significant(movement.relative) } else { "from zero".to_owned() };
    let rank = movement.rank.map_or_else(|| "-".to_owned(), |r| r.to_string());
    vec![shown(&movement.parameter), movement.size.to_string(), relative, rank]
}
