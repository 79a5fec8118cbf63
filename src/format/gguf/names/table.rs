//! The names of tensors in GGUF files and in transformers, by architecture, and what converters do to the values.
//!
//! The names are those of `gguf/tensor_mapping.py` and `gguf/constants.py`, the changes those of the classes in `conversion/`, all
//! in <https://github.com/ggml-org/llama.cpp>.

use super::Change;

/// Names of tensors in GGUF files, and in transformers. A name without `.weight` or `.bias` stands for both.
pub(super) type Names = &'static [(&'static str, &'static str)];

/// One kind of network.
#[derive(Debug)]
pub(super) struct Architecture {
    /// The values of `general.architecture`.
    pub(super) names: &'static [&'static str],
    /// Names of tensors outside of layers.
    pub(super) outside: Names,
    /// How the names of a layer's tensors begin in transformers, before the number of the layer.
    pub(super) layers: &'static str,
    /// Names of tensors in layers. `{}` stands for the number of an expert.
    pub(super) inside: &'static [Names],
    /// What converters do to tensors, by GGUF name as above.
    pub(super) changes: &'static [(&'static str, Change)],
    /// Whether the weights of all norms are stored plus one.
    pub(super) norms_plus_one: bool,
}

/// The outermost tensors of most language models.
const DECODER: Names = &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

const PROJECTIONS: Names = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
];

const ATTENTION_NORMS: Names = &[("attn_q_norm", "self_attn.q_norm"), ("attn_k_norm", "self_attn.k_norm")];

const GATED: Names = &[("ffn_gate", "mlp.gate_proj"), ("ffn_up", "mlp.up_proj"), ("ffn_down", "mlp.down_proj")];

/// A norm before each half of a layer.
const NORMS_BEFORE: Names = &[("attn_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")];

/// A norm after each half of a layer.
const NORMS_AFTER: Names =
    &[("post_attention_norm", "post_attention_layernorm"), ("post_ffw_norm", "post_feedforward_layernorm")];

