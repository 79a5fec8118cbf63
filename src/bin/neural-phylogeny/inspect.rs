use crate::args::Inspect;
use crate::models;
use crate::printed::Page;
use neural_phylogeny::model_set::{LayoutGroup, OnUnreadable, Position, Role, Skipped};
use neural_phylogeny::{ModelId, ModelSet};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::PathBuf;

/// How many of the tensors are shown that not all models of a group have.
const EXAMPLES: usize = 3;

/// What a search found out about a model, kept for the listing.
struct Found {
    path: PathBuf,
    layout: String,
}

pub(crate) fn run(arguments: &Inspect) -> Result<(), Box<dyn Error>> {
    models::check(&arguments.models)?;
    let found = models::search(&arguments.ahead.places(), &arguments.models.selection, OnUnreadable::Skip)?;
    let ignored: Vec<(PathBuf, String)> = found.ignored.iter().map(|i| (i.path.clone(), i.reason.clone())).collect();
    let unreadable: Vec<Skipped> = found.unreadable.iter().map(|u| Skipped::new(&u.name, &u.error)).collect();
    let places: BTreeMap<String, Found> = found
        .models
        .iter()
        .map(|m| (m.name.clone(), Found { path: m.path.clone(), layout: m.layout.to_string() }))
        .collect();
    // Inspecting shows what a run would skip, and must not stop at it.
    let mut text = Page::default();
    let models = match models::build(&arguments.models, found, OnUnreadable::Skip) {
        // Without a readable model there are still reasons to tell.
        Err(neural_phylogeny::Error::NoModels { .. }) if !unreadable.is_empty() || !ignored.is_empty() => {
            text.line(format_args!("no model can be read"));
            return print(text, &unreadable, &ignored);
        }
        models => models?,
    };
    let inventory = models.inventory();
    for (g, group) in models.groups().iter().enumerate() {
        describe_group(&mut text, &models, g, group, arguments);
        for (at, &model) in group.positions().zip(group.models()) {
            describe_model(&mut text, &models, model, &places);
            let record = &inventory.models[model.index()];
            if let Some(reason) = &record.not_comparable {
                text.line(format_args!("      not comparable: {reason}"));
            }
            for (reason, tensors) in &record.left_out {
                text.line(format_args!("      {} left out: {reason}", counted(*tensors as usize, "tensor")));
            }
            let unshared = group.unshared_size(at);
            if unshared > 0 && group.models().len() > 1 {
                text.line(format_args!("      {} that no other model of the group has", counted(unshared, "value")));
            }
            if arguments.tensors {
                describe_tensors(&mut text, &models, model);
            }
        }
    }
    print(text, models.skipped(), &ignored)
}

/// Prints the text, and after it what would be skipped and what was passed over.
fn print(mut text: Page, skipped: &[Skipped], ignored: &[(PathBuf, String)]) -> Result<(), Box<dyn Error>> {
    for skipped in skipped {
        text.line(format_args!("would be skipped: {}: {}", skipped.name, skipped.reason));
    }
    for (path, reason) in ignored {
        text.line(format_args!("not read: {}: {reason}", path.display()));
    }
    crate::output::print(text.as_bytes())
}

/// A number and what it counts, with a plural unless it is one.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn describe_group(text: &mut Page, models: &ModelSet, number: usize, group: &LayoutGroup, arguments: &Inspect) {
    let count = group.models().len();
    match count {
        1 => text.line(format_args!("group {number}: 1 model, comparable with no other")),
        _ => text.line(format_args!(
            "group {number}: {count} models, comparable on {} of {} that all of them have",
            counted(
                group
                    .parameters()
                    .iter()
                    .filter(|p| p.holders.len() == count)
                    .map(|p| &p.name)
                    .collect::<BTreeSet<_>>()
                    .len(),
                "parameter",
            ),
            counted(group.common_size(), "value"),
        )),
    };
    if !group.resembling().is_empty() {
        let others: Vec<&str> = group.resembling().iter().map(|&m| models.name(m)).collect();
        text.line(format_args!(
            "  shapes as in the group of {}, not comparable under these names: no values tell which tensors correspond",
            others.join(", ")
        ));
    }
    describe_partial(text, group, arguments.tensors);
    let renamed = |at: &Position<LayoutGroup>| {
        (0..group.parameters().len())
            .any(|p| group.own_name(*at, p).is_some_and(|own| own != group.parameters()[p].name))
    };
    let prefixed: Vec<&str> = group.positions().filter(renamed).map(|at| models.name(group.model(at))).collect();
    if !prefixed.is_empty() {
        text.line(format_args!("  compared under the names of others: {}", prefixed.join(", ")));
    }
}

/// Describes the tensors that not all models of a group have: how many there are, and some of them or all.
fn describe_partial(text: &mut Page, group: &LayoutGroup, all: bool) {
    let count = group.models().len();
    let partial: Vec<_> = group.parameters().iter().filter(|p| p.holders.len() < count).collect();
    let names: BTreeSet<&str> = partial.iter().map(|p| p.name.as_str()).collect();
    match names.len() {
        0 => return,
        1 => text.line(format_args!("  1 parameter is not in all of them, or not with all rows:")),
        n => text.line(format_args!("  {n} parameters are not in all of them, or not with all rows:")),
    };
    let shown = if all { partial.len() } else { EXAMPLES };
    for parameter in partial.iter().take(shown) {
        let (rows, holders) = (parameter.rows(), parameter.holders.len());
        text.line(format_args!("    {} rows {}..{}: in {holders} of them", parameter.name, rows.start, rows.end));
    }
    let told: BTreeSet<&str> = partial.iter().take(shown).map(|p| p.name.as_str()).collect();
    if told.len() < names.len() {
        text.line(format_args!("    and {} more, which --tensors lists", names.len() - told.len()));
    }
}

fn describe_model(text: &mut Page, models: &ModelSet, model: ModelId, places: &BTreeMap<String, Found>) {
    let mut values: BTreeMap<String, usize> = BTreeMap::new();
    let mut counts = [0usize; 4];
    for (info, role) in models.parameters(model) {
        let slot = match role {
            Role::Parameter => 0,
            Role::Buffer => 1,
            Role::Empty => 2,
            _ => 3,
        };
        counts[slot] += 1;
        if role == Role::Parameter {
            *values.entry(info.dtype.to_string()).or_default() += info.size();
        }
    }
    let stored: Vec<String> = values.iter().map(|(dtype, n)| format!("{n} {dtype}")).collect();
    let name = models.name(model);
    let mut line = format!("  {name}: {} ({})", counted(counts[0], "parameter"), stored.join(", "));
    let [_, buffers, empty, excluded] = counts;
    let others = [counted(buffers, "buffer"), counted(empty, "empty tensor"), format!("{excluded} excluded")];
    for (n, words) in counts[1..].iter().zip(others) {
        if *n > 0 {
            line += &format!(", {words}");
        }
    }
    if let Some(found) = places.get(name) {
        line += &format!("; {} at {}", found.layout, found.path.display());
    }
    text.line(format_args!("{line}"));
}

fn describe_tensors(text: &mut Page, models: &ModelSet, model: ModelId) {
    for (info, role) in models.parameters(model) {
        let role = match role {
            Role::Parameter => "parameter",
            Role::Buffer => "buffer",
            Role::Empty => "empty",
            _ => "excluded",
        };
        text.line(format_args!("      {} {:?} {} {role}", info.name, info.shape, info.dtype));
    }
}
