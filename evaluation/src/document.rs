//! Tables into a document, so that one command brings it up to date.

use std::fs;
use std::io::{Error, Result};

/// Replaces what stands between `<!-- NAME -->` and `<!-- end of NAME -->` in a file; `place` is `FILE#NAME`.
///
/// # Errors
///
/// When `place` has no `#`, the file cannot be read or written, or the two marks are not in it.
pub fn replace(place: &str, text: &str) -> Result<()> {
    let (file, name) = place.split_once('#').ok_or_else(|| Error::other("expected FILE#NAME after --into"))?;
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- end of {name} -->"));
    let document = fs::read_to_string(file).map_err(|e| Error::new(e.kind(), format!("{file}: {e}")))?;
    let missing = || Error::other(format!("{file} has no {begin} followed by {end}"));
    let (before, rest) = document.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    fs::write(file, format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}
