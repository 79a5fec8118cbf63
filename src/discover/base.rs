//! The search for the base of an adapter. [`Discovery`](super::Discovery) documents the order of the places.

use super::BaseRule;
use super::hub::{self, Cached, Place};
use super::names;
use super::open::Opener;
use crate::error::SourceError;
use crate::format::whole_name;
use std::path::{Path, PathBuf};

/// The bases that options give.
#[derive(Clone, Debug, Default)]
pub(super) struct Bases {
    /// The base of adapters that record none, or one that is not found.
    pub(super) fallback: Option<PathBuf>,
    /// Recorded bases, or names of adapters, and the base of each.
    pub(super) given: Vec<(String, PathBuf)>,
}

/// An adapter whose base is searched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The folder or file of the adapter.
    pub(super) path: &'a Path,
    /// The same with links resolved.
    pub(super) real: &'a Path,
    /// What the adapter records: a path, or an identifier such as `org/name`.
    pub(super) recorded: Option<&'a str>,
    /// The recorded revision of the base.
    pub(super) revision: Option<&'a str>,
    /// Where the adapter records its base, for the error that it records none.
    pub(super) place: &'a str,
}

/// The ways to spell the name of a model that was found, each in its parts, and its place if it is in a hub cache.
#[derive(Debug)]
pub(super) struct Spellings(Vec<Vec<String>>, Option<Place>);

