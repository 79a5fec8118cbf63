//! GGUF files: values against the reference, names and undone changes against transformers, and hostile bytes.

use neural_phylogeny::SourceError;
use neural_phylogeny::bytes::{LocalFile, MemoryFile};
use neural_phylogeny::format::{Format, Gguf, SafetensorsFile, Tensors};
use neural_phylogeny::source::Shards;
use neural_phylogeny::{ParameterSource, format::Dtype};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/gguf").join(name)
}

fn open(name: &str) -> Tensors {
    Gguf.open(Arc::new(LocalFile::open(path(name)).unwrap())).unwrap()
}

fn parse(bytes: Vec<u8>) -> Result<Tensors, SourceError> {
    Gguf.open(Arc::new(MemoryFile::new("hostile.gguf", bytes)))
}

/// Every tensor of a file, as bits.
fn bits(source: &dyn ParameterSource) -> BTreeMap<String, (Vec<usize>, Vec<u32>)> {
    let read = |info: neural_phylogeny::format::ParameterInfo| {
        let mut values = vec![0.0; info.size()];
        source.read(&info.name, 0, &mut values).unwrap();
        (info.name, (info.shape, values.into_iter().map(f32::to_bits).collect()))
    };
    source.parameters().unwrap().into_iter().map(read).collect()
}

/// Compares two models bit for bit.
fn same(found: &dyn ParameterSource, expected: &str) {
    let file = SafetensorsFile::open(path(expected)).unwrap();
    let (found, expected) = (bits(found), bits(file.tensors()));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, (shape, values)) in &expected {
        assert_eq!(&found[name].0, shape, "{name}");
        let wrong = values.iter().zip(&found[name].1).filter(|(a, b)| a != b).count();
        assert_eq!(wrong, 0, "{name}: {wrong} of {} values differ", values.len());
    }
}

#[test]
fn every_type_is_dequantized_as_the_reference_does() {
    for group in ["plain", "blocks", "k", "iq", "float4"] {
        let tensors = open(&format!("{group}.gguf"));
        same(&tensors, &format!("{group}.safetensors"));
        for info in tensors.infos() {
            let method = info.quantization.map(|q| q.method().to_owned());
            assert_eq!(method.as_ref(), Some(&info.name).filter(|_| group != "plain"));
            assert_eq!(tensors.rounding(&info.name).unwrap().is_some(), group != "plain", "{}", info.name);
        }
    }
}

#[test]
fn any_range_is_a_part_of_the_whole() {
    for file in [
        "k.gguf",
        "iq.gguf",
        "float4.gguf",
        "blocks.gguf",
        "llama.gguf",
        "gpt2.gguf",
        "gpt-oss.gguf",
        "falcon.gguf",
        "mixtral.gguf",
    ] {
        let tensors = open(file);
        for info in tensors.infos() {
            let mut whole = vec![0.0; info.size()];
            tensors.read(&info.name, 0, &mut whole).unwrap();
            let size = info.size();
            let ranges = [(0, 1), (size - 1, 1), (1, size - 1), (size / 3, size / 2), (size / 2, size.min(3) - 1)];
            for (offset, length) in ranges {
                let mut part = vec![f32::NAN; length];
                tensors.read(&info.name, offset, &mut part).unwrap();
                let equal = part.iter().zip(&whole[offset..]).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(equal, "{file} {} {offset} {length}", info.name);
            }
        }
    }
}

#[test]
fn models_have_the_names_and_values_of_transformers() {
    for model in ["llama", "mixtral", "qwen2moe", "gemma3", "gpt2", "gpt-oss", "falcon", "phi3", "bert"] {
        same(&open(&format!("{model}.gguf")), &format!("{model}.safetensors"));
    }
    let llama = open("llama.gguf");
    assert_eq!(llama.metadata()["general.name"], "a random llama");
    assert_eq!(llama.left_out().keys().collect::<Vec<_>>(), ["rope_freqs.weight"]);
    let (_, dtype) = (0, llama.infos().find(|i| i.name.ends_with("q_proj.weight")).unwrap());
    assert_eq!((dtype.dtype, dtype.quantization.unwrap().method()), (Dtype::F32, "Q8_0"));
}

