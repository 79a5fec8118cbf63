//! The file of a sketch: safetensors with provenance in its header. Nothing in it is believed unchecked.

use super::entry::StoreEntry;
use super::sketch_store::write;
use crate::bytes::Existing;
use crate::error::{Error, SourceError};
use crate::kernel::format::{self, BASE, SKETCH, SKETCH_FINGERPRINTS, SKETCH_MOMENTS, SKETCH_VALUES};
use crate::kernel::{Moments, TensorBytes, encode, halves, hex, joined, little_endian, words};
use crate::sketch::{Payload, SegmentSketch, Sketch, kept, lines, segments, update_text};
use crate::source::{Dtype, ParameterInfo, SafetensorsFile};
use ::safetensors::tensor::Dtype as StoredDtype;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Number of bytes read at once when a file is verified.
const PIECE: usize = 1 << 16;

/// A sketch in a file, and what its header records besides.
#[derive(Debug)]
pub(super) struct SketchFile {
    pub(super) sketch: Sketch,
    pub(super) name: String,
    pub(super) content: String,
    pub(super) crate_version: String,
    checksum: String,
    file: Arc<SafetensorsFile>,
}

impl Sketch {
    /// Opens the file of a sketch. Values stay on disk until they are needed.
    ///
    /// # Errors
    ///
    /// [`SourceError::NotASketch`], [`SourceError::SketchMap`] and [`SourceError::SketchDamaged`], and those of
    /// [`SafetensorsFile::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Ok(SketchFile::open(path.as_ref())?.sketch)
    }

    /// Writes the sketch of the model `name` to a file, replacing one that is there. The file is written whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::StoreWrite`] when the file cannot be written. [`Error::Source`] when the sketch is itself in a file that cannot
    /// be read.
    pub fn save(&self, path: impl AsRef<Path>, name: &str) -> Result<(), Error> {
        let path = path.as_ref();
        let failed = |source| Error::StoreWrite { path: path.to_owned(), source };
        write(path, &self.encode(path, name)?, Existing::Replace).map_err(failed)
    }

    /// The bytes of the file at `path`.
    pub(super) fn encode(&self, path: &Path, name: &str) -> Result<Vec<u8>, Error> {
        let segments = || self.tensors.iter().flatten();
        let count = (self.size() / 4) as usize;
        let mut narrow = vec![0f32; count];
        let unread = |source| Error::of_model(name, source);
        self.read_values(0, &mut narrow).map_err(unread)?;
        let five = |m: &Moments| [m.count, m.mean, m.m2, m.m3, m.m4];
        let moments: Vec<f64> = segments().flat_map(|segment| five(&segment.moments)).collect();
        let fingerprints: Vec<u64> = segments().flat_map(|segment| halves(segment.fingerprint)).collect();
        let (values, moments) = (little_endian(&narrow), little_endian(&moments));
        let fingerprints = little_endian(&fingerprints);

        let listed = |p: &ParameterInfo| (p.name.clone(), p.dtype.to_string(), p.shape.clone());
        // Segments and lines follow from layout and width, so their places need not be written.
        let layout: Vec<(String, String, Vec<usize>)> = self.parameters.iter().map(listed).collect();
        let failed = |source: io::Error| Error::StoreWrite { path: path.to_owned(), source };
        let mut metadata: BTreeMap<&str, String> = BTreeMap::from([
            ("format", SKETCH.to_owned()),
            ("map", format::map()),
            ("crate_version", env!("CARGO_PKG_VERSION").to_owned()),
            ("name", name.to_owned()),
            ("seed", self.seed.to_string()),
            ("width", self.width.to_string()),
            ("content", self.content()),
            ("layout", serde_json::to_string(&layout).map_err(|e| failed(e.into()))?),
        ]);
        let mut hash = Xxh3::new();
        // The checksum covers the values too, which the content hash does not.
        [&values, &moments, &fingerprints].into_iter().for_each(|bytes| hash.update(bytes));
        metadata.insert("checksum", checksum(hash, |key| metadata.get(key).map_or("", String::as_str)));

        let n = segments().count();
        let tensor = |name, dtype, shape, bytes| TensorBytes { name, dtype, shape, bytes };
        let tensors = vec![
            tensor(SKETCH_VALUES, StoredDtype::F32, vec![count], &*values),
            tensor(SKETCH_MOMENTS, StoredDtype::F64, vec![n, 5], &*moments),
            tensor(SKETCH_FINGERPRINTS, StoredDtype::U64, vec![n, 2], &*fingerprints),
        ];
        encode(metadata, tensors).map_err(failed)
    }
}

impl SketchFile {
    /// Opens a file and checks its header, moments and fingerprints against each other. Values are not read.
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let (file, metadata) = SafetensorsFile::open_with_metadata(path)?;
        let wrong = |found: String, expected: &str| SourceError::NotASketch {
            path: path.to_owned(),
            found,
            expected: expected.to_owned(),
        };
        let field = |key: &str| match metadata.get(key) {
            Some(text) => Ok(text.as_str()),
            None => Err(wrong(format!("no `{key}` in its header"), SKETCH)),
        };
        // The format comes first: without it, the other fields may mean anything.
        if field("format")? != SKETCH {
            return Err(wrong(format!("format `{}`", field("format")?), SKETCH));
        }
        // Another map gives other numbers for the same model, so such sketches must not be compared.
        if field("map")? != format::map() {
            let (found, expected) = (field("map")?.to_owned(), format::map());
            return Err(SourceError::SketchMap { path: path.to_owned(), found, expected });
        }
        let seed: u64 = field("seed")?.parse().map_err(|e| wrong(format!("seed ({e})"), "a number"))?;
        // Folding to narrower widths needs a power of two, and the map has none below one base block.
        let width = field("width")?.parse().ok().filter(|w: &usize| w.is_power_of_two() && *w >= BASE);
        let width =
            width.ok_or_else(|| wrong(format!("width `{}`", metadata["width"]), "a power of two from 256 on"))?;
        let layout: Vec<(String, String, Vec<usize>)> = serde_json::from_str(field("layout")?)
            .map_err(|e| wrong(format!("layout ({e})"), "names, dtypes, shapes"))?;

