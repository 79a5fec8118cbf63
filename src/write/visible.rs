//! Names and sentences in which every character is what it looks like.

use std::borrow::Cow;

/// Whether a character moves a terminal's cursor, turns the direction of text, or cannot be seen.
///
/// These are control characters (C0, DELETE and C1, with escape), the marks of Unicode's bidirectional algorithm, separators of
/// lines and paragraphs, characters of no width, and tags.
///
/// ```
/// use neural_phylogeny::write::is_hidden;
/// assert!(is_hidden('\u{1b}') && is_hidden('\u{9b}') && is_hidden('\u{202e}') && is_hidden('\n'));
/// assert!(!is_hidden('é') && !is_hidden(' ') && !is_hidden('\u{fffd}'));
/// ```
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with a replacement character for each one that [`is_hidden`]. It is one line.
///
/// Names in checkpoints come from strangers. A program that prints them should print this.
///
/// ```
/// use neural_phylogeny::write::visible;
/// assert_eq!(visible("model-\u{1b}[31m\n"), "model-\u{fffd}[31m\u{fffd}");
/// assert_eq!(visible("modèle"), "modèle");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    match text.contains(is_hidden) {
        true => Cow::Owned(text.replace(is_hidden, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}
