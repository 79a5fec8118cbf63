//! The roles that the tensors of an adapter have in the change of one module.

use std::collections::BTreeMap;

/// For each role, the stored name of the tensor that has it.
pub(super) type Pieces = BTreeMap<Piece, String>;

/// The role of a tensor in the change of one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    /// The factor of the inputs, shape (rank, inputs).
    A,
    /// The factor of the outputs, shape (outputs, rank).
    B,
    EmbeddingA,
    EmbeddingB,
    /// The kernel between the factors of a convolution (Tucker), shape (rank, rank, kernel).
    Core,
    /// One factor for each rank (AdaLoRA).
    Diagonal,
    /// What is added to the bias of the module.
    OutputBias,
    /// One magnitude for each output.
    Magnitude,
    /// One magnitude for each output or each input, as LyCORIS writes it.
    Norms,
    /// The number that, divided by the rank, scales the increment.
    Alpha,
    Hada1A,
    Hada1B,
    Hada1Core,
    Hada2A,
    Hada2B,
    Hada2Core,
    Kron1,
    Kron1A,
    Kron1B,
    Kron2,
    Kron2A,
    Kron2B,
    Kron2Core,
    /// A whole difference of the weight, and of the bias.
    Difference,
    BiasDifference,
    /// Rotations of blocks of inputs: OFT, and BOFT with its scales.
    Rotation,
    Butterfly,
    ButterflyScale,
    /// Normals of the mirrors of HRA.
    Normals,
    /// Scales of inputs or outputs ((IA)³).
    Scales,
    /// Coefficients of waves (FourierFT).
    Spectrum,
    /// Scales of the outputs and of the ranks of shared factors (VeRA).
    LambdaB,
    LambdaD,
}

impl Piece {
    /// The roles by the names that peft and LyCORIS give to parts of a tensor's name.
    const NAMES: [(&'static str, Self); 33] = [
        ("lora_A", Self::A),
        ("lora_B", Self::B),
        ("lora_down", Self::A),
        ("lora_up", Self::B),
        ("lora_mid", Self::Core),
        ("lora_embedding_A", Self::EmbeddingA),
        ("lora_embedding_B", Self::EmbeddingB),
        ("lora_E", Self::Diagonal),
        ("lora_magnitude_vector", Self::Magnitude),
        ("dora_scale", Self::Norms),
        ("alpha", Self::Alpha),
        ("hada_w1_a", Self::Hada1A),
        ("hada_w1_b", Self::Hada1B),
        ("hada_t1", Self::Hada1Core),
        ("hada_w2_a", Self::Hada2A),
        ("hada_w2_b", Self::Hada2B),
        ("hada_t2", Self::Hada2Core),
        ("lokr_w1", Self::Kron1),
        ("lokr_w1_a", Self::Kron1A),
        ("lokr_w1_b", Self::Kron1B),
        ("lokr_w2", Self::Kron2),
        ("lokr_w2_a", Self::Kron2A),
        ("lokr_w2_b", Self::Kron2B),
        ("lokr_t2", Self::Kron2Core),
        ("diff", Self::Difference),
        ("diff_b", Self::BiasDifference),
        ("oft_R", Self::Rotation),
        ("boft_R", Self::Butterfly),
        ("boft_s", Self::ButterflyScale),
        ("hra_u", Self::Normals),
        ("ia3_l", Self::Scales),
        ("fourierft_spectrum", Self::Spectrum),
        ("vera_lambda_b", Self::LambdaB),
    ];

    /// Returns the role that a part of a tensor's name stands for.
    pub(super) fn named(part: &str) -> Option<Self> {
        match part {
            "vera_lambda_d" => Some(Self::LambdaD),
            "w_norm" => Some(Self::Difference),
            "b_norm" => Some(Self::BiasDifference),
            _ => Self::NAMES.iter().find(|(name, _)| *name == part).map(|&(_, piece)| piece),
        }
    }
}
