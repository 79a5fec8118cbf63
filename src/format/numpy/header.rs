//! The header of a NumPy array. Every claim in it is checked before other code relies on it.

use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::Dtype;
use crate::format::elsewhere::ByteOrder;
use py_literal::Value;

/// The first bytes of every array.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// Longest description that is read, in bytes. NumPy itself reads 10,000.
const TEXT_LIMIT: u64 = 1 << 16;

/// Deepest brackets in a description. That of a plain array has two levels. The parser recurses, and some inputs take it twice as
/// long for each level.
const NESTING_LIMIT: usize = 8;

/// Most dimensions of an array, which is NumPy's own limit.
const RANK_LIMIT: usize = 64;

/// The content of a header.
#[derive(Debug)]
pub(super) enum Header {
    Array(Array),
    /// The array holds no weights. The reason is the end of a sentence.
    LeftOut(String),
}

/// An array whose values are numbers. Its place has been checked against the length of its object.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Dtype,
    pub(super) layout: Layout,
    pub(super) bytes: ByteOrder,
    /// Position in the object of the first value.
    pub(super) begin: u64,
}

/// Which of a matrix's values stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Those of a row.
    Rows,
    /// Those of a column: Fortran order.
    Columns,
}

/// Reads the header of the array `name`, which is all of `object`. `format` is the name of the format in errors.
pub(super) fn read(object: &dyn ReadAt, format: &str, name: &str) -> Result<Header, SourceError> {
    let path = || object.path().to_owned();
    let malformed = |reason: String| SourceError::Malformed {
        path: path(),
        format: format.to_owned(),
        reason: format!("array `{name}`: {reason}"),
    };
    let refused = |what: String| SourceError::UnsupportedContent {
        path: path(),
        format: format.to_owned(),
        reason: format!("array `{name}` {what}"),
    };
    let (text, begin) = text(object, &malformed)?;
    let described = Description::parse(&text).map_err(|what| malformed(format!("its header {what}")))?;
    let descr = match described.descr {
        Value::String(descr) => descr,
        records => {
            let records: String = records.to_string().chars().take(80).collect();
            return Err(refused(format!("has records of dtype {records}: save each field under a name of its own")));
        }
    };
    let (dtype, bytes) = match Number::of(&descr) {
        Number::Known(dtype, bytes) => (dtype, bytes),
        Number::NoWeight(what) => return Ok(Header::LeftOut(format!("it holds {what}"))),
        Number::Pickle => {
            // A pickle may hold weights and may also be a program, so it is neither passed over nor read.
            let what = "is a pickle of Python objects: save each of its arrays under a name of its own";
            return Err(refused(what.to_owned()));
        }
        Number::Refused(why) => return Err(refused(format!("has dtype {descr}{why}"))),
    };
    let shape = described.shape;
    if shape.len() > RANK_LIMIT {
        return Err(malformed(format!("it has {} dimensions, at most {RANK_LIMIT} are read", shape.len())));
    }
    let size = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).and_then(|n| n.checked_mul(dtype.size()));
    let Some(expected) = size else {
        return Err(SourceError::ShapeOverflow { path: path(), tensor: name.to_owned(), shape });
    };
    let found = object.length().saturating_sub(begin);
    if found != expected as u64 {
        let (tensor, dtype, expected) = (name.to_owned(), descr, expected as u64);
        return Err(SourceError::SizeMismatch { path: path(), tensor, shape, dtype, found, expected });
    }
    // One row or one column is the same in both orders.
    let is_matrix = shape.iter().filter(|&&d| d > 1).count() > 1;
    let layout = if is_matrix && described.is_fortran { Layout::Columns } else { Layout::Rows };
    Ok(Header::Array(Array { shape, dtype, layout, bytes, begin }))
}

