//! The walk through a message of Flax: nested dictionaries whose leaves are arrays.

use super::message::{Message, Value};
use crate::error::SourceError;
use crate::format::Dtype;

/// Deepest nesting of dictionaries.
const DEPTH_LIMIT: usize = 64;

/// Bytes of all names together, at most. Each name repeats those of the dictionaries above.
const NAMES_LIMIT: usize = 1 << 26;

/// Most dimensions of an array.
const RANK_LIMIT: u64 = 64;

/// Most pieces of an array. A piece has 2³⁰ bytes.
const PIECES_LIMIT: usize = 1 << 16;

/// The key that marks an array in pieces.
const PIECES: &str = "__msgpack_chunked_array__";

/// The kinds of values that Flax adds to MessagePack: an array, and a scalar as an array.
const ARRAY: i8 = 1;
const SCALAR: i8 = 3;

/// An array, and where it stands.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    pub(super) dtype: Result<Dtype, String>,
    pub(super) pieces: Vec<Piece>,
}

/// An array in one piece, as it stands in a message.
struct Leaf {
    shape: Vec<u64>,
    dtype: Result<Dtype, String>,
    piece: Piece,
}

/// A place with plain numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) begin: u64,
    pub(super) length: u64,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) arrays: Vec<Array>,
    pub(super) left_out: Vec<(String, &'static str)>,
    names: usize,
}

/// Walks the one value of a message.
pub(super) fn walk(message: &mut Message) -> Result<Found, SourceError> {
    let mut found = Found::default();
    match message.next()? {
        Value::Map(count) => dictionary(message, count, "", 0, &mut found)?,
        _ => return Err(message.malformed("it is no dictionary")),
    }
    match message.is_at_end() {
        true => Ok(found),
        false => {
            Err(message.malformed(format!("something follows the dictionary, from byte {} on", message.position())))
        }
    }
}

/// Walks the entries of a dictionary whose name is `above`.
fn dictionary(
    message: &mut Message,
    count: u64,
    above: &str,
    depth: usize,
    found: &mut Found,
) -> Result<(), SourceError> {
    if depth > DEPTH_LIMIT {
        return Err(message.malformed(format!("dictionaries are nested deeper than {DEPTH_LIMIT}")));
    }
    for number in 0..count {
        let key = key(message)?;
        // Flax writes the mark first. Elsewhere, it is an entry as any other.
        if number == 0 && key == PIECES {
            message.next().and_then(|value| message.pass(value))?;
            return in_pieces(message, count - 1, above, found);
        }
        let name = if above.is_empty() { key } else { format!("{above}.{key}") };
        found.names += name.len();
        if found.names > NAMES_LIMIT {
            return Err(message.malformed(format!("its names have more than {NAMES_LIMIT} bytes")));
        }
        if is_state(&name) {
            message.next().and_then(|value| message.pass(value))?;
            found.left_out.push((name, "it is the state of an optimizer"));
            continue;
        }
        match message.next()? {
            Value::Map(count) => dictionary(message, count, &name, depth + 1, found)?,
            Value::Extension { kind: ARRAY | SCALAR, length } => {
                let Leaf { shape, dtype, piece } = array(message, length)?;
                found.arrays.push(Array { name, shape, dtype, pieces: vec![piece] });
            }
            value @ Value::List(_) => {
                message.pass(value)?;
                found.left_out.push((name, "it is a list"));
            }
            // Settings and counters are plain values.
            value => message.pass(value)?,
        }
    }
    Ok(())
}

/// Whether a dictionary is the state of an optimizer, in a training state of today or in one of the older `flax.optim`.
fn is_state(name: &str) -> bool {
    matches!(name, "opt_state" | "optimizer.state" | "optimizer_state")
}

fn key(message: &mut Message) -> Result<String, SourceError> {
    match message.next()? {
        Value::Text(length) | Value::Bytes(length) => message.text(length),
        Value::Integer(number) => Ok(number.to_string()),
        _ => Err(message.malformed(format!("the key before byte {} is no text", message.position()))),
    }
}