/// A norm before and after each half of a layer.
const NORMS_AROUND: Names = &[
    ("attn_norm", "input_layernorm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

const EXPERTS: Names = &[
    ("ffn_gate_inp", "mlp.gate"),
    ("ffn_gate_exps", "mlp.experts.{}.gate_proj"),
    ("ffn_up_exps", "mlp.experts.{}.up_proj"),
    ("ffn_down_exps", "mlp.experts.{}.down_proj"),
];

const MIXTRAL: Names = &[
    ("ffn_gate_inp", "block_sparse_moe.gate"),
    ("ffn_gate_exps", "block_sparse_moe.experts.{}.w1"),
    ("ffn_up_exps", "block_sparse_moe.experts.{}.w3"),
    ("ffn_down_exps", "block_sparse_moe.experts.{}.w2"),
];

const SHARED_EXPERT: Names = &[
    ("ffn_gate_inp_shexp", "mlp.shared_expert_gate"),
    ("ffn_gate_shexp", "mlp.shared_expert.gate_proj"),
    ("ffn_up_shexp", "mlp.shared_expert.up_proj"),
    ("ffn_down_shexp", "mlp.shared_expert.down_proj"),
];

const SHARED_EXPERTS: Names = &[
    ("exp_probs_b.bias", "mlp.gate.e_score_correction_bias"),
    ("ffn_gate_shexp", "mlp.shared_experts.gate_proj"),
    ("ffn_up_shexp", "mlp.shared_experts.up_proj"),
    ("ffn_down_shexp", "mlp.shared_experts.down_proj"),
];

const LATENT: Names = &[
    ("attn_q_a", "self_attn.q_a_proj"),
    ("attn_q_a_norm", "self_attn.q_a_layernorm"),
    ("attn_q_b", "self_attn.q_b_proj"),
    ("attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"),
    ("attn_kv_a_norm", "self_attn.kv_a_layernorm"),
    ("attn_kv_b", "self_attn.kv_b_proj"),
];

/// The rotary embedding of llama.cpp turns neighbors in these models.
const ROTARY: &[(&str, Change)] = &[("attn_q", Change::Queries), ("attn_k", Change::Keys)];

const PLAIN: Architecture = Architecture {
    names: &[],
    outside: DECODER,
    layers: "model.layers.",
    inside: &[NORMS_BEFORE, PROJECTIONS, ATTENTION_NORMS, GATED],
    changes: &[],
    norms_plus_one: false,
};

/// Every architecture whose names are known and whose changes can be undone.
pub(super) static ARCHITECTURES: [Architecture; 24] = [
    Architecture {
        names: &["llama", "llama-embed"],
        inside: &[NORMS_BEFORE, PROJECTIONS, GATED, MIXTRAL],
        changes: ROTARY,
        ..PLAIN
    },
    Architecture { names: &["mistral3", "granite", "smollm3", "minicpm", "olmo", "arcee"], changes: ROTARY, ..PLAIN },
    Architecture { names: &["qwen2", "qwen2vl", "qwen3", "command-r", "cohere2"], ..PLAIN },
    Architecture {
        names: &["seed_oss"],
        inside: &[
            &[("attn_norm", "input_layernorm"), ("post_attention_norm", "post_attention_layernorm")],
            PROJECTIONS,
            GATED,
        ],
        ..PLAIN
    },
    Architecture { names: &["stablelm"], inside: &[NORMS_BEFORE, PROJECTIONS, GATED], ..PLAIN },
    Architecture {
        names: &["qwen2moe", "qwen3moe", "olmoe"],
        inside: &[NORMS_BEFORE, PROJECTIONS, ATTENTION_NORMS, GATED, EXPERTS, SHARED_EXPERT],
        changes: &[("ffn_gate_inp_shexp", Change::Row)],
        ..PLAIN
    },
    Architecture {
        names: &["deepseek"],
        inside: &[NORMS_BEFORE, PROJECTIONS, ATTENTION_NORMS, GATED, EXPERTS, SHARED_EXPERTS],
        changes: ROTARY,
        ..PLAIN
    },
    Architecture {
        names: &["deepseek2"],
        inside: &[NORMS_BEFORE, LATENT, PROJECTIONS, ATTENTION_NORMS, GATED, EXPERTS, SHARED_EXPERTS],
        ..PLAIN
    },
    Architecture { names: &["gemma"], norms_plus_one: true, ..PLAIN },
    Architecture {
        names: &["gemma2", "gemma3"],
        inside: &[NORMS_AROUND, PROJECTIONS, ATTENTION_NORMS, GATED],
        norms_plus_one: true,
        ..PLAIN
    },
    Architecture { names: &["olmo2", "exaone4"], inside: &[NORMS_AFTER, PROJECTIONS, ATTENTION_NORMS, GATED], ..PLAIN },
    Architecture {
        names: &["nemotron"],
        inside: &[NORMS_BEFORE, PROJECTIONS, ATTENTION_NORMS, GATED],
        norms_plus_one: true,
        ..PLAIN
    },
    Architecture {
        names: &["gpt-oss"],
        inside: &[
            PROJECTIONS,
            ATTENTION_NORMS,
            &[
                ("attn_norm", "input_layernorm"),
                ("post_attention_norm", "post_attention_layernorm"),
                ("attn_sinks.weight", "self_attn.sinks"),
                ("ffn_gate_inp", "mlp.router"),
                ("ffn_gate_exps.weight", "mlp.experts.gate_up_proj"),
                ("ffn_gate_exps.bias", "mlp.experts.gate_up_proj_bias"),
                ("ffn_up_exps.weight", "mlp.experts.gate_up_proj"),
                ("ffn_up_exps.bias", "mlp.experts.gate_up_proj_bias"),
                ("ffn_down_exps.weight", "mlp.experts.down_proj"),
                ("ffn_down_exps.bias", "mlp.experts.down_proj_bias"),
            ],
        ],
        changes: &[
            ("ffn_gate_exps.weight", Change::Even("ffn_up_exps.weight")),
            ("ffn_gate_exps.bias", Change::Even("ffn_up_exps.bias")),
            ("ffn_up_exps.weight", Change::Odd("ffn_gate_exps.weight")),
            ("ffn_up_exps.bias", Change::Odd("ffn_gate_exps.bias")),
            ("ffn_down_exps.weight", Change::Stack),
        ],
        ..PLAIN
    },
    Architecture {
        names: &["phi2"],
        outside: &[
            ("token_embd", "model.embed_tokens"),
            ("output_norm", "model.final_layernorm"),
            ("output", "lm_head"),
        ],
        inside: &[&[
            ("attn_norm", "input_layernorm"),
            ("attn_q", "self_attn.q_proj"),
            ("attn_k", "self_attn.k_proj"),
            ("attn_v", "self_attn.v_proj"),
            ("attn_output", "self_attn.dense"),
            ("ffn_up", "mlp.fc1"),
            ("ffn_down", "mlp.fc2"),
        ]],
        ..PLAIN
    },
    Architecture {
        names: &["phi3"],
        inside: &[
            NORMS_BEFORE,
            &[
                ("attn_qkv", "self_attn.qkv_proj"),
                ("attn_output", "self_attn.o_proj"),
                ("ffn_up", "mlp.gate_up_proj"),
                ("ffn_down", "mlp.down_proj"),
            ],
        ],
        ..PLAIN
    },
    Architecture { names: &["phimoe"], inside: &[NORMS_BEFORE, PROJECTIONS, ATTENTION_NORMS, MIXTRAL], ..PLAIN },
    Architecture {
        names: &["starcoder2"],
        inside: &[NORMS_BEFORE, PROJECTIONS, ATTENTION_NORMS, &[("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj")]],
        ..PLAIN
    },
    Architecture {
        names: &["gpt2"],
        outside: GPT2_OUTSIDE,
        layers: "transformer.h.",
        inside: &[GPT2],
        // The converter turns Conv1D into Linear.
        changes: &[
            ("attn_qkv.weight", Change::Transposed),
            ("attn_output.weight", Change::Transposed),
            ("ffn_up.weight", Change::Transposed),
            ("ffn_down.weight", Change::Transposed),
        ],
        ..PLAIN
    },
    Architecture { names: &["starcoder"], outside: GPT2_OUTSIDE, layers: "transformer.h.", inside: &[GPT2], ..PLAIN },
    Architecture { names: &["falcon"], inside: &[FALCON, FALCON_ONE_NORM], ..FALCON_BASE },
    Architecture { names: &[FALCON_TWO], inside: &[FALCON, FALCON_TWO_NORMS], ..FALCON_BASE },
    Architecture { names: &["bert"], outside: BERT_OUTSIDE, layers: "encoder.layer.", inside: &[BERT], ..PLAIN },
    Architecture {
        names: &[ROBERTA],
        // The converter cuts the first rows off, so that the table of positions is another one.
        outside: ROBERTA_OUTSIDE,
        layers: "encoder.layer.",
        inside: &[BERT],
        ..PLAIN
    },
    Architecture {
        names: &["nomic-bert"],
        outside: &[
            ("token_embd", "embeddings.word_embeddings"),
            ("token_types", "embeddings.token_type_embeddings"),
            ("token_embd_norm", "emb_ln"),
        ],
        layers: "encoder.layers.",
        inside: &[&[
            ("attn_qkv", "attn.Wqkv"),
            ("attn_output", "attn.out_proj"),
            ("attn_output_norm", "norm1"),
            ("ffn_up", "mlp.fc11"),
            ("ffn_gate", "mlp.fc12"),
            ("ffn_down", "mlp.fc2"),
            ("layer_output_norm", "norm2"),
        ]],
        ..PLAIN
    },
];

/// Falcon with a second norm in each layer. The file calls it falcon too.
pub(super) const FALCON_TWO: &str = "falcon of two norms";

/// A network of BERT whose positions begin after that of the padding. The file calls it bert too.
pub(super) const ROBERTA: &str = "roberta";

const GPT2_OUTSIDE: Names = &[
    ("token_embd", "transformer.wte"),
    ("position_embd", "transformer.wpe"),
    ("output_norm", "transformer.ln_f"),
    ("output", "lm_head"),
];

const GPT2: Names = &[
    ("attn_norm", "ln_1"),
    ("attn_qkv", "attn.c_attn"),
    ("attn_output", "attn.c_proj"),
    ("ffn_norm", "ln_2"),
    ("ffn_up", "mlp.c_fc"),
    ("ffn_down", "mlp.c_proj"),
];

const FALCON_BASE: Architecture = Architecture {
    names: &[],
    outside: &[
        ("token_embd", "transformer.word_embeddings"),
        ("output_norm", "transformer.ln_f"),
        ("output", "lm_head"),
    ],
    layers: "transformer.h.",
    inside: &[],
    changes: &[("attn_qkv", Change::Groups)],
    norms_plus_one: false,
};

const FALCON: Names = &[
    ("attn_qkv", "self_attention.query_key_value"),
    ("attn_output", "self_attention.dense"),
    ("ffn_up", "mlp.dense_h_to_4h"),
    ("ffn_down", "mlp.dense_4h_to_h"),
];

const FALCON_ONE_NORM: Names = &[("attn_norm", "input_layernorm")];

const FALCON_TWO_NORMS: Names = &[("attn_norm", "ln_mlp"), ("attn_norm_2", "ln_attn")];

const ROBERTA_OUTSIDE: Names = &[
    ("token_embd", "embeddings.word_embeddings"),
    ("token_types", "embeddings.token_type_embeddings"),
    ("token_embd_norm", "embeddings.LayerNorm"),
];

const BERT_OUTSIDE: Names = &[
    ("token_embd", "embeddings.word_embeddings"),
    ("token_types", "embeddings.token_type_embeddings"),
    ("position_embd", "embeddings.position_embeddings"),
    ("token_embd_norm", "embeddings.LayerNorm"),
];

const BERT: Names = &[
    ("attn_q", "attention.self.query"),
    ("attn_k", "attention.self.key"),
    ("attn_v", "attention.self.value"),
    ("attn_output", "attention.output.dense"),
    ("attn_output_norm", "attention.output.LayerNorm"),
    ("ffn_up", "intermediate.dense"),
    ("ffn_down", "output.dense"),
    ("layer_output_norm", "output.LayerNorm"),
];
