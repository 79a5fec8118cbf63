//! Names of the models that a search finds.

use super::search::Candidate;
use super::surroundings::Surroundings;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Returns the name of a model that was given by its path: the stem of the file, or the folder's name.
pub(super) fn of_given(around: &Surroundings, path: &Path) -> String {
    let name = last_component(around, path);
    if around.is_folder(path) {
        return name;
    }
    if let Some(file) = around.formats.parse(&name) {
        return if file.stem.is_empty() { name } else { file.stem };
    }
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem.to_owned(),
        _ => name,
    }
}

/// Returns the name of the folder that holds a given path.
pub(super) fn parent_of_given(around: &Surroundings, path: &Path) -> String {
    let real = around.tree.identity(path).ok();
    real.and_then(|p| p.parent().map(|above| last_component(around, above))).unwrap_or_default()
}

fn last_component(around: &Surroundings, path: &Path) -> String {
    // Paths such as `.` and `..` have no name of their own, so the resolved path gives it.
    let real = || around.tree.identity(path).ok().and_then(|p| p.file_name().map(ToOwned::to_owned));
    let name = path.file_name().map(ToOwned::to_owned).or_else(real);
    name.map_or_else(|| "root".to_owned(), |n| n.to_string_lossy().into_owned())
}

/// Gives different names to models that would have the same: whole file names, then the given folder in front, then numbers.
pub(super) fn make_unique(around: &Surroundings, candidates: &mut [Candidate]) {
    // Each step applies only to names that are still equal, so that most models keep their short name.
    rename_repeated(candidates, |c| {
        let file = around.is_file(&c.path).then(|| c.path.file_name())??.to_string_lossy().into_owned();
        Some(match c.name.rsplit_once('/') {
            Some((above, _)) => format!("{above}/{file}"),
            None => file,
        })
    });
    rename_repeated(candidates, |c| (!c.root.is_empty()).then(|| format!("{}/{}", c.root, c.name)));

    let mut taken: BTreeSet<String> = candidates.iter().map(|c| c.name.clone()).collect();
    let mut seen = BTreeSet::new();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    // Numbers follow the order of paths, so that they do not depend on the order of the given paths.
    order.sort_by(|&a, &b| candidates[a].path.cmp(&candidates[b].path));
    for at in order {
        let name = candidates[at].name.clone();
        if seen.insert(name.clone()) {
            continue;
        }
        let free = (2..).map(|n| format!("{name}#{n}")).find(|n| !taken.contains(n));
        candidates[at].name = free.unwrap_or(name);
        taken.insert(candidates[at].name.clone());
        seen.insert(candidates[at].name.clone());
    }
}

fn rename_repeated(candidates: &mut [Candidate], rename: impl Fn(&Candidate) -> Option<String>) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for candidate in candidates.iter() {
        *count.entry(candidate.name.clone()).or_default() += 1;
    }
    for candidate in candidates.iter_mut() {
        if count[&candidate.name] > 1
            && let Some(name) = rename(candidate)
        {
            candidate.name = name;
        }
    }
}
