//! A writer of HDF5 files with one matrix of F32, by the definition of version 0 of the file format.
//!
//! <https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html>

/// Rows and columns of a chunk, for a matrix of 8 times 8 chunks.
pub(crate) fn chunk(shape: [usize; 2]) -> [usize; 2] {
    shape.map(|d| d / 8)
}

const NOWHERE: u64 = u64::MAX;

/// Where the parts of a file begin.
const ROOT: u64 = 96;
const TREE: u64 = 136;
const HEAP: u64 = 680;
const NAMES: u64 = 712;
const SYMBOLS: u64 = 744;
const DATASET: u64 = 1072;
const VALUES: u64 = 1536;

/// Returns a file whose matrix is stored in one piece.
pub(crate) fn contiguous(shape: [usize; 2], bytes: &[u8]) -> Vec<u8> {
    let mut layout = vec![3, 1];
    layout.extend(VALUES.to_le_bytes());
    layout.extend((bytes.len() as u64).to_le_bytes());
    file(shape, &[(8, layout)], bytes)
}

/// Returns a file whose matrix is stored in chunks, each deflated.
pub(crate) fn deflated(shape: [usize; 2], chunks: &[Vec<u8>]) -> Vec<u8> {
    let sides = chunk(shape);
    let mut tree = b"TREE\x01\x00".to_vec();
    tree.extend((chunks.len() as u16).to_le_bytes());
    tree.extend([NOWHERE; 2].map(u64::to_le_bytes).concat());
    let size = 24 + chunks.len() * 40 + 32;
    let mut at = VALUES + size as u64;
    for (number, bytes) in chunks.iter().enumerate() {
        key(&mut tree, bytes.len(), [number / 8 * sides[0], number % 8 * sides[1]]);
        tree.extend(at.to_le_bytes());
        at += bytes.len() as u64;
    }
    key(&mut tree, 0, [shape[0], 0]);
    let mut layout = vec![3, 2, 3];
    layout.extend(VALUES.to_le_bytes());
    layout.extend([sides[0] as u32, sides[1] as u32, 4].map(u32::to_le_bytes).concat());
    // One filter, deflate, of level 4.
    let filters = vec![1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0];
    file(shape, &[(8, layout), (11, filters)], &[tree, chunks.concat()].concat())
}

fn key(tree: &mut Vec<u8>, bytes: usize, corner: [usize; 2]) {
    tree.extend((bytes as u32).to_le_bytes());
    tree.extend(0u32.to_le_bytes());
    tree.extend([corner[0] as u64, corner[1] as u64, 0].map(u64::to_le_bytes).concat());
}

fn message(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = content.len().next_multiple_of(8);
    let mut out = kind.to_le_bytes().to_vec();
    out.extend((length as u16).to_le_bytes());
    out.extend([0; 4]);
    out.extend(content);
    out.resize(8 + length, 0);
    out
}

fn header(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![1, 0];
    out.extend((messages.len() as u16).to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend((messages.iter().map(Vec::len).sum::<usize>() as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend(messages.concat());
    out
}

/// Puts a file together from the messages that say where its one dataset `w` stands.
fn file(shape: [usize; 2], messages: &[(u16, Vec<u8>)], values: &[u8]) -> Vec<u8> {
    let mut out = b"\x89HDF\r\n\x1a\n\x00\x00\x00\x00\x00\x08\x08\x00\x04\x00\x10\x00\x00\x00\x00\x00".to_vec();
    out.extend([0, NOWHERE, VALUES + values.len() as u64, NOWHERE].map(u64::to_le_bytes).concat());
    // The root: its object header, and again where its tree and its names are.
    out.extend([0, ROOT, 1, TREE, HEAP].map(u64::to_le_bytes).concat());
    assert_eq!(out.len() as u64, ROOT);
    out.extend(header(&[message(17, &[TREE, HEAP].map(u64::to_le_bytes).concat())]));
    assert_eq!(out.len() as u64, TREE);
    out.extend(b"TREE\x00\x00\x01\x00");
    out.extend([NOWHERE, NOWHERE, 0, SYMBOLS, 8].map(u64::to_le_bytes).concat());
    out.resize(HEAP as usize, 0);
    out.extend(b"HEAP\x00\x00\x00\x00");
    out.extend([SYMBOLS - NAMES, 1, NAMES].map(u64::to_le_bytes).concat());
    out.extend(b"\x00\x00\x00\x00\x00\x00\x00\x00w");
    out.resize(SYMBOLS as usize, 0);
    out.extend(b"SNOD\x01\x00\x01\x00");
    out.extend([8, DATASET].map(u64::to_le_bytes).concat());
    out.resize(DATASET as usize, 0);
    let mut space = vec![1, 2, 0, 0, 0, 0, 0, 0];
    space.extend(shape.map(|d| (d as u64).to_le_bytes()).concat());
    // IEEE 754, 32 bits, little-endian.
    let float = [0x11, 0x20, 0x1f, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0];
    let mut all = vec![message(1, &space), message(3, &float), message(5, &[2, 2, 2, 0])];
    all.extend(messages.iter().map(|(kind, content)| message(*kind, content)));
    out.extend(header(&all));
    out.resize(VALUES as usize, 0);
    out.extend(values);
    out
}