impl Opener<'_> {
    /// Finds the base of an adapter.
    pub(super) fn base_of(&self, wanted: &Wanted<'_>) -> Result<(PathBuf, BaseRule), SourceError> {
        let known = self.known.iter().find(|(_, path)| path == wanted.path).map(|(name, _)| name.clone());
        let own = known.unwrap_or_else(|| names::of_given(self.around, wanted.path));
        let is_given = |id: &str| Some(id) == wanted.recorded || id == own;
        if let Some((_, path)) = self.bases.given.iter().find(|(id, _)| is_given(id)) {
            return Ok((path.clone(), BaseRule::GivenFor));
        }
        let reason = match wanted.recorded {
            None => format!("{} records none", wanted.place),
            Some(recorded) => match self.recorded(wanted, recorded) {
                Ok(found) => return Ok(found),
                Err(reason) => reason,
            },
        };
        if let Some(path) = &self.bases.fallback {
            return Ok((path.clone(), BaseRule::Given));
        }
        let name = wanted.recorded.map_or(own, ToOwned::to_owned);
        Err(SourceError::BaseMissing { path: wanted.path.to_owned(), reason, name })
    }

    /// Finds the base that an adapter records. The error says why it was not found.
    fn recorded(&self, wanted: &Wanted<'_>, recorded: &str) -> Result<(PathBuf, BaseRule), String> {
        let is_file = self.around.is_file(wanted.path);
        let folder = match is_file {
            true => wanted.path.parent().unwrap_or(Path::new("")),
            false => wanted.path,
        };
        let places = [folder, Path::new("")].into_iter().chain(self.roots.iter().map(PathBuf::as_path));
        // A file may have the name of its base in another folder. A folder that records itself is an error of its own.
        let mut outside: Option<PathBuf> = None;
        let at_path = |p: &PathBuf| match self.around.outside_of(p) {
            // What is there is not looked at, and another rule may find the base.
            Some(target) => {
                outside.get_or_insert(target);
                false
            }
            None => self.recognize(p).is_ok() && (!is_file || self.is_other(wanted, p)),
        };
        if let Some(found) = places.map(|p| p.join(recorded)).find(at_path) {
            return Ok((found, BaseRule::Path));
        }
        let parts: Vec<&str> = recorded.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | "..")).collect();
        match self.cached(wanted, recorded, &parts) {
            Some(Cached::Snapshot(found)) => return Ok((found, BaseRule::HubCache)),
            Some(Cached::Several(all)) => {
                return Err(format!("its `{recorded}` may be {}", listed(&all)));
            }
            Some(Cached::OtherRevision(snapshots)) => {
                return Err(format!("the revision of its `{recorded}` is not in {}", snapshots.display()));
            }
            None => {}
        }
        let named: Vec<&PathBuf> = match parts[..] {
            [.., organization, name] => self.named(wanted, |known| ends_in(known, organization, name)),
            [name] => match self.beside(wanted, name) {
                Some(found) => return Ok((found, BaseRule::Name)),
                None => self.named(wanted, |known| known == [name]),
            },
            [] => Vec::new(),
        };
        match named[..] {
            [found] => Ok((found.clone(), BaseRule::Name)),
            [] => Err(match outside {
                Some(target) => format!(
                    "its `{recorded}` leads outside the given folders, to {}, where nothing is read without `--allow-outside`",
                    target.display()
                ),
                None => self.without_match(wanted, recorded, folder, parts.last().copied().unwrap_or(recorded)),
            }),
            _ => Err(format!("its `{recorded}` may be {}", listed(named))),
        }
    }

    /// Finds the base in a hub cache that holds the adapter, a searched path or a model that was found.
    fn cached(&self, wanted: &Wanted<'_>, recorded: &str, parts: &[&str]) -> Option<Cached> {
        // A path into the cache of another machine names model and revision too.
        let of_path = Place::of_revision(&parts.iter().collect::<PathBuf>());
        let revision = wanted.revision.or(of_path.as_ref().map(|place| place.revision.as_str()));
        let identifier = of_path.as_ref().map_or(recorded, |place| &place.repository);
        let folder = hub::folder_name(identifier)?;
        let above = [wanted.path, wanted.real].into_iter().flat_map(|p| p.ancestors().skip(1).map(Path::to_owned));
        let roots = self.roots.iter().flat_map(|root| {
            let real = self.around.tree.identity(root).ok();
            let above = real.iter().flat_map(|r| r.ancestors().skip(1).map(Path::to_owned)).collect::<Vec<_>>();
            [root.clone(), root.join("hub")].into_iter().chain(above)
        });
        let places = self.spellings().iter().filter_map(|spellings| spellings.1.as_ref());
        let found = places.filter(|place| place.repository == identifier).map(|place| place.folder.clone());
        let folders = above.chain(roots).map(|place| place.join(&folder)).chain(found);
        let mut folders = folders.into_iter().filter(|folder| !hub::is_address(folder));
        // A cache may hold the base beside what was given. Its record of branches is read in its own repository alone.
        folders.find_map(|folder| hub::snapshot(&*self.around.with_place(&folder).tree, &folder, revision))
    }

    /// Finds a model beside the adapter.
    fn beside(&self, wanted: &Wanted<'_>, name: &str) -> Option<PathBuf> {
        let files = self.around.formats.iter().flat_map(|f| f.extensions()).map(|end| whole_name(name, end));
        let parent = wanted.path.parent()?;
        let mut beside = [name.to_owned()].into_iter().chain(files).map(|name| parent.join(name));
        beside.find(|path| self.is_other(wanted, path) && self.recognize(path).is_ok())
    }

    /// Returns the models that were found whose name, or path, is a wanted one. A model that is found twice counts once.
    fn named(&self, wanted: &Wanted<'_>, is_wanted: impl Fn(&[String]) -> bool) -> Vec<&PathBuf> {
        let known = self.known.iter().zip(self.spellings());
        let found =
            known.filter(|((_, path), s)| s.0.iter().any(|parts| is_wanted(parts)) && self.is_other(wanted, path));
        found.map(|((_, path), _)| path).collect()
    }

    /// Returns the spellings of the models that were found. They are computed once, because there may be many adapters.
    fn spellings(&self) -> &[Spellings] {
        self.spellings.get_or_init(|| {
            let spellings = |(name, path): &(String, PathBuf)| {
                // A name may end in the revision of a hub cache.
                let name = name.split('@').next().unwrap_or(name);
                let place = Place::of_revision(path);
                let split = |name: &str| name.split('/').map(ToOwned::to_owned).collect::<Vec<_>>();
                let of_place = place.as_ref().map(|place| split(&place.repository));
                Spellings(
                    [Some(split(name)), Some(self.components(path)), of_place].into_iter().flatten().collect(),
                    place,
                )
            };
            self.known.iter().map(spellings).collect()
        })
    }

    /// Returns the components of a model's resolved path, the last one without the ending of a format.
    fn components(&self, path: &Path) -> Vec<String> {
        let real = self.around.tree.identity(path).unwrap_or_else(|_| path.to_owned());
        let mut parts: Vec<String> = real.components().map(|p| p.as_os_str().to_string_lossy().into_owned()).collect();
        if self.around.is_file(path) && parts.pop().is_some() {
            parts.push(names::of_given(self.around, path));
        }
        parts
    }

    fn is_other(&self, wanted: &Wanted<'_>, path: &Path) -> bool {
        self.around.tree.identity(path).is_ok_and(|real| real != wanted.real)
    }

    /// Says why nothing has the recorded name. Models of the same last name are told, and never taken.
    fn without_match(&self, wanted: &Wanted<'_>, recorded: &str, folder: &Path, last: &str) -> String {
        let alike = self.named(wanted, |known| known.last().is_some_and(|part| part == last));
        if alike.is_empty() {
            return format!(
                "its `{recorded}` is no model's path from {}, the current folder or the searched ones, and no model found \
                 is named `{recorded}`",
                folder.display()
            );
        }
        format!("its `{recorded}` is not here, and only the last part of the name is that of {}", listed(alike))
    }
}

/// Whether the components of a name end in two others.
fn ends_in(known: &[String], organization: &str, name: &str) -> bool {
    matches!(known, [.., a, b] if *a == organization && *b == name)
}

fn listed<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> String {
    let paths: Vec<String> = paths.into_iter().map(|path| path.as_ref().display().to_string()).collect();
    paths.join(" or ")
}
