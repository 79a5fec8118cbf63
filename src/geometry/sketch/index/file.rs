//! The file of an index: safetensors, nothing of which is believed unchecked.

use super::chunk::{MOMENTS, VALUES, checksum};
use super::{Block, CHUNK, Damaged, Numbers, Place, Row, Stamp};
use crate::source::{Dtype, SafetensorsFile};
use ::safetensors::tensor::{Dtype as StoredDtype, TensorView};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

const FORMAT: &str = "neural-phylogeny index 1";
const ROWS: &str = "rows";
const NAMES: &str = "names";
const CHECKSUMS: &str = "checksums";

/// Numbers of a row: length, time and number of its file, both halves of the content, end of the name.
const NUMBERS: usize = 6;

/// The bytes of an index whose numbers are all in memory; an error for others.
pub(super) fn encode(blocks: &[Block], seed: u64) -> io::Result<Vec<u8>> {
    let (mut rows, mut names, mut checksums) = (Vec::new(), Vec::new(), Vec::new());
    let (mut all_moments, mut all_values) = (Vec::new(), Vec::new());
    let mut layouts: Vec<(usize, &[Place])> = Vec::new();
    for block in blocks {
        let Numbers::Memory { moments, values } = &block.numbers else {
            return Err(io::Error::other("an index that is still in its file"));
        };
        layouts.push((block.rows.len(), &block.places));
        for row in &block.rows {
            names.extend_from_slice(row.name.as_bytes());
            let Stamp { length, modified, number } = row.stamp;
            let (high, low) = ((row.content >> 64) as u64, row.content as u64);
            rows.extend([length, modified, number, high, low, names.len() as u64].map(u64::to_le_bytes).concat());
        }
        for begin in (0..block.rows.len()).step_by(CHUNK) {
            let rows = begin..block.rows.len().min(begin + CHUNK);
            let of = |each: usize| rows.start * each..rows.end * each;
            let (m, v) = (&moments[of(2 * block.places.len())], &values[of(block.stride())]);
            checksums.extend(checksum(m, v).to_le_bytes());
        }
        all_moments.extend(moments.iter().flat_map(|m| m.to_le_bytes()));
        all_values.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
    let n = rows.len() / (8 * NUMBERS);
    let layouts = serde_json::to_string(&layouts)?;
    let metadata = HashMap::from([
        ("format".to_owned(), FORMAT.to_owned()),
        ("seed".to_owned(), seed.to_string()),
        ("checksum".to_owned(), header_checksum(&rows, &names, &checksums, &layouts).to_string()),
        ("layouts".to_owned(), layouts),
    ]);
    let tensors = [
        (ROWS, StoredDtype::U64, vec![n, NUMBERS], &rows),
        (NAMES, StoredDtype::U8, vec![names.len()], &names),
        (CHECKSUMS, StoredDtype::U64, vec![checksums.len() / 8], &checksums),
        (MOMENTS, StoredDtype::F64, vec![all_moments.len() / 8], &all_moments),
        (VALUES, StoredDtype::F32, vec![all_values.len() / 4], &all_values),
    ];
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        views.push((name, TensorView::new(dtype, shape, bytes).map_err(io::Error::other)?));
    }
    ::safetensors::serialize(views, Some(metadata)).map_err(io::Error::other)
}

/// Opens an index and checks all but the numbers of its rows, which stay on disk.
pub(super) fn open(path: &Path, seed: u64) -> Result<Vec<Block>, Damaged> {
    let (file, metadata) = SafetensorsFile::open_with_metadata(path).map_err(|_| Damaged)?;
    let field = |key: &str| metadata.get(key).map(String::as_str).ok_or(Damaged);
    if field("format")? != FORMAT || field("seed")? != seed.to_string() {
        return Err(Damaged);
    }
    let rows = bytes(&file, ROWS, Dtype::U64)?;
    let names = bytes(&file, NAMES, Dtype::U8)?;
    let checksums = bytes(&file, CHECKSUMS, Dtype::U64)?;
    let expected: u64 = field("checksum")?.parse().map_err(|_| Damaged)?;
    if header_checksum(&rows, &names, &checksums, field("layouts")?) != expected {
        return Err(Damaged);
    }
    let layouts: Vec<(usize, Vec<Place>)> = serde_json::from_str(field("layouts")?).map_err(|_| Damaged)?;
    let names = std::str::from_utf8(&names).map_err(|_| Damaged)?;
    let mut rows = Rows { numbers: words(&rows), names, begin: 0 };
    let mut checksums = words(&checksums);

    let file = Arc::new(file);
    let (mut moments, mut values) = (0usize, 0usize);
    let mut blocks = Vec::with_capacity(layouts.len());
    for (count, places) in layouts {
        // Bounded by what the file holds before anything is made for so many.
        let read: Vec<Row> = (0..count).map_while(|_| rows.next()).collect();
        let sums: Vec<u64> = checksums.by_ref().take(count.div_ceil(CHUNK)).collect();
        if read.len() < count || sums.len() < count.div_ceil(CHUNK) || !places.iter().all(is_sound) {
            return Err(Damaged);
        }
        let live = vec![true; count];
        let numbers = Numbers::File { file: Arc::clone(&file), moments, values, checksums: sums };
        let block = Block { places: places.into(), rows: read, live, numbers };
        let end = |begin: usize, each: usize| count.checked_mul(each).and_then(|n| n.checked_add(begin)).ok_or(Damaged);
        (moments, values) = (end(moments, 2 * block.places.len())?, end(values, block.stride())?);
        blocks.push(block);
    }
    let whole = file.tensor(MOMENTS) == Some((&[moments], Dtype::F64))
        && file.tensor(VALUES) == Some((&[values], Dtype::F32))
        && rows.numbers.next().is_none()
        && rows.begin == names.len();
    if whole { Ok(blocks) } else { Err(Damaged) }
}

fn is_sound(place: &Place) -> bool {
    place.begin < place.end
}

/// Rows in the order of the file.
struct Rows<'f, W> {
    numbers: W,
    names: &'f str,
    begin: usize,
}

impl<W: Iterator<Item = u64>> Rows<'_, W> {
    fn next(&mut self) -> Option<Row> {
        let mut number = || self.numbers.next();
        let stamp = Stamp { length: number()?, modified: number()?, number: number()? };
        let content = u128::from(number()?) << 64 | u128::from(number()?);
        let end = usize::try_from(number()?).ok()?;
        let name = self.names.get(self.begin..end)?.to_owned();
        self.begin = end;
        Some(Row { name, content, stamp })
    }
}

/// All bytes of a tensor, which are no more than the file has.
fn bytes(file: &SafetensorsFile, name: &str, dtype: Dtype) -> Result<Vec<u8>, Damaged> {
    let (shape, found) = file.tensor(name).ok_or(Damaged)?;
    if found != dtype {
        return Err(Damaged);
    }
    let mut bytes = vec![0; shape.iter().product::<usize>() * dtype.size()];
    file.read_bytes(name, 0, &mut bytes).map_err(|_| Damaged)?;
    Ok(bytes)
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|word| word.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

fn header_checksum(rows: &[u8], names: &[u8], checksums: &[u8], layouts: &str) -> u64 {
    let mut hash = Xxh3::new();
    for part in [rows, names, checksums, layouts.as_bytes()] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest()
}
