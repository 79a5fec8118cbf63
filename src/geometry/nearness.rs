//! What a sample of the values of two models that lie near each other shows.

/// How far the values of two models are apart, in units in the last place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Apart {
    /// No value is farther from its counterpart than the rounding of both explains. Both can be one third model, rounded twice.
    Rounding,
    /// No value is more than one unit of the coarser of the two from its counterpart.
    Unit,
    /// Some value is farther.
    Farther,
}

/// How finely the values of a model are spaced, as they are and not as they are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spacing {
    /// The significant binary digits that values need: 24 of F32, 11 of F16, 8 of BF16, 4 or 3 of eight bits.
    pub(crate) digits: u32,
    /// The largest power of two that all values are multiples of. Around zero, F16 has the spacing 2⁻²⁴.
    pub(crate) least: f32,
}

/// The steps on which the values of a model lie, block by block along each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BlockSteps {
    /// 32 values share a step of a 127th of the largest: Q8_0 of ggml.
    Q8,
    /// 32 values share a step of an eighth of the largest: Q4_0 of ggml.
    Q4,
    /// 32 values share a step of a sixteenth of the largest: Q5_0 of ggml.
    Q5,
    /// 64 values are levels of NF4 of bitsandbytes, times their largest.
    Nf4,
    /// 32 values have far fewer levels than there are values.
    Few,
}

impl BlockSteps {
    /// The name of the method.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Q8 => "Q8_0",
            Self::Q4 => "Q4_0",
            Self::Q5 => "Q5_0",
            Self::Nf4 => "NF4",
            Self::Few => "few levels by block",
        }
    }
}

/// What a sample of the values of two models a and b shows of how one was made from the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Nearness {
    /// The share of the sampled values that are the same.
    pub(crate) equal: f64,
    /// The share of the sampled values that are in matrices with some difference.
    pub(crate) moved: f64,
    /// How much more alike the rows of `b − a` are than those of noise: about 1 for noise, the median over matrices that moved.
    /// `None` where no matrix that moved is large enough.
    pub(crate) structure: Option<f64>,
    pub(crate) apart: Apart,
    /// The spacing of the values of a and of b.
    pub(crate) spacing: [Spacing; 2],
    /// The steps on which b is a, rounded; and those on which a is b, rounded.
    pub(crate) steps: [Option<BlockSteps>; 2],
}
