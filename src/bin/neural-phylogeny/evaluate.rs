use crate::args::{Evaluate, PlainFormat};
use crate::output;
use neural_phylogeny::evaluate;
use neural_phylogeny::evaluate::Truth;
use neural_phylogeny::write::read_json;
use std::error::Error;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

/// An error, with the file it is about.
#[derive(Debug)]
struct InFile {
    path: PathBuf,
    source: Box<dyn Error>,
}

impl fmt::Display for InFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}", self.path.display())
    }
}

impl Error for InFile {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

fn read<T>(
    path: &Path,
    parse: impl Fn(BufReader<File>) -> Result<T, neural_phylogeny::Error>,
) -> Result<T, Box<dyn Error>> {
    let named = |source: Box<dyn Error>| InFile { path: path.to_owned(), source };
    // Opening a pipe waits for a writer, who may never come. A shell gives those that have one a path of the system.
    let metadata = fs::metadata(path).map_err(|e| named(e.into()))?;
    if !metadata.is_file() && !["/dev", "/proc"].iter().any(|system| path.starts_with(system)) {
        return Err(named("it is no regular file, expected a file of JSON".into()).into());
    }
    let file = File::open(path).map_err(|e| named(e.into()))?;
    Ok(parse(BufReader::new(file)).map_err(|e| named(e.into()))?)
}

pub(crate) fn run(arguments: &Evaluate) -> Result<(), Box<dyn Error>> {
    if let Some(file) = &arguments.output {
        output::check(file)?;
    }
    let result = read(&arguments.result, read_json)?;
    let mut truths = arguments.truth.iter().map(|path| read(path, Truth::read));
    let mut truth = truths.next().ok_or("no truth given")??;
    for next in truths {
        truth = truth.merge(next?)?;
    }
    let evaluation = evaluate(&result, &truth)?;
    output::write(
        arguments.output.as_deref(),
        arguments.format.form(),
        |writer: &mut dyn Write| -> std::io::Result<()> {
            match arguments.format {
                PlainFormat::Table => write!(writer, "{evaluation}")?,
                PlainFormat::Json => {
                    serde_json::to_writer_pretty(&mut *writer, &evaluation).map_err(std::io::Error::from)?;
                    writeln!(writer)?;
                }
            }
            Ok(())
        },
    )
}
