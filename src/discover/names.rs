//! Names of the models that a search finds.

use super::search::Candidate;
use super::surroundings::Surroundings;
use super::{Ignored, revisions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// A name that was chosen for a path.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) path: PathBuf,
    pub(super) name: String,
}

/// A candidate on the way to its name.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) candidate: Candidate,
    /// The path with the links of its folder resolved. Links to files are not followed: the names of blobs are no names.
    pub(super) location: PathBuf,
    pub(super) is_file: bool,
    /// Whether the user chose the name.
    pub(super) is_chosen: bool,
}

impl Named {
    fn new(around: &Surroundings, candidate: Candidate) -> Self {
        // A link that leads nowhere stands for a file.
        let (location, is_file) = (location(around, &candidate.path), !around.is_folder(&candidate.path));
        Self { candidate, location, is_file, is_chosen: false }
    }

    /// Returns the end of a name: a path inside a folder, with `/`. The last part of a file is the stem of its model.
    pub(super) fn tail(&self, inside: &Path) -> String {
        let mut parts: Vec<String> =
            inside.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        // The candidate's own name ends in the stem, which the format knows best.
        if self.is_file
            && let Some(last) = parts.last_mut()
        {
            *last = self.stem().to_owned();
        }
        parts.join("/")
    }

    /// Returns the last part of the name. That of a file is the stem of its model.
    pub(super) fn stem(&self) -> &str {
        self.candidate.name.rsplit('/').next().unwrap_or_default()
    }
}

