//! Paths of models, and names that were chosen for them: options of the command, and lists in files.

use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A path to search, and the name of the model there if one was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: Option<String>,
    pub(crate) path: PathBuf,
}

/// Reads `NAME=PATH`.
pub(crate) fn given(text: &str) -> Result<Named, String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok(Named { name: Some(name.to_owned()), path: path.into() })
        }
        _ => Err(format!("found `{text}`, expected a name, `=` and a path")),
    }
}

/// Reads a list of paths, each with or without a name. Paths are relative to the current folder.
pub(crate) fn listed(file: &Path) -> Result<Vec<Named>, Box<dyn Error>> {
    let failed = |e: std::io::Error| format!("cannot read the list {}: {e}", file.display());
    let mut text = String::new();
    match file == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text).map_err(failed)?,
        false => fs::File::open(file).and_then(|mut f| f.read_to_string(&mut text)).map_err(failed)?,
    };
    let mut paths = Vec::new();
    // Editors on Windows begin UTF-8 files with a byte order mark.
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let wrong = |what| format!("line {} of the list {} has no {what}", number + 1, file.display());
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        paths.push(match line.split_once('\t') {
            Some((name, _)) if name.trim().is_empty() => return Err(wrong("name before its tab").into()),
            Some((_, path)) if path.trim().is_empty() => return Err(wrong("path after its tab").into()),
            Some((name, path)) => Named { name: Some(name.trim().to_owned()), path: path.trim().into() },
            None => Named { name: None, path: line.trim().into() },
        });
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_the_first_equals_sign() {
        let named = |name: &str, path: &str| Named { name: Some(name.into()), path: path.into() };
        assert_eq!(given("base=runs/epoch=3.safetensors"), Ok(named("base", "runs/epoch=3.safetensors")));
        for wrong in ["base", "=path", "base=", ""] {
            assert!(given(wrong).unwrap_err().contains("expected a name"), "{wrong}");
        }
    }

    #[test]
    fn a_list_has_names_where_there_is_a_tab() -> Result<(), Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("list");
        fs::write(&file, "\u{feff}# models\nbase\tb/one two\r\n\nplain/path\n")?;
        let found = listed(&file)?;
        assert_eq!(found[0], Named { name: Some("base".into()), path: "b/one two".into() });
        assert_eq!((found.len(), &found[1]), (2, &Named { name: None, path: "plain/path".into() }));
        fs::write(&file, "a\n\tb\n")?;
        assert!(listed(&file).unwrap_err().to_string().starts_with("line 2 of the list "));
        Ok(())
    }
}
