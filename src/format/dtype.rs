use std::fmt;
use std::str::FromStr;

/// The number type in which a tensor is stored.
///
/// Every dtype here widens to f32. Floating point dtypes widen exactly, except F64, which is rounded. Wide integers are rounded
/// too. `Display` and `FromStr` use the spelling of the safetensors format.
///
/// ```
/// use neural_phylogeny::format::Dtype;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dtype: Dtype = "BF16".parse()?;
/// assert_eq!((dtype.size(), dtype.digits()), (2, Some(8)));
/// assert_eq!(Dtype::F8E4M3.to_string(), "F8_E4M3");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dtype {
    /// 64-bit floating point.
    F64,
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point, IEEE.
    F16,
    /// 16-bit floating point, 8-bit exponent.
    BF16,
    /// 8-bit floating point, 4-bit exponent, no infinity.
    F8E4M3,
    /// 8-bit floating point, 5-bit exponent.
    F8E5M2,
    /// 8-bit floating point, 4-bit exponent with a bias of 8, no infinity and no negative zero.
    F8E4M3Fnuz,
    /// 8-bit floating point, 5-bit exponent with a bias of 16, no infinity and no negative zero.
    F8E5M2Fnuz,
    /// 8-bit exponent without sign and mantissa: the scales of the MX formats. No weight has it.
    F8E8M0,
    /// Two 4-bit floats with a 2-bit exponent (E2M1) in each byte, the first in the lower half.
    ///
    /// An element is a byte here, so the last dimension is half of what a file says.
    F4,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 16-bit signed integer.
    I16,
    /// 8-bit signed integer.
    I8,
    /// 64-bit unsigned integer.
    U64,
    /// 32-bit unsigned integer.
    U32,
    /// 16-bit unsigned integer.
    U16,
    /// 8-bit unsigned integer.
    U8,
    /// Boolean, one byte each.
    Bool,
}

/// The properties of one dtype.
struct Facts {
    dtype: Dtype,
    spelling: &'static str,
    /// Bytes per element.
    size: usize,
    kind: Kind,
}

/// What kind of values a dtype has.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Floating point. `digits` counts the significant binary digits that are left after widening to f32.
    Float {
        digits: u32,
    },
    Integer {
        signed: bool,
    },
    Bool,
    /// Parts of quantized values, which are no weights by themselves.
    Part,
}

/// The properties of every dtype, in the order of the enum, because a dtype's number is its index here.
const FACTS: [Facts; 19] = {
    const fn float(dtype: Dtype, spelling: &'static str, size: usize, digits: u32) -> Facts {
        Facts { dtype, spelling, size, kind: Kind::Float { digits } }
    }
    const fn integer(dtype: Dtype, spelling: &'static str, size: usize, signed: bool) -> Facts {
        Facts { dtype, spelling, size, kind: Kind::Integer { signed } }
    }
    const fn part(dtype: Dtype, spelling: &'static str) -> Facts {
        Facts { dtype, spelling, size: 1, kind: Kind::Part }
    }
    [
        float(Dtype::F64, "F64", 8, 24),
        float(Dtype::F32, "F32", 4, 24),
        float(Dtype::F16, "F16", 2, 11),
        float(Dtype::BF16, "BF16", 2, 8),
        float(Dtype::F8E4M3, "F8_E4M3", 1, 4),
        float(Dtype::F8E5M2, "F8_E5M2", 1, 3),
        float(Dtype::F8E4M3Fnuz, "F8_E4M3FNUZ", 1, 4),
        float(Dtype::F8E5M2Fnuz, "F8_E5M2FNUZ", 1, 3),
        part(Dtype::F8E8M0, "F8_E8M0"),
        part(Dtype::F4, "F4"),
        integer(Dtype::I64, "I64", 8, true),
        integer(Dtype::I32, "I32", 4, true),
        integer(Dtype::I16, "I16", 2, true),
        integer(Dtype::I8, "I8", 1, true),
        integer(Dtype::U64, "U64", 8, false),
        integer(Dtype::U32, "U32", 4, false),
        integer(Dtype::U16, "U16", 2, false),
        integer(Dtype::U8, "U8", 1, false),
        Facts { dtype: Dtype::Bool, spelling: "BOOL", size: 1, kind: Kind::Bool },
    ]
};

