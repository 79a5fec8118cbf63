//! The file of a rebuilt model: safetensors, written tensor by tensor.

use super::matrix::Rows;
use super::tensor::Solved;
use super::{Child, RebuildError, Rebuilt, TensorOrigin};
use crate::bytes::replace_file;
use crate::format::{Dtype, ParameterInfo};
use half::{bf16, f16};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// The dtype a tensor is written in: that of the children where it is a float of 16, 32 or 64 bits or an integer of 32 or 64, else
/// F32.
fn written(dtype: Dtype) -> Dtype {
    match dtype {
        Dtype::BF16 | Dtype::F16 | Dtype::F64 | Dtype::I64 | Dtype::I32 => dtype,
        _ => Dtype::F32,
    }
}

/// Writes the whole file, or none.
pub(super) fn write(
    path: &Path,
    tensors: &[ParameterInfo],
    solved: &[Solved],
    children: &[Child<'_>],
    rebuilt: &Rebuilt,
    names: &[&str],
) -> Result<(), RebuildError> {
    let failed = |source: io::Error| RebuildError::Write { file: path.to_owned(), source };
    let header = header(tensors, rebuilt, names).map_err(failed)?;
    let content = |writer: &mut dyn Write| -> Result<(), Failure> {
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        for (info, solved) in tensors.iter().zip(solved) {
            tensor(info, solved, children, writer)?;
        }
        Ok(())
    };
    replace_file(path, |writer| content(writer)).map_err(|failure| match failure {
        Failure::File(source) => failed(source),
        Failure::Values(error) => error,
    })
}

/// The part that failed: the file, or what is read for it.
enum Failure {
    File(io::Error),
    Values(RebuildError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// The header with its metadata, padded to eight bytes as the format wants.
fn header(tensors: &[ParameterInfo], rebuilt: &Rebuilt, names: &[&str]) -> io::Result<Vec<u8>> {
    let error = rebuilt.tensors.iter().map(|t| t.error).fold(0.0, f64::max);
    let count = |of: fn(TensorOrigin) -> bool| rebuilt.tensors.iter().filter(|t| of(t.origin)).count().to_string();
    let metadata: BTreeMap<&str, String> = BTreeMap::from([
        ("inferred", "true".to_owned()),
        ("format", "pt".to_owned()),
        ("children", serde_json::to_string(names).map_err(io::Error::other)?),
        ("residuals", serde_json::to_string(&rebuilt.residuals).map_err(io::Error::other)?),
        ("error", format!("{error:e}")),
        ("shared", count(|o| matches!(o, TensorOrigin::Shared { .. }))),
        ("closed_form", count(|o| matches!(o, TensorOrigin::ClosedForm))),
        ("iterated", count(|o| matches!(o, TensorOrigin::Iterated { .. }))),
        ("crate_version", env!("CARGO_PKG_VERSION").to_owned()),
    ]);
    let mut entries = serde_json::Map::new();
    entries.insert("__metadata__".to_owned(), serde_json::to_value(metadata).map_err(io::Error::other)?);
    let mut begin = 0u64;
    for info in tensors {
        let dtype = written(info.dtype);
        let end = begin + info.size() as u64 * dtype.size() as u64;
        let entry = serde_json::json!({"dtype": dtype.to_string(), "shape": info.shape, "data_offsets": [begin, end]});
        entries.insert(info.name.clone(), entry);
        begin = end;
    }
    let mut header = serde_json::to_vec(&entries).map_err(io::Error::other)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// Writes the values of one tensor, piece by piece.
fn tensor(
    info: &ParameterInfo,
    solved: &Solved,
    children: &[Child<'_>],
    writer: &mut dyn Write,
) -> Result<(), Failure> {
    let rows = Rows::of(info, std::slice::from_ref(&children[solved.child]));
    let dtype = written(info.dtype);
    let mut outcome = Ok(());
    let read = rows.each(|first, values| {
        let mut bytes = Vec::with_capacity(values[0].len() * dtype.size());
        let added = solved
            .factors
            .as_ref()
            .map(|(left, right)| left.subrows(first, values[0].len() / rows.row) * right.transpose());
        for (at, &value) in values[0].iter().enumerate() {
            let add = added.as_ref().map_or(0.0, |added| added[(at / rows.row, at % rows.row)]);
            append(f64::from(value) + add, dtype, &mut bytes);
        }
        // The reader's errors and the writer's have types of their own.
        if outcome.is_ok() {
            outcome = writer.write_all(&bytes);
        }
        Ok(())
    });
    read.map_err(Failure::Values)?;
    Ok(outcome?)
}

fn append(value: f64, dtype: Dtype, bytes: &mut Vec<u8>) {
    match dtype {
        Dtype::BF16 => bytes.extend(bf16::from_f64(value).to_le_bytes()),
        Dtype::F16 => bytes.extend(f16::from_f64(value).to_le_bytes()),
        Dtype::F64 => bytes.extend(value.to_le_bytes()),
        // Counters and positions, which all children share.
        Dtype::I64 => bytes.extend((value as i64).to_le_bytes()),
        Dtype::I32 => bytes.extend((value as i32).to_le_bytes()),
        _ => bytes.extend((value as f32).to_le_bytes()),
    }
}
