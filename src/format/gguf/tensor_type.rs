//! The types in which a GGUF file stores tensors: plain numbers, and blocks of quantized values.

use super::rounding::Steps;
use crate::format::Dtype;
use anamnesis::GgufType;

/// A type of tensors, with its number and its name in the definition of the format.
///
/// See `enum ggml_type` in <https://github.com/ggml-org/llama.cpp/blob/master/ggml/include/ggml.h>.
#[derive(Debug)]
pub(super) struct TensorType {
    pub(super) number: u32,
    pub(super) name: &'static str,
    /// Values in a block. A row has a whole number of blocks.
    pub(super) values: usize,
    /// Bytes in a block.
    pub(super) bytes: usize,
    pub(super) kind: Kind,
}

/// How the bytes of a type become values.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Little-endian numbers.
    Plain(Dtype),
    /// Blocks that have a scale in common.
    Blocks(GgufType, Steps),
}

/// Every type that is read.
pub(super) static TYPES: [TensorType; 35] = {
    const fn plain(number: u32, name: &'static str, bytes: usize, dtype: Dtype) -> TensorType {
        TensorType { number, name, values: 1, bytes, kind: Kind::Plain(dtype) }
    }
    const fn blocks(
        number: u32,
        name: &'static str,
        values: usize,
        bytes: usize,
        kernel: GgufType,
        steps: Steps,
    ) -> TensorType {
        TensorType { number, name, values, bytes, kind: Kind::Blocks(kernel, steps) }
    }
    [
        plain(0, "F32", 4, Dtype::F32),
        plain(1, "F16", 2, Dtype::F16),
        blocks(2, "Q4_0", 32, 18, GgufType::Q4_0, Steps::Half),
        blocks(3, "Q4_1", 32, 20, GgufType::Q4_1, Steps::Half),
        blocks(6, "Q5_0", 32, 22, GgufType::Q5_0, Steps::Half),
        blocks(7, "Q5_1", 32, 24, GgufType::Q5_1, Steps::Half),
        blocks(8, "Q8_0", 32, 34, GgufType::Q8_0, Steps::Half),
        blocks(9, "Q8_1", 32, 36, GgufType::Q8_1, Steps::Half),
        blocks(10, "Q2_K", 256, 84, GgufType::Q2_K, Steps::Q2K),
        blocks(11, "Q3_K", 256, 110, GgufType::Q3_K, Steps::Q3K),
        blocks(12, "Q4_K", 256, 144, GgufType::Q4_K, Steps::Q45K),
        blocks(13, "Q5_K", 256, 176, GgufType::Q5_K, Steps::Q45K),
        blocks(14, "Q6_K", 256, 210, GgufType::Q6_K, Steps::Q6K),
        blocks(15, "Q8_K", 256, 292, GgufType::Q8_K, Steps::Single),
        blocks(16, "IQ2_XXS", 256, 66, GgufType::IQ2_XXS, Steps::Share(0.110)),
        blocks(17, "IQ2_XS", 256, 74, GgufType::IQ2_XS, Steps::Share(0.084)),
        blocks(18, "IQ3_XXS", 256, 98, GgufType::IQ3_XXS, Steps::Share(0.032)),
        blocks(19, "IQ1_S", 256, 50, GgufType::IQ1_S, Steps::Share(0.207)),
        blocks(20, "IQ4_NL", 32, 18, GgufType::IQ4_NL, Steps::Iq4Nl),
        blocks(21, "IQ3_S", 256, 110, GgufType::IQ3_S, Steps::Share(0.018)),
        blocks(22, "IQ2_S", 256, 82, GgufType::IQ2_S, Steps::Share(0.059)),
        blocks(23, "IQ4_XS", 256, 136, GgufType::IQ4_XS, Steps::Iq4Xs),
        plain(24, "I8", 1, Dtype::I8),
        plain(25, "I16", 2, Dtype::I16),
        plain(26, "I32", 4, Dtype::I32),
        plain(27, "I64", 8, Dtype::I64),
        plain(28, "F64", 8, Dtype::F64),
        blocks(29, "IQ1_M", 256, 56, GgufType::IQ1_M, Steps::Share(0.182)),
        plain(30, "BF16", 2, Dtype::BF16),
        blocks(34, "TQ1_0", 256, 54, GgufType::TQ1_0, Steps::HalfAtEnd),
        blocks(35, "TQ2_0", 256, 66, GgufType::TQ2_0, Steps::HalfAtEnd),
        blocks(39, "MXFP4", 32, 17, GgufType::MXFP4, Steps::Mxfp4),
        blocks(40, "NVFP4", 64, 36, GgufType::NVFP4, Steps::Nvfp4),
        blocks(41, "Q1_0", 128, 18, GgufType::Q1_0, Steps::Share(0.564)),
        blocks(42, "Q2_0", 64, 18, GgufType::Q2_0, Steps::Half),
    ]
};

/// Types that llama.cpp once had and does not read any more.
const REMOVED: [(u32, &str); 8] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
];

impl TensorType {
    /// Returns the type of a number.
    pub(super) fn of(number: u32) -> Option<&'static Self> {
        TYPES.iter().find(|t| t.number == number)
    }

    /// Says what a number means that is no type here.
    pub(super) fn describe(number: u32) -> String {
        match REMOVED.iter().find(|(removed, _)| *removed == number) {
            Some((_, name)) => {
                format!("type {number} ({name}), which llama.cpp does not read any more: convert the model again")
            }
            None => format!(
                "type {number}, which is not known here: a newer version may read it, or convert the model to Q8_0 or F16"
            ),
        }
    }

    /// Returns the number of bytes of a row of `length` values. `None` when it is no whole number of blocks, or too large.
    pub(super) fn row_bytes(&self, length: usize) -> Option<usize> {
        if length.is_multiple_of(self.values) { (length / self.values).checked_mul(self.bytes) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_kernels() {
        for kind in &TYPES {
            assert!(TensorType::of(kind.number).is_some_and(|found| found.name == kind.name));
            match kind.kind {
                Kind::Plain(dtype) => assert_eq!((kind.values, kind.bytes), (1, dtype.size()), "{}", kind.name),
                Kind::Blocks(kernel, _) => {
                    assert_eq!(
                        (kernel.block_size(), kernel.type_size()),
                        (kind.values, Some(kind.bytes)),
                        "{}",
                        kind.name
                    );
                    assert_eq!(kernel.to_string(), kind.name);
                }
            }
        }
        assert!(TYPES.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert!(REMOVED.iter().all(|(number, _)| TensorType::of(*number).is_none()));
    }

    #[test]
    fn a_row_is_a_whole_number_of_blocks() {
        let q4_k = TensorType::of(12).unwrap();
        assert_eq!([q4_k.row_bytes(512), q4_k.row_bytes(0), q4_k.row_bytes(300)], [Some(288), Some(0), None]);
        assert_eq!(TensorType::of(28).unwrap().row_bytes(usize::MAX), None);
        assert!(TensorType::describe(31).contains("Q4_0_4_4") && TensorType::describe(43).contains("43"));
    }
}
