use super::columns::write_columns;
use super::{count, shown};
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Phylogeny, Signal};
use std::collections::BTreeSet;
use std::io::{self, Write};

/// Candidates in the table; the JSON form has them all.
const MOST: usize = 10;

/// A candidate's name in tables and sentences.
pub(super) fn label(phylogeny: &Phylogeny, candidate: &Candidate) -> String {
    candidate.parent.map_or_else(|| "no parent in the set".to_owned(), |p| shown(phylogeny.name(p)))
}

/// What a signal says of a candidate; `None` when it was not looked at.
pub(super) fn weight(candidate: &Candidate, signal: Signal) -> Option<f64> {
    candidate.evidence.iter().filter(|e| e.signal == signal).map(|e| e.weight).reduce(|a, b| a + b)
}

/// A weight in two decimals with its sign; nothing is +0.00.
pub(super) fn signed(weight: f64) -> String {
    let text = format!("{weight:+.2}");
    if text == "-0.00" { "+0.00".to_owned() } else { text }
}

/// Writes the table of candidates, a column for each signal that any of them has, and what the signals are.
pub(super) fn write_candidates<W: Write>(phylogeny: &Phylogeny, model: ModelId, writer: &mut W) -> io::Result<()> {
    let all = phylogeny.candidates(model);
    if all.is_empty() {
        return Ok(());
    }
    let signals: BTreeSet<Signal> = all.iter().flat_map(|c| &c.evidence).map(|e| e.signal).collect();
    writeln!(writer, "\n{} considered", count(all.len(), "candidate", "candidates"))?;
    let heading = ["candidate", "probability", "total"].into_iter().chain(signals.iter().map(|s| s.as_str()));
    let mut rows: Vec<Vec<String>> = vec![heading.map(str::to_owned).collect()];
    for candidate in all.iter().take(MOST) {
        let mut row = vec![label(phylogeny, candidate), format!("{:.3}", candidate.probability)];
        row.push(signed(candidate.score()));
        let cell = |&s: &Signal| weight(candidate, s).map_or_else(|| "-".to_owned(), signed);
        row.extend(signals.iter().map(cell));
        rows.push(row);
    }
    write_columns(1, &rows, writer)?;
    if all.len() > MOST {
        writeln!(writer, "  and {} more", all.len() - MOST)?;
    }
    if !signals.is_empty() {
        writeln!(
            writer,
            "\nevidence, natural log of the likelihood ratio; +2.3 is ten to one for, -2.3 ten to one against"
        )?;
        let meanings: Vec<_> = signals.iter().map(|s| vec![s.to_string(), s.meaning().to_owned()]).collect();
        write_columns(2, &meanings, writer)?;
    }
    Ok(())
}
