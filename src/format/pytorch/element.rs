//! The number types of PyTorch: how its globals spell them, and what they are here.

use crate::format::Dtype;

/// The number type of a tensor or of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// Numbers of a dtype.
    Plain(Dtype),
    /// Complex numbers: a real and an imaginary part of a dtype.
    Complex(Dtype),
    /// Scales of blocks. They are no weights.
    Scales,
    /// Weights that cannot be widened to f32. The size in bytes is needed to find the storages behind.
    Other { name: &'static str, size: usize },
    /// Bytes whose type is that of the tensor.
    Untyped,
}

/// How the globals of storages and of dtypes spell a number type.
#[rustfmt::skip]
const SPELLINGS: [(&str, &str, Element); 29] = {
    use Element::{Complex, Other, Plain, Scales};
    const fn other(name: &'static str, size: usize) -> Element { Other { name, size } }
    [
        ("DoubleStorage", "float64", Plain(Dtype::F64)),
        ("FloatStorage", "float32", Plain(Dtype::F32)),
        ("HalfStorage", "float16", Plain(Dtype::F16)),
        ("BFloat16Storage", "bfloat16", Plain(Dtype::BF16)),
        ("", "float8_e4m3fn", Plain(Dtype::F8E4M3)),
        ("", "float8_e5m2", Plain(Dtype::F8E5M2)),
        ("LongStorage", "int64", Plain(Dtype::I64)),
        ("IntStorage", "int32", Plain(Dtype::I32)),
        ("ShortStorage", "int16", Plain(Dtype::I16)),
        ("CharStorage", "int8", Plain(Dtype::I8)),
        ("", "uint64", Plain(Dtype::U64)),
        ("", "uint32", Plain(Dtype::U32)),
        ("", "uint16", Plain(Dtype::U16)),
        ("ByteStorage", "uint8", Plain(Dtype::U8)),
        ("BoolStorage", "bool", Plain(Dtype::Bool)),
        ("ComplexDoubleStorage", "complex128", Complex(Dtype::F64)),
        ("ComplexFloatStorage", "complex64", Complex(Dtype::F32)),
        ("", "complex32", Complex(Dtype::F16)),
        ("", "float8_e8m0fnu", Scales),
        ("", "float8_e4m3fnuz", other("float8_e4m3fnuz", 1)),
        ("", "float8_e5m2fnuz", other("float8_e5m2fnuz", 1)),
        ("", "float4_e2m1fn_x2", other("float4_e2m1fn_x2", 1)),
        ("", "bits8", other("bits8", 1)),
        ("", "bits16", other("bits16", 2)),
        ("QInt8Storage", "qint8", other("qint8", 1)),
        ("QUInt8Storage", "quint8", other("quint8", 1)),
        ("QInt32Storage", "qint32", other("qint32", 4)),
        ("QUInt4x2Storage", "quint4x2", other("quint4x2", 1)),
        ("QUInt2x4Storage", "quint2x4", other("quint2x4", 1)),
    ]
};

impl Element {
    /// Returns the number type of a class of storages, such as `torch.FloatStorage`.
    pub(super) fn of_storage(global: &str) -> Option<Self> {
        let name = ["torch.cuda.", "torch.storage.", "torch."].iter().find_map(|m| global.strip_prefix(m))?;
        if name == "UntypedStorage" {
            return Some(Self::Untyped);
        }
        SPELLINGS.iter().find(|(storage, ..)| !name.is_empty() && *storage == name).map(|(.., element)| *element)
    }

    /// Returns the number type of a dtype, such as `torch.bfloat16`.
    pub(super) fn of_dtype(global: &str) -> Option<Self> {
        let name = global.strip_prefix("torch.")?;
        SPELLINGS.iter().find(|(_, dtype, _)| *dtype == name).map(|(.., element)| *element)
    }

    /// Returns the bytes per element.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Plain(dtype) => dtype.size(),
            Self::Complex(dtype) => 2 * dtype.size(),
            Self::Scales | Self::Untyped => 1,
            Self::Other { size, .. } => size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dtype_has_a_spelling() {
        for dtype in Dtype::all() {
            let found = SPELLINGS.iter().find(|(.., element)| *element == Element::Plain(dtype));
            // Scales have another element here, and other programs alone write the rest.
            let Some((storage, name, element)) = found else {
                let others = [Dtype::F8E8M0, Dtype::F4, Dtype::F8E4M3Fnuz, Dtype::F8E5M2Fnuz];
                assert!(others.contains(&dtype), "{dtype}");
                continue;
            };
            assert_eq!(Element::of_dtype(&format!("torch.{name}")), Some(*element));
            let of_storage = (!storage.is_empty()).then_some(*element);
            assert_eq!(Element::of_storage(&format!("torch.{storage}")), of_storage, "{name}");
            assert_eq!(element.size(), dtype.size());
        }
        assert_eq!(Element::of_storage("torch.storage.UntypedStorage"), Some(Element::Untyped));
        assert_eq!(Element::of_storage("os.system"), None);
        assert_eq!(Element::of_dtype("torch.per_tensor_affine"), None);
        assert_eq!(Element::Complex(Dtype::F16).size(), 4);
    }
}
