use super::archive::{Archive, walk};
use super::binding::Binding;
use crate::geometry::sums::Sums;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::collections::HashMap;
use std::io;
use xxhash_rust::xxh3::Xxh3;

const FORMAT: &str = "neural-phylogeny partial sums";

/// What stands before the values: the tensors, and a checksum of everything.
#[derive(Default)]
pub(super) struct Header {
    pub(super) tensors: Vec<(String, TensorInfo)>,
    pub(super) bytes: usize,
    checksum: Xxh3,
}

impl Header {
    /// The header of some sums.
    pub(super) fn of(binding: &Binding, sums: &mut [Sums]) -> io::Result<Self> {
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

    pub(super) fn checksum(&self) -> String {
        format!("{:032x}", self.checksum.digest128())
    }

    /// As the file begins, its length first.
    pub(super) fn into_bytes(self, binding: &Binding, sums: &[Sums]) -> io::Result<Vec<u8>> {
        let mut metadata: HashMap<String, String> =
            binding.properties.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        metadata.insert("format".to_owned(), FORMAT.to_owned());
        metadata.insert("done".to_owned(), done(binding, sums));
        metadata.insert("checksum".to_owned(), self.checksum());
        let header = Metadata::new(Some(metadata), self.tensors).map_err(io::Error::other)?;
        let mut text = serde_json::to_vec(&header)?;
        text.resize(text.len().next_multiple_of(8), b' ');
        Ok([&(text.len() as u64).to_le_bytes(), text.as_slice()].concat())
    }

    fn tensor(&mut self, name: String, dtype: Dtype, shape: &[usize]) {
        let begin = self.bytes;
        self.bytes += 8 * shape.iter().product::<usize>();
        let info = TensorInfo { dtype, shape: shape.to_vec(), data_offsets: (begin, self.bytes) };
        self.tensors.push((name, info));
    }
}

/// Jobs done of each group, by content.
fn done(binding: &Binding, sums: &[Sums]) -> String {
    let done: Vec<String> = binding.order.iter().map(|&at| sums[at].done().to_string()).collect();
    done.join(",")
}

/// Whether a file is a checkpoint at all.
pub(super) fn is_ours(metadata: &HashMap<String, String>) -> bool {
    metadata.get("format").is_some_and(|found| found == FORMAT)
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
