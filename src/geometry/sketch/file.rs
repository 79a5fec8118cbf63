//! The file of a sketch: safetensors with provenance in its header, nothing of which is believed unchecked.

use super::projection::BASE;
use super::segments::{kept, lines, segments};
use super::write::{self, Existing};
use super::{Kept, Payload, Sketch, VALUES};
use crate::error::{Error, SourceError};
use crate::geometry::Moments;
use crate::source::{Dtype, ParameterInfo, SafetensorsFile};
use ::safetensors::tensor::{Dtype as StoredDtype, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

const FORMAT: &str = "neural-phylogeny sketch 1";
const MOMENTS: &str = "moments";
const FINGERPRINTS: &str = "fingerprints";

/// Bytes read at once when a file is verified.
const PIECE: usize = 1 << 16;

/// A sketch in a file, and what its header records beside it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) sketch: Sketch,
    pub(super) name: String,
    pub(super) content: String,
    pub(super) crate_version: String,
    checksum: String,
    file: Arc<SafetensorsFile>,
}

impl Sketch {
    /// Opens the file of a sketch. Values stay on disk until they are asked for.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotASketch`] and [`SourceError::SketchDamaged`], and those of [`SafetensorsFile::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Ok(Stored::open(path.as_ref())?.sketch)
    }

    /// Writes the sketch of the model `name` to a file, whole or not at all, over one that is there.
    ///
    /// # Errors
    ///
    /// [`Error::StoreWrite`]; [`Error::Source`] when the sketch is itself in a file that cannot be read.
    pub fn save(&self, path: impl AsRef<Path>, name: &str) -> Result<(), Error> {
        let path = path.as_ref();
        let failed = |source| Error::StoreWrite { path: path.to_owned(), source };
        write::whole(path, &self.encode(path, name)?, Existing::Replace).map_err(failed)
    }

    /// Hash of the model: of every tensor's name, dtype, shape and fingerprints, whatever the seed and the width.
    pub fn content(&self) -> String {
        hex(self.content_hash())
    }

    pub(super) fn content_hash(&self) -> u128 {
        let mut hash = Xxh3::new();
        for (info, tensor) in self.parameters.iter().zip(self.tensors.iter()) {
            text(&mut hash, &info.name);
            text(&mut hash, &info.dtype.to_string());
            hash.update(&(info.shape.len() as u64).to_le_bytes());
            info.shape.iter().for_each(|&d| hash.update(&(d as u64).to_le_bytes()));
            tensor.iter().for_each(|kept| hash.update(&kept.fingerprint.to_le_bytes()));
        }
        hash.digest128()
    }

    /// The bytes of the file `path`.
    pub(super) fn encode(&self, path: &Path, name: &str) -> Result<Vec<u8>, Error> {
        let segments = || self.tensors.iter().flatten();
        let count = (self.size() / 4) as usize;
        let mut narrow = vec![0f32; count];
        let unread = |source| Error::of_model(name, source);
        self.read_values(0, &mut narrow).map_err(unread)?;
        let values: Vec<u8> = narrow.iter().flat_map(|v| v.to_le_bytes()).collect();
        drop(narrow);
        let five = |m: &Moments| [m.count, m.mean, m.m2, m.m3, m.m4];
        let moments: Vec<u8> = segments().flat_map(|k| five(&k.moments)).flat_map(f64::to_le_bytes).collect();
        let two = |f: u128| [(f >> 64) as u64, f as u64];
        let fingerprints: Vec<u8> = segments().flat_map(|k| two(k.fingerprint)).flat_map(u64::to_le_bytes).collect();

        let listed = |p: &ParameterInfo| (p.name.clone(), p.dtype.to_string(), p.shape.clone());
        let layout: Vec<(String, String, Vec<usize>)> = self.parameters.iter().map(listed).collect();
        let failed = |e: &dyn std::error::Error| Error::StoreWrite {
            path: path.to_owned(),
            source: io::Error::other(e.to_string()),
        };
        let mut metadata: BTreeMap<&str, String> = BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("crate_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("name", name.to_owned()),
            ("seed", self.seed.to_string()),
            ("width", self.width.to_string()),
            ("content", self.content()),
            ("layout", serde_json::to_string(&layout).map_err(|e| failed(&e))?),
        ]);
        let mut hash = Xxh3::new();
        [&values, &moments, &fingerprints].into_iter().for_each(|bytes| hash.update(bytes));
        metadata.insert("checksum", checksum(hash, |key| metadata.get(key).map_or("", String::as_str)));

        let n = segments().count();
        let tensors = [
            (VALUES, StoredDtype::F32, vec![count], &values),
            (MOMENTS, StoredDtype::F64, vec![n, 5], &moments),
            (FINGERPRINTS, StoredDtype::U64, vec![n, 2], &fingerprints),
        ];
        let mut views = Vec::new();
        for (name, dtype, shape, bytes) in tensors {
            views.push((name, TensorView::new(dtype, shape, bytes).map_err(|e| failed(&e))?));
        }
        let metadata: HashMap<String, String> = metadata.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let bytes = ::safetensors::serialize(views, Some(metadata)).map_err(|e| failed(&e))?;
        sorted(&bytes).map_err(|e| failed(&e))
    }
}

