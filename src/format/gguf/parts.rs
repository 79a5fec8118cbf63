//! The parameters of a model, made from the tensors of a file.

use super::NAME;
use super::cursor::malformed;
use super::header::{Entry, Header};
use super::metadata::Metadata;
use super::names::{ARCHITECTURE, Change, Naming, Target};
use super::order::{Order, RowOrder};
use super::scale::{FACTORS, Files};
use super::split::Part;
use super::stored::Stored;
use super::tensor_type::{Kind, TensorType};
use super::undone::Undone;
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::{Dtype, ParameterInfo, Quantization, Tensors};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most parameters of a file, where stacks of experts count as many.
const PARAMETERS: usize = 1 << 18;

/// Lists the parameters of a file. `metadata` is that of the model, and `others` are its other files, where they are needed.
pub(super) fn tensors(
    bytes: Arc<dyn ReadAt>,
    header: &Header,
    metadata: &Metadata,
    others: &[Part],
) -> Result<Tensors, SourceError> {
    let files = Files { bytes: &*bytes, header, others };
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for entry in &header.tensors {
        if !names.insert(&entry.name) {
            return Err(SourceError::DuplicateTensor { path: bytes.path().to_owned(), tensor: entry.name.clone() });
        }
    }
    let elsewhere = || others.iter().flat_map(|(_, header)| header.tensors.iter().map(|entry| entry.name.as_str()));
    let naming = Naming::of(metadata, |ending| names.iter().copied().chain(elsewhere()).any(|n| n.ends_with(ending)));

    let mut found = Tensors::new(Arc::clone(&bytes)).with_metadata(metadata.general());
    let mut count = 0;
    for entry in &header.tensors {
        if let Some(reason) = no_weight(&files, entry) {
            found = found.with_left_out(&entry.name, reason);
            continue;
        }
        let Some(kind) = TensorType::of(entry.number) else {
            return Err(SourceError::UnsupportedContent {
                path: bytes.path().to_owned(),
                format: NAME.to_owned(),
                reason: format!("tensor `{}` has {}", entry.name, TensorType::describe(entry.number)),
            });
        };
        for (info, tensor) in parameters(&files, metadata, naming, entry, kind)? {
            count += 1;
            if count > PARAMETERS {
                return Err(malformed(&*bytes, format!("it has more than {PARAMETERS} parameters")));
            }
            found = match kind.kind {
                Kind::Plain(dtype) if tensor.is_plain() => {
                    found.with_tensor(info.name, info.shape, dtype, tensor.stored.begin)?
                }
                _ => found.with_quantized(info, tensor)?,
            };
        }
    }
    Ok(found)
}

/// Says why a tensor is no weight, if it is none.
fn no_weight(files: &Files<'_>, entry: &Entry) -> Option<String> {
    let name = entry.name.as_str();
    if let Some(weight) = files.scaled_by(entry) {
        return Some(format!("it is a factor of `{weight}`, which is multiplied by it"));
    }
    let rotary = name.starts_with("rope_") || name.ends_with("attn_rot_embd.weight") || name.ends_with("attn_rot_embd");
    if rotary || name.contains(".rope_freqs") || name.contains(".rope_factors") {
        return Some("it holds frequencies of the rotary embedding, which are not trained".to_owned());
    }
    name.ends_with(".input_scale").then(|| "it scales the inputs of a layer for the arithmetic of its type".to_owned())
}

/// Returns the parameters of one tensor: one, or one for each expert.
fn parameters(
    files: &Files<'_>,
    metadata: &Metadata,
    naming: Naming,
    entry: &Entry,
    kind: &'static TensorType,
) -> Result<Vec<(ParameterInfo, Undone)>, SourceError> {
    let size = entry.shape.iter().product();
    let stored = Stored { kind, begin: entry.begin, size };
    let scales = files.scales_of(entry)?;
    let whole = Undone { scales, ..Undone::new(stored) };
    let keep = |name: &str| vec![(info(name, entry.shape.clone(), kind), whole.clone())];
    let Some(target) = naming.target(&entry.name) else { return Ok(keep(&entry.name)) };
    match target.change {
        Some(Change::Even(odd)) => {
            let Some((odd, odd_kind)) = files.like(entry, odd) else { return Ok(keep(&entry.name)) };
            let odd = Undone {
                scales: files.scales_of(odd)?,
                ..Undone::new(Stored { kind: odd_kind, begin: odd.begin, size })
            };
            return Ok(vec![alternating(&target.name, entry, kind, whole, odd)]);
        }
        // It is read with the even ones.
        Some(Change::Odd(even)) if files.like(entry, even).is_some() => return Ok(Vec::new()),
        Some(Change::Odd(_)) => return Ok(keep(&entry.name)),
        _ => {}
    }
    if !target.name.contains("{}") {
        let (shape, order) = undo(files.bytes, metadata, entry, &target)?;
        let tensor = Undone { order, plus_one: target.plus_one, ..whole };
        return Ok(vec![(info(&target.name, shape, kind), tensor)]);
    }
    // A stack of experts is parted: transformers stores each for itself.
    match entry.shape.split_first() {
        Some((&experts, shape)) if !shape.is_empty() && (1..=FACTORS).contains(&experts) => {
            let length = size / experts;
            let one = |expert: usize| {
                let part = whole.stored.part(expert * length, length);
                let scale = if whole.scales.len() == experts { &whole.scales[expert..=expert] } else { &whole.scales };
                let name = target.name.replace("{}", &expert.to_string());
                (info(&name, shape.to_vec(), kind), Undone { scales: scale.to_vec(), ..Undone::new(part) })
            };
            Ok((0..experts).map(one).collect())
        }
        _ => Ok(keep(&entry.name)),
    }
}

