//! The file of an index: safetensors, in which nothing is believed unchecked.

use super::chunk::checksum;
use super::{Block, BlockValues, Damage, IndexRow, MatrixExcerpt, Stamp};
use crate::kernel::format::{
    self, INDEX, INDEX_CHECKSUMS, INDEX_CHUNK, INDEX_MOMENTS, INDEX_NAMES, INDEX_ROWS, INDEX_VALUES,
};
use crate::kernel::{self, TensorBytes, halves, joined, little_endian, words};
use crate::source::{Dtype, SafetensorsFile};
use ::safetensors::tensor::Dtype as StoredDtype;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Number of numbers in a row: length, time and number of its file, both halves of the content, and the end of the name.
const NUMBERS: usize = 6;

/// The bytes of an index whose numbers are all in memory; for any other index an error.
pub(super) fn encode(blocks: &[Block], seed: u64) -> io::Result<Vec<u8>> {
    let (mut rows, mut names, mut checksums): (Vec<u64>, Vec<u8>, Vec<u64>) = (Vec::new(), Vec::new(), Vec::new());
    let (mut all_moments, mut all_values) = (Vec::new(), Vec::new());
    let mut layouts: Vec<(usize, &[MatrixExcerpt])> = Vec::new();
    for block in blocks {
        // Numbers that are still in the old file must be read before that file is replaced.
        let BlockValues::Memory { moments, values } = &block.numbers else {
            return Err(io::Error::other("an index that is still in its file"));
        };
        layouts.push((block.rows.len(), &block.excerpts));
        for row in &block.rows {
            names.extend_from_slice(row.name.as_bytes());
            let Stamp { length, modified, number } = row.stamp;
            let [high, low] = halves(row.content);
            rows.extend([length, modified, number, high, low, names.len() as u64]);
        }
        // With a checksum for each chunk, a search can check what it reads without reading all.
        for begin in (0..block.rows.len()).step_by(INDEX_CHUNK) {
            let rows = begin..block.rows.len().min(begin + INDEX_CHUNK);
            let of = |each: usize| rows.start * each..rows.end * each;
            checksums.push(checksum(&moments[of(2 * block.excerpts.len())], &values[of(block.stride())]));
        }
        all_moments.extend_from_slice(moments);
        all_values.extend_from_slice(values);
    }
    let layouts = serde_json::to_string(&layouts)?;
    let (rows, checksums) = (little_endian(&rows), little_endian(&checksums));
    let metadata = BTreeMap::from([
        ("format", INDEX.to_owned()),
        ("map", format::map()),
        ("seed", seed.to_string()),
        // This checksum covers all that is read at opening; chunks of numbers have their own.
        ("checksum", header_checksum(&rows, &names, &checksums, &layouts).to_string()),
        ("layouts", layouts),
    ]);
    let (moments, values) = (little_endian(&all_moments), little_endian(&all_values));
    let tensor = |name, dtype, shape, bytes| TensorBytes { name, dtype, shape, bytes };
    let tensors = vec![
        tensor(INDEX_ROWS, StoredDtype::U64, vec![rows.len() / (8 * NUMBERS), NUMBERS], &*rows),
        tensor(INDEX_NAMES, StoredDtype::U8, vec![names.len()], &names),
        tensor(INDEX_CHECKSUMS, StoredDtype::U64, vec![checksums.len() / 8], &*checksums),
        tensor(INDEX_MOMENTS, StoredDtype::F64, vec![all_moments.len()], &*moments),
        tensor(INDEX_VALUES, StoredDtype::F32, vec![all_values.len()], &*values),
    ];
    kernel::encode(metadata, tensors)
}

