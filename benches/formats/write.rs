//! Files with the tensors of one model, in the containers of each format.

use half::{bf16, f16};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// A tensor: name, dtype as safetensors calls it, shape, bytes.
pub(crate) type Stored = (&'static str, &'static str, Vec<usize>, Vec<u8>);

pub(crate) fn random() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(42)
}

pub(crate) fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    random().fill_bytes(&mut bytes);
    bytes
}

/// Numbers as those of a trained network: of about a hundredth, both signs.
fn numbers(count: usize) -> impl Iterator<Item = f32> {
    let mut random = random();
    (0..count).map(move |_| 0.02 * (random.gen_range(-1.0..1f32) + random.gen_range(-1.0..1f32)))
}

pub(crate) fn f32s(count: usize) -> Vec<u8> {
    numbers(count).flat_map(f32::to_le_bytes).collect()
}

pub(crate) fn f16s(count: usize) -> Vec<u8> {
    numbers(count).flat_map(|x| f16::from_f32(x).to_le_bytes()).collect()
}

pub(crate) fn bf16s(count: usize) -> Vec<u8> {
    numbers(count).flat_map(|x| bf16::from_f32(x).to_le_bytes()).collect()
}

/// Writes safetensors. Returns the path, and for each tensor where its bytes are.
pub(crate) fn safetensors(folder: &Path, tensors: &[Stored]) -> (PathBuf, Vec<(u64, usize)>) {
    let mut header = String::from("{");
    let mut end = 0;
    for (name, dtype, shape, bytes) in tensors {
        let comma = if end == 0 { "" } else { "," };
        let begin = end;
        end += bytes.len();
        write!(header, r#"{comma}"{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}"#)
            .expect("room for a name");
    }
    header.push('}');
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    let mut ranges = Vec::new();
    for (.., bytes) in tensors {
        ranges.push((file.len() as u64, bytes.len()));
        file.extend(bytes);
    }
    (saved(folder, "model.safetensors", &file), ranges)
}

pub(crate) fn saved(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("room for a file");
    path
}

/// Returns where the bytes of a tensor begin, which occur once in a file.
pub(crate) fn place(path: &Path, tensor: &[u8]) -> u64 {
    let file = fs::read(path).expect("a file that was just made");
    let begin = &tensor[..64];
    file.windows(begin.len()).position(|window| window == begin).expect("the tensor stands in the file") as u64
}

/// Writes a PyTorch checkpoint with one matrix of F32, as a view of its storage.
pub(crate) fn pytorch(folder: &Path, shape: [usize; 2], strides: [usize; 2], bytes: &[u8]) -> PathBuf {
    let mut pickle = b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    let text = |pickle: &mut Vec<u8>, text: &str| {
        pickle.push(b'X');
        pickle.extend((text.len() as u32).to_le_bytes());
        pickle.extend(text.as_bytes());
    };
    let number = |pickle: &mut Vec<u8>, number: usize| {
        pickle.push(b'J');
        pickle.extend((number as u32).to_le_bytes());
    };
    text(&mut pickle, "storage");
    pickle.extend(b"ctorch\nFloatStorage\n");
    text(&mut pickle, "0");
    text(&mut pickle, "cpu");
    number(&mut pickle, bytes.len() / 4);
    pickle.extend(b"tQ");
    number(&mut pickle, 0);
    for pair in [shape, strides] {
        pickle.push(b'(');
        pair.iter().for_each(|&n| number(&mut pickle, n));
        pickle.push(b't');
    }
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
    let members = [("archive/data.pkl", &pickle[..]), ("archive/data/0", bytes), ("archive/version", b"3\n")];
    archive(folder, "model.pt", &members, zip::CompressionMethod::Stored)
}

/// Writes a zip archive.
pub(crate) fn archive(folder: &Path, name: &str, members: &[(&str, &[u8])], method: zip::CompressionMethod) -> PathBuf {
    let path = folder.join(name);
    let mut archive = zip::ZipWriter::new(fs::File::create(&path).expect("room for a file"));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        archive.start_file(*name, options).expect("a name for a member");
        std::io::Write::write_all(&mut archive, bytes).expect("room for a member");
    }
    archive.finish().expect("room for a list of members");
    path
}

/// The order of the values of an array of NumPy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    C,
    Fortran,
}

/// Returns an array of F32 as NumPy saves it.
pub(crate) fn npy(shape: [usize; 2], order: Order, bytes: &[u8]) -> Vec<u8> {
    let fortran = if matches!(order, Order::Fortran) { "True" } else { "False" };
    let mut header = format!("{{'descr': '<f4', 'fortran_order': {fortran}, 'shape': ({}, {}), }}", shape[0], shape[1]);
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

/// Writes a number of a protobuf message.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Returns a field of a protobuf message that holds bytes.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, number << 3 | 2);
    varint(&mut out, content.len() as u64);
    out.extend(content);
    out
}

/// Returns an ONNX model with one initializer of F32.
pub(crate) fn onnx(shape: [usize; 2], bytes: &[u8]) -> Vec<u8> {
    let mut tensor = Vec::new();
    for d in shape {
        tensor.push(1 << 3);
        varint(&mut tensor, d as u64);
    }
    tensor.extend([2 << 3, 1]);
    tensor.extend(field(8, b"w"));
    tensor.extend(field(9, bytes));
    let graph = [field(2, b"g"), field(5, &tensor)].concat();
    [&[1 << 3, 8][..], &field(7, &graph)].concat()
}

/// Returns Flax parameters with one array of F32.
pub(crate) fn flax(shape: [usize; 2], bytes: &[u8]) -> Vec<u8> {
    let mut array = vec![0x93, 0x92];
    for d in shape {
        array.push(0xce);
        array.extend((d as u32).to_be_bytes());
    }
    array.extend(b"\xa7float32\xc6");
    array.extend((bytes.len() as u32).to_be_bytes());
    array.extend(bytes);
    let mut file = b"\x81\xa6params\x81\xa1w\xc9".to_vec();
    file.extend((array.len() as u32).to_be_bytes());
    file.push(1);
    file.extend(array);
    file
}

/// Returns a GGUF file with one matrix of a type of blocks.
pub(crate) fn gguf(shape: [usize; 2], kind: u32, blocks: &[u8]) -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let mut file = b"GGUF\x03\x00\x00\x00".to_vec();
    file.extend([1u64, 1].map(u64::to_le_bytes).concat());
    text(&mut file, "general.architecture");
    file.extend(8u32.to_le_bytes());
    text(&mut file, "bench");
    text(&mut file, "w");
    file.extend(2u32.to_le_bytes());
    // The innermost dimension comes first.
    file.extend([shape[1] as u64, shape[0] as u64].map(u64::to_le_bytes).concat());
    file.extend(kind.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend(blocks);
    file
}