/// Puts even and odd columns of a stack together. Matrices are stored as their transposes, and vectors as they are.
fn alternating(
    name: &str,
    entry: &Entry,
    kind: &TensorType,
    mut even: Undone,
    mut odd: Undone,
) -> (ParameterInfo, Undone) {
    let shape = match *entry.shape.as_slice() {
        [experts, columns, rows] => {
            (even.order, odd.order) = (Order::Transposed { rows, columns }, Order::Transposed { rows, columns });
            vec![experts, rows, columns.saturating_mul(2)]
        }
        _ => {
            let mut shape = entry.shape.clone();
            shape.iter_mut().last().into_iter().for_each(|columns| *columns = columns.saturating_mul(2));
            shape
        }
    };
    even.odd = Some(Box::new(odd));
    (info(name, shape, kind), even)
}

fn info(name: &str, shape: Vec<usize>, kind: &TensorType) -> ParameterInfo {
    match kind.kind {
        Kind::Plain(dtype) => ParameterInfo::new(name, shape, dtype),
        // Dequantized values have the precision of f32: a scale times a code.
        Kind::Blocks(..) => ParameterInfo::new(name, shape, Dtype::F32).with_quantization(Quantization::new(kind.name)),
    }
}

/// Returns the shape of a tensor in transformers, and how its stored elements lie.
fn undo(
    bytes: &dyn ReadAt,
    metadata: &Metadata,
    entry: &Entry,
    target: &Target,
) -> Result<(Vec<usize>, Order), SourceError> {
    let shape = entry.shape.clone();
    let Some(change) = target.change else { return Ok((shape, Order::Same)) };
    let unfit = |expected: String| {
        malformed(bytes, format!("tensor `{}` has shape {:?}, expected {expected}", entry.name, entry.shape))
    };
    if change == Change::Stack {
        let [matrices, columns, rows] = *shape.as_slice() else { return Err(unfit("a stack of matrices".to_owned())) };
        return Ok((vec![matrices, rows, columns], Order::Transposed { rows, columns }));
    }
    let (rows, length) = match *shape.as_slice() {
        [rows] => (rows, 1),
        [rows, length] => (rows, length),
        _ => return Err(unfit("a matrix or a vector".to_owned())),
    };
    let heads = |key: &str| {
        let key = format!("{}.attention.{key}", metadata.text(ARCHITECTURE).unwrap_or_default());
        metadata.of_layer(&key, target.layer.unwrap_or(0)).and_then(|heads| usize::try_from(heads).ok())
    };
    let queries = || match heads("head_count") {
        Some(heads) if heads > 0 => Ok(heads),
        _ => {
            Err(malformed(bytes, "its number of attention heads is missing, without which rows cannot be put in order"))
        }
    };
    let keys = || queries().map(|queries| heads("head_count_kv").filter(|heads| *heads > 0).unwrap_or(queries));
    let interleaved = |heads: usize| match heads.checked_mul(2) {
        Some(halves) if rows.is_multiple_of(halves) && rows > 0 => {
            let order = RowOrder::Interleaved { half: rows / halves };
            Ok((shape.clone(), Order::Rows { length, order }))
        }
        _ => Err(unfit(format!("{heads} heads of an even number of rows"))),
    };
    match change {
        Change::Queries => interleaved(queries()?),
        Change::Keys => interleaved(keys()?),
        Change::Transposed => {
            let order = Order::Transposed { rows: length, columns: rows };
            Ok((vec![length, rows], order))
        }
        Change::Groups => {
            let (queries, groups) = (queries()?, keys()?);
            let parts = groups.checked_mul(2).and_then(|n| n.checked_add(queries));
            match parts {
                Some(parts) if queries.is_multiple_of(groups) && rows > 0 && rows.is_multiple_of(parts) => {
                    let order = RowOrder::Grouped { groups, queries: queries / groups, head: rows / parts };
                    Ok((shape.clone(), Order::Rows { length, order }))
                }
                _ => Err(unfit(format!("{queries} heads of queries and {groups} of keys and values"))),
            }
        }
        Change::Row if shape.len() == 1 => Ok((vec![1, rows], Order::Same)),
        Change::Row | Change::Stack | Change::Even(_) | Change::Odd(_) => Ok((shape.clone(), Order::Same)),
    }
}
