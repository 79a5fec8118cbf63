//! The methods whose adapters are computed, and the fields of the configuration that belong to each.

use super::piece::Piece;
use serde_json::Value;
use std::collections::BTreeMap;

/// The method of an adapter, with the settings that only it has.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Method {
    Lora,
    /// For each module whose rank was cut, how many ranks are left; and the rank that all had at first.
    AdaLora {
        ranks: BTreeMap<String, usize>,
        initial: usize,
    },
    LoHa,
    LoKr,
    Vera,
    Oft(Oft),
    Boft,
    /// Whether the mirrors are made orthogonal.
    Hra {
        orthogonal: bool,
    },
    /// Names of the modules whose inputs are scaled, and not their outputs.
    Ia3 {
        feedforward: Vec<String>,
    },
    Fourier {
        scale: f64,
        seed: u64,
    },
    Mlx,
}

/// Settings of OFT.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Oft {
    /// Number of terms of the series. `None` for the exact inverse.
    pub(super) terms: Option<usize>,
    /// How far a rotation may be from none, for the constrained variant.
    pub(super) limit: Option<f64>,
    /// Whether one block serves all places.
    pub(super) shared: bool,
}

/// The fields of an adapter's configuration that no common setting has taken.
pub(super) type Fields = BTreeMap<String, Value>;

/// Largest number of terms of a series that is computed. peft's default is 5.
const MOST_TERMS: u64 = 64;

/// Types of peft that hold prompts or other inputs, and no change of a weight.
const WITHOUT_WEIGHTS: [&str; 7] =
    ["PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "ADAPTION_PROMPT", "CPT", "CARTRIDGE"];

/// Whether adapters of a type change no weight.
pub(super) fn is_without_weights(kind: &str) -> bool {
    WITHOUT_WEIGHTS.contains(&kind)
}

impl Method {
    /// Returns the method that peft names so, and takes its fields. `None` for a method that is not computed.
    pub(super) fn take(kind: &str, fields: &mut Fields) -> Option<Result<Self, String>> {
        let mut drop_all = |names: &[&str]| {
            for name in names {
                fields.remove(*name);
            }
        };
        Some(match kind {
            "LORA" => Ok(Self::Lora),
            "ADALORA" => {
                drop_all(&["target_r", "tinit", "tfinal", "deltaT", "beta1", "beta2", "orth_reg_weight", "total_step"]);
                number(fields, "init_r", 12)
                    .map(|initial| Self::AdaLora { ranks: BTreeMap::new(), initial: initial as usize })
            }
            "LOHA" | "LOKR" => {
                drop_all(&["rank_dropout", "module_dropout", "init_weights", "use_effective_conv2d"]);
                drop_all(&["decompose_both", "decompose_factor", "rank_dropout_scale"]);
                Ok(if kind == "LOHA" { Self::LoHa } else { Self::LoKr })
            }
            "VERA" => {
                drop_all(&["projection_prng_key", "vera_dropout", "d_initial", "init_weights", "save_projection"]);
                Ok(Self::Vera)
            }
            "OFT" => {
                drop_all(&["oft_block_size", "module_dropout", "init_weights"]);
                oft(fields)
            }
            "BOFT" => {
                drop_all(&["boft_block_size", "boft_block_num", "boft_n_butterfly_factor", "boft_dropout"]);
                drop_all(&["init_weights"]);
                Ok(Self::Boft)
            }
            "HRA" => {
                drop_all(&["init_weights"]);
                flag(fields, "apply_GS", false).map(|orthogonal| Self::Hra { orthogonal })
            }
            "IA3" => {
                drop_all(&["init_ia3_weights"]);
                feedforward(fields.remove("feedforward_modules")).map(|feedforward| Self::Ia3 { feedforward })
            }
            "FOURIERFT" => {
                drop_all(&["n_frequency", "n_frequency_pattern", "init_weights"]);
                let scale = match fields.remove("scaling") {
                    None => Ok(150.0),
                    Some(value) => value.as_f64().ok_or_else(|| format!("`scaling` {value}")),
                };
                scale.and_then(|scale| Ok(Self::Fourier { scale, seed: number(fields, "random_loc_seed", 777)? }))
            }
            _ => return None,
        })
    }

    /// Returns the roles that tensors of the method may have.
    pub(super) fn pieces(&self) -> &'static [Piece] {
        use Piece as P;
        match self {
            Self::Lora | Self::Mlx => &[P::A, P::B, P::EmbeddingA, P::EmbeddingB, P::Magnitude, P::OutputBias],
            Self::AdaLora { .. } => &[P::A, P::B, P::Diagonal],
            Self::LoHa => &[P::Hada1A, P::Hada1B, P::Hada1Core, P::Hada2A, P::Hada2B, P::Hada2Core],
            Self::LoKr => &[P::Kron1, P::Kron1A, P::Kron1B, P::Kron2, P::Kron2A, P::Kron2B, P::Kron2Core],
            Self::Vera => &[P::LambdaB, P::LambdaD],
            Self::Oft(_) => &[P::Rotation],
            Self::Boft => &[P::Butterfly, P::ButterflyScale],
            Self::Hra { .. } => &[P::Normals],
            Self::Ia3 { .. } => &[P::Scales],
            Self::Fourier { .. } => &[P::Spectrum],
        }
    }

    /// Returns the name for error messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Lora => "LoRA",
            Self::AdaLora { .. } => "AdaLoRA",
            Self::LoHa => "LoHa",
            Self::LoKr => "LoKr",
            Self::Vera => "VeRA",
            Self::Oft(_) => "OFT",
            Self::Boft => "BOFT",
            Self::Hra { .. } => "HRA",
            Self::Ia3 { .. } => "IA3",
            Self::Fourier { .. } => "FourierFT",
            Self::Mlx => "an adapter of MLX",
        }
    }

    /// Whether factors of a convolution are stored as matrices.
    pub(super) fn flattened(&self) -> bool {
        matches!(self, Self::AdaLora { .. } | Self::LoHa | Self::LoKr)
    }
}

fn oft(fields: &mut Fields) -> Result<Method, String> {
    let series = flag(fields, "use_cayley_neumann", true)?;
    let terms = number(fields, "num_cayley_neumann_terms", 5)?;
    if series && terms > MOST_TERMS {
        return Err(format!("`num_cayley_neumann_terms` {terms}"));
    }
    let limit = match fields.remove("eps") {
        None => 6e-5,
        Some(value) => value.as_f64().ok_or_else(|| format!("`eps` {value}"))?,
    };
    let constrained = flag(fields, "coft", false)?;
    let shared = flag(fields, "block_share", false)?;
    Ok(Method::Oft(Oft { terms: series.then_some(terms as usize), limit: constrained.then_some(limit), shared }))
}

fn feedforward(value: Option<Value>) -> Result<Vec<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(names)) => Ok(names.iter().filter_map(|n| n.as_str().map(ToOwned::to_owned)).collect()),
        Some(Value::String(name)) => Ok(vec![name]),
        Some(other) => Err(format!("`feedforward_modules` {other}")),
    }
}

/// Takes a field that is a number. A field that is missing or null has its default.
fn number(fields: &mut Fields, name: &str, default: u64) -> Result<u64, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_u64().ok_or_else(|| format!("`{name}` {value}")),
    }
}

/// Takes a field that is true or false. A field that is missing or null has its default.
fn flag(fields: &mut Fields, name: &str, default: bool) -> Result<bool, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(value)) => Ok(value),
        Some(value) => Err(format!("`{name}` {value}")),
    }
}
