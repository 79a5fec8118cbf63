use crate::addresses::Places;
use crate::args::{Models, Selection};
use crate::names::{self, Named};
use glob::Pattern;
use neural_phylogeny::discover::{Discovered, Discovery};
use neural_phylogeny::model_set::{ModelSetBuilder, OnUnreadable};
use neural_phylogeny::sketch::SketchSet;
use neural_phylogeny::store::SketchStore;
use neural_phylogeny::{Error, ModelSet, SourceError};
use std::error;
use std::path::{Path, PathBuf};

/// Whether what lies outside the given folders is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    Refused,
    Allowed,
}

impl Outside {
    /// What the option `--allow-outside` means.
    pub(crate) fn of(is_allowed: bool) -> Self {
        if is_allowed { Self::Allowed } else { Self::Refused }
    }
}

/// Refuses patterns and settings that no models could have, before anything is read.
pub(crate) fn check(arguments: &Models) -> Result<(), Error> {
    check_selection(&arguments.selection)?;
    builder(arguments, ModelSet::builder())?.check_settings()
}

/// Refuses patterns that are none, and bases that are not there.
pub(crate) fn check_selection(arguments: &Selection) -> Result<(), Error> {
    let _ = wanted(arguments)?;
    check_bases(&arguments.base)
}

/// Refuses bases that are not there. An adapter may come late, and another base could be found for it in silence.
pub(crate) fn check_bases(bases: &[String]) -> Result<(), Error> {
    let missing = |path: &&str| !path.contains("://") && !Path::new(path).exists();
    match bases.iter().map(|base| place_of_base(base).1).find(missing) {
        Some(path) => Err(Error::Discovery { source: SourceError::NotFound { path: path.into() }.into() }),
        None => Ok(()),
    }
}

/// The adapters that a base is for, if they are given, and its path.
fn place_of_base(base: &str) -> (Option<&str>, &str) {
    match base.split_once('=') {
        // A path may have an equals sign in it.
        Some((id, path)) if !id.is_empty() && !Path::new(base).exists() => (Some(id), path),
        _ => (None, base),
    }
}

/// Searches for models, and leaves out those that the model patterns exclude.
pub(crate) fn search(
    places: &Places,
    arguments: &Selection,
    on_unreadable: OnUnreadable,
) -> Result<Discovered, Box<dyn error::Error>> {
    let listed = arguments.from.as_deref().map_or(Ok(Vec::new()), names::listed)?;
    let named = || arguments.names.iter().chain(&listed);
    let paths: Vec<&Path> =
        arguments.paths.iter().map(PathBuf::as_path).chain(named().map(|n| n.path.as_path())).collect();
    if paths.is_empty() {
        let (found, expected) = ("none".to_owned(), "one folder or file to search, or more");
        return Err(Error::InvalidSetting { setting: "<PATH>...", found, expected }.into());
    }
    let mut discovery =
        discovery(places, arguments.part.as_deref(), &arguments.base, Outside::of(arguments.allow_outside))?;
    for Named { name, path } in named() {
        discovery = name.iter().fold(discovery, |d, name| d.with_name(path, name));
    }
    if on_unreadable == OnUnreadable::Skip {
        discovery = discovery.with_unsearchable_listed();
    }
    let mut found = discovery.search(&paths).map_err(|source| Error::Discovery { source: source.into() })?;
    let wanted = wanted(arguments)?;
    found.models.retain(|m| wanted(&m.name));
    found.unreadable.retain(|m| wanted(&m.name));
    Ok(found)
}

/// Makes a search by the part of pipelines to take, and the bases of adapters.
pub(crate) fn discovery(
    places: &Places,
    part: Option<&str>,
    bases: &[String],
    outside: Outside,
) -> Result<Discovery, Error> {
    let mut discovery = part.into_iter().fold(places.search(), Discovery::with_part);
    if outside == Outside::Allowed {
        discovery = discovery.with_outside();
    }
    let mut plain: Option<&String> = None;
    for base in bases {
        discovery = match place_of_base(base) {
            (Some(id), path) => discovery.with_base_for(id, path),
            (None, _) => {
                if let Some(other) = plain.replace(base) {
                    let found = format!("`{other}` and `{base}`");
                    let expected = "one base for adapters without one of their own; others as ID=PATH";
                    return Err(Error::InvalidSetting { setting: "base", found, expected });
                }
                discovery.with_base(base)
            }
        };
    }
    Ok(discovery)
}

/// Tells which names the model patterns allow.
fn wanted(arguments: &Selection) -> Result<impl Fn(&str) -> bool + use<>, Error> {
    let include = patterns("include-models", &arguments.include_models)?;
    let exclude = patterns("exclude-models", &arguments.exclude_models)?;
    Ok(move |name: &str| {
        (include.is_empty() || include.iter().any(|p| p.matches(name))) && !exclude.iter().any(|p| p.matches(name))
    })
}

/// The sketches of a store that the model patterns allow.
pub(crate) fn sketches(arguments: &Models, store: &Path) -> Result<SketchSet, Error> {
    let store = SketchStore::open(store)?;
    let wanted = wanted(&arguments.selection)?;
    let (sketches, problems) = match on_unreadable(&arguments.selection) {
        OnUnreadable::Skip => store.readable_sketches()?,
        _ => (store.sketches()?, Vec::new()),
    };
    // The name of a model is in its file, which cannot be believed.
    let left_out =
        |set: ModelSetBuilder, (path, error): (PathBuf, _)| set.with_unreadable(path.display().to_string(), error);
    let set = ModelSet::builder().with_on_unreadable(on_unreadable(&arguments.selection));
    let set = problems.into_iter().fold(set, left_out);
    SketchSet::with_selection(builder(arguments, set)?, sketches.into_iter().filter(|(name, _)| wanted(name)))
}

/// What becomes of models that cannot be read.
pub(crate) fn on_unreadable(arguments: &Selection) -> OnUnreadable {
    if arguments.skip_unreadable { OnUnreadable::Skip } else { OnUnreadable::Stop }
}

fn patterns(setting: &'static str, texts: &[String]) -> Result<Vec<Pattern>, Error> {
    let pattern = |text: &String| {
        Pattern::new(text).map_err(|e| Error::InvalidSetting {
            setting,
            found: format!("`{text}` ({e})"),
            expected: "a pattern of `*`, `?` and `[…]`",
        })
    };
    texts.iter().map(pattern).collect()
}

/// Makes the set of the models that were found.
pub(crate) fn build(arguments: &Models, found: Discovered, on_unreadable: OnUnreadable) -> Result<ModelSet, Error> {
    builder(arguments, ModelSet::builder().with_discovered(found).with_on_unreadable(on_unreadable))?.build()
}

fn builder(arguments: &Models, mut builder: ModelSetBuilder) -> Result<ModelSetBuilder, Error> {
    for pattern in &arguments.include {
        builder = builder.with_include(pattern)?;
    }
    for pattern in &arguments.exclude {
        builder = builder.with_exclude(pattern)?;
    }
    if let Some(count) = arguments.first_values {
        builder = builder.with_first_values(count);
    }
    Ok(builder.with_minimum_shared(arguments.minimum_shared))
}