/// Returns the description, and how many bytes stand before the values.
fn text(object: &dyn ReadAt, malformed: &dyn Fn(String) -> SourceError) -> Result<(String, u64), SourceError> {
    let short = || malformed("it has no header".to_owned());
    let mut beginning = [0; 12];
    let known = object.length().min(beginning.len() as u64) as usize;
    object.read_at(&mut beginning[..known], 0)?;
    if known < 10 || !beginning.starts_with(MAGIC) {
        return Err(malformed("it does not begin with `\\x93NUMPY`".to_owned()));
    }
    // Version 1 has two bytes of length, versions 2 and 3 have four.
    let (length, before) = match beginning[6] {
        version @ (0 | 4..) => return Err(malformed(format!("it has version {version}, expected 1, 2 or 3"))),
        1 => (u64::from(u16::from_le_bytes([beginning[8], beginning[9]])), 10),
        _ if known < 12 => return Err(short()),
        _ => (u64::from(u32::from_le_bytes([beginning[8], beginning[9], beginning[10], beginning[11]])), 12),
    };
    let end = before + length;
    if end > object.length() {
        return Err(short());
    }
    if length > TEXT_LIMIT {
        return Err(malformed(format!("its header has {length} bytes, at most {TEXT_LIMIT} are read")));
    }
    let mut text = vec![0; length as usize];
    object.read_at(&mut text, before)?;
    let text = String::from_utf8(text).map_err(|_| malformed("its header is no UTF-8".to_owned()))?;
    let mut depth = 0usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_LIMIT {
            return Err(malformed(format!("its header has brackets deeper than {NESTING_LIMIT}")));
        }
    }
    Ok((text, end))
}

