//! The one way from this command to a terminal, a pipe or a file: nothing in it moves a cursor or is hidden.
//!
//! Names of files and tensors, and words of configurations, come from strangers. They may hold escapes that clear a screen, set
//! its title or hide text. All that is printed goes through [`Printed`], [`Page`] or [`say`].

use neural_phylogeny::write::{is_hidden, visible};
use std::fmt;
use std::io::{self, Write};

/// What stands for a hidden character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A replacement character stands for it. Lines stay lines.
    Text,
    /// JSON's own escape stands for it, so that a parser reads the same value.
    Json,
}

impl Form {
    /// The form of an output by its name.
    pub(crate) fn named(name: &str) -> Self {
        if name == "json" { Self::Json } else { Self::Text }
    }
}

/// A writer that passes on UTF-8 without hidden characters.
#[derive(Debug)]
pub(crate) struct Printed<W> {
    form: Form,
    inner: W,
    /// The first bytes of a character whose others are not written yet.
    begun: Vec<u8>,
}

impl<W: Write> Printed<W> {
    pub(crate) fn new(form: Form, inner: W) -> Self {
        Self { form, inner, begun: Vec::new() }
    }

    fn pass(&mut self, text: &str) -> io::Result<()> {
        let mut plain = text.split_inclusive(|c: char| is_hidden(c) && c != '\n');
        plain.try_for_each(|part| {
            let hidden = part.chars().next_back().filter(|&c| is_hidden(c) && c != '\n');
            let Some(hidden) = hidden else { return self.inner.write_all(part.as_bytes()) };
            self.inner.write_all(&part.as_bytes()[..part.len() - hidden.len_utf8()])?;
            match self.form {
                Form::Text => write!(self.inner, "{}", char::REPLACEMENT_CHARACTER),
                // Beyond the basic plane a character has two escapes. Outside strings, JSON has no hidden character.
                Form::Json => {
                    let mut units = [0; 2];
                    hidden.encode_utf16(&mut units).iter().try_for_each(|unit| write!(self.inner, "\\u{unit:04x}"))
                }
            }
        })
    }
}

impl<W: Write> Write for Printed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        for chunk in all.utf8_chunks() {
            self.pass(chunk.valid())?;
            let begun = chunk.invalid();
            let is_last = begun.as_ptr_range().end == all.as_ptr_range().end;
            // Only the end of the bytes can be a character that is not complete. Elsewhere they are none.
            match std::str::from_utf8(begun) {
                Err(error) if is_last && error.error_len().is_none() => self.begun = begun.to_vec(),
                Err(_) => write!(self.inner, "{}", char::REPLACEMENT_CHARACTER)?,
                Ok(_) => {}
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Text of many lines. A line break in a name does not begin a line of its own.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    pub(crate) fn line(&mut self, words: fmt::Arguments<'_>) {
        self.text.push_str(&visible(&words.to_string()));
        self.text.push('\n');
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Says one line on standard error. If nobody can hear it, the work goes on.
pub(crate) fn say(kind: &str, words: &str) {
    let _ = writeln!(io::stderr().lock(), "{kind}: {}", visible(words));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What arrives of a text that is written in pieces of some bytes.
    fn printed(form: Form, text: &[u8], piece: usize) -> String {
        let mut all = Vec::new();
        let mut writer = Printed::new(form, &mut all);
        text.chunks(piece).for_each(|part| writer.write_all(part).unwrap());
        String::from_utf8(all).unwrap()
    }

    const HOSTILE: &str = "é\u{1b}]0;PWNED\u{7}\u{9b}2J\u{202e}\u{e0041}\u{7f}ü\n";

    #[test]
    fn hidden_characters_are_replaced_wherever_the_bytes_are_cut() {
        for piece in 1..=HOSTILE.len() {
            let text = printed(Form::Text, HOSTILE.as_bytes(), piece);
            assert_eq!(text, "é\u{fffd}]0;PWNED\u{fffd}\u{fffd}2J\u{fffd}\u{fffd}\u{fffd}ü\n", "{piece}");
        }
        assert_eq!(printed(Form::Text, b"a\xffb\xc3", 1), "a\u{fffd}b");
    }

    #[test]
    fn json_says_the_same_without_hidden_characters() {
        let json = serde_json::to_vec(&[HOSTILE]).unwrap();
        for piece in 1..=json.len() {
            let text = printed(Form::Json, &json, piece);
            assert!(!text.contains(is_hidden), "{text}");
            assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), [HOSTILE]);
        }
    }

    #[test]
    fn a_line_of_a_page_is_one_line() {
        let mut page = Page::default();
        page.line(format_args!("a {}", "b\nerror: c\r"));
        assert_eq!(page.as_bytes(), "a b\u{fffd}error: c\u{fffd}\n".as_bytes());
    }
}
