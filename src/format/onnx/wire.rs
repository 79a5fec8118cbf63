//! Protocol buffers, read at positions: a message is walked field by field, and what is not needed is passed over unread.
//!
//! The libraries for protocol buffers, and those for ONNX, want a whole message in memory. Here a message holds the weights of a
//! model, so only their places are taken. <https://protobuf.dev/programming-guides/encoding/> defines the encoding.

use crate::bytes::ReadAt;
use crate::error::SourceError;

/// Bytes that are read at a time.
const WINDOW: u64 = 1 << 12;

/// Longest text that is read, in bytes.
const TEXT_LIMIT: u64 = 1 << 12;

/// A range of bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) begin: u64,
    pub(super) end: u64,
}

impl Range {
    pub(super) fn length(self) -> u64 {
        self.end - self.begin
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    /// A number of four or eight bytes, which is passed over.
    Fixed,
    /// Text, a message, or packed numbers.
    Bytes(Range),
}

/// A reader of messages in one file.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    bytes: &'a dyn ReadAt,
    /// The bytes from `begin` on.
    window: Vec<u8>,
    begin: u64,
}

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a dyn ReadAt) -> Self {
        Self { bytes, window: Vec::new(), begin: 0 }
    }

    pub(super) fn malformed(&self, reason: impl Into<String>) -> SourceError {
        let path = self.bytes.path().to_owned();
        SourceError::Malformed { path, format: "onnx".to_owned(), reason: reason.into() }
    }

    /// The whole file.
    pub(super) fn whole(&self) -> Range {
        Range { begin: 0, end: self.bytes.length() }
    }

    /// Reads the next field of a message, whose rest is `rest`. `None` at its end.
    pub(super) fn field(&mut self, rest: &mut Range) -> Result<Option<(u64, Value)>, SourceError> {
        if rest.begin >= rest.end {
            return Ok(None);
        }
        let key = self.number(rest)?;
        let value = match key & 7 {
            0 => Value::Number(self.number(rest)?),
            1 => self.skip(rest, 8).map(|_| Value::Fixed)?,
            5 => self.skip(rest, 4).map(|_| Value::Fixed)?,
            2 => {
                let length = self.number(rest)?;
                Value::Bytes(self.skip(rest, length)?)
            }
            other => return Err(self.malformed(format!("byte {} begins a field of kind {other}", rest.begin))),
        };
        Ok(Some((key >> 3, value)))
    }

    /// Reads a number of variable length.
    pub(super) fn number(&mut self, rest: &mut Range) -> Result<u64, SourceError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            if rest.begin >= rest.end {
                break;
            }
            let byte = self.byte(rest.begin)?;
            rest.begin += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.malformed(format!("the number before byte {} has no end", rest.begin)))
    }

    /// Reads a text, or says that it is too long.
    pub(super) fn text(&mut self, range: Range) -> Result<String, SourceError> {
        if range.length() > TEXT_LIMIT {
            let length = range.length();
            return Err(self.malformed(format!("a name has {length} bytes, at most {TEXT_LIMIT} are read")));
        }
        let mut text = vec![0; range.length() as usize];
        self.bytes.read_at(&mut text, range.begin)?;
        String::from_utf8(text).map_err(|_| self.malformed(format!("the name at byte {} is no UTF-8", range.begin)))
    }

    fn skip(&self, rest: &mut Range, length: u64) -> Result<Range, SourceError> {
        let begin = rest.begin;
        match begin.checked_add(length).filter(|end| *end <= rest.end) {
            Some(end) => {
                rest.begin = end;
                Ok(Range { begin, end })
            }
            None => {
                let left = rest.end - begin;
                Err(self.malformed(format!("a field of {length} bytes at byte {begin}, where {left} are left")))
            }
        }
    }

    fn byte(&mut self, position: u64) -> Result<u8, SourceError> {
        let inside = |begin: u64| position.checked_sub(begin).and_then(|at| usize::try_from(at).ok());
        if let Some(&byte) = inside(self.begin).and_then(|at| self.window.get(at)) {
            return Ok(byte);
        }
        let length = WINDOW.min(self.bytes.length().saturating_sub(position)).max(1);
        self.window.resize(length as usize, 0);
        self.begin = position;
        if let Err(error) = self.bytes.read_at(&mut self.window, position) {
            self.window.clear();
            return Err(error);
        }
        Ok(self.window[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;

    fn fields(bytes: &[u8]) -> Result<Vec<(u64, Value)>, SourceError> {
        let file = MemoryFile::new("a", bytes);
        let mut wire = Wire::new(&file);
        let mut rest = wire.whole();
        std::iter::from_fn(|| wire.field(&mut rest).transpose()).collect()
    }

    #[test]
    fn fields_of_every_kind_are_walked() {
        let bytes = [8, 0x96, 1, 0x12, 3, 1, 2, 3, 0x1d, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0x28, 0];
        let expected = [
            (1, Value::Number(150)),
            (2, Value::Bytes(Range { begin: 5, end: 8 })),
            (3, Value::Fixed),
            (4, Value::Fixed),
            (5, Value::Number(0)),
        ];
        assert_eq!(fields(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_field_ends_within_its_message() {
        let endless = [&[8][..], &[0xff; 11]].concat();
        let cases = [
            &[8][..],
            &[8, 0x80],
            &[0x12, 5, 1],
            &[0x1d, 0],
            &[0x13],
            &endless,
            &[0x12, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
        ];
        for bytes in cases {
            assert!(matches!(fields(bytes), Err(SourceError::Malformed { .. })), "{bytes:?}");
        }
    }
}