/// Opens an index and checks everything but the numbers of its rows, which stay on disk.
pub(super) fn open(path: &Path, seed: u64) -> Result<Vec<Block>, Damage> {
    let (file, metadata) = SafetensorsFile::open_with_metadata(path).map_err(|_| Damage)?;
    let field = |key: &str| metadata.get(key).map(String::as_str).ok_or(Damage);
    // An index of another map or seed needs no error of its own: it is made anew, as a damaged one is.
    if field("format")? != INDEX || field("map")? != format::map() || field("seed")? != seed.to_string() {
        return Err(Damage);
    }
    let rows = bytes(&file, INDEX_ROWS, Dtype::U64)?;
    let names = bytes(&file, INDEX_NAMES, Dtype::U8)?;
    let checksums = bytes(&file, INDEX_CHECKSUMS, Dtype::U64)?;
    // All that was read is compared with the checksum before it is interpreted.
    let expected: u64 = field("checksum")?.parse().map_err(|_| Damage)?;
    if header_checksum(&rows, &names, &checksums, field("layouts")?) != expected {
        return Err(Damage);
    }
    let layouts: Vec<(usize, Vec<MatrixExcerpt>)> = serde_json::from_str(field("layouts")?).map_err(|_| Damage)?;
    let names = std::str::from_utf8(&names).map_err(|_| Damage)?;
    let mut rows = Rows { numbers: words::<u64>(&rows), names, begin: 0 };
    let mut checksums = words::<u64>(&checksums);

    let file = Arc::new(file);
    let (mut moments, mut values) = (0usize, 0usize);
    let mut blocks = Vec::with_capacity(layouts.len());
    for (count, excerpts) in layouts {
        // `count` comes from the file, so it must not decide an allocation. Reading stops where the file has no more rows.
        let read: Vec<IndexRow> = (0..count).map_while(|_| rows.next()).collect();
        let sums: Vec<u64> = checksums.by_ref().take(count.div_ceil(INDEX_CHUNK)).collect();
        if read.len() < count || sums.len() < count.div_ceil(INDEX_CHUNK) || !excerpts.iter().all(is_sound) {
            return Err(Damage);
        }
        let live = vec![true; count];
        let numbers = BlockValues::File { file: Arc::clone(&file), moments, values, checksums: sums };
        let block = Block { excerpts: excerpts.into(), rows: read, live, numbers };
        let end = |begin: usize, each: usize| count.checked_mul(each).and_then(|n| n.checked_add(begin)).ok_or(Damage);
        (moments, values) = (end(moments, 2 * block.excerpts.len())?, end(values, block.stride())?);
        blocks.push(block);
    }
    // The file must hold what the layouts promise and nothing else, or rows would be read from wrong places.
    let whole = file.tensor(INDEX_MOMENTS) == Some((&[moments], Dtype::F64))
        && file.tensor(INDEX_VALUES) == Some((&[values], Dtype::F32))
        && rows.numbers.next().is_none()
        && rows.begin == names.len();
    if whole { Ok(blocks) } else { Err(Damage) }
}

/// Whether a run of a matrix has any values.
fn is_sound(excerpt: &MatrixExcerpt) -> bool {
    excerpt.begin < excerpt.end
}

/// The rows of the file, in order.
struct Rows<'f, W> {
    numbers: W,
    names: &'f str,
    begin: usize,
}

impl<W: Iterator<Item = u64>> Rows<'_, W> {
    /// The next row; `None` at the end, or where the file has less than a row promises.
    fn next(&mut self) -> Option<IndexRow> {
        let mut number = || self.numbers.next();
        let stamp = Stamp { length: number()?, modified: number()?, number: number()? };
        let content = joined([number()?, number()?]);
        let end = usize::try_from(number()?).ok()?;
        let name = self.names.get(self.begin..end)?.to_owned();
        self.begin = end;
        Some(IndexRow { name, content, stamp })
    }
}

/// All bytes of a tensor. They are no more than the file has.
fn bytes(file: &SafetensorsFile, name: &str, dtype: Dtype) -> Result<Vec<u8>, Damage> {
    let (shape, found) = file.tensor(name).ok_or(Damage)?;
    if found != dtype {
        return Err(Damage);
    }
    let mut bytes = vec![0; shape.iter().product::<usize>() * dtype.size()];
    file.read_bytes(name, 0, &mut bytes).map_err(|_| Damage)?;
    Ok(bytes)
}

/// The checksum of all parts of the file that are read at opening. Lengths keep the parts apart.
fn header_checksum(rows: &[u8], names: &[u8], checksums: &[u8], layouts: &str) -> u64 {
    let mut hash = Xxh3::new();
    for part in [rows, names, checksums, layouts.as_bytes()] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest()
}