        // The layout decides how much is allocated later, so it is checked against the tensors in the file first.
        let mut parameters = Vec::with_capacity(layout.len());
        for (name, dtype, shape) in layout {
            let known =
                Dtype::of_spelling(&dtype).ok_or_else(|| wrong(format!("dtype `{dtype}`"), "one of a weight"))?;
            // A false shape must not overflow the products of sizes below.
            if shape.iter().try_fold(known.size(), |n, &d| n.checked_mul(d)).is_none() {
                return Err(wrong(format!("shape {shape:?} of `{name}`"), "as many elements as can be counted"));
            }
            parameters.push(ParameterInfo::new(name, shape, known));
        }
        // Tensors are found by binary search, so they must be sorted.
        if let Some(pair) = parameters.windows(2).find(|pair| pair[0].name >= pair[1].name) {
            return Err(wrong(format!("`{}` before `{}`", pair[0].name, pair[1].name), "tensors sorted by name"));
        }
        let cut: Vec<Vec<Range<usize>>> = parameters.iter().map(|p| segments(p, width)).collect();
        // A false layout may promise more values than can be counted, so the sums are checked.
        let total = cut.iter().flatten().try_fold(0usize, |n, segment| n.checked_add(kept(segment, width)));
        let of_lines: Vec<usize> = parameters.iter().zip(&cut).map(|(p, cut)| lines(p, cut, width)).collect();
        let total = of_lines.iter().try_fold(total.unwrap_or(usize::MAX), |n, own| n.checked_add(*own));
        let total = total.ok_or_else(|| wrong("more values than can be counted".to_owned(), "a layout of a model"))?;
        let n = cut.iter().flatten().count();
        let expected: [(&str, &[usize], Dtype); 3] = [
            (SKETCH_VALUES, &[total], Dtype::F32),
            (SKETCH_MOMENTS, &[n, 5], Dtype::F64),
            (SKETCH_FINGERPRINTS, &[n, 2], Dtype::U64),
        ];
        for (name, shape, dtype) in expected {
            if file.tensor(name) != Some((shape, dtype)) {
                let found = format!("tensor `{name}` {:?}", file.tensor(name));
                return Err(wrong(found, &format!("({shape:?}, {dtype:?}), as its layout and width need")));
            }
        }
        // Both buffers are as large as tensors that the file was found to hold, so a false layout cannot ask for more.
        let (mut moments, mut fingerprints) = (vec![0; n * 40], vec![0; n * 16]);
        file.read_bytes(SKETCH_MOMENTS, 0, &mut moments)?;
        file.read_bytes(SKETCH_FINGERPRINTS, 0, &mut fingerprints)?;
        let mut stored = moments.chunks_exact(40).zip(fingerprints.chunks_exact(16));
        let mut tensors: Vec<Vec<SegmentSketch>> = Vec::with_capacity(parameters.len());
        let mut end = 0;
        for (p, segments) in parameters.iter().zip(cut) {
            let mut all = Vec::with_capacity(segments.len());
            for (segment, (five, two)) in segments.into_iter().zip(&mut stored) {
                let mut numbers = words::<f64>(five);
                let mut number = || numbers.next().unwrap_or(f64::NAN);
                let moments = Moments { count: number(), mean: number(), m2: number(), m3: number(), m4: number() };
                // Distances and z-scores rely on moments, so NaN and infinity must stop here.
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
                let mut both = words::<u64>(two);
                let fingerprint = joined([both.next().unwrap_or_default(), both.next().unwrap_or_default()]);
                all.push(SegmentSketch { segment, place: begin..end, moments, fingerprint });
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
        // The hash covers layout and fingerprints. So it finds damage that left every single field well formed.
        stored.agrees("content hash", &stored.sketch.content(), &stored.content)?;
        Ok(stored)
    }

    /// What the header records.
    pub(super) fn recorded(self) -> StoreEntry {
        let parameters = &self.sketch.parameters;
        StoreEntry {
            width: self.sketch.width,
            tensors: parameters.len(),
            values: parameters.iter().fold(0, |n: u64, p| n.saturating_add(p.size() as u64)),
            bytes: self.file.length(),
            name: self.name,
            content: self.content,
            crate_version: self.crate_version,
        }
    }

    /// Fails when something in the file differs from what is recorded.
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
        for (name, size) in
            [(SKETCH_VALUES, self.sketch.size() as usize), (SKETCH_MOMENTS, n * 40), (SKETCH_FINGERPRINTS, n * 16)]
        {
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

/// Checksum of all bytes of the tensors, and of the header's fields that no other check covers.
fn checksum<'a>(mut tensors: Xxh3, field: impl Fn(&str) -> &'a str) -> String {
    ["crate_version", "name", "seed", "width", "content"].iter().for_each(|key| update_text(&mut tensors, field(key)));
    hex(tensors.digest128())
}
