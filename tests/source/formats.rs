//! Formats from outside, and trees that are no file system.

use crate::support::{TestResult, f32_file, values, write};
use neural_phylogeny::bytes::{Entry, EntryKind, Folder, MemoryFile, ReadAt};
use neural_phylogeny::discover::{Discovered, Discovery, FileLayout};
use neural_phylogeny::error::ShardError;
use neural_phylogeny::format::{Dtype, Format, Library, Tensors};
use neural_phylogeny::{ParameterSource, SourceError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Plain values after a magic word, under endings that other formats have, too.
#[derive(Debug)]
struct Plain {
    name: &'static str,
    magic: &'static [u8; 4],
    extensions: &'static [&'static str],
    transformers: Option<&'static str>,
}

/// Two endings of one format.
const BIN: Plain = Plain { name: "bin", magic: b"BIN1", extensions: &["dat", "raw"], transformers: Some("raw_model") };

impl Plain {
    fn file(&self, values: &[f32]) -> Vec<u8> {
        [&self.magic[..], &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()].concat()
    }
}

impl Format for Plain {
    fn name(&self) -> &str {
        self.name
    }

    fn extensions(&self) -> &[&str] {
        self.extensions
    }

    fn recognizes(&self, name: &str, beginning: &[u8]) -> bool {
        let named = || self.extensions.iter().any(|e| name.ends_with(e));
        if beginning.is_empty() { named() } else { beginning.starts_with(self.magic) }
    }

    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        let mut magic = [0; 4];
        bytes.read_at(&mut magic, 0)?;
        if &magic != self.magic {
            return Err(SourceError::Other { message: format!("no {}", self.name), source: None });
        }
        let count = (bytes.length() as usize - 4) / 4;
        let name = bytes.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Tensors::new(bytes).with_tensor(name, [count], Dtype::F32, 4)
    }

    fn stem(&self, library: Library) -> Option<&str> {
        if library == Library::Transformers { self.transformers } else { None }
    }
}

fn models(found: &Discovered) -> Vec<String> {
    found.models.iter().map(|m| format!("{}: {}", m.name, m.layout)).collect()
}

#[test]
fn a_format_from_outside_is_found_beside_ours() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "flat/a.raw", BIN.file(&[1.0]));
    write(dir, "flat/a.safetensors", f32_file(&[("w", &[1], &[2.0])]));
    write(dir, "flat/optimizer.pt", "");
    write(dir, "flat/other.tflite", "");
    write(dir, "numbered/m-00001-of-00002.dat", BIN.file(&[3.0]));
    write(dir, "numbered/m-00002-of-00002.dat", BIN.file(&[4.0]));
    write(dir, "run/config.json", "{}");
    write(dir, "run/raw_model.dat", BIN.file(&[5.0]));
    write(dir, "both/config.json", "{}");
    write(dir, "both/raw_model.dat", BIN.file(&[6.0]));
    write(dir, "both/model.safetensors", f32_file(&[("w", &[1], &[7.0])]));
    let found = Discovery::new().with_format(BIN).search([dir])?;
    assert_eq!(
        models(&found),
        [
            "both: transformers folder",
            "flat/a.raw: bin file",
            "flat/a.safetensors: safetensors file",
            "numbered/m: bin shards",
            "run: transformers folder",
        ]
    );
    assert_eq!(values(&*found.models[0].source, "w")?, [7.0]);
    assert_eq!(values(&*found.models[3].source, "m-00002-of-00002")?, [4.0]);
    assert_eq!(values(&*found.models[4].source, "raw_model")?, [5.0]);
    let ignored: Vec<(&Path, &str)> = found.ignored.iter().map(|i| (i.path.as_path(), i.reason.as_str())).collect();
    let expected = [
        (dir.join("both/raw_model.dat"), "beside model.safetensors, which is the one taken"),
        (dir.join("flat/other.tflite"), "a TensorFlow Lite model: not read, convert it to safetensors"),
    ];
    assert_eq!(ignored, expected.each_ref().map(|(path, reason)| (path.as_path(), *reason)));

    // Without it, its files are what their endings say: nothing.
    let without = Discovery::new().search([dir.join("run")])?;
    assert!(without.models.is_empty() && without.ignored.is_empty());
    Ok(())
}

#[test]
fn an_index_of_any_format_lists_its_shards() -> TestResult {
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "run/config.json", "{}");
    write(dir, "run/one.dat", BIN.file(&[1.0, 2.0]));
    write(dir, "run/two.dat", BIN.file(&[3.0]));
    let index = r#"{"weight_map":{"one":"one.dat","two":"two.dat"}}"#;
    write(dir, "run/raw_model.dat.index.json", index);
    let found = Discovery::new().with_format(BIN).search([dir.join("run")])?;
    assert_eq!(models(&found), ["run: transformers folder"]);
    assert_eq!(values(&*found.models[0].source, "one")?, [1.0, 2.0]);
    let lying = write(dir, "flat/x.dat.index.json", r#"{"weight_map":{"one":"../run/one.dat"}}"#);
    let found = Discovery::new().with_format(BIN).search([lying])?;
    assert!(
        matches!(found.unreadable[..], [ref u] if matches!(u.error, SourceError::Shards(ShardError::Outside { .. })))
    );
    Ok(())
}

