//! How well the default detector tells lineages, on networks whose parents are known.
//!
//! `cargo run --release -p neural-phylogeny-evaluation --bin lineage_tables -- [--draws N] [--into FILE#NAME] FOLDER… [A+B]`
//!
//! For each folder of models with a `truth.json` (folders joined by `+` make one set): the default detector beside others, every
//! wrong edge, reliability, families whose root was taken away, random subsets of families, and what each signal says by itself.
//! Truth is read after detection only. `recipes.json` gives the kind of training, where there is one.
//!
//! `--into` puts the tables between two marks of a document instead of printing them: so the pages of `docs/evaluation` are kept.

mod answers;
mod detectors;
mod recipes;
mod reliability;
mod rootless;
mod sets;
mod signal_table;
mod signals;
mod subsets;
mod wrong;

use neural_phylogeny_evaluation::document;
use sets::Set;
use std::io::Write;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str = "usage: lineage_tables [--draws N] [--into FILE#NAME] FOLDER… [A+B]";

/// Random subsets for each family and size.
const DRAWS: u64 = 20;

fn main() -> Result<(), Failure> {
    let (mut folders, mut into, mut draws) = (Vec::new(), None, DRAWS);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--draws" => draws = words.next().ok_or(USAGE)?.parse()?,
            "--into" => into = Some(words.next().ok_or(USAGE)?),
            option if option.starts_with("--") => return Err(USAGE.into()),
            _ => folders.push(word),
        }
    }
    if folders.is_empty() {
        folders.push("tests/data/zoo".to_owned());
    }
    let sets = folders.iter().map(|f| Set::open(f, &folders)).collect::<Result<Vec<_>, _>>()?;
    let found = sets.iter().map(Set::detect).collect::<Result<Vec<_>, _>>()?;
    let rootless = sets.iter().filter(|s| s.is_plain()).map(rootless::Rootless::of).collect::<Result<Vec<_>, _>>()?;

    let mut out = Vec::new();
    detectors::table(&mut out, &sets)?;
    wrong::table(&mut out, &sets, &found)?;
    reliability::tables(&mut out, "as they are", sets.iter().zip(&found))?;
    let without = rootless.iter().map(|r| (r.set, &r.found));
    reliability::tables(&mut out, "without the roots of families", without)?;
    rootless::table(&mut out, &rootless)?;
    subsets::table(&mut out, &sets, draws)?;
    signal_table::tables(&mut out, &sets)?;
    match &into {
        Some(place) => document::replace(place, std::str::from_utf8(&out)?)?,
        None => std::io::stdout().write_all(&out)?,
    }
    Ok(())
}

/// `right/of`, or a dash where there is nothing to be right about.
pub(crate) fn ratio(right: usize, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { format!("{right}/{of}") }
}

/// The same as a share.
pub(crate) fn share(right: usize, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { format!("{:.2}", right as f64 / of as f64) }
}
