//! Formats that store floats as they are, in any order, compressed or not.

use crate::case::{Case, Simplest, Size, each, f32_at, load, whole};
use crate::write::{self, Order};
use crate::{Maker, hdf5};
use float8::{F8E4M3, F8E5M2};
use half::{bf16, f16};
use neural_phylogeny::format::{Flax, Format, Keras, Npy, Npz, Onnx, Pytorch, Safetensors};
use std::io::{Read, Write};
use std::path::Path;

pub(crate) const CASES: &[(&str, Maker)] = &[
    ("safetensors F32", |f, s| safetensors(f, s, "F32", write::f32s(s.values()), f32::from_le_bytes)),
    ("safetensors F16", |f, s| safetensors(f, s, "F16", write::f16s(s.values()), |b| f16::from_le_bytes(b).to_f32())),
    ("safetensors BF16", |f, s| {
        safetensors(f, s, "BF16", write::bf16s(s.values()), |b| bf16::from_le_bytes(b).to_f32())
    }),
    ("safetensors F8_E4M3", |f, s| f8(f, s, "F8_E4M3", |b| F8E4M3::from_bits(b).to_f32())),
    ("safetensors F8_E5M2", |f, s| f8(f, s, "F8_E5M2", |b| F8E5M2::from_bits(b).to_f32())),
    ("PyTorch, contiguous", |f, s| pytorch(f, s, Order::C)),
    ("PyTorch, transposed view", |f, s| pytorch(f, s, Order::Fortran)),
    ("NPY, C order", |f, s| npy(f, s, Order::C)),
    ("NPY, Fortran order", |f, s| npy(f, s, Order::Fortran)),
    ("NPZ, stored", npz_stored),
    ("NPZ, deflated, C order", |f, s| npz_deflated(f, s, Order::C)),
    ("NPZ, deflated, Fortran order", |f, s| npz_deflated(f, s, Order::Fortran)),
    ("ONNX, raw data", |f, s| plain(f, s, "model.onnx", &Onnx, write::onnx)),
    ("Flax", |f, s| plain(f, s, "model.msgpack", &Flax, write::flax)),
    ("HDF5, contiguous", |f, s| plain(f, s, "model.h5", &Keras, hdf5::contiguous)),
    ("HDF5, chunks, gzip", hdf5_deflated),
];

fn safetensors<const N: usize>(
    folder: &Path,
    size: Size,
    dtype: &'static str,
    bytes: Vec<u8>,
    convert: impl Fn([u8; N]) -> f32 + 'static,
) -> Case {
    let (path, ranges) = write::safetensors(folder, &[("w", dtype, size.shape().to_vec(), bytes)]);
    Case::new(&path, &Safetensors, each(ranges[0].0, size.values(), convert))
}

/// A table of 256 numbers is the simplest way for bytes.
fn f8(folder: &Path, size: Size, dtype: &'static str, number: impl Fn(u8) -> f32) -> Case {
    let table: Vec<f32> = (0..=255).map(number).collect();
    safetensors(folder, size, dtype, write::random_bytes(size.values()), move |[b]| table[usize::from(b)])
}

fn plain(
    folder: &Path,
    size: Size,
    name: &str,
    format: &'static dyn Format,
    file: impl Fn([usize; 2], &[u8]) -> Vec<u8>,
) -> Case {
    let bytes = write::f32s(size.values());
    let path = write::saved(folder, name, &file(size.shape(), &bytes));
    Case::new(&path, format, each(write::place(&path, &bytes), size.values(), f32::from_le_bytes))
}

/// Reads all bytes of a matrix whose columns follow one another, and goes through it by rows.
fn transposed(begin: u64, [rows, columns]: [usize; 2]) -> Simplest {
    let size = rows * columns;
    whole([(begin, 4 * size)], size, move |[bytes], out| {
        for row in 0..rows {
            for column in 0..columns {
                out[row * columns + column] = f32_at(bytes, column * rows + row);
            }
        }
    })
}

fn ordered(begin: u64, size: Size, order: Order) -> Simplest {
    match order {
        Order::C => each(begin, size.values(), f32::from_le_bytes),
        Order::Fortran => transposed(begin, size.shape()),
    }
}