/// Returns a path with the links of its folder resolved. A link to a folder is followed, a link to a file is not.
pub(super) fn location(around: &Surroundings, path: &Path) -> PathBuf {
    let real = |path: &Path| around.tree.identity(path).ok();
    if around.is_folder(path) {
        return real(path).unwrap_or_else(|| path.to_owned());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (real(above), path.file_name()) {
        (Some(above), Some(file)) => above.join(file),
        _ => path.to_owned(),
    }
}

/// Gives every candidate its name: the chosen one, that of its repository, or its path under the given folder.
pub(super) fn assign(
    around: &Surroundings,
    chosen: &[Chosen],
    candidates: Vec<Candidate>,
    ignored: &mut Vec<Ignored>,
) -> Vec<Candidate> {
    let mut named: Vec<Named> = candidates.into_iter().map(|c| Named::new(around, c)).collect();
    let mut places: Vec<(PathBuf, &str)> =
        chosen.iter().map(|c| (location(around, &c.path), c.name.as_str())).collect();
    // Of two paths that hold a model, the longer one is nearer to it.
    places.sort_by_key(|(path, _)| std::cmp::Reverse(path.components().count()));
    for model in &mut named {
        let found = places.iter().find_map(|(path, name)| Some((model.location.strip_prefix(path).ok()?, name)));
        let Some((inside, name)) = found else { continue };
        let tail = model.tail(inside);
        model.candidate.name = if tail.is_empty() || inside.as_os_str().is_empty() {
            (*name).to_owned()
        } else {
            format!("{name}/{tail}")
        };
        model.is_chosen = true;
    }
    revisions::assign(around, &mut named, ignored);
    make_unique(around, &mut named);
    named.into_iter().map(|model| model.candidate).collect()
}

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

/// Returns the name of the one model at a path: the chosen one, that of its repository, or that of the path.
pub(super) fn of_one(around: &Surroundings, chosen: &[Chosen], path: &Path) -> String {
    let place = location(around, path);
    let chosen = chosen.iter().find(|c| location(around, &c.path) == place).map(|c| c.name.clone());
    let own = of_given(around, path);
    let stem = (!around.is_folder(path)).then_some(own.as_str());
    chosen.or_else(|| revisions::name(&place, stem)).unwrap_or(own)
}

/// Returns the folder that holds a given path, with links resolved.
pub(super) fn parent_of_given(around: &Surroundings, path: &Path) -> PathBuf {
    location(around, path).parent().map(|above| location(around, above)).unwrap_or_default()
}

/// Returns the last component of a path. Links to folders are followed, so that each spelling of a path gives the same name.
fn last_component(around: &Surroundings, path: &Path) -> String {
    let name = location(around, path).file_name().map(ToOwned::to_owned);
    name.map_or_else(|| "root".to_owned(), |n| n.to_string_lossy().into_owned())
}

/// Gives different names to models that would have the same: whole file names, then as many components of the given folder in
/// front as tell them apart, then numbers.
///
/// Chosen names stay as they are.
fn make_unique(around: &Surroundings, named: &mut [Named]) {
    // Each step applies only to names that are still equal, so that most models keep their short name.
    rename_repeated(named, |c| {
        let file = around.is_file(&c.path).then(|| c.path.file_name())??.to_string_lossy().into_owned();
        Some(match c.name.rsplit_once('/') {
            Some((above, _)) => format!("{above}/{file}"),
            None => file,
        })
    });
    let components = |path: &Path| -> Vec<String> {
        let normal = path.components().filter(|part| matches!(part, Component::Normal(_)));
        // The scheme of an address is no part of a name.
        normal.map(|part| part.as_os_str().to_string_lossy().into_owned()).filter(|part| !part.ends_with(':')).collect()
    };
    let roots: BTreeMap<PathBuf, Vec<String>> =
        named.iter().map(|m| (m.candidate.root.clone(), components(&m.candidate.root))).collect();
    let deepest = roots.values().map(Vec::len).max().unwrap_or(0);
    for above in 1..=deepest {
        let elsewhere = repeated_elsewhere(named);
        rename_repeated(named, |c| {
            // Models of one folder are told apart by no folder above it.
            let helps = above == 1 || elsewhere.contains(&c.name);
            let parts = roots.get(&c.root).filter(|_| helps)?;
            Some(format!("{}/{}", parts.get(parts.len().checked_sub(above)?)?, c.name))
        });
    }

    let mut taken: BTreeSet<String> = named.iter().map(|m| m.candidate.name.clone()).collect();
    let mut seen: BTreeSet<String> = named.iter().filter(|m| m.is_chosen).map(|m| m.candidate.name.clone()).collect();
    let mut order: Vec<usize> = (0..named.len()).filter(|&at| !named[at].is_chosen).collect();
    // Numbers follow the order of real paths, so that they depend neither on the order nor on the spelling of given paths.
    order.sort_by(|&a, &b| named[a].location.cmp(&named[b].location));
    for at in order {
        let name = named[at].candidate.name.clone();
        if seen.insert(name.clone()) {
            continue;
        }
        let free = (2..).map(|n| format!("{name}#{n}")).find(|n| !taken.contains(n));
        named[at].candidate.name = free.unwrap_or(name);
        taken.insert(named[at].candidate.name.clone());
        seen.insert(named[at].candidate.name.clone());
    }
}

/// Returns the names that models in different given folders have.
fn repeated_elsewhere(named: &[Named]) -> BTreeSet<String> {
    let mut roots: BTreeMap<&str, BTreeSet<&Path>> = BTreeMap::new();
    for model in named {
        roots.entry(&model.candidate.name).or_default().insert(&model.candidate.root);
    }
    roots.into_iter().filter(|(_, roots)| roots.len() > 1).map(|(name, _)| name.to_owned()).collect()
}

fn rename_repeated(named: &mut [Named], rename: impl Fn(&Candidate) -> Option<String>) {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for model in named.iter() {
        *count.entry(model.candidate.name.clone()).or_default() += 1;
    }
    for model in named.iter_mut().filter(|m| !m.is_chosen) {
        if count[&model.candidate.name] > 1
            && let Some(name) = rename(&model.candidate)
        {
            model.candidate.name = name;
        }
    }
}
