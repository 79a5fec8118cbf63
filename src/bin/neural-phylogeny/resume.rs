use crate::args::Detection;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Refuses a file of partial sums inside a searched folder, where the search of the next run would find it.
pub(crate) fn check(arguments: &Detection) -> Result<(), Box<dyn Error>> {
    let Some(file) = &arguments.geometry.resume else { return Ok(()) };
    let folder = folder(file);
    if !folder.is_dir() {
        let source = io::Error::new(io::ErrorKind::NotFound, format!("{} is no folder", folder.display()));
        return Err(neural_phylogeny::Error::ResumeFileIo { path: file.clone(), source }.into());
    }
    let places = places(file);
    for searched in &arguments.models.selection.paths {
        // The search itself reports a path that does not exist.
        let Ok(real) = fs::canonicalize(searched) else { continue };
        if places.iter().any(|place| place.starts_with(&real)) {
            let (file, searched) = (file.display(), searched.display());
            return Err(format!(
                "partial sums {file} lie within {searched}, which is searched for models: put them elsewhere"
            )
            .into());
        }
    }
    Ok(())
}

/// All places of a file: the place in its folder, and the end of the link when it is a link.
fn places(file: &Path) -> Vec<PathBuf> {
    let folder = folder(file);
    // The folder alone is not enough, since a searched path may be a file in it.
    let beside = fs::canonicalize(folder).ok().zip(file.file_name()).map(|(folder, name)| folder.join(name));
    beside.into_iter().chain(fs::canonicalize(file)).collect()
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
