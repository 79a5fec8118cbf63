//! Which signals tell direction, by the kind of training.

use crate::Failure;
use crate::recipes::Kind;
use crate::sets::Set;
use crate::signals::{Measured, Says, family, first_undirected, names};
use neural_phylogeny::detect::witness::Lineage;
use std::io::Write;

fn edges(set: &Set) -> Result<Vec<(Kind, Says)>, Failure> {
    let truth = set.truth.phylogeny();
    let mut says = Vec::new();
    for names in set.families() {
        let (members, weights) = family(set, &names);
        let lineage = Lineage::of(&set.geometry, &members, &weights)?;
        let measured = Measured::of(&lineage, &members)?;
        for (c, child) in names.iter().enumerate() {
            let [edge] = truth.id(child).map_or(&[][..], |m| truth.parents(m)) else { continue };
            let Some(p) = names.iter().position(|n| n == truth.name(edge.parent)) else { continue };
            says.push((set.kind(child), measured.says(p, c)?));
        }
    }
    Ok(says)
}

/// One table for each set that is not joined.
pub(crate) fn tables(out: &mut impl Write, sets: &[Set]) -> Result<(), Failure> {
    writeln!(out, "## Signals\n")?;
    writeln!(
        out,
        "Each cell: true edges on which the signal says that the parent came first, of those on which it says anything. The \
         last two rows: edges with such an increment, of all (of those whose parent is not the root).\n"
    )?;
    let mut all = Vec::new();
    let plain: Vec<&Set> = sets.iter().filter(|s| s.is_plain()).collect();
    for set in &plain {
        let says = edges(set)?;
        table(out, &set.name, &says)?;
        all.extend(says);
    }
    if plain.len() > 1 {
        table(out, "**all**", &all)?;
    }
    Ok(())
}

fn table(out: &mut impl Write, name: &str, says: &[(Kind, Says)]) -> Result<(), Failure> {
    let count = |kind: Kind| says.iter().filter(|(k, _)| *k == kind).count();
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|&k| count(k) > 0).collect();
    let heads: Vec<String> = kinds.iter().map(|&k| format!("{} ({})", k.name(), count(k))).collect();
    writeln!(out, "| {name} | {} |\n|---|{}", heads.join(" | "), "---|".repeat(kinds.len()))?;
    for (at, signal) in names().iter().enumerate() {
        let spoken = |kind| says.iter().filter(move |(k, _)| *k == kind).filter_map(move |(_, s)| s[at]);
        let cell = |&kind: &Kind| match (spoken(kind).filter(|&first| first).count(), spoken(kind).count()) {
            (_, 0) => "–".to_owned(),
            (0, _) if at >= first_undirected() => "0".to_owned(),
            (right, of) => format!("{right}/{of}"),
        };
        let cells: Vec<String> = kinds.iter().map(cell).collect();
        if cells.iter().any(|c| c != "–" && c != "0") {
            writeln!(out, "| {signal} | {} |", cells.join(" | "))?;
        }
    }
    writeln!(out)?;
    Ok(())
}
