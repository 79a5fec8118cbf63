//! The file: written whole or not at all, read with suspicion.

use super::archive::{Archive, walk};
use super::binding::Binding;
use super::header::{Header, is_ours};
use crate::error::Error;
use crate::geometry::sums::Sums;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes that the header may take beside what it tells of tensors and groups.
const HEADER: u64 = 1 << 16;
const HEADER_PER_TENSOR: u64 = 256;

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn create(path: &Path) -> io::Result<File> {
    // Of a run killed while it wrote; removed, not written through, in case it is a link.
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    File::options().write(true).create_new(true).open(path)
}

/// Whether a file can be made beside a path.
pub(super) fn try_beside(path: &Path) -> io::Result<()> {
    create(&beside(path))?;
    fs::remove_file(beside(path))
}

pub(super) fn write(path: &Path, binding: &Binding, sums: &mut [Sums]) -> io::Result<()> {
    let header = Header::of(binding, sums)?.into_bytes(binding, sums)?;
    let partial = beside(path);
    let mut writer = Writer(BufWriter::with_capacity(1 << 20, create(&partial)?));
    writer.0.write_all(&header)?;
    for (g, &at) in binding.order.iter().enumerate() {
        walk(g, &mut sums[at], &mut writer)?;
    }
    writer.0.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    fs::rename(&partial, path)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        // Some file systems refuse; the content is safe all the same.
        let _ = File::open(folder).and_then(|f| f.sync_all());
    }
    Ok(())
}

/// Reads the sums that a checkpoint of the same run holds.
pub(super) fn read(path: &Path, binding: &Binding, sums: &mut [Sums]) -> Result<(), Error> {
    let damaged = |reason: &str| Error::CheckpointDamaged { path: path.to_owned(), reason: reason.to_owned() };
    let refused = |source| Error::CheckpointIo { path: path.to_owned(), source };
    let about = fs::metadata(path).map_err(refused)?;
    if !about.is_file() {
        return Err(refused(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(refused)?);
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| damaged("too short"))?;
    let length = u64::from_le_bytes(length);
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
    let told = |key: &str| metadata.get(key).map(String::as_str).ok_or_else(|| damaged(&format!("no `{key}`")));
    for (key, expected) in &binding.properties {
        let found = told(key)?;
        if found != expected {
            let (found, expected) = (format!("{key} {found}"), format!("{key} {expected}"));
            return Err(Error::CheckpointOfAnother { path: path.to_owned(), found, expected });
        }
    }
    let mut done = told("done")?.split(',');
    for &at in &binding.order {
        let jobs = done.next().and_then(|d| d.parse().ok()).ok_or_else(|| damaged("counts of jobs"))?;
        sums[at].form_after(jobs).ok_or_else(|| damaged("more jobs than there are"))?;
    }
    let expected = Header::of(binding, sums).map_err(refused)?;
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
    if Header::of(binding, sums).map_err(refused)?.checksum() != told("checksum")? {
        return Err(damaged("its checksum does not fit"));
    }
    // No run of ours leaves such sums, whatever their checksum.
    if !sums.iter().all(Sums::are_sound) {
        return Err(damaged("sums that are negative or not finite"));
    }
    Ok(())
}

fn most_header(sums: &[Sums]) -> u64 {
    let tensors: u64 = sums.iter().map(Sums::most_tensors).sum();
    HEADER + HEADER_PER_TENSOR * tensors + 24 * sums.len() as u64
}

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

struct Reader<R>(R);

impl<R: Read> Reader<R> {
    fn next<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl<R: Read> Archive for Reader<R> {
    fn floats<'v>(&mut self, _: String, _: &[usize], mut values: impl Iterator<Item = &'v mut f64>) -> io::Result<()> {
        values.try_for_each(|x| self.next().map(|bytes| *x = f64::from_le_bytes(bytes)))
    }

    fn fingerprints<'v>(
        &mut self,
        _: String,
        _: &[usize],
        mut values: impl Iterator<Item = &'v mut u128>,
    ) -> io::Result<()> {
        values.try_for_each(|x| self.next().map(|bytes| *x = u128::from_le_bytes(bytes)))
    }
}
