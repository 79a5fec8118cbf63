//! A MessagePack message, read value by value: large values are passed over, and their places are taken.
//!
//! <https://github.com/msgpack/msgpack/blob/master/spec.md> defines the encoding.

use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::positioned::Positioned;
use rmp::Marker;
use std::io::{BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// Longest text that is read, in bytes.
const TEXT_LIMIT: u64 = 1 << 12;

/// The beginning of a value: all of it, or what is still to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, a truth value or a floating point number.
    Other,
    True,
    Integer(u64),
    /// So many bytes of text follow.
    Text(u64),
    /// So many bytes follow.
    Bytes(u64),
    /// So many values follow.
    List(u64),
    /// So many keys with values follow.
    Map(u64),
    /// So many bytes of a value of this kind follow.
    Extension {
        kind: i8,
        length: u64,
    },
}

/// A reader of a message in a file.
pub(super) struct Message {
    reader: BufReader<Positioned>,
    path: PathBuf,
    length: u64,
    position: u64,
}

impl Message {
    pub(super) fn new(bytes: Arc<dyn ReadAt>) -> Self {
        let (path, length) = (bytes.path().to_owned(), bytes.length());
        Self { reader: BufReader::new(Positioned::new(bytes)), path, length, position: 0 }
    }

    pub(super) fn malformed(&self, reason: impl Into<String>) -> SourceError {
        SourceError::Malformed { path: self.path.clone(), format: "flax".to_owned(), reason: reason.into() }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Where the next value begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.position >= self.length
    }

    fn exact<const N: usize>(&mut self) -> Result<[u8; N], SourceError> {
        let mut bytes = [0; N];
        if self.length - self.position < N as u64 {
            return Err(self.malformed(format!("it ends within the value at byte {}", self.position)));
        }
        self.reader.read_exact(&mut bytes).map_err(|source| SourceError::Io { path: self.path.clone(), source })?;
        self.position += N as u64;
        Ok(bytes)
    }

    /// Reads a big-endian number of so many bytes.
    fn number<const N: usize>(&mut self) -> Result<u64, SourceError> {
        Ok(self.exact::<N>()?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// Reads the beginning of the next value.
    pub(super) fn next(&mut self) -> Result<Value, SourceError> {
        let at = self.position;
        let [byte] = self.exact()?;
        let length = match Marker::from_u8(byte) {
            Marker::Null | Marker::False => return Ok(Value::Other),
            Marker::True => return Ok(Value::True),
            Marker::F32 => return self.exact::<4>().map(|_| Value::Other),
            Marker::F64 => return self.exact::<8>().map(|_| Value::Other),
            Marker::FixPos(number) => return Ok(Value::Integer(u64::from(number))),
            Marker::U8 => return self.number::<1>().map(Value::Integer),
            Marker::U16 => return self.number::<2>().map(Value::Integer),
            Marker::U32 => return self.number::<4>().map(Value::Integer),
            Marker::U64 => return self.number::<8>().map(Value::Integer),
            // No size is negative, and no other number is needed.
            Marker::FixNeg(_) => return Ok(Value::Other),
            Marker::I8 => return self.exact::<1>().map(|_| Value::Other),
            Marker::I16 => return self.exact::<2>().map(|_| Value::Other),
            Marker::I32 => return self.exact::<4>().map(|_| Value::Other),
            Marker::I64 => return self.exact::<8>().map(|_| Value::Other),
            Marker::FixStr(length) => Value::Text(u64::from(length)),
            Marker::Str8 => Value::Text(self.number::<1>()?),
            Marker::Str16 => Value::Text(self.number::<2>()?),
            Marker::Str32 => Value::Text(self.number::<4>()?),
            Marker::Bin8 => Value::Bytes(self.number::<1>()?),
            Marker::Bin16 => Value::Bytes(self.number::<2>()?),
            Marker::Bin32 => Value::Bytes(self.number::<4>()?),
            Marker::FixArray(count) => return Ok(Value::List(u64::from(count))),
            Marker::Array16 => return self.number::<2>().map(Value::List),
            Marker::Array32 => return self.number::<4>().map(Value::List),
            Marker::FixMap(count) => return Ok(Value::Map(u64::from(count))),
            Marker::Map16 => return self.number::<2>().map(Value::Map),
            Marker::Map32 => return self.number::<4>().map(Value::Map),
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.number::<1>().and_then(|length| self.extension(length))?,
            Marker::Ext16 => self.number::<2>().and_then(|length| self.extension(length))?,
            Marker::Ext32 => self.number::<4>().and_then(|length| self.extension(length))?,
            Marker::Reserved => return Err(self.malformed(format!("byte {at} is 0xc1, which begins no value"))),
        };
        let (Value::Text(bytes) | Value::Bytes(bytes) | Value::Extension { length: bytes, .. }) = length else {
            return Ok(length);
        };
        if bytes > self.length - self.position {
            let left = self.length - self.position;
            return Err(self.malformed(format!("the value at byte {at} has {bytes} bytes, where {left} are left")));
        }
        Ok(length)
    }

    fn extension(&mut self, length: u64) -> Result<Value, SourceError> {
        let [kind] = self.exact()?;
        Ok(Value::Extension { kind: kind as i8, length })
    }

    /// Reads a text of so many bytes.
    pub(super) fn text(&mut self, length: u64) -> Result<String, SourceError> {
        if length > TEXT_LIMIT {
            return Err(self.malformed(format!("a name has {length} bytes, at most {TEXT_LIMIT} are read")));
        }
        let mut text = vec![0; length as usize];
        self.reader.read_exact(&mut text).map_err(|source| SourceError::Io { path: self.path.clone(), source })?;
        self.position += length;
        String::from_utf8(text)
            .map_err(|_| self.malformed(format!("the text before byte {} is no UTF-8", self.position)))
    }

    /// Passes over so many bytes. They have been checked to be there.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), SourceError> {
        let io = |source| SourceError::Io { path: self.path.clone(), source };
        self.reader.seek_relative(i64::try_from(length).unwrap_or(i64::MAX)).map_err(io)?;
        self.position += length;
        Ok(())
    }

    /// Passes over what is still to be read of a value.
    pub(super) fn pass(&mut self, value: Value) -> Result<(), SourceError> {
        // Values that are left are counted, so that nesting takes no stack.
        let mut left = self.pass_one(value)?;
        while left > 0 {
            let value = self.next()?;
            left = (left - 1).saturating_add(self.pass_one(value)?);
        }
        Ok(())
    }

    /// Passes over the bytes of a value. Returns how many values are in it.
    fn pass_one(&mut self, value: Value) -> Result<u64, SourceError> {
        match value {
            Value::Other | Value::True | Value::Integer(_) => Ok(0),
            Value::Text(length) | Value::Bytes(length) | Value::Extension { length, .. } => {
                self.skip(length).map(|()| 0)
            }
            Value::List(count) => Ok(count),
            Value::Map(count) => Ok(2 * count),
        }
    }
}
