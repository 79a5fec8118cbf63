use super::archive::{Archive, walk};
use super::binding::Binding;
use crate::geometry::sums::Sums;
use crate::kernel::format::RESUME;
use crate::kernel::{header, hex};
use safetensors::tensor::{Dtype, TensorInfo};
use std::collections::{BTreeMap, HashMap};
use std::io;
use xxhash_rust::xxh3::Xxh3;

/// The header before the values: the list of tensors, and a checksum of everything.
#[derive(Default)]
pub(super) struct Header {
    pub(super) tensors: Vec<(String, TensorInfo)>,
    pub(super) bytes: usize,
    checksum: Xxh3,
}

impl Header {
    /// Creates the header of some sums.
    pub(super) fn new(binding: &Binding, sums: &mut [Sums]) -> io::Result<Self> {
        let mut header = Self::default();
        for (key, value) in &binding.properties {
            header.checksum.update(format!("{key}={value};").as_bytes());
        }
        header.checksum.update(done(binding, sums).as_bytes());
        for (g, &at) in binding.order.iter().enumerate() {
            walk(g, &mut sums[at], &mut header)?;
        }
        Ok(header)
    }

    /// Returns the checksum as 32 hexadecimal digits. It covers the properties, the numbers of finished jobs and all values.
    pub(super) fn checksum(&self) -> String {
        hex(self.checksum.digest128())
    }

    /// Encodes the beginning of the file: the length of the header, then the header.
    pub(super) fn into_bytes(self, binding: &Binding, sums: &[Sums]) -> io::Result<Vec<u8>> {
        let mut metadata: BTreeMap<&str, String> =
            binding.properties.iter().map(|(key, value)| (*key, value.clone())).collect();
        metadata.insert("format", RESUME.to_owned());
        metadata.insert("done", done(binding, sums));
        metadata.insert("checksum", self.checksum());
        header(metadata, self.tensors)
    }

    fn tensor(&mut self, name: String, dtype: Dtype, shape: &[usize]) {
        let begin = self.bytes;
        self.bytes += 8 * shape.iter().product::<usize>();
        let info = TensorInfo { dtype, shape: shape.to_vec(), data_offsets: (begin, self.bytes) };
        self.tensors.push((name, info));
    }
}

/// Returns the number of finished jobs of each group, in the order of content.
fn done(binding: &Binding, sums: &[Sums]) -> String {
    let done: Vec<String> = binding.order.iter().map(|&at| sums[at].done().to_string()).collect();
    done.join(",")
}

/// Whether a file holds partial sums at all.
pub(super) fn is_ours(metadata: &HashMap<String, String>) -> bool {
    metadata.get("format").is_some_and(|found| found == RESUME)
}

impl Archive for Header {
    fn floats<'v>(
        &mut self,
        name: String,
        shape: &[usize],
        values: impl Iterator<Item = &'v mut f64>,
    ) -> io::Result<()> {
        self.tensor(name, Dtype::F64, shape);
        values.for_each(|x| self.checksum.update(&x.to_le_bytes()));
        Ok(())
    }

    fn fingerprints<'v>(
        &mut self,
        name: String,
        shape: &[usize],
        values: impl Iterator<Item = &'v mut u128>,
    ) -> io::Result<()> {
        self.tensor(name, Dtype::U64, shape);
        values.for_each(|x| self.checksum.update(&x.to_le_bytes()));
        Ok(())
    }
}
