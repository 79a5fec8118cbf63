//! The file of partial sums. It is written completely or not at all, and nothing in it is trusted when it is read.

use super::archive::{Archive, walk};
use super::binding::Binding;
use super::header::{Header, is_ours};
use crate::bytes::{self, Existing, Temporary};
use crate::error::Error;
use crate::geometry::sums::Sums;
use crate::kernel::{Word, words};
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

/// Most bytes of the header beside those for tensors and groups.
const HEADER: u64 = 1 << 16;
/// Most bytes of the header for one tensor.
const HEADER_PER_TENSOR: u64 = 256;

/// The name of the temporary file.
const TEMPORARY: Temporary = Temporary::Named { suffix: ".partial" };

/// Removes what killed runs left beside a path, and checks that a temporary file can be created there.
pub(super) fn try_beside(path: &Path) -> io::Result<()> {
    bytes::remove_leftovers(path, TEMPORARY);
    bytes::try_beside(path, TEMPORARY)
}

/// Writes the sums to the file, in one step.
pub(super) fn write(path: &Path, binding: &Binding, sums: &mut [Sums]) -> io::Result<()> {
    let header = Header::new(binding, sums)?.into_bytes(binding, sums)?;
    bytes::write_whole(path, TEMPORARY, Existing::Replace, |file| {
        file.write_all(&header)?;
        let mut writer = Writer(file);
        binding.order.iter().enumerate().try_for_each(|(g, &at)| walk(g, &mut sums[at], &mut writer))
    })
}

/// Reads the sums from the file of the same run.
///
/// # Errors
///
/// [`Error::ResumeFileIo`] when the system refuses the file, [`Error::ResumeFileOfAnother`] when it belongs to another run, and
/// [`Error::ResumeFileDamaged`] when its content is wrong.
pub(super) fn read(path: &Path, binding: &Binding, sums: &mut [Sums]) -> Result<(), Error> {
    let damaged = |reason: &str| Error::ResumeFileDamaged { path: path.to_owned(), reason: reason.to_owned() };
    let refused = |source| Error::ResumeFileIo { path: path.to_owned(), source };
    let about = fs::metadata(path).map_err(refused)?;
    if !about.is_file() {
        return Err(refused(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(refused)?);
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged("too short"))?;
    let length = u64::from_le_bytes(length);
    // The claimed length is checked before memory is allocated for the header.
    let most = most_header(sums);
    if length > most || length > about.len().saturating_sub(8) {
        let found = about.len();
        return Err(damaged(&format!("a header of {length} bytes in a file of {found}, expected {most} at most")));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(refused)?;
    let header: Metadata = serde_json::from_slice(&header).map_err(|e| damaged(&format!("its header: {e}")))?;
    let none = HashMap::new();
    let metadata = header.metadata().as_ref().unwrap_or(&none);
    if !is_ours(metadata) {
        return Err(damaged("a safetensors file of another kind"));
    }
    let field = |key: &str| metadata.get(key).map(String::as_str).ok_or_else(|| damaged(&format!("no `{key}`")));
    for (key, expected) in &binding.properties {
        // Properties come before the checksum, so that the file of another run is named as such and not as damaged.
        let found = field(key)?;
        if found != expected {
            let (found, expected) = (format!("{key} {found}"), format!("{key} {expected}"));
            return Err(Error::ResumeFileOfAnother { path: path.to_owned(), found, expected });
        }
    }
    let mut done = field("done")?.split(',');
    for &at in &binding.order {
        let jobs = done.next().and_then(|d| d.parse().ok()).ok_or_else(|| damaged("counts of jobs"))?;
        sums[at].form_after(jobs).ok_or_else(|| damaged("more jobs than there are"))?;
    }
    let expected = Header::new(binding, sums).map_err(refused)?;
    // The sums have the form of that many jobs now. The file must have exactly the tensors that this form has.
    let parts = |i: &TensorInfo| (i.dtype, i.shape.clone(), i.data_offsets);
    let same = |(name, info): &(String, TensorInfo)| header.info(name).map(parts) == Some(parts(info));
    let whole = 8 + length + expected.bytes as u64;
    if done.next().is_some()
        || header.offset_keys().len() != expected.tensors.len()
        || !expected.tensors.iter().all(same)
    {
        return Err(damaged("other tensors than its jobs leave"));
    }
    if about.len() != whole {
        return Err(damaged(&format!("{} bytes, expected {whole}", about.len())));
    }
    let mut reader = Reader(file);
    for (g, &at) in binding.order.iter().enumerate() {
        walk(g, &mut sums[at], &mut reader).map_err(refused)?;
    }
    if Header::new(binding, sums).map_err(refused)?.checksum() != field("checksum")? {
        return Err(damaged("its checksum does not fit"));
    }
    // A correct checksum does not prove that this crate wrote the file. It never writes such sums.
    if !sums.iter().all(Sums::are_sound) {
        return Err(damaged("sums that are negative or not finite"));
    }
    Ok(())
}

fn most_header(sums: &[Sums]) -> u64 {
    let tensors: u64 = sums.iter().map(Sums::most_tensors).sum();
    HEADER + HEADER_PER_TENSOR * tensors + 24 * sums.len() as u64
}

/// The walk that writes values to a file.
struct Writer<W>(W);

impl<W: Write> Archive for Writer<W> {
    fn floats<'v>(&mut self, _: String, _: &[usize], mut values: impl Iterator<Item = &'v mut f64>) -> io::Result<()> {
        values.try_for_each(|x| self.0.write_all(&x.to_le_bytes()))
    }

    fn fingerprints<'v>(
        &mut self,
        _: String,
        _: &[usize],
        mut values: impl Iterator<Item = &'v mut u128>,
    ) -> io::Result<()> {
        values.try_for_each(|x| self.0.write_all(&x.to_le_bytes()))
    }
}

/// The walk that reads values from a file.
struct Reader<R>(R);

impl<R: Read> Reader<R> {
    fn next<W: Word, const N: usize>(&mut self) -> io::Result<W> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        words(&bytes).next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl<R: Read> Archive for Reader<R> {
    fn floats<'v>(&mut self, _: String, _: &[usize], mut values: impl Iterator<Item = &'v mut f64>) -> io::Result<()> {
        values.try_for_each(|x| self.next::<f64, 8>().map(|read| *x = read))
    }

    fn fingerprints<'v>(
        &mut self,
        _: String,
        _: &[usize],
        mut values: impl Iterator<Item = &'v mut u128>,
    ) -> io::Result<()> {
        values.try_for_each(|x| self.next::<u128, 16>().map(|read| *x = read))
    }
}
