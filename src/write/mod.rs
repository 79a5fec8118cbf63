//! Writes results as text and files: one file of code for each form.
//!
//! - [`write_table`] is for a person. [`write_explanation`] says why one model has the parents it has, [`write_answer`] what
//!   one model is derived from, [`write_direction`] which of two came first.
//! - `write_json` loses nothing, and `read_json` reads it back (feature `serde`).
//! - [`write_dot`] is for Graphviz, [`write_newick`] for programs that draw trees.
//!
//! [`formats`] lists them by name, as the command offers them. A new one is a file with an [`OutputFormat`], and a line in that
//! list.

mod answer;
mod candidates;
mod columns;
mod direction;
mod dot;
mod edge;
mod explanation;
mod format;
mod heaviest;
#[cfg(feature = "serde")]
mod json;
mod movements;
mod newick;
mod newick_unrooted;
mod number;
mod shares;
mod table;
mod text;
mod visible;
mod why;

pub use answer::write_answer;
pub use direction::write_direction;
pub use dot::{Dot, write_dot};
pub use explanation::write_explanation;
pub use format::{Content, ContentKind, OutputFormat};
#[cfg(feature = "serde")]
pub use json::{Json, read_json, write_answer_json, write_explanation_json, write_json};
#[cfg(feature = "serde")]
pub(crate) use json::{Parents, parse};
pub use newick::{Newick, write_newick};
pub use newick_unrooted::write_newick_unrooted;
pub use table::{Table, write_table};
pub use visible::{is_hidden, visible};

/// Every form, in the order in which the command offers them.
static FORMATS: &[&dyn OutputFormat] = &[
    &Table,
    #[cfg(feature = "serde")]
    &Json,
    &Dot,
    &Newick,
];

/// Every form in which results are written.
///
/// ```
/// use neural_phylogeny::write::{ContentKind, formats};
/// let names: Vec<&str> = formats().iter().filter(|f| f.writes(ContentKind::Phylogeny)).map(|f| f.name()).collect();
/// assert!(names.contains(&"table") && names.contains(&"newick"));
/// ```
pub fn formats() -> &'static [&'static dyn OutputFormat] {
    FORMATS
}

/// The form of a name; `None` when no form has it.
pub fn format_named(name: &str) -> Option<&'static dyn OutputFormat> {
    FORMATS.iter().copied().find(|f| f.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_set::ModelId;
    use crate::phylogeny::arbitrary::family;

    #[test]
    fn every_format_writes_what_it_says_and_refuses_the_rest() {
        let phylogeny = family(2, &[(0, 1, 1.0)]);
        for format in formats() {
            for content in [Content::Phylogeny(&phylogeny), Content::Explanation(&phylogeny, ModelId::new(1))] {
                let mut text = Vec::new();
                let written = format.write(&content, &mut text).is_ok();
                assert_eq!(written, format.writes(content.kind()), "{format:?} {content:?}");
                assert_eq!(written, !text.is_empty());
            }
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        for format in formats() {
            assert_eq!(format_named(format.name()).map(|f| f.extension()), Some(format.extension()));
            assert_eq!(formats().iter().filter(|f| f.name() == format.name()).count(), 1);
        }
        assert!(format_named("cuneiform").is_none());
    }
}