#[test]
fn first_bytes_decide_between_formats_of_one_ending() -> TestResult {
    let other = Plain { name: "other", magic: b"OTHR", ..BIN };
    let scratch = tempfile::tempdir()?;
    let dir = scratch.path();
    write(dir, "a.dat", BIN.file(&[1.0]));
    write(dir, "b.dat", other.file(&[2.0]));
    write(dir, "c.dat", "neither");
    let blob = write(dir, "blob", other.file(&[3.0]));
    let discovery = Discovery::new().with_format(BIN).with_format(other);
    let found = discovery.search([dir])?;
    assert_eq!(found.models.len(), 2);
    assert_eq!(values(&*found.models[0].source, "a")?, [1.0]);
    assert_eq!(values(&*found.models[1].source, "b")?, [2.0]);
    assert_eq!(found.unreadable[0].error.to_string(), "no bin");
    // A name that says nothing, as in a cache of a hub.
    let opened = discovery.open(blob)?;
    assert_eq!(opened.layout, FileLayout::File { format: "other".to_owned() });
    assert_eq!(values(&*opened.source, "blob")?, [3.0]);
    Ok(())
}

/// A reader of safetensors that finds nothing.
#[derive(Debug)]
struct Nothing;

impl Format for Nothing {
    fn name(&self) -> &str {
        "safetensors"
    }

    fn extensions(&self) -> &[&str] {
        &["safetensors"]
    }

    fn open(&self, bytes: Arc<dyn ReadAt>) -> Result<Tensors, SourceError> {
        Ok(Tensors::new(bytes))
    }
}

#[test]
fn a_format_of_the_same_name_replaces_ours() -> TestResult {
    let scratch = tempfile::tempdir()?;
    write(scratch.path(), "a.safetensors", "");
    let found = Discovery::new().with_format(Nothing).search([scratch.path()])?;
    assert_eq!(found.models[0].source.parameters()?, []);
    Ok(())
}

/// A bucket: objects by their whole paths, folders by what their names share.
#[derive(Clone, Debug, Default)]
struct Bucket(BTreeMap<PathBuf, Vec<u8>>);

impl Bucket {
    fn with(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(path.into(), bytes.into());
        self
    }

    fn missing(path: &Path) -> SourceError {
        SourceError::NotFound { path: path.to_owned() }
    }
}

impl Folder for Bucket {
    fn list(&self, folder: &Path) -> Result<Vec<Entry>, SourceError> {
        let below = self.0.keys().filter_map(|path| path.strip_prefix(folder).ok());
        let mut entries: Vec<Entry> = Vec::new();
        for path in below.filter_map(|rest| Some(folder.join(rest.components().next()?))) {
            if !entries.iter().any(|e| e.path == path) {
                entries.push(self.entry(&path)?);
            }
        }
        Ok(entries)
    }

    fn entry(&self, path: &Path) -> Result<Entry, SourceError> {
        if self.0.contains_key(path) {
            return Ok(Entry::new(path, EntryKind::File));
        }
        let is_folder = self.0.keys().any(|p| p.starts_with(path));
        if is_folder { Ok(Entry::new(path, EntryKind::Folder)) } else { Err(Self::missing(path)) }
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn ReadAt>, SourceError> {
        let bytes = self.0.get(path).ok_or_else(|| Self::missing(path))?;
        Ok(Arc::new(MemoryFile::new(path, bytes.clone())))
    }

    fn identity(&self, path: &Path) -> Result<PathBuf, SourceError> {
        self.entry(path).map(|entry| entry.path)
    }
}

#[test]
fn models_are_found_in_a_tree_that_is_no_file_system() -> TestResult {
    let weight: Vec<f32> = (0..6).map(|i| i as f32).collect();
    let base = f32_file(&[("fc.weight", &[2, 3], &weight)]);
    let adapter = f32_file(&[
        ("base_model.model.fc.lora_A.weight", &[1, 3], &[1.0, 0.0, 0.0]),
        ("base_model.model.fc.lora_B.weight", &[2, 1], &[1.0, 0.0]),
    ]);
    let map = r#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
    let bucket = Bucket::default()
        .with("b/base/config.json", "{}")
        .with("b/base/model.safetensors", base)
        .with(
            "b/lora/adapter_config.json",
            r#"{"peft_type":"LORA","base_model_name_or_path":"b/base","r":1,"lora_alpha":2}"#,
        )
        .with("b/lora/adapter_model.safetensors", adapter)
        .with("b/sharded/config.json", "{}")
        .with("b/sharded/model.safetensors.index.json", map)
        .with("b/sharded/model-00001-of-00002.safetensors", f32_file(&[("a", &[1], &[1.0])]))
        .with("b/sharded/model-00002-of-00002.safetensors", f32_file(&[("b", &[1], &[2.0])]))
        .with("b/pipe/model_index.json", r#"{"unet":["diffusers","UNet"]}"#)
        .with("b/pipe/unet/diffusion_pytorch_model.safetensors", f32_file(&[("u", &[1], &[3.0])]))
        .with("b/old/model.tflite", "")
        .with("b/old/config.json", "{}");
    let found = Discovery::new().with_tree(bucket.clone()).search(["b"])?;
    assert_eq!(
        models(&found),
        [
            "base: transformers folder",
            "lora: peft adapter over b/base (recorded as b/base, found at that path)",
            "pipe: diffusers unet",
            "sharded: transformers folder",
        ]
    );
    assert_eq!(values(&*found.models[1].source, "fc.weight")?, [2.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(values(&*found.models[3].source, "b")?, [2.0]);
    assert_eq!(
        found.unreadable[0].error.to_string(),
        "b/old/model.tflite is a TensorFlow Lite model: not supported, convert it to safetensors"
    );

    let error = Discovery::new().with_tree(bucket).search(["c"]).unwrap_err();
    assert_eq!(error.to_string(), "c does not exist");
    Ok(())
}