impl Dtype {
    /// Returns every dtype: floating point, parts of quantized values, signed integers, unsigned integers, then booleans. Within
    /// each kind the wider come first.
    pub fn all() -> impl Iterator<Item = Self> {
        FACTS.iter().map(|facts| facts.dtype)
    }

    fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// Whether values of this dtype can have been trained. True for floating point only.
    pub fn is_float(self) -> bool {
        matches!(self.facts().kind, Kind::Float { .. })
    }

    /// Whether values of this dtype are integers. False for booleans.
    pub fn is_integer(self) -> bool {
        matches!(self.facts().kind, Kind::Integer { .. })
    }

    /// Whether values of this dtype are integers that may be negative.
    pub fn is_signed_integer(self) -> bool {
        self.facts().kind == Kind::Integer { signed: true }
    }

    /// Returns the bytes per element: 1, 2, 4 or 8.
    pub fn size(self) -> usize {
        self.facts().size
    }

    /// Returns the significant binary digits of a value after widening to f32, with the leading digit.
    ///
    /// These are 24 for F64 and F32, 11 for F16, 8 for BF16, 4 for F8E4M3 and 3 for F8E5M2, with or without FNUZ. `None` when
    /// values of the dtype cannot have been trained.
    pub fn digits(self) -> Option<u32> {
        match self.facts().kind {
            Kind::Float { digits } => Some(digits),
            _ => None,
        }
    }

    /// Returns the dtype of a spelling, which is exact: that of `Display`.
    pub(crate) fn of_spelling(spelling: &str) -> Option<Self> {
        FACTS.iter().find(|facts| facts.spelling == spelling).map(|facts| facts.dtype)
    }
}

impl fmt::Display for Dtype {
    /// The spelling of the safetensors format.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().spelling)
    }
}

/// The error of a spelling that belongs to no dtype.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("no dtype is spelled `{found}`: expected one such as F32, BF16, F8_E4M3 or I64")]
pub struct UnknownDtype {
    /// The spelling that was found.
    pub found: String,
}

impl FromStr for Dtype {
    type Err = UnknownDtype;

    fn from_str(spelling: &str) -> Result<Self, UnknownDtype> {
        Self::of_spelling(spelling).ok_or_else(|| UnknownDtype { found: spelling.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_stand_at_the_place_of_their_dtype() {
        for (at, facts) in FACTS.iter().enumerate() {
            assert_eq!(facts.dtype as usize, at, "{}", facts.spelling);
            assert_eq!(facts.dtype.to_string().parse(), Ok(facts.dtype));
        }
        assert_eq!(Dtype::Bool as usize + 1, FACTS.len());
    }

    #[test]
    fn digits_are_those_of_the_unit_roundoff() {
        let ulps =
            [f64::from(f32::EPSILON), f64::from(half::f16::EPSILON), f64::from(half::bf16::EPSILON), 0.125, 0.25];
        let dtypes = [Dtype::F32, Dtype::F16, Dtype::BF16, Dtype::F8E4M3, Dtype::F8E5M2];
        for (dtype, ulp) in dtypes.into_iter().zip(ulps) {
            assert_eq!(0.5f64.powi(dtype.digits().unwrap() as i32 - 1), ulp, "{dtype}");
        }
        assert!(Dtype::all().all(|d| d.is_float() == d.digits().is_some()));
        assert!(
            Dtype::all()
                .all(|d| d.is_float() || d.is_integer() != [Dtype::Bool, Dtype::F8E8M0, Dtype::F4].contains(&d))
        );
    }

    #[test]
    fn a_spelling_is_exact() {
        assert_eq!("f32".parse::<Dtype>().unwrap_err().found, "f32");
        assert_eq!("F8_E4M3FN".parse::<Dtype>().ok(), None);
    }
}
