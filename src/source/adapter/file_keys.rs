//! The names of tensors in adapter files that stand alone: those of kohya's scripts, LyCORIS, ComfyUI and diffusers.

use super::piece::Piece;

/// What a tensor of such a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileKey {
    /// The part of the pipeline that the module belongs to, as the file spells it: `lora_unet_`, `transformer.` or nothing.
    pub(super) family: String,
    /// The module within the part. Its dots are underscores when `underscored`.
    pub(super) module: String,
    pub(super) underscored: bool,
    pub(super) piece: Piece,
}

/// Ends of names, and the roles they stand for. The first that fits is taken.
const ENDS: [(&str, Piece); 12] = [
    (".lora_linear_layer.down.weight", Piece::A),
    (".lora_linear_layer.up.weight", Piece::B),
    ("_lora.down.weight", Piece::A),
    ("_lora.up.weight", Piece::B),
    (".lora.down.weight", Piece::A),
    (".lora.up.weight", Piece::B),
    (".lora_A.default.weight", Piece::A),
    (".lora_B.default.weight", Piece::B),
    (".lora_B.bias", Piece::OutputBias),
    (".lora_up.bias", Piece::OutputBias),
    (".lora_magnitude_vector.weight", Piece::Magnitude),
    (".lora_magnitude_vector.default.weight", Piece::Magnitude),
];

/// Parts of pipelines as kohya's scripts and LyCORIS spell them, with underscores for dots.
const UNDERSCORED: [&str; 9] = [
    "lora_unet_",
    "lora_te_",
    "lora_te1_",
    "lora_te2_",
    "lora_te3_",
    "lora_transformer_",
    "lora_prior_unet_",
    "lora_prior_te_",
    "lycoris_",
];

/// Parts of pipelines as diffusers and ComfyUI spell them.
const DOTTED: [&str; 9] = [
    "unet.",
    "transformer.",
    "transformer_2.",
    "text_encoder.",
    "text_encoder_2.",
    "text_encoder_3.",
    "text_encoders.",
    "prior.",
    "diffusion_model.",
];

/// Parts of names that only factors of an increment have, in whatever place.
const FACTORS: [&str; 9] = [
    "lora_A",
    "lora_B",
    "lora_a",
    "lora_b",
    "lora_embedding_A",
    "lora_embedding_B",
    "lora_down",
    "lora_up",
    "lora_magnitude_vector",
];

/// Ends of names of tensors that this crate does not compute. Only below [`UNDERSCORED`] they are surely those of adapters.
const UNSUPPORTED: [&str; 8] =
    ["oft_blocks", "oft_diag", "a1.weight", "a2.weight", "b1.weight", "b2.weight", "on_input", "lokr_t1"];

/// Parses a name such as `lora_unet_mid_block_attentions_0_proj_in.lora_down.weight`. `None` for the name of a whole tensor.
pub(super) fn parse(stored: &str) -> Option<FileKey> {
    let (module, piece) = split(stored)?;
    if !module.contains('.') {
        let family = UNDERSCORED.iter().find(|family| module.starts_with(**family)).copied().unwrap_or_default();
        let rest = module[family.len()..].to_owned();
        return Some(FileKey { family: family.to_owned(), module: rest, underscored: true, piece });
    }
    let family = DOTTED.iter().find(|family| module.starts_with(**family)).copied().unwrap_or_default();
    // Early versions of diffusers put the layers of attention into a processor.
    let mut rest = module[family.len()..].replace(".processor.", ".");
    if rest.ends_with(".to_out") {
        rest.push_str(".0");
    }
    Some(FileKey { family: family.to_owned(), module: rest, underscored: false, piece })
}

/// Whether adapter files have tensors of this role. Others need a configuration beside them.
pub(super) fn is_of_file(piece: Piece) -> bool {
    !matches!(
        piece,
        Piece::EmbeddingA
            | Piece::EmbeddingB
            | Piece::Diagonal
            | Piece::Rotation
            | Piece::Butterfly
            | Piece::ButterflyScale
            | Piece::Normals
            | Piece::Scales
            | Piece::Spectrum
            | Piece::LambdaB
            | Piece::LambdaD
    )
}

