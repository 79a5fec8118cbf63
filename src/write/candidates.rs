use super::columns::write_columns;
use super::text::{count, shown};
use crate::detect::witness;
use crate::model_set::ModelId;
use crate::phylogeny::{Candidate, Evidence, Phylogeny, Signal, Stage};
use std::io::{self, Write};

/// Number of candidates in a table. The default detector lists fewer.
const MOST: usize = 10;

/// A candidate's name in tables and sentences.
pub(super) fn label(phylogeny: &Phylogeny, candidate: &Candidate) -> String {
    candidate.parent.map_or_else(|| "no parent in the set".to_owned(), |p| shown(phylogeny.name(p)))
}

/// The weight of a signal for a candidate at a stage; `None` when the signal says nothing of it.
pub(super) fn weight(candidate: &Candidate, stage: Stage, signal: &Signal) -> Option<f64> {
    let told = candidate.evidence.iter().filter(|e| e.stage == stage && e.signal == *signal);
    told.map(|e| e.weight).reduce(|a, b| a + b)
}

/// A weight in two decimals with its sign. Zero is written +0.00.
pub(super) fn signed(weight: f64) -> String {
    let text = format!("{weight:+.2}");
    if text == "-0.00" { "+0.00".to_owned() } else { text }
}

/// Writes the candidates with their totals by stage, then each stage with its signals, then what the signals mean.
pub(super) fn write_candidates<W: Write>(phylogeny: &Phylogeny, model: ModelId, writer: &mut W) -> io::Result<()> {
    let all = phylogeny.candidates(model);
    if all.is_empty() {
        return Ok(());
    }
    let listed = &all[..all.len().min(MOST)];
    // The stages that make up the total come first. Kinship is no part of the total.
    let order = Stage::ALL.into_iter().filter(|s| *s != Stage::Kinship).chain([Stage::Kinship]);
    let stages: Vec<Stage> = order.filter(|s| evidence(listed).any(|e| e.stage == *s)).collect();
    writeln!(writer, "\n{} considered", count(all.len(), "candidate", "candidates"))?;
    write_totals(phylogeny, listed, &stages, writer)?;
    if all.len() > MOST {
        writeln!(writer, "  and {} more", all.len() - MOST)?;
    }
    // Kinship and tree have one signal each in the default detector. Its weight stands among the totals already.
    for &stage in stages.iter().filter(|s| !matches!(s, Stage::Kinship | Stage::Tree)) {
        write_stage(phylogeny, listed, stage, writer)?;
    }
    if stages.is_empty() {
        return Ok(());
    }
    writeln!(
        writer,
        "\nnatural log of likelihood ratios: +2.3 is ten to one for, -2.3 ten to one against, a dash says nothing"
    )?;
    let words: Vec<Vec<String>> =
        signals(listed, |_| true).into_iter().map(|s| vec![s.to_string(), meaning(s).to_owned()]).collect();
    write_columns(2, &words, writer)?;
    if stages.contains(&Stage::Kinship) {
        writeln!(writer, "\nkinship is no part of the total: an edge's confidence is the probability times e^kinship")?;
    }
    Ok(())
}

fn write_totals<W: Write>(
    phylogeny: &Phylogeny,
    listed: &[Candidate],
    stages: &[Stage],
    writer: &mut W,
) -> io::Result<()> {
    let heading = ["candidate", "probability", "total"].into_iter().chain(stages.iter().map(|s| s.as_str()));
    let mut rows: Vec<Vec<String>> = vec![heading.map(str::to_owned).collect()];
    for candidate in listed {
        let mut row = vec![label(phylogeny, candidate), format!("{:.3}", candidate.probability)];
        row.push(signed(candidate.score()));
        row.extend(stages.iter().map(|&s| cell(candidate.stage_score(s))));
        rows.push(row);
    }
    write_columns(1, &rows, writer)
}

/// Writes one stage: its question, then a row for each candidate that the stage says anything of.
fn write_stage<W: Write>(phylogeny: &Phylogeny, listed: &[Candidate], stage: Stage, writer: &mut W) -> io::Result<()> {
    let signals = signals(listed, |e| e.stage == stage);
    let heading = std::iter::once("candidate").chain(signals.iter().map(|s| s.as_str()));
    let mut rows: Vec<Vec<String>> = vec![heading.map(str::to_owned).collect()];
    for candidate in listed.iter().filter(|c| c.stage_score(stage).is_some()) {
        let cells = signals.iter().map(|s| cell(weight(candidate, stage, s)));
        rows.push(std::iter::once(label(phylogeny, candidate)).chain(cells).collect());
    }
    writeln!(writer, "\n{stage}: {}", stage.question())?;
    write_columns(1, &rows, writer)
}

fn cell(weight: Option<f64>) -> String {
    weight.map_or_else(|| "-".to_owned(), signed)
}

fn evidence(listed: &[Candidate]) -> impl Iterator<Item = &Evidence> {
    listed.iter().flat_map(|c| &c.evidence)
}

/// Each signal once, in the order in which the detector lists them.
fn signals(listed: &[Candidate], wanted: impl Fn(&Evidence) -> bool) -> Vec<&Signal> {
    let mut signals: Vec<&Signal> = Vec::new();
    for e in evidence(listed).filter(|e| wanted(e)) {
        if !signals.contains(&&e.signal) {
            signals.push(&e.signal);
        }
    }
    signals
}

/// The meaning of a signal, also where the signal was read from a file.
fn meaning(signal: &Signal) -> &'static str {
    match signal.meaning() {
        "" => witness::signals().into_iter().find(|known| known == signal).map_or("", |known| known.meaning()),
        meaning => meaning,
    }
}
