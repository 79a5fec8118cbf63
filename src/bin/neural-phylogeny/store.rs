use crate::args::{PlainFormat, StoreAction};
use crate::output;
use crate::printed::{Form, Page, say};
use neural_phylogeny::error::chain;
use neural_phylogeny::store::{SketchStore, StoreEntry};
use std::error::Error;

pub(crate) fn run(action: &StoreAction) -> Result<(), Box<dyn Error>> {
    match action {
        StoreAction::List { store, format } => {
            let (entries, problems) = SketchStore::open(store)?.readable_entries()?;
            let problems: Vec<String> = problems.iter().map(|(_, problem)| chain(problem)).collect();
            match format {
                PlainFormat::Table => output::print(table(&entries).as_bytes())?,
                PlainFormat::Json => {
                    let text = json(&entries, &problems)?;
                    output::write(None, Form::Json, |writer| writer.write_all(text.as_bytes()))?;
                }
            }
            problems.iter().for_each(|problem| say("warning", &format!("not listed: {problem}")));
            counted(problems.len())
        }
        StoreAction::Remove { names, store } => {
            let store = SketchStore::open(store)?;
            // A slip of the hand in the last name must not cost the models before it.
            if let Some(unknown) = names.iter().find(|name| !store.contains(name)) {
                let (name, near) = (unknown.clone(), Vec::new());
                return Err(neural_phylogeny::Error::UnknownModel { name, near }.into());
            }
            names.iter().try_for_each(|name| store.remove(name)).map_err(Into::into)
        }
        StoreAction::Verify { store } => {
            let problems = SketchStore::open(store)?.verify()?;
            let mut page = Page::default();
            for found in &problems {
                page.line(format_args!("{}", chain(&found.problem)));
            }
            output::print(page.as_bytes())?;
            counted(problems.len())
        }
    }
}

/// Fails where a store has problems. Each has been named.
fn counted(problems: usize) -> Result<(), Box<dyn Error>> {
    match problems {
        0 => Ok(()),
        1 => Err("found one problem in the store".into()),
        n => Err(format!("found {n} problems in the store").into()),
    }
}

fn table(entries: &[StoreEntry]) -> Page {
    let longest = entries.iter().map(|e| e.name.chars().count()).max().unwrap_or(0).max(5);
    let mut page = Page::default();
    page.line(format_args!(
        "{:<longest$}  {:>7}  {:>14}  {:>10}  {:>8}  content",
        "model", "tensors", "values", "bytes", "width"
    ));
    for e in entries {
        let row = (&e.name, e.tensors, e.values, e.bytes, e.width, &e.content);
        let (name, tensors, values, bytes, width, content) = row;
        page.line(format_args!("{name:<longest$}  {tensors:>7}  {values:>14}  {bytes:>10}  {width:>8}  {content}"));
    }
    page
}

fn json(entries: &[StoreEntry], problems: &[String]) -> Result<String, serde_json::Error> {
    let one = |e: &StoreEntry| {
        serde_json::json!({
            "name": e.name, "content": e.content, "width": e.width, "tensors": e.tensors, "values": e.values,
            "bytes": e.bytes, "crate_version": e.crate_version,
        })
    };
    let all: Vec<serde_json::Value> = entries.iter().map(one).collect();
    Ok(serde_json::to_string_pretty(&serde_json::json!({ "version": 1, "sketches": all, "unreadable": problems }))?
        + "\n")
}
