//! Names of models in repositories of a hub, behind addresses and in its cache.
//!
//! In the cache, the files of a revision are links into `blobs`:
//! <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>.

use super::Ignored;
use super::hub::{self, Cached, Place};
use super::names::Named;
use super::surroundings::Surroundings;
use crate::bytes::{EntryKind, Listing};
use crate::format::Library;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Fewest characters of a revision in a name. More are used where they do not tell revisions apart.
const SHORT: usize = 8;

/// Returns the folder of the revision that a repository's folder stands for: that of `refs/main`, else the only one.
pub(super) fn snapshot(around: &Surroundings, folder: &Path) -> Option<PathBuf> {
    let real = around.tree.identity(folder).ok()?;
    hub::repository(&real.file_name()?.to_string_lossy())?;
    match hub::snapshot(&*around.tree, &real, None)? {
        Cached::Snapshot(path) => Some(path),
        Cached::Several(_) | Cached::OtherRevision(_) => None,
    }
}

/// Names the one model at a path of a repository. `None` for a path that is in none.
///
/// `location` is the path with the links of its folder resolved. `stem` is that of a file; `None` for a folder.
pub(super) fn name(location: &Path, stem: Option<&str>) -> Option<String> {
    let place = Place::of(location)?;
    Some(joined(&place.repository, &place.inside, stem))
}

/// Joins the name of a repository, or of one of its revisions, and the place of a model in it.
fn joined(repository: &str, inside: &Path, stem: Option<&str>) -> String {
    // The file that a library writes for a whole model is the repository's model.
    let usual =
        |stem: &str| [Library::Transformers, Library::Diffusers, Library::Peft].iter().any(|l| l.stem() == stem);
    let folders = if stem.is_some() { inside.parent().unwrap_or(inside) } else { inside };
    let folders = folders.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let file = stem.filter(|stem| !usual(stem)).map(str::to_owned);
    std::iter::once(repository.to_owned()).chain(folders).chain(file).collect::<Vec<_>>().join("/")
}

/// Names all models of repositories, and removes the revisions that have the same blobs as another one.
pub(super) fn assign(around: &Surroundings, named: &mut Vec<Named>, ignored: &mut Vec<Ignored>) {
    // The candidates of each repository, file by file, and in each of these revision by revision.
    let mut models: BTreeMap<(PathBuf, PathBuf), BTreeMap<String, usize>> = BTreeMap::new();
    let mut places: BTreeMap<usize, Place> = BTreeMap::new();
    for (at, model) in named.iter().enumerate().filter(|(_, model)| !model.is_chosen) {
        let Some(place) = Place::of(&model.location) else { continue };
        models.entry((place.folder.clone(), place.inside.clone())).or_default().insert(place.revision.clone(), at);
        places.insert(at, place);
    }
    let mut repeated: BTreeSet<usize> = BTreeSet::new();
    let mut mains: BTreeMap<PathBuf, Option<String>> = BTreeMap::new();
    for ((folder, _), revisions) in &models {
        let Some(place) = revisions.values().find_map(|at| places.get(at)) else { continue };
        let main = mains.entry(folder.clone()).or_insert_with(|| place.main(&*around.tree));
        let mut different: Vec<usize> = Vec::new();
        let mut first: BTreeMap<Vec<PathBuf>, usize> = BTreeMap::new();
        // The revision of `refs/main` comes first, so that the others are called the same as that one.
        let mut order: Vec<(&String, &usize)> = revisions.iter().collect();
        order.sort_by_key(|(revision, _)| Some(*revision) != main.as_ref());
        for (_, &at) in order {
            let blobs = if revisions.len() > 1 { blobs(around, &named[at]) } else { Vec::new() };
            match first.get(&blobs).filter(|_| !blobs.is_empty()) {
                Some(&same) => {
                    let reason = format!("the same blobs as {}", named[same].candidate.path.display());
                    ignored.push(Ignored::repeated(&named[at].candidate.path, reason));
                    repeated.insert(at);
                }
                None => {
                    first.insert(blobs, at);
                    different.push(at);
                }
            }
        }
        let short = shortest(&different.iter().map(|at| places[at].revision.as_str()).collect::<Vec<_>>());
        for at in &different {
            let Place { repository, revision, inside, .. } = &places[at];
            let repository = match different.len() {
                1 => repository.clone(),
                _ => format!("{repository}@{}", shown(revision, short)),
            };
            let stem = named[*at].is_file.then(|| named[*at].stem().to_owned());
            named[*at].candidate.name = joined(&repository, inside, stem.as_deref());
        }
    }
    let mut at = 0;
    named.retain(|_| {
        at += 1;
        !repeated.contains(&(at - 1))
    });
}

/// Returns a revision as a name shows it. A commit is cut, the name of a branch is not.
fn shown(revision: &str, short: usize) -> String {
    let is_commit = revision.bytes().all(|b| b.is_ascii_hexdigit());
    revision.chars().take(if is_commit { short } else { usize::MAX }).collect()
}

/// Returns how many characters tell some revisions apart.
fn shortest(revisions: &[&str]) -> usize {
    let distinct = |length: usize| {
        let short: BTreeSet<String> = revisions.iter().map(|r| r.chars().take(length).collect()).collect();
        short.len() == revisions.len()
    };
    let longest = revisions.iter().map(|r| r.chars().count()).max().unwrap_or(SHORT);
    (SHORT..longest).find(|&length| distinct(length)).unwrap_or(longest.max(SHORT))
}

/// Returns the objects that hold a model's weights, with links resolved, sorted.
///
/// Files that are no links have no blobs: some systems keep copies in a snapshot. Such revisions stay apart.
fn blobs(around: &Surroundings, model: &Named) -> Vec<PathBuf> {
    let path = &model.candidate.path;
    let folder = if model.is_file { path.parent().unwrap_or(Path::new("")) } else { path };
    let Ok(listing) = Listing::read(&*around.tree, folder) else { return Vec::new() };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let own = around.formats.parse(&name).filter(|_| model.is_file);
    let mut blobs = Vec::new();
    for file in &listing.files {
        let parsed = around.formats.parse(&file.name);
        let belongs = match (&own, &parsed) {
            // A model of one file, or of the shards that have its stem.
            (Some(own), Some(other)) => other.stem == own.stem && other.extension == own.extension,
            (Some(_), None) => false,
            // An adapter of other settings is another model, although its weights may be the same.
            (None, parsed) => {
                parsed.is_some() || around.formats.unread(&file.name).is_some() || file.name == "adapter_config.json"
            }
        };
        if belongs && file.kind == EntryKind::File {
            match around.tree.identity(&file.path) {
                Ok(real) => blobs.push(real),
                Err(_) => return Vec::new(),
            }
        }
    }
    blobs.sort();
    blobs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_as_short_as_they_can_be() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!([shown(commit, 8), shown("experiment-12", 8)], ["01234567", "experiment-12"]);
        assert_eq!(shortest(&["0123456789ab", "1123456789ab"]), 8);
        assert_eq!(shortest(&["0123456789ab", "0123456789cd"]), 11);
        assert_eq!(shortest(&["main", "dev"]), 8);
    }
}
