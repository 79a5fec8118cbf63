use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use neural_phylogeny::write::{ContentKind, OutputFormat, format_named, formats};

/// The form where none is named.
pub(crate) const DEFAULT: &str = "table";

/// Reads the name of a form that can write a kind of content.
pub(crate) fn of(kind: ContentKind) -> impl TypedValueParser<Value = &'static dyn OutputFormat> {
    let able = formats().iter().filter(move |f| f.writes(kind));
    let value = |f: &&'static dyn OutputFormat| PossibleValue::new(f.name()).help(f.description());
    PossibleValuesParser::new(able.map(value).collect::<Vec<_>>())
        .try_map(|name| format_named(&name).ok_or("no form has this name"))
}