/// Reads an array of so many bytes: a message of its shape, the name of its dtype, and its values.
fn array(message: &mut Message, length: u64) -> Result<Leaf, SourceError> {
    let begin = message.position();
    let end = begin + length;
    let wrong =
        |message: &Message| message.malformed(format!("the array at byte {begin} is no shape, dtype and values"));
    let Value::List(3) = message.next()? else { return Err(wrong(message)) };
    let Value::List(rank) = message.next()? else { return Err(wrong(message)) };
    if rank > RANK_LIMIT {
        return Err(message.malformed(format!("the array at byte {begin} has {rank} dimensions")));
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        let Value::Integer(dimension) = message.next()? else { return Err(wrong(message)) };
        shape.push(dimension);
    }
    let (Value::Text(length) | Value::Bytes(length)) = message.next()? else { return Err(wrong(message)) };
    let dtype = dtype(message.text(length)?);
    let (Value::Bytes(length) | Value::Text(length)) = message.next()? else { return Err(wrong(message)) };
    let piece = Piece { begin: message.position(), length };
    message.skip(length)?;
    if message.position() == end { Ok(Leaf { shape, dtype, piece }) } else { Err(wrong(message)) }
}

/// Reads the rest of a dictionary that stands for an array in pieces: its shape, and the pieces by their numbers.
fn in_pieces(message: &mut Message, count: u64, name: &str, found: &mut Found) -> Result<(), SourceError> {
    let wrong = |message: &Message| message.malformed(format!("array `{name}` has pieces that do not fit"));
    let (mut shape, mut pieces) = (Vec::new(), Vec::new());
    let mut common = None;
    for _ in 0..count {
        let part = key(message)?;
        let value = message.next()?;
        // Tuples are dictionaries with numbers as keys.
        let (Value::Map(parts) | Value::List(parts)) = value else { return Err(wrong(message)) };
        for number in 0..parts {
            let number = match value {
                Value::Map(_) => key(message)?.parse().map_err(|_| wrong(message))?,
                _ => number,
            };
            match (part.as_str(), message.next()?) {
                ("shape", Value::Integer(dimension)) if (shape.len() as u64) < RANK_LIMIT => {
                    shape.push((number, dimension))
                }
                ("chunks", Value::Extension { kind: ARRAY, length }) if pieces.len() < PIECES_LIMIT => {
                    let Leaf { dtype, piece, .. } = array(message, length)?;
                    if *common.get_or_insert(dtype.clone()) != dtype {
                        return Err(wrong(message));
                    }
                    pieces.push((number, piece));
                }
                _ => return Err(wrong(message)),
            }
        }
    }
    shape.sort_unstable();
    pieces.sort_unstable_by_key(|(number, _)| *number);
    let in_order = |numbers: &mut dyn Iterator<Item = u64>| numbers.enumerate().all(|(at, number)| at as u64 == number);
    let complete = in_order(&mut shape.iter().map(|(n, _)| *n)) && in_order(&mut pieces.iter().map(|(n, _)| *n));
    let Some(dtype) = common.filter(|_| complete) else { return Err(wrong(message)) };
    let shape = shape.into_iter().map(|(_, dimension)| dimension).collect();
    let pieces = pieces.into_iter().map(|(_, piece)| piece).collect();
    found.arrays.push(Array { name: name.to_owned(), shape, dtype, pieces });
    Ok(())
}

/// Returns the dtype of a name of NumPy or of ml_dtypes, or the name itself.
fn dtype(name: String) -> Result<Dtype, String> {
    Ok(match name.as_str() {
        "float64" => Dtype::F64,
        "float32" => Dtype::F32,
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "float8_e4m3fn" => Dtype::F8E4M3,
        "float8_e5m2" => Dtype::F8E5M2,
        "int64" => Dtype::I64,
        "int32" => Dtype::I32,
        "int16" => Dtype::I16,
        "int8" => Dtype::I8,
        "uint64" => Dtype::U64,
        "uint32" => Dtype::U32,
        "uint16" => Dtype::U16,
        "uint8" => Dtype::U8,
        "bool" => Dtype::Bool,
        _ => return Err(name),
    })
}