/// Whether only adapters have tensors of this name, whether they are computed or not.
pub(super) fn is_of_adapter(stored: &str) -> bool {
    if UNDERSCORED.iter().any(|family| stored.starts_with(family)) {
        let unsupported = || UNSUPPORTED.iter().any(|end| stored.ends_with(&format!(".{end}")));
        return split(stored).is_some() || unsupported();
    }
    // A factor may stand before the name of its adapter.
    if stored.split('.').any(|part| FACTORS.contains(&part)) {
        return true;
    }
    // A model may have a parameter of its own with such a name.
    let last = stored.rsplit('.').next().unwrap_or(stored);
    !matches!(last, "alpha" | "diff" | "diff_b" | "w_norm" | "b_norm") && split(stored).is_some()
}

/// Splits a name into module and role.
fn split(stored: &str) -> Option<(&str, Piece)> {
    for (end, piece) in ENDS {
        if let Some(module) = stored.strip_suffix(end) {
            return Some((module, piece));
        }
    }
    let (module, last) = stored.rsplit_once('.')?;
    let (module, last) = match last {
        "weight" => module.rsplit_once('.')?,
        _ => (module, last),
    };
    Some((module, Piece::named(last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_writer_are_taken_apart() {
        let cases = [
            ("lora_unet_down_blocks_0_proj_in.lora_down.weight", "lora_unet_", "down_blocks_0_proj_in", Piece::A),
            ("lora_te1_text_model_fc1.alpha", "lora_te1_", "text_model_fc1", Piece::Alpha),
            ("lora_unet_x.lora_mid.weight", "lora_unet_", "x", Piece::Core),
            ("lycoris_layers_0.hada_w1_a", "lycoris_", "layers_0", Piece::Hada1A),
            ("lora_unet_norm.w_norm", "lora_unet_", "norm", Piece::Difference),
            ("lora_unet_x.dora_scale", "lora_unet_", "x", Piece::Norms),
            ("unet.mid_block.attn1.to_q.lora_A.weight", "unet.", "mid_block.attn1.to_q", Piece::A),
            ("unet.mid.attn1.processor.to_out_lora.up.weight", "unet.", "mid.attn1.to_out.0", Piece::B),
            ("text_encoder.a.q_proj.lora_linear_layer.down.weight", "text_encoder.", "a.q_proj", Piece::A),
            ("diffusion_model.blocks.0.q.lora_up.weight", "diffusion_model.", "blocks.0.q", Piece::B),
            ("transformer.x_embedder.lora_B.bias", "transformer.", "x_embedder", Piece::OutputBias),
            ("a.b.lora_A.default.weight", "", "a.b", Piece::A),
        ];
        for (stored, family, module, piece) in cases {
            let underscored = family.ends_with('_');
            let expected = FileKey { family: family.into(), module: module.into(), underscored, piece };
            assert_eq!(parse(stored), Some(expected), "{stored}");
            assert!(is_of_adapter(stored) || stored.ends_with("alpha"), "{stored}");
        }
    }

    #[test]
    fn names_of_models_are_no_names_of_adapters() {
        let of_models =
            ["model.layers.0.weight", "conv.bias", "snake.alpha", "lora_head.weight", "norm.w_norm", "diff"];
        for name in of_models.into_iter().chain(["mixer.a1.weight", "mixer.b2.weight", "gate.on_input"]) {
            assert!(!is_of_adapter(name), "{name}");
        }
        let of_adapters =
            ["lora_unet_x.oft_blocks", "lora_unet_x.on_input", "layers.0.lora_a", "lora_unet_x.a1.weight"];
        for name in of_adapters.into_iter().chain(["layers.0.q.lora_A.speech.weight", "lora_unet_n.w_norm"]) {
            assert!(is_of_adapter(name), "{name}");
        }
    }
}
