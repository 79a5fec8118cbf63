use super::{Violation, check_parameter_source};
use crate::bytes::{MemoryFile, ReadAt};
use crate::error::{SourceError, chain};
use crate::format::{BEGINNING, Format, Tensors, has_extension};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of places at either end of a file that are cut and damaged one by one. As many more are spread evenly between them.
const PLACES: usize = 256;

/// Number of elements that are read at either end of a tensor of a damaged file.
const ELEMENTS: usize = 64;

/// Checks that a format keeps the contract of [`Format`]. It takes a good file of the format: its name and all of its bytes.
///
/// The file is opened twice, cut at up to 768 lengths, and damaged at as many places in four ways. A small file with several
/// tensors shows most.
///
/// ```
/// use neural_phylogeny::format::Safetensors;
/// use neural_phylogeny::testing::check_format;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
/// let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat();
/// check_format(&Safetensors, "model.safetensors", &file)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The first promise that the format breaks.
/// The first promise that the format breaks.
pub fn check_format(format: &dyn Format, name: &str, file: &[u8]) -> Result<(), Violation> {
    let violation =
        |complaint: String| Violation::new(format!("the file `{name}`"), complaint, "the contract of `Format`");
    check_recognition(format, name, file).map_err(violation)?;
    let opened = |bytes| match attempt(format, name, bytes, file.len()) {
        Outcome::Opened(contents) => Ok(contents),
        Outcome::Refused(error) => Err(violation(format!("the file was not opened: {error}"))),
        Outcome::Broken(complaint) => Err(violation(complaint)),
    };
    let whole = opened(file)?;
    if opened(file)? != whole {
        return Err(violation("the file gave other tensors the second time".to_owned()));
    }
    let tensors = format.open(Arc::new(MemoryFile::new(name, file))).map_err(|e| violation(e.to_string()))?;
    check_parameter_source(&tensors).map_err(|v| v.within(&format!("the file `{name}`")))?;
    check_cut(format, name, file, &whole).map_err(violation)?;
    check_damaged(format, name, file).map_err(violation)
}

fn check_recognition(format: &dyn Format, name: &str, file: &[u8]) -> Result<(), String> {
    if format.name().is_empty() {
        return Err("the format has no name".to_owned());
    }
    if format.extensions().is_empty() || format.extensions().iter().any(|e| e.is_empty() || e.starts_with('.')) {
        return Err(format!("its extensions are {:?}, expected some, without the dot", format.extensions()));
    }
    if !has_extension(name, format.extensions()) {
        return Err(format!("`{name}` ends in none of its extensions, {:?}", format.extensions()));
    }
    let beginning = &file[..file.len().min(BEGINNING)];
    for (what, bytes) in [("by its name alone", &[][..]), ("by its name and first bytes", beginning)] {
        for _ in 0..2 {
            if !format.recognizes(name, bytes) {
                return Err(format!("`{name}` is not recognized {what}"));
            }
        }
    }
    for document in [&[][..], b"# Notes\n"] {
        if format.recognizes("notes.md", document) {
            return Err("a document, `notes.md`, is recognized".to_owned());
        }
    }
    Ok(())
}

/// Checks that a file that is cut short is refused, or opened with the contents of the whole file.
fn check_cut(format: &dyn Format, name: &str, file: &[u8], whole: &Contents) -> Result<(), String> {
    for length in places(file.len()) {
        match attempt(format, name, &file[..length], file.len()) {
            Outcome::Refused(_) => {}
            Outcome::Opened(contents) if contents == *whole => {}
            Outcome::Opened(_) => return Err(format!("cut to {length} bytes, it was opened with other contents")),
            Outcome::Broken(complaint) => return Err(format!("cut to {length} bytes: {complaint}")),
        }
    }
    Ok(())
}

fn check_damaged(format: &dyn Format, name: &str, file: &[u8]) -> Result<(), String> {
    let mut damaged = file.to_vec();
    for at in places(file.len()) {
        let good = file[at];
        for bad in [0x00, 0xff, good ^ 0x01, good ^ 0x80] {
            damaged[at] = bad;
            if let Outcome::Broken(complaint) = attempt(format, name, &damaged, file.len()) {
                return Err(format!("with byte {at} changed from {good:#04x} to {bad:#04x}: {complaint}"));
            }
        }
        damaged[at] = good;
    }
    Ok(())
}

/// The first and last places, and as many places evenly between them.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let stride = (length / PLACES).max(1);
    (0..length).filter(move |at| *at < PLACES || length - at <= PLACES || at % stride == 0)
}

/// The tensors of a file, and some of their values as bits.
type Contents = Vec<(String, Vec<usize>, Vec<u32>)>;

/// The outcome of opening a file and reading from it.
enum Outcome {
    Opened(Contents),
    Refused(String),
    /// What no file may make a format do.
    Broken(String),
}

/// Opens a file and reads from it. A format that reads more than `limit` bytes at once believes a length that it should not.
fn attempt(format: &dyn Format, name: &str, bytes: &[u8], limit: usize) -> Outcome {
    // What matters is how much is read at once: a format that trusts a length takes memory for it.
    let object = Arc::new(Watched::new(name, bytes));
    let opening = || format.open(object.clone()).and_then(|tensors| contents(&tensors));
    // A panic is caught, because it is a broken promise to report and not a failed check.
    let result = catch_unwind(AssertUnwindSafe(opening));
    let largest = object.largest.load(Ordering::Relaxed);
    match result {
        Err(_) => Outcome::Broken("opening or reading panicked".to_owned()),
        _ if largest > limit as u64 => Outcome::Broken(format!(
            "{largest} bytes were read at once, the whole file has {limit}: lengths must be checked before they are used"
        )),
        Ok(Ok(contents)) => Outcome::Opened(contents),
        Ok(Err(error)) => Outcome::Refused(chain(&error)),
    }
}

fn contents(tensors: &Tensors) -> Result<Contents, SourceError> {
    tensors
        .infos()
        .map(|info| {
            let size = info.size();
            let length = size.min(ELEMENTS);
            let mut bits = Vec::new();
            for begin in [0, size - length] {
                let mut values = vec![0.0; length];
                tensors.read(&info.name, begin, &mut values)?;
                bits.extend(values.into_iter().map(f32::to_bits));
            }
            Ok((info.name, info.shape, bits))
        })
        .collect()
}

/// An object that records how many bytes were read at once.
#[derive(Debug)]
struct Watched {
    file: MemoryFile,
    largest: AtomicU64,
}

impl Watched {
    fn new(name: &str, bytes: &[u8]) -> Self {
        Self { file: MemoryFile::new(name, bytes), largest: AtomicU64::new(0) }
    }
}

impl ReadAt for Watched {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn length(&self) -> u64 {
        self.file.length()
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError> {
        self.largest.fetch_max(bytes.len() as u64, Ordering::Relaxed);
        self.file.read_at(bytes, position)
    }
}