#[test]
fn numbered_files_are_one_model() {
    let split = Shards::open(path("llama-split-00002-of-00004.gguf")).unwrap();
    same(&split, "llama.safetensors");
    let second = LocalFile::open(path("llama-split-00002-of-00004.gguf")).unwrap();
    let error = Gguf.open(Arc::new(second)).unwrap_err().to_string();
    assert!(error.contains("file 2 of 4") && error.contains("llama-split-00001-of-00004.gguf"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &str, to: &str| std::fs::copy(path(from), folder.path().join(to)).unwrap();
    copy("llama-split-00001-of-00004.gguf", "a-00001-of-00002.gguf");
    copy("llama-split-00002-of-00004.gguf", "a-00002-of-00002.gguf");
    let error = Shards::open(folder.path().join("a-00001-of-00002.gguf")).unwrap_err().to_string();
    assert!(error.contains("expected the name a-00001-of-00004.gguf"), "{error}");
    copy("llama-split-00001-of-00004.gguf", "a.gguf");
    let error = Gguf.open(Arc::new(LocalFile::open(folder.path().join("a.gguf")).unwrap())).unwrap_err().to_string();
    assert!(error.contains("name it NAME-00001-of-00004.gguf"), "{error}");
}

/// The bytes of a header, written value by value.
#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn header(version: u32, tensors: u64, pairs: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(version).u64(tensors).u64(pairs)
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn text(self, text: &str) -> Self {
        let mut longer = self.u64(text.len() as u64);
        longer.0.extend(text.bytes());
        longer
    }

    fn pair(self, key: &str, value: &str) -> Self {
        self.text(key).u32(8).text(value)
    }

    fn tensor(self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let named = self.text(name).u32(shape.len() as u32);
        shape.iter().fold(named, |bytes, &d| bytes.u64(d)).u32(kind).u64(offset)
    }

    /// Fills up to a multiple of 32 bytes and adds `length` more.
    fn data(mut self, length: usize) -> Vec<u8> {
        let begin = self.0.len().next_multiple_of(32);
        self.0.resize(begin + length, 0);
        self.0
    }
}

/// Checks that bytes are refused, with words that say why.
fn refused(bytes: Vec<u8>, words: &[&str]) {
    let error = parse(bytes).unwrap_err().to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}: expected {words:?}");
}

#[test]
fn what_is_no_model_is_refused_by_name() {
    refused(Bytes::header(1, 0, 0).0, &["version 1", "convert"]);
    refused(Bytes::header(4, 0, 0).0, &["version 4", "2 and 3"]);
    refused(Bytes::header(3u32.swap_bytes(), 0, 0).0, &["big-endian", "gguf_convert_endian"]);
    refused(b"lmgg----------------------------".to_vec(), &["before GGUF"]);
    refused(b"version https://git-lfs.github.com/spec/v1".to_vec(), &["git lfs pull"]);
    refused(b"PK\x03\x04------------------------".to_vec(), &["letters GGUF"]);
    refused(b"GGUF\x03".to_vec(), &["truncated"]);
    refused(Bytes::header(3, 0, 0).0, &["no tensors"]);
    let named = |key: &str, value: &str| Bytes::header(3, 1, 1).pair(key, value).tensor("a", &[1], 0, 0).data(4);
    refused(named("general.type", "adapter"), &["LoRA adapter", "llama-export-lora"]);
    refused(named("general.type", "imatrix"), &["importance matrix"]);
    refused(named("general.architecture", "controlvector"), &["control vector"]);
    let vocabulary = Bytes::header(3, 0, 1).text("tokenizer.ggml.tokens").u32(9).u32(8).u64(1).text("a");
    refused(vocabulary.0, &["vocabulary"]);
    assert!(parse(named("general.architecture", "clip")).is_ok());
    // Version 2 has the same form.
    assert!(parse(Bytes::header(2, 1, 0).tensor("a", &[1], 0, 0).data(4)).is_ok());
}

