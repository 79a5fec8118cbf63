use crate::args::{PlainFormat, StoreAction};
use crate::output;
use neural_phylogeny::error::chain;
use neural_phylogeny::store::{SketchStore, StoreEntry};
use std::error::Error;
use std::fmt::Write as _;

pub(crate) fn run(action: &StoreAction) -> Result<(), Box<dyn Error>> {
    match action {
        StoreAction::List { store, format } => {
            let entries = SketchStore::open(store)?.entries()?;
            let text = match format {
                PlainFormat::Table => table(&entries),
                PlainFormat::Json => json(&entries)?,
            };
            print(&text)
        }
        StoreAction::Remove { names, store } => {
            let store = SketchStore::open(store)?;
            names.iter().try_for_each(|name| store.remove(name)).map_err(Into::into)
        }
        StoreAction::Verify { store } => {
            let problems = SketchStore::open(store)?.verify()?;
            let mut text = String::new();
            for found in &problems {
                writeln!(text, "{}", chain(&found.problem))?;
            }
            print(&text)?;
            match problems.len() {
                0 => Ok(()),
                1 => Err("found one problem in the store".into()),
                n => Err(format!("found {n} problems in the store").into()),
            }
        }
    }
}

fn print(text: &str) -> Result<(), Box<dyn Error>> {
    output::write(None, |writer| writer.write_all(text.as_bytes()))
}

fn table(entries: &[StoreEntry]) -> String {
    let longest = entries.iter().map(|e| e.name.chars().count()).max().unwrap_or(0).max(5);
    let mut text = format!(
        "{:<longest$}  {:>7}  {:>14}  {:>10}  {:>8}  content\n",
        "model", "tensors", "values", "bytes", "width"
    );
    for e in entries {
        let row = (&e.name, e.tensors, e.values, e.bytes, e.width, &e.content);
        let (name, tensors, values, bytes, width, content) = row;
        let _ = writeln!(text, "{name:<longest$}  {tensors:>7}  {values:>14}  {bytes:>10}  {width:>8}  {content}");
    }
    text
}

fn json(entries: &[StoreEntry]) -> Result<String, serde_json::Error> {
    let one = |e: &StoreEntry| {
        serde_json::json!({
            "name": e.name, "content": e.content, "width": e.width, "tensors": e.tensors, "values": e.values,
            "bytes": e.bytes, "crate_version": e.crate_version,
        })
    };
    let all: Vec<serde_json::Value> = entries.iter().map(one).collect();
    Ok(serde_json::to_string_pretty(&serde_json::json!({ "version": 1, "sketches": all }))? + "\n")
}
