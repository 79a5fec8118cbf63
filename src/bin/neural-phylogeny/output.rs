use crate::printed::{Form, Printed};
use neural_phylogeny::bytes::replace_file;
use neural_phylogeny::discover::Discovery;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Checks before the work that a file can be written after it.
pub(crate) fn check(file: &Path) -> Result<(), Box<dyn Error>> {
    if file.is_dir() {
        return Err(format!("output {} is a folder, expected a file", file.display()).into());
    }
    let folder = folder(file);
    if !folder.is_dir() {
        return Err(format!("output folder {} does not exist", folder.display()).into());
    }
    if file.is_file() && is_of_model(file) {
        return Err(format!(
            "output {} is a file of a model, which it would replace: expected a new file, or a result of before",
            file.display()
        )
        .into());
    }
    Ok(())
}

/// Checks before the work that a folder is there or can be made.
pub(crate) fn check_folder(path: &Path) -> Result<(), Box<dyn Error>> {
    let there = path.ancestors().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let Some(nearest) = there.into_iter().find(|p| fs::symlink_metadata(p).is_ok()) else { return Ok(()) };
    // Only trying tells whether something can be made there.
    let tried = nearest.join(format!(".neural-phylogeny-{}", std::process::id()));
    match fs::create_dir(&tried).and_then(|()| fs::remove_dir(&tried)) {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("cannot make a folder at {}: {error}", path.display()).into()),
    }
}

/// Whether a file that is there is a model, an index of one, or stands for one beside its weights.
fn is_of_model(file: &Path) -> bool {
    const BESIDE: [&str; 4] = ["adapter_config.json", "config.json", "model_index.json", "sketches.json"];
    let is_beside = file.file_name().is_some_and(|name| BESIDE.iter().any(|other| name == *other));
    // What only lacks a base, a shard or a part of itself is a model too.
    let found = || Discovery::new().search([file]).is_ok_and(|found| found.models.len() + found.unreadable.len() > 0);
    is_beside || found()
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("."),
    }
}

/// Writes to a file, whole or not at all, or to standard output.
///
/// A link is followed and stays a link. `/dev/null` and pipes cannot be replaced by a file, so that they are written to
/// directly.
pub(crate) fn write<E: Into<Box<dyn Error>>>(
    file: Option<&Path>,
    form: Form,
    content: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), Box<dyn Error>> {
    let Some(file) = file else {
        return flushed(Printed::new(form, io::stdout().lock()), content);
    };
    let failed = |e: io::Error| format!("cannot write {}: {e}", file.display());
    if fs::metadata(file).is_ok_and(|m| !m.is_file()) {
        let there = File::options().write(true).open(file).map_err(failed)?;
        return flushed(Printed::new(form, there), content);
    }
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let whole =
        |writer: &mut dyn Write| content(&mut Printed::new(form, writer)).map_err(|e| Failure::Content(e.into()));
    match replace_file(&target, |writer| whole(writer)) {
        Ok(()) => Ok(()),
        Err(Failure::Content(error)) => Err(error),
        Err(Failure::File(error)) => Err(failed(error).into()),
    }
}

/// Prints text to standard output.
pub(crate) fn print(text: &[u8]) -> Result<(), Box<dyn Error>> {
    write(None, Form::Text, |writer| writer.write_all(text))
}

/// The part that failed: the file, or making its content.
enum Failure {
    File(io::Error),
    Content(Box<dyn Error>),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

fn flushed<E: Into<Box<dyn Error>>>(
    writer: impl Write,
    content: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), Box<dyn Error>> {
    let mut writer = BufWriter::new(writer);
    content(&mut writer).map_err(Into::into)?;
    Ok(writer.flush()?)
}