#[test]
fn claims_are_checked_before_they_are_used() {
    let huge = 1u64 << 60;
    refused(Bytes::header(3, huge, 0).data(64), &["tensors", "follow"]);
    refused(Bytes::header(3, 0, huge).data(64), &["key-value pairs"]);
    refused(Bytes::header(3, 0, 1).u64(huge).data(64), &["bytes of a string"]);
    refused(Bytes::header(3, 0, 1).text("a").u32(8).u64(huge).data(64), &["bytes of a string"]);
    refused(Bytes::header(3, 0, 1).text("a").u32(13).data(64), &["`a`", "type 13"]);
    for kind in [4, 8, 9, 12] {
        refused(Bytes::header(3, 0, 1).text("a").u32(9).u32(kind).u64(huge).data(64), &["its header announces"]);
    }
    // A list in a list in a list, and so on.
    let deep = (0..5000).fold(Bytes::header(3, 0, 1).text("a").u32(9), |bytes, _| bytes.u32(9).u64(1));
    refused(deep.data(64), &["deep"]);
    let twice = Bytes::header(3, 0, 2).pair("a", "b").pair("a", "c");
    refused(twice.data(0), &["`a` stands twice"]);
    refused(Bytes::header(3, 0, 1).text("general.alignment").u32(4).u32(33).data(64), &["33", "power of two"]);
    refused(Bytes::header(3, 0, 1).pair("general.alignment", "32").data(64), &["no integer"]);

    let one = |shape: &[u64], kind, offset| Bytes::header(3, 1, 0).tensor("w", shape, kind, offset).data(64);
    refused(one(&[huge, huge], 0, 0), &["`w`", "more elements"]);
    refused(one(&[huge], 0, 0), &["truncated"]);
    refused(one(&[huge * 15], 24, 0), &["more elements"]);
    refused(one(&[17], 0, 0), &["truncated"]);
    refused(one(&[1], 0, 16), &["`w`", "multiple of 32"]);
    refused(one(&[1], 0, huge * 15), &["truncated"]);
    refused(one(&[1, 1, 1, 1, 1], 0, 0), &["5 dimensions"]);
    refused(one(&[33], 2, 0), &["33 values", "Q4_0", "32"]);
    refused(one(&[1], 43, 0), &["`w`", "type 43"]);
    refused(one(&[1], 31, 0), &["`w`", "Q4_0_4_4"]);
    assert!(parse(one(&[0, 5], 0, 0)).is_ok() && parse(one(&[], 0, 0)).is_ok());

    let two = |first: u64, second: &str, at| {
        Bytes::header(3, 2, 0).tensor("a", &[first], 0, 0).tensor(second, &[1], 0, at).data(64)
    };
    refused(two(1, "a", 32), &["`a` is listed twice"]);
    refused(two(9, "b", 32), &["`b`", "offsets"]);
    assert!(parse(two(8, "b", 32)).is_ok());
    // A tensor of an unknown type is passed over where it holds no weight.
    let rope = Bytes::header(3, 1, 0).tensor("rope_freqs.weight", &[1], 43, 0).data(64);
    assert!(parse(rope).unwrap().left_out()["rope_freqs.weight"].contains("rotary"));
}

#[test]
fn a_llama_without_heads_is_refused() {
    let llama = |pairs: u64| Bytes::header(3, 1, pairs).pair("general.architecture", "llama");
    let queries = |bytes: Bytes, rows: u64| bytes.tensor("blk.0.attn_q.weight", &[2, rows], 0, 0).data(128);
    refused(queries(llama(1), 4), &["attention heads"]);
    let heads = llama(2).text("llama.attention.head_count").u32(4).u32(3);
    refused(queries(heads.clone(), 4), &["attn_q", "3 heads"]);
    assert!(parse(queries(heads, 6)).is_ok());
    let none = llama(2).text("llama.attention.head_count").u32(4).u32(0);
    refused(queries(none, 4), &["attention heads"]);
    let many = llama(2).text("llama.attention.head_count").u32(10).u64(u64::MAX);
    refused(queries(many, 4), &["attn_q"]);
}

#[test]
fn a_factor_beside_a_weight_is_applied() {
    let mut bytes = Bytes::header(3, 2, 0).tensor("a.weight", &[32, 2], 8, 0).tensor("a.scale", &[1], 0, 96).data(100);
    let data = bytes.len() - 100;
    for row in 0..2 {
        // A scale of one, and the codes 0 to 31.
        bytes[data + 34 * row..][..2].copy_from_slice(&[0, 0x3c]);
        (0..32).for_each(|i| bytes[data + 34 * row + 2 + i] = i as u8);
    }
    bytes[data + 96..].copy_from_slice(&2.5f32.to_le_bytes());
    let tensors = parse(bytes).unwrap();
    assert!(tensors.left_out()["a.scale"].contains("`a.weight`"));
    let mut values = [0.0; 2];
    tensors.read("a.weight", 34, &mut values).unwrap();
    assert_eq!(values, [5.0, 7.5]);
    let rounding = tensors.rounding("a.weight").unwrap().unwrap();
    assert!((rounding - 2.5 / 12f64.sqrt()).abs() < 1e-12);
    let unfit = Bytes::header(3, 2, 0).tensor("a.weight", &[32, 2], 8, 0).tensor("a.scale", &[3], 0, 96).data(108);
    refused(unfit, &["`a.scale`", "[3]"]);
}

#[test]
fn damaged_bytes_never_panic() {
    let files = ["llama.gguf", "plain.gguf", "k.gguf", "falcon.gguf", "qwen2moe.gguf"];
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for file in files {
        let whole = std::fs::read(path(file)).unwrap();
        let read_all = |bytes: Vec<u8>| {
            if let Ok(tensors) = parse(bytes) {
                for info in tensors.infos() {
                    let mut values = vec![0.0; info.size().min(1 << 16)];
                    let _ = tensors.read(&info.name, 0, &mut values);
                    let _ = tensors.rounding(&info.name);
                }
            }
        };
        for end in (0..whole.len()).step_by(97) {
            read_all(whole[..end].to_vec());
        }
        for _ in 0..1500 {
            let mut bytes = whole.clone();
            for _ in 0..1 + next() % 3 {
                let at = next() as usize % bytes.len().min(2048);
                bytes[at] = next() as u8;
            }
            read_all(bytes);
        }
    }
}
