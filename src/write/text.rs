//! Words and names for a terminal.

use super::visible::visible;

/// A number and what it counts.
pub(super) fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// A name or sentence in which nothing moves a terminal's cursor, and nothing is hidden.
pub(super) fn shown(text: &str) -> String {
    visible(text).into_owned()
}

/// The first of some names, and how many more there are.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>, most: usize) -> String {
    let all = names.len();
    listed_of(all, names, most)
}

/// The same for a list of which only the first names may be known; `all` is how many there are.
pub(super) fn listed_of<'a>(all: usize, names: impl Iterator<Item = &'a str>, most: usize) -> String {
    let named: Vec<String> = names.take(most).map(shown).collect();
    let more = all.saturating_sub(named.len());
    let text = named.join(", ");
    if more > 0 { format!("{text} and {more} more") } else { text }
}
