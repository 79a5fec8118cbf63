//! The tables of Yu & Wang, *Neural Phylogeny* (ICLR 2025), on networks whose parents are known.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin paper_tables -- [FOLDER…] [--seeds N] [--csv FILE] [--svg FILE] [--into FILE#NAME]`
//!
//! For each folder of models with `truth.json` (by default the shipped zoo's four kinds, then `generated`): KMeans, MeanShift,
//! DBSCAN and GMM, parents by smallest norm identified after clustering (α = 1) and along it (α < 1, the first two only),
//! average and standard deviation over seeds, and the best seed. `generated` in place of a folder stands for two sets that
//! were not trained but drawn with the statistics of fine-tuning (see `generated.rs`); `--measure FOLDER…` prints those.
//! "No decay": only roots and those of their children that no weight decay reached, by `recipes.json`.
//!
//! `--into` puts the tables between two marks of a document instead of printing them: so the pages of `docs/evaluation` are kept.
//!
//! Accuracy is of children alone: parent and direction both right. "With roots" counts roots too, right when they are given no
//! parent, as the paper does not say what its denominator is.

mod figure;
mod generated;
mod measure;
mod norms;
mod runs;
mod sets;
mod table;

use neural_phylogeny_evaluation::document;
use runs::Protocol;
use sets::Set;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

pub(crate) type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage: paper_tables [FOLDER… | generated] [--seeds N] [--csv FILE] [--svg FILE] [--into FILE#NAME], \
                     or paper_tables --measure FOLDER…";

const ZOO: [&str; 5] =
    ["tests/data/zoo/llama", "tests/data/zoo/diffusion", "tests/data/zoo/mlp", "tests/data/zoo/cnn", "generated"];

#[derive(Debug, Default)]
struct Arguments {
    folders: Vec<String>,
    seeds: Option<u64>,
    csv: Option<PathBuf>,
    svg: Option<PathBuf>,
    into: Option<String>,
    measure: bool,
}

fn arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(USAGE);
        match word.as_str() {
            "--seeds" => arguments.seeds = Some(value()?.parse()?),
            "--csv" => arguments.csv = Some(value()?.into()),
            "--svg" => arguments.svg = Some(value()?.into()),
            "--into" => arguments.into = Some(value()?),
            "--measure" => arguments.measure = true,
            option if option.starts_with("--") => return Err(USAGE.into()),
            _ => arguments.folders.push(word),
        }
    }
    if arguments.folders.is_empty() {
        arguments.folders = ZOO.map(str::to_owned).to_vec();
    }
    Ok(arguments)
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    if arguments.measure {
        return arguments.folders.iter().try_for_each(|folder| measure::print(Path::new(folder)));
    }
    let seeds = arguments.seeds.unwrap_or(10).max(1);
    let mut sets = Vec::new();
    for folder in &arguments.folders {
        match folder.as_str() {
            "generated" => sets.extend(generated::sets(seeds)?),
            folder => {
                sets.push(Set::open(Path::new(folder), seeds)?);
                sets.extend(Set::open_undecayed(Path::new(folder), seeds)?);
            }
        }
    }
    let runs = runs::all(&sets, seeds)?;

    let mut out = Vec::new();
    writeln!(out, "Accuracy in % of children whose parent and direction are right; {seeds} seeds.\n")?;
    writeln!(out, "| Set | Models | Children | Families | Matrix values |\n|---|---|---|---|---|")?;
    for (at, set) in sets.iter().enumerate() {
        let found = runs.iter().find(|r| r.set == at).map_or(0, |r| r.found.accuracy.of);
        let all = set.whole.models().to_vec();
        let values: usize = set.whole.compare(&all)?.scoped().map(|p| p.size()).sum();
        writeln!(out, "| {} | {} | {found} | {} | {values} |", set.name, set.names.len(), set.families().len())?;
    }
    writeln!(out)?;
    for protocol in Protocol::ALL {
        table::protocol(&mut out, &sets, &runs, protocol)?;
    }
    norms::table(&mut out, &sets)?;
    match &arguments.into {
        Some(place) => document::replace(place, std::str::from_utf8(&out)?)?,
        None => std::io::stdout().write_all(&out)?,
    }
    if let Some(path) = &arguments.csv {
        table::csv(BufWriter::new(File::create(path)?), &sets, &runs)?;
    }
    if let Some(path) = &arguments.svg {
        figure::write(path, &sets, &runs)?;
    }
    Ok(())
}
