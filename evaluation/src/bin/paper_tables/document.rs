//! Tables into a document, so that one command brings it up to date.

use crate::Failure;
use std::fs;

/// Replaces what stands between `<!-- NAME -->` and `<!-- end of NAME -->` in a file; `place` is `FILE#NAME`.
pub(crate) fn replace(place: &str, text: &str) -> Result<(), Failure> {
    let (file, name) = place.split_once('#').ok_or("expected FILE#NAME after --into")?;
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- end of {name} -->"));
    let document = fs::read_to_string(file)?;
    let missing = || format!("{file} has no {begin} followed by {end}");
    let (before, rest) = document.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    fs::write(file, format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))?;
    Ok(())
}