impl Stored {
    /// Opens a file and checks its header, moments and fingerprints against each other; values are not read.
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let (file, metadata) = SafetensorsFile::open_with_metadata(path)?;
        let wrong = |found: String, expected: &str| SourceError::NotASketch {
            path: path.to_owned(),
            found,
            expected: expected.to_owned(),
        };
        let field = |key: &str| match metadata.get(key) {
            Some(text) => Ok(text.as_str()),
            None => Err(wrong(format!("no `{key}` in its header"), FORMAT)),
        };
        if field("format")? != FORMAT {
            return Err(wrong(format!("format `{}`", field("format")?), FORMAT));
        }
        let seed: u64 = field("seed")?.parse().map_err(|e| wrong(format!("seed ({e})"), "a number"))?;
        let width = field("width")?.parse().ok().filter(|w: &usize| w.is_power_of_two() && *w >= BASE);
        let width =
            width.ok_or_else(|| wrong(format!("width `{}`", metadata["width"]), "a power of two from 256 on"))?;
        let layout: Vec<(String, String, Vec<usize>)> = serde_json::from_str(field("layout")?)
            .map_err(|e| wrong(format!("layout ({e})"), "names, dtypes, shapes"))?;

        let mut parameters = Vec::with_capacity(layout.len());
        for (name, dtype, shape) in layout {
            let known =
                Dtype::of_spelling(&dtype).ok_or_else(|| wrong(format!("dtype `{dtype}`"), "one of a weight"))?;
            if shape.iter().try_fold(known.size(), |n, &d| n.checked_mul(d)).is_none() {
                return Err(wrong(format!("shape {shape:?} of `{name}`"), "as many elements as can be counted"));
            }
            parameters.push(ParameterInfo::new(name, shape, known));
        }
        if let Some(pair) = parameters.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            return Err(wrong(format!("`{}` before `{}`", pair[0].name, pair[1].name), "tensors sorted by name"));
        }
        let cut: Vec<Vec<Range<usize>>> = parameters.iter().map(|p| segments(p, width)).collect();
        let total = cut.iter().flatten().try_fold(0usize, |n, segment| n.checked_add(kept(segment, width)));
        let of_lines: Vec<usize> = parameters.iter().zip(&cut).map(|(p, cut)| lines(p, cut, width)).collect();
        let total = of_lines.iter().try_fold(total.unwrap_or(usize::MAX), |n, own| n.checked_add(*own));
        let total = total.ok_or_else(|| wrong("more values than can be counted".to_owned(), "a layout of a model"))?;
        let n = cut.iter().flatten().count();
        let expected: [(&str, &[usize], Dtype); 3] =
            [(VALUES, &[total], Dtype::F32), (MOMENTS, &[n, 5], Dtype::F64), (FINGERPRINTS, &[n, 2], Dtype::U64)];
        for (name, shape, dtype) in expected {
            if file.tensor(name) != Some((shape, dtype)) {
                let found = format!("tensor `{name}` {:?}", file.tensor(name));
                return Err(wrong(found, &format!("({shape:?}, {dtype:?}), as its layout and width need")));
            }
        }
        // Both as large as tensors that the file has been found to hold.
        let (mut moments, mut fingerprints) = (vec![0; n * 40], vec![0; n * 16]);
        file.read_bytes(MOMENTS, 0, &mut moments)?;
        file.read_bytes(FINGERPRINTS, 0, &mut fingerprints)?;
        let mut stored = moments.chunks_exact(40).zip(fingerprints.chunks_exact(16));
        let mut tensors: Vec<Vec<Kept>> = Vec::with_capacity(parameters.len());
        let mut end = 0;
        for (p, segments) in parameters.iter().zip(cut) {
            let mut all = Vec::with_capacity(segments.len());
            for (segment, (five, two)) in segments.into_iter().zip(&mut stored) {
                let number = |at: usize| f64::from_bits(word(five, at));
                let moments =
                    Moments { count: number(0), mean: number(1), m2: number(2), m3: number(3), m4: number(4) };
                let finite = [moments.mean, moments.m2, moments.m3, moments.m4].iter().all(|m| m.is_finite());
                let read = segment.len();
                if moments.count != read as f64 || !finite {
                    return Err(wrong(
                        format!("{moments:?} of `{}`", p.name),
                        &format!("finite ones of {read} values"),
                    ));
                }
                let begin = end;
                end += kept(&segment, width);
                let fingerprint = u128::from(word(two, 0)) << 64 | u128::from(word(two, 1));
                all.push(Kept { segment, place: begin..end, moments, fingerprint });
            }
            tensors.push(all);
        }
        let place = |own: usize| {
            let begin = end;
            end += own;
            begin..end
        };
        let lines: Vec<Range<usize>> = of_lines.into_iter().map(place).collect();
        let file = Arc::new(file);
        let payload = Payload::File(Arc::clone(&file));
        let sketch = Sketch {
            seed,
            width,
            parameters: parameters.into(),
            tensors: tensors.into(),
            lines: lines.into(),
            payload,
        };
        let stored = Self {
            sketch,
            name: field("name")?.to_owned(),
            content: field("content")?.to_owned(),
            crate_version: field("crate_version")?.to_owned(),
            checksum: field("checksum")?.to_owned(),
            file,
        };
        stored.agrees("content hash", &stored.sketch.content(), &stored.content)?;
        Ok(stored)
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.file.length()
    }

    /// Fails when something of the file is not as recorded.
    pub(super) fn agrees(&self, what: &'static str, found: &str, expected: &str) -> Result<(), SourceError> {
        if found == expected {
            return Ok(());
        }
        let path = self.file.path().to_owned();
        Err(SourceError::SketchDamaged { path, what, found: found.to_owned(), expected: expected.to_owned() })
    }

    /// Reads all bytes again and compares them with the checksum.
    pub(super) fn verify(&self) -> Result<(), SourceError> {
        let mut hash = Xxh3::new();
        let n = self.sketch.tensors.iter().flatten().count();
        let mut piece = vec![0; PIECE];
        for (name, size) in [(VALUES, self.sketch.size() as usize), (MOMENTS, n * 40), (FINGERPRINTS, n * 16)] {
            for begin in (0..size).step_by(PIECE) {
                let piece = &mut piece[..PIECE.min(size - begin)];
                self.file.read_bytes(name, begin, piece)?;
                hash.update(piece);
            }
        }
        let (seed, width) = (self.sketch.seed.to_string(), self.sketch.width.to_string());
        let found = checksum(hash, |key| match key {
            "name" => &self.name,
            "crate_version" => &self.crate_version,
            "content" => &self.content,
            "seed" => &seed,
            _ => &width,
        });
        self.agrees("checksum", &found, &self.checksum)
    }
}

/// The same file with the entries of its header in the order of their names: the crate writes those of its metadata in any order,
/// and the same sketch must be the same bytes.
fn sorted(file: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let (length, rest) = file.split_at(8);
    let (header, data) = rest.split_at(word(length, 0) as usize);
    let entries: BTreeMap<String, BTreeMap<String, serde_json::Value>> = serde_json::from_slice(header)?;
    let mut header = serde_json::to_vec(&entries)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut sorted = (header.len() as u64).to_le_bytes().to_vec();
    sorted.extend(header);
    sorted.extend(data);
    Ok(sorted)
}

/// Of all bytes of the tensors, and of what the header records that nothing else covers.
fn checksum<'a>(mut tensors: Xxh3, field: impl Fn(&str) -> &'a str) -> String {
    ["crate_version", "name", "seed", "width", "content"].iter().for_each(|key| text(&mut tensors, field(key)));
    hex(tensors.digest128())
}

fn text(hash: &mut Xxh3, text: &str) {
    hash.update(&(text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

pub(super) fn hex(hash: u128) -> String {
    format!("{hash:032x}")
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[8 * at..8 * at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}
