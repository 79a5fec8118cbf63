//! Which of two kin came first: what each signal says of true edges, and the weights fitted to it.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin direction_tables -- [--edges] [--into FILE#NAME] FOLDER…`
//!
//! For each folder of models with a `truth.json`: every true edge to an only parent is a pair. Its signals are those of
//! `ImprintWeights::signs`, and the evidence of norms. A logistic model without a constant is fitted to them, for each set on all
//! other sets, and then on all. `--edges` prints each pair instead, as comma-separated values.

mod edges;
mod logistic;

use edges::{Edge, SIGNALS};
use neural_phylogeny_evaluation::{TrueSet, document};
use std::error::Error;
use std::fmt::Write;

const USAGE: &str = "usage: direction_tables [--edges] [--into FILE#NAME] FOLDER…";

/// The signals of one set.
struct Pairs {
    set: String,
    edges: Vec<Edge>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut folders, mut into, mut list) = (Vec::new(), None, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--edges" => list = true,
            "--into" => into = Some(words.next().ok_or(USAGE)?),
            option if option.starts_with("--") => return Err(USAGE.into()),
            _ => folders.push(word),
        }
    }
    if folders.is_empty() {
        return Err(USAGE.into());
    }
    let mut sets = Vec::new();
    for folder in &folders {
        let set = TrueSet::open(folder)?;
        sets.push(Pairs { edges: edges::of(&set)?, set: set.name });
    }
    if list {
        println!("set,parent,child,axes,{}", SIGNALS.join(","));
        for Pairs { set, edges } in &sets {
            for Edge { parent, child, axes, signals } in edges {
                println!("{set},{parent},{child},{axes},{}", signals.map(|s| format!("{s:.4}")).join(","));
            }
        }
        return Ok(());
    }
    let mut out = String::new();
    signs(&mut out, &sets)?;
    fits(&mut out, &sets)?;
    match into {
        Some(place) => document::replace(&place, &out)?,
        None => print!("{out}"),
    }
    Ok(())
}

/// The share of edges of which each signal says the right way, by set.
fn signs(out: &mut String, sets: &[Pairs]) -> std::fmt::Result {
    writeln!(out, "| set | edges | {} |", SIGNALS.join(" | "))?;
    writeln!(out, "|---|---:|{}", "---:|".repeat(SIGNALS.len()))?;
    for Pairs { set, edges } in sets {
        let share = |s: usize| edges.iter().filter(|e| e.signals[s] > 0.0).count() as f64 / edges.len().max(1) as f64;
        let shares: Vec<String> = (0..SIGNALS.len()).map(|s| format!("{:.2}", share(s))).collect();
        writeln!(out, "| {set} | {} | {} |", edges.len(), shares.join(" | "))?;
    }
    writeln!(out)
}

/// What fitted weights say of sets that they were not fitted on, and the weights fitted on all.
fn fits(out: &mut String, sets: &[Pairs]) -> std::fmt::Result {
    let rows = |sets: &mut dyn Iterator<Item = &Pairs>| -> Vec<[f64; SIGNALS.len()]> {
        sets.flat_map(|p| p.edges.iter().map(|e| e.signals)).collect()
    };
    writeln!(out, "| left out | edges | right | log loss | right at 0.9 or more | {} |", SIGNALS.join(" | "))?;
    writeln!(out, "|---|---:|---:|---:|---:|{}", "---:|".repeat(SIGNALS.len()))?;
    let mut all = Vec::new();
    for (i, pairs) in sets.iter().enumerate().filter(|_| sets.len() > 1) {
        let others = rows(&mut sets.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, p)| p));
        let weights = logistic::fitted(&others);
        let said: Vec<f64> = pairs.edges.iter().map(|e| logistic::said(&weights, &e.signals)).collect();
        line(out, &pairs.set, &said, &weights)?;
        all.extend(said);
    }
    let weights = logistic::fitted(&rows(&mut sets.iter()));
    if all.is_empty() {
        all = sets.iter().flat_map(|p| &p.edges).map(|e| logistic::said(&weights, &e.signals)).collect();
    }
    line(out, "**each in turn**; weights of all", &all, &weights)
}

fn line(out: &mut String, name: &str, said: &[f64], weights: &[f64]) -> std::fmt::Result {
    let count = said.len().max(1) as f64;
    let right = said.iter().filter(|&&s| s > 0.0).count() as f64 / count;
    let loss = said.iter().map(|s| (-s).exp().ln_1p()).sum::<f64>() / count;
    let sure = 9f64.ln();
    let (sure_right, sure) =
        (said.iter().filter(|&&s| s >= sure).count(), said.iter().filter(|s| s.abs() >= sure).count());
    let weights: Vec<String> = weights.iter().map(|w| format!("{w:.2}")).collect();
    writeln!(
        out,
        "| {name} | {} | {right:.2} | {loss:.3} | {sure_right}/{sure} | {} |",
        said.len(),
        weights.join(" | ")
    )
}
