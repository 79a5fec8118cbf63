//! The key-value pairs of a header. Only small values are kept: the vocabulary is passed over.

use super::cursor::Cursor;
use crate::error::SourceError;
use std::collections::BTreeMap;

/// Most pairs that are read. Writers store some fifty.
const PAIRS: u64 = 1 << 16;

/// Longest key and longest text that are kept, in bytes.
const TEXT: usize = 1 << 12;

/// Most numbers of a list that is kept. Such a list has one number for each layer.
const LIST: u64 = 1 << 12;

/// How deep lists may lie in lists. No writer goes beyond one.
const DEPTH: u32 = 4;

/// One value that is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// An integer, unsigned or not negative.
    Integer(u64),
    Text(String),
    /// Integers, one for each layer.
    List(Vec<u64>),
    /// A value of another type, which nothing here needs.
    Other,
}

/// The pairs of a header, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Metadata(BTreeMap<String, Value>);

impl Metadata {
    /// Reads `count` pairs.
    pub(super) fn read(cursor: &mut Cursor<'_>, count: u64) -> Result<Self, SourceError> {
        // A key has a length of eight bytes, and a value has a type of four bytes and at least one byte.
        cursor.expect("key-value pairs", count, 13)?;
        if count > PAIRS {
            return Err(cursor.malformed(format!("its header has {count} key-value pairs, at most {PAIRS} are read")));
        }
        let mut pairs = BTreeMap::new();
        for _ in 0..count {
            let Some(key) = cursor.text(TEXT)? else {
                return Err(cursor.malformed(format!("a key at byte {} is no text", cursor.position())));
            };
            let kind = cursor.u32()?;
            let value = value(cursor, kind, &key)?;
            if pairs.insert(key.clone(), value).is_some() {
                return Err(cursor.malformed(format!("the key `{key}` stands twice in its header")));
            }
        }
        Ok(Self(pairs))
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn integer(&self, key: &str) -> Option<u64> {
        match self.0.get(key)? {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the number of one layer, where each layer may have its own.
    pub(super) fn of_layer(&self, key: &str, layer: usize) -> Option<u64> {
        match self.0.get(key)? {
            Value::Integer(value) => Some(*value),
            Value::List(values) => values.get(layer).copied(),
            _ => None,
        }
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns the short texts about the model as a whole, such as its name and its base.
    pub(super) fn general(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().filter(|(key, _)| key.starts_with("general.")).filter_map(|(key, value)| match value {
            Value::Text(text) => Some((key.clone(), text.clone())),
            Value::Integer(number) => Some((key.clone(), number.to_string())),
            _ => None,
        })
    }
}

/// Reads one value of a type, which is a number in the header.
fn value(cursor: &mut Cursor<'_>, kind: u32, key: &str) -> Result<Value, SourceError> {
    const ARRAY: u32 = 9;
    Ok(match kind {
        8 => cursor.text(TEXT)?.map_or(Value::Other, Value::Text),
        ARRAY => {
            let (kind, count) = (cursor.u32()?, cursor.u64()?);
            if is_integer(kind) && count <= LIST {
                let values = (0..count).map(|_| integer(cursor, kind)).collect::<Result<Option<_>, _>>()?;
                values.map_or(Value::Other, Value::List)
            } else {
                skip_list(cursor, kind, count, key, 1)?;
                Value::Other
            }
        }
        kind if is_integer(kind) => integer(cursor, kind)?.map_or(Value::Other, Value::Integer),
        kind => {
            let size = size(kind).ok_or_else(|| unknown(cursor, kind, key))?;
            cursor.skip("bytes of a value", size)?;
            Value::Other
        }
    })
}

/// Passes over the `count` values of a list.
fn skip_list(cursor: &mut Cursor<'_>, kind: u32, count: u64, key: &str, depth: u32) -> Result<(), SourceError> {
    match kind {
        8 => {
            cursor.expect("strings", count, 8)?;
            for _ in 0..count {
                let length = cursor.u64()?;
                cursor.skip("bytes of a string", length)?;
            }
            Ok(())
        }
        9 if depth >= DEPTH => {
            Err(cursor.malformed(format!("lists of the key `{key}` lie in each other more than {DEPTH} deep")))
        }
        9 => {
            cursor.expect("lists", count, 12)?;
            for _ in 0..count {
                let (kind, count) = (cursor.u32()?, cursor.u64()?);
                skip_list(cursor, kind, count, key, depth + 1)?;
            }
            Ok(())
        }
        _ => {
            let size = size(kind).ok_or_else(|| unknown(cursor, kind, key))?;
            cursor.expect("values of a list", count, size)?;
            cursor.skip("bytes of a list", count * size)
        }
    }
}

/// The bytes of a value of a type. `None` for text, lists and unknown types.
fn size(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

fn is_integer(kind: u32) -> bool {
    matches!(kind, 0..=5 | 10 | 11)
}

/// Reads an integer. `None` when it is negative.
fn integer(cursor: &mut Cursor<'_>, kind: u32) -> Result<Option<u64>, SourceError> {
    Ok(match kind {
        0 => Some(u64::from(u8::from_le_bytes(cursor.take()?))),
        1 => u64::try_from(i8::from_le_bytes(cursor.take()?)).ok(),
        2 => Some(u64::from(u16::from_le_bytes(cursor.take()?))),
        3 => u64::try_from(i16::from_le_bytes(cursor.take()?)).ok(),
        4 => Some(u64::from(cursor.u32()?)),
        5 => u64::try_from(i32::from_le_bytes(cursor.take()?)).ok(),
        10 => Some(cursor.u64()?),
        _ => u64::try_from(i64::from_le_bytes(cursor.take()?)).ok(),
    })
}

fn unknown(cursor: &Cursor<'_>, kind: u32, key: &str) -> SourceError {
    cursor.malformed(format!("the value of `{key}` has type {kind}, expected 0 to 12"))
}