fn pytorch(folder: &Path, size: Size, order: Order) -> Case {
    let bytes = write::f32s(size.values());
    let [rows, columns] = size.shape();
    let strides = if matches!(order, Order::C) { [columns, 1] } else { [1, rows] };
    let path = write::pytorch(folder, size.shape(), strides, &bytes);
    Case::new(&path, &Pytorch, ordered(write::place(&path, &bytes), size, order))
}

fn npy(folder: &Path, size: Size, order: Order) -> Case {
    let bytes = write::f32s(size.values());
    let path = write::saved(folder, "w.npy", &write::npy(size.shape(), order, &bytes));
    Case::new(&path, &Npy, ordered(write::place(&path, &bytes), size, order))
}

fn npz_stored(folder: &Path, size: Size) -> Case {
    let bytes = write::f32s(size.values());
    let member = write::npy(size.shape(), Order::C, &bytes);
    let path = write::archive(folder, "model.npz", &[("w.npy", &member)], zip::CompressionMethod::Stored);
    Case::new(&path, &Npz, each(write::place(&path, &bytes), size.values(), f32::from_le_bytes))
}

fn npz_deflated(folder: &Path, size: Size, order: Order) -> Case {
    let bytes = write::f32s(size.values());
    let member = write::npy(size.shape(), order, &bytes);
    let path = write::archive(folder, "model.npz", &[("w.npy", &member)], zip::CompressionMethod::Deflated);
    // The one member begins after its name, and its compressed length stands in the list at the end of the archive.
    let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).expect("a file")).expect("an archive");
    let found = archive.by_index_raw(0).expect("a member");
    let (begin, compressed) = (found.data_start().expect("a place"), found.compressed_size() as usize);
    let header = member.len() - bytes.len();
    let [rows, columns] = size.shape();
    let (mut stored, mut out, mut values) = (Vec::new(), Vec::new(), vec![0.0; size.values()]);
    let simplest: Simplest = Box::new(move |file, sink| {
        load(file, begin, compressed, &mut stored);
        out.clear();
        flate2::read::DeflateDecoder::new(&stored[..]).read_to_end(&mut out).expect("a deflated member");
        let bytes = &out[header..];
        match order {
            Order::C => values.iter_mut().enumerate().for_each(|(at, value)| *value = f32_at(bytes, at)),
            Order::Fortran => values
                .iter_mut()
                .enumerate()
                .for_each(|(at, value)| *value = f32_at(bytes, at % columns * rows + at / columns)),
        }
        sink(&values);
    });
    Case::new(&path, &Npz, simplest)
}

fn hdf5_deflated(folder: &Path, size: Size) -> Case {
    let bytes = write::f32s(size.values());
    let (columns, [high, wide]) = (size.shape()[1], hdf5::chunk(size.shape()));
    let line = move |number: usize, row: usize| (number / 8 * high + row) * columns + number % 8 * wide;
    let chunks: Vec<Vec<u8>> = (0..64)
        .map(|number| {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(4));
            for row in 0..high {
                encoder.write_all(&bytes[4 * line(number, row)..][..4 * wide]).expect("room for a chunk");
            }
            encoder.finish().expect("room for a chunk")
        })
        .collect();
    let path = write::saved(folder, "model.h5", &hdf5::deflated(size.shape(), &chunks));
    let lengths: Vec<usize> = chunks.iter().map(Vec::len).collect();
    let begin = write::place(&path, &chunks[0]);
    let (mut stored, mut chunk, mut values) = (Vec::new(), Vec::new(), vec![0.0; size.values()]);
    let simplest: Simplest = Box::new(move |file, sink| {
        let mut at = begin;
        for (number, &length) in lengths.iter().enumerate() {
            load(file, at, length, &mut stored);
            at += length as u64;
            chunk.clear();
            flate2::read::ZlibDecoder::new(&stored[..]).read_to_end(&mut chunk).expect("a deflated chunk");
            for row in 0..high {
                for column in 0..wide {
                    values[line(number, row) + column] = f32_at(&chunk, row * wide + column);
                }
            }
        }
        sink(&values);
    });
    Case::new(&path, &Keras, simplest)
}
