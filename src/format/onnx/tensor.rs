//! The description of one tensor of a graph, and the places of its values.

use super::wire::{Range, Value, Wire};
use crate::error::SourceError;
use crate::format::Dtype;

/// Most dimensions of a tensor.
const RANK_LIMIT: usize = 64;

/// A tensor as the file describes it. The place of its values is not checked yet.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<u64>,
    /// The number of its dtype, see [`Kind::of`].
    pub(super) kind: u64,
    pub(super) place: Place,
}

/// Where the values of a tensor are.
#[derive(Debug)]
pub(super) enum Place {
    /// Plain little-endian numbers.
    Raw(Range),
    /// Numbers of variable length, one after another.
    Numbers(Range),
    /// Plain numbers in another file.
    File { location: String, offset: u64, length: Option<u64> },
    /// Several lists, or single values: no usual writer does this.
    Scattered,
    /// There are none. This is so where the tensor is empty.
    Nowhere,
}

/// What a dtype of ONNX is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Known(Dtype),
    /// It holds no weight. The text is the end of a sentence.
    NoWeight(&'static str),
    /// It may hold weights, but cannot be read. The text is its name.
    Refused(&'static str),
}

impl Kind {
    /// Returns what the number of a dtype stands for: `TensorProto.DataType` in onnx.proto.
    pub(super) fn of(number: u64) -> Self {
        Self::Known(match number {
            1 => Dtype::F32,
            2 => Dtype::U8,
            3 => Dtype::I8,
            4 => Dtype::U16,
            5 => Dtype::I16,
            6 => Dtype::I32,
            7 => Dtype::I64,
            9 => Dtype::Bool,
            10 => Dtype::F16,
            11 => Dtype::F64,
            12 => Dtype::U32,
            13 => Dtype::U64,
            16 => Dtype::BF16,
            17 => Dtype::F8E4M3,
            19 => Dtype::F8E5M2,
            8 => return Self::NoWeight("it holds text"),
            24 => return Self::NoWeight("it holds scales of eight bits"),
            14 | 15 => return Self::Refused("complex numbers"),
            18 => return Self::Refused("FLOAT8E4M3FNUZ"),
            20 => return Self::Refused("FLOAT8E5M2FNUZ"),
            21 => return Self::Refused("UINT4"),
            22 => return Self::Refused("INT4"),
            23 => return Self::Refused("FLOAT4E2M1"),
            25 => return Self::Refused("UINT2"),
            26 => return Self::Refused("INT2"),
            _ => return Self::Refused("a dtype that is not known here"),
        })
    }
}

impl Tensor {
    /// Reads a `TensorProto`.
    pub(super) fn read(wire: &mut Wire<'_>, mut rest: Range) -> Result<Self, SourceError> {
        let (mut name, mut shape, mut kind) = (String::new(), Vec::new(), 0);
        let mut places = Vec::new();
        let (mut external, mut in_file) = (Vec::new(), false);
        while let Some((field, value)) = wire.field(&mut rest)? {
            match (field, value) {
                (1, Value::Number(dimension)) => shape.push(dimension),
                (1, Value::Bytes(mut packed)) => {
                    while packed.begin < packed.end && shape.len() <= RANK_LIMIT {
                        shape.push(wire.number(&mut packed)?);
                    }
                }
                (2, Value::Number(number)) => kind = number,
                (8, Value::Bytes(range)) => name = wire.text(range)?,
                // Lists of values. An empty one says nothing.
                (4 | 5 | 7 | 9 | 10 | 11, Value::Bytes(range)) if range.length() == 0 => {}
                (4 | 9 | 10, Value::Bytes(range)) if places.len() < 2 => places.push(Place::Raw(range)),
                (5 | 7 | 11, Value::Bytes(range)) if places.len() < 2 => places.push(Place::Numbers(range)),
                (4 | 5 | 7 | 10 | 11, Value::Fixed | Value::Number(_)) => places = vec![Place::Scattered],
                (13, Value::Bytes(range)) if external.len() < 16 => external.push(entry(wire, range)?),
                (14, Value::Number(location)) => in_file = location == 1,
                _ => {}
            }
            if shape.len() > RANK_LIMIT {
                return Err(wire.malformed(format!("tensor `{name}` has more than {RANK_LIMIT} dimensions")));
            }
        }
        let mut places = places.into_iter();
        let place = match (places.next(), places.next()) {
            _ if in_file => Self::external(wire, &name, &external)?,
            (None, _) => Place::Nowhere,
            (Some(place), None) => place,
            (Some(_), Some(_)) => Place::Scattered,
        };
        Ok(Self { name, shape, kind, place })
    }

    fn external(wire: &Wire<'_>, name: &str, entries: &[(String, String)]) -> Result<Place, SourceError> {
        let of = |key| entries.iter().find(|(k, _)| k == key).map(|(_, value)| value);
        let number = |key| {
            of(key).map(|text| text.parse::<u64>()).transpose().map_err(|_| {
                wire.malformed(format!("tensor `{name}` has the {key} `{}`", of(key).map_or("", String::as_str)))
            })
        };
        let location = of("location").ok_or_else(|| wire.malformed(format!("tensor `{name}` is in no file")))?.clone();
        Ok(Place::File { location, offset: number("offset")?.unwrap_or(0), length: number("length")? })
    }
}

/// Reads a pair of texts.
fn entry(wire: &mut Wire<'_>, mut rest: Range) -> Result<(String, String), SourceError> {
    let (mut key, mut text) = (String::new(), String::new());
    while let Some((field, value)) = wire.field(&mut rest)? {
        match (field, value) {
            (1, Value::Bytes(range)) => key = wire.text(range)?,
            (2, Value::Bytes(range)) => text = wire.text(range)?,
            _ => {}
        }
    }
    Ok((key, text))
}
