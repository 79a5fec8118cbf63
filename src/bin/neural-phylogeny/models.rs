use crate::args::{Models, Selection};
use glob::Pattern;
use neural_phylogeny::{Discovered, Discovery, Error, ModelSet, OnUnreadable};

/// Searches, and leaves out what the model patterns exclude.
pub(crate) fn search(arguments: &Selection) -> Result<Discovered, Error> {
    let mut discovery = Discovery::new();
    if let Some(part) = &arguments.part {
        discovery = discovery.part(part);
    }
    if let Some(base) = &arguments.base {
        discovery = discovery.base(base);
    }
    let mut found = discovery.search(&arguments.paths).map_err(|source| Error::Discovery { source })?;
    let include = patterns("include-models", &arguments.include_models)?;
    let exclude = patterns("exclude-models", &arguments.exclude_models)?;
    let wanted = |name: &str| {
        (include.is_empty() || include.iter().any(|p| p.matches(name))) && !exclude.iter().any(|p| p.matches(name))
    };
    found.models.retain(|m| wanted(&m.name));
    found.unreadable.retain(|m| wanted(&m.name));
    Ok(found)
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

/// The set of what was found.
pub(crate) fn build(arguments: &Models, found: Discovered, on_unreadable: OnUnreadable) -> Result<ModelSet, Error> {
    let mut builder = ModelSet::builder().discovered(found).on_unreadable(on_unreadable);
    for pattern in &arguments.include {
        builder = builder.include(pattern)?;
    }
    for pattern in &arguments.exclude {
        builder = builder.exclude(pattern)?;
    }
    if let Some(count) = arguments.first_values {
        builder = builder.first_values(count);
    }
    builder.minimum_shared(arguments.minimum_shared).build()
}