/// The entries of a header: a dictionary of Python.
struct Description {
    descr: Value,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Description {
    fn parse(text: &str) -> Result<Self, String> {
        let parsed: Value = text.trim_end().parse().map_err(|_| "is no dictionary of Python".to_owned())?;
        let Value::Dict(entries) = parsed else { return Err("is no dictionary".to_owned()) };
        let (mut descr, mut is_fortran, mut shape) = (None, None, None);
        for (key, value) in entries {
            match (key, value) {
                (Value::String(key), value) if key == "descr" => descr = Some(value),
                (Value::String(key), Value::Boolean(value)) if key == "fortran_order" => is_fortran = Some(value),
                (Value::String(key), Value::Tuple(value)) if key == "shape" => shape = Some(value),
                _ => {}
            }
        }
        let missing = |key: &str| format!("has no usable `{key}`");
        let shape = shape.ok_or_else(|| missing("shape"))?;
        let sizes = shape.iter().map(|d| d.as_integer().and_then(|d| usize::try_from(d).ok())).collect();
        Ok(Self {
            descr: descr.ok_or_else(|| missing("descr"))?,
            is_fortran: is_fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: Option::ok_or_else(sizes, || missing("shape"))?,
        })
    }
}

/// What the values of a dtype are.
#[derive(Debug, PartialEq)]
enum Number {
    Known(Dtype, ByteOrder),
    NoWeight(&'static str),
    Pickle,
    /// They may be weights, but cannot be read. The text follows the dtype.
    Refused(&'static str),
}

impl Number {
    /// Returns what a spelling stands for: the order of bytes, a letter for the kind, and mostly the number of bytes.
    fn of(descr: &str) -> Self {
        let mut letters = descr.chars();
        let (order, kind) = (letters.next(), letters.next());
        let dtype = match (kind, letters.as_str()) {
            (Some('f'), "2") => Dtype::F16,
            (Some('f'), "4") => Dtype::F32,
            (Some('f'), "8") => Dtype::F64,
            (Some('i'), "1") => Dtype::I8,
            (Some('i'), "2") => Dtype::I16,
            (Some('i'), "4") => Dtype::I32,
            (Some('i'), "8") => Dtype::I64,
            (Some('u'), "1") => Dtype::U8,
            (Some('u'), "2") => Dtype::U16,
            (Some('u'), "4") => Dtype::U32,
            (Some('u'), "8") => Dtype::U64,
            (Some('b'), "1") => Dtype::Bool,
            (Some('O'), _) => return Self::Pickle,
            (Some('S' | 'U'), _) => return Self::NoWeight("text"),
            (Some('m' | 'M'), _) => return Self::NoWeight("times"),
            (Some('c'), _) => return Self::Refused(", complex numbers: save real and imaginary parts as two arrays"),
            // NumPy writes bfloat16 and the float8 kinds of ml_dtypes as bytes without a meaning.
            (Some('V'), _) | (Some('f'), "1") => {
                return Self::Refused(
                    ", which does not say what the bytes are, as bfloat16 and float8 arrays are saved: save \
                     `a.astype('float32')`, or save to safetensors",
                );
            }
            _ => return Self::Refused(", wider than 64 bits or unknown: save `a.astype('float32')`"),
        };
        match order {
            Some('<') => Self::Known(dtype, ByteOrder::Little),
            Some('>') => Self::Known(dtype, ByteOrder::Big),
            Some('|') if dtype.size() == 1 => Self::Known(dtype, ByteOrder::Little),
            _ => Self::Refused(", without an order of bytes: save the array again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::MemoryFile;

    fn file(description: &str, values: &[u8]) -> MemoryFile {
        let length = (description.len() as u16).to_le_bytes();
        let file = [MAGIC, &[1, 0], &length, description.as_bytes(), values].concat();
        MemoryFile::new("a.npy", file)
    }

    fn described(descr: &str, shape: &str, bytes: usize) -> Result<Header, SourceError> {
        let text = format!("{{'descr': {descr}, 'fortran_order': True, 'shape': {shape}, }}\n");
        read(&file(&text, &vec![0; bytes]), "npy", "a")
    }

    #[test]
    fn numbers_have_the_dtype_that_numpy_names() {
        let cases = [
            ("'<f2'", Dtype::F16),
            ("'>f4'", Dtype::F32),
            ("'<f8'", Dtype::F64),
            ("'|i1'", Dtype::I8),
            ("'<i2'", Dtype::I16),
            ("'>i4'", Dtype::I32),
            ("'<i8'", Dtype::I64),
            ("'|u1'", Dtype::U8),
            ("'<u2'", Dtype::U16),
            ("'<u4'", Dtype::U32),
            ("'>u8'", Dtype::U64),
            ("'|b1'", Dtype::Bool),
        ];
        for (descr, dtype) in cases {
            let found = described(descr, "(2, 3)", 6 * dtype.size()).unwrap();
            let Header::Array(array) = found else { panic!("{descr}: {found:?}") };
            assert_eq!((array.dtype, array.shape.as_slice(), array.layout), (dtype, &[2, 3][..], Layout::Columns));
            assert_eq!(array.bytes == ByteOrder::Big, descr.contains('>'), "{descr}");
        }
        for shape in ["(6,)", "(1, 6)", "(6, 1)"] {
            let Header::Array(array) = described("'<f4'", shape, 24).unwrap() else { panic!("{shape}") };
            assert_eq!(array.layout, Layout::Rows, "{shape}");
        }
    }

    #[test]
    fn what_is_no_number_is_passed_over_or_refused_by_name() {
        for descr in ["'<U8'", "'|S3'", "'<M8[s]'"] {
            let found = described(descr, "()", 32).unwrap();
            assert!(matches!(found, Header::LeftOut(_)), "{descr}: {found:?}");
        }
        let refused =
            ["'|O'", "'<V2'", "'|V1'", "'<f1'", "'<c8'", "'<f16'", "[('x', '<f4'), ('y', '<f4')]", "[('x', '|O')]"];
        for descr in refused {
            let error = described(descr, "()", 8).unwrap_err();
            assert!(matches!(error, SourceError::UnsupportedContent { .. }), "{descr}: {error}");
            assert!(error.to_string().contains("array `a`") && error.to_string().contains("save"), "{error}");
        }
    }

    #[test]
    fn claims_are_checked() {
        assert!(matches!(described("'<f4'", "(3,)", 11), Err(SourceError::SizeMismatch { found: 11, .. })));
        assert!(matches!(described("'<f4'", "(3,)", 13), Err(SourceError::SizeMismatch { expected: 12, .. })));
        let huge = "(4611686018427387904, 4611686018427387904)";
        assert!(matches!(described("'<f4'", huge, 0), Err(SourceError::ShapeOverflow { .. })));
        let many = format!("({})", "1, ".repeat(20_000));
        for shape in [
            many.as_str(),
            "(-1,)",
            "(99999999999999999999999999,)",
            "3",
            "('a',)",
            &"(".repeat(1000),
            &"[".repeat(60_000),
        ] {
            let error = described("'<f4'", shape, 0).unwrap_err();
            assert!(matches!(error, SourceError::Malformed { .. }), "{error}");
        }
        for bytes in [
            &b""[..],
            b"\x93NUMPY",
            b"\x93NUMPY\x01\x00\xff\xff",
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
            b"\x93NUMPX\x01\x00\x00\x00",
        ] {
            let error = read(&MemoryFile::new("a", bytes), "npy", "a").unwrap_err();
            assert!(matches!(error, SourceError::Malformed { .. }), "{error}");
        }
    }
}
