//! `adapter_config.json`: the fields that decide the weights, and the fields that this crate cannot compute.

use super::method::{self, Fields, Method};
use super::pattern::{Begin, Patterns};
use crate::bytes::Folder;
use crate::bytes::json::{self, Entries};
use crate::error::SourceError;
use crate::format::Library;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The file that makes a folder an adapter.
pub(super) const FILE: &str = "adapter_config.json";

/// Fields that do not change what the stored tensors mean, such as how training went and which modules it adapted.
///
/// Some of them configure an initialization. peft reads these only together with the initialization of that name.
/// [`check_initialization`] refuses the initializations that change the base.
const WITHOUT_EFFECT: [&str; 19] = [
    "auto_mapping",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_dropout",
    "lora_ga_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "runtime_config",
    "target_modules",
    "task_type",
    "enable_lora",
    "merge_weights",
];

/// What an adapter's configuration says about its weights.
#[derive(Debug)]
pub(crate) struct AdapterConfig {
    /// The path or name of the base model when the adapter was trained.
    pub(crate) base: Option<String>,
    /// The revision of the base on its hub.
    pub(crate) revision: Option<String>,
    pub(super) method: Method,
    /// Whether linear weights are stored with inputs as rows (`fan_in_fan_out`).
    pub(super) transposed: bool,
    /// Whether the weights of each output are rescaled to a stored magnitude (DoRA).
    pub(super) magnitudes: bool,
    /// Whether increments of biases are stored with those of weights.
    pub(super) output_biases: bool,
    /// Names of the modules that are stored whole.
    pub(super) saved: Vec<String>,
    /// Whether bias tensors are stored whole.
    pub(super) biases: bool,
    rank: usize,
    alpha: f64,
    square_root: bool,
    rank_pattern: Patterns<usize>,
    alpha_pattern: Patterns<f64>,
    /// The modules whose inputs (IA)³ scales, by patterns of their whole names.
    feedforward: Patterns<()>,
}

/// The fields of the file that decide the weights. A missing field has the default of peft.
#[derive(Deserialize)]
struct Stored {
    base_model_name_or_path: Option<String>,
    revision: Option<String>,
    r: Option<usize>,
    lora_alpha: Option<f64>,
    alpha: Option<f64>,
    bias: Option<String>,
    fan_in_fan_out: Option<bool>,
    use_rslora: Option<bool>,
    use_dora: Option<bool>,
    lora_bias: Option<bool>,
    rank_pattern: Option<Entries<Value>>,
    alpha_pattern: Option<Entries<f64>>,
    modules_to_save: Option<Vec<String>>,
    init_lora_weights: Option<Value>,
    #[serde(flatten)]
    rest: Fields,
}

/// The type of the adapter, read before its other fields.
#[derive(Deserialize)]
struct Kind {
    peft_type: Option<String>,
    fine_tune_type: Option<String>,
    lora_parameters: Option<IgnoredAny>,
}

impl AdapterConfig {
    /// Reads the configuration in an adapter's folder and refuses what cannot be computed.
    pub(crate) fn read(tree: &dyn Folder, folder: &Path) -> Result<Self, SourceError> {
        let unsupported = |feature: String| SourceError::AdapterUnsupported { path: folder.to_owned(), feature };
        let file = tree.open(&folder.join(FILE))?;
        // The type comes first: other types have other fields, and their error should name the type and not a field.
        let kind: Kind = json::read(&*file, json::ADAPTER)?;
        let name = match kind.peft_type {
            Some(name) if method::is_without_weights(&name) => {
                return Err(SourceError::NotAWeightChange { path: folder.to_owned(), method: name });
            }
            Some(name) => name,
            None if kind.fine_tune_type.is_some() || kind.lora_parameters.is_some() => {
                return super::mlx::config(folder, &json::read(&*file, json::ADAPTER)?);
            }
            None => return Err(unsupported("no `peft_type`".to_owned())),
        };

        let mut rest = json::read::<Stored>(&*file, json::ADAPTER)?.rest;
        let method = Method::take(&name, &mut rest);
        let method = method.ok_or_else(|| unsupported(format!("`peft_type` {name}")))?.map_err(unsupported)?;
        let stored: Stored = json::read(&*file, json::ADAPTER)?;
        // A field that is not known may change the weights. It is refused unless its value is empty.
        for (field, value) in &rest {
            if field != "peft_type" && !WITHOUT_EFFECT.contains(&field.as_str()) && !is_empty(value) {
                return Err(unsupported(format!("`{field}`")));
            }
        }
        check_initialization(stored.init_lora_weights.as_ref()).map_err(unsupported)?;
        let biases = match stored.bias.as_deref() {
            None | Some("none") => false,
            Some("all" | "lora_only") => true,
            Some(other) => return Err(unsupported(format!("`bias` {other}"))),
        };
        let (method, rank_pattern) = match method {
            Method::AdaLora { initial, .. } => {
                (Method::AdaLora { ranks: ranks(stored.rank_pattern).map_err(unsupported)?, initial }, None)
            }
            other => (other, stored.rank_pattern),
        };
        let names = match &method {
            Method::Ia3 { feedforward } => feedforward.clone(),
            _ => Vec::new(),
        };
        let feedforward = names.into_iter().map(|name| (name, ()));
        let feedforward = Patterns::new("feedforward_modules", Begin::Name, feedforward).map_err(unsupported)?;
        // LoHa and LoKr name their alpha without a prefix.
        let alpha = match method {
            Method::LoHa | Method::LoKr => stored.alpha,
            _ => stored.lora_alpha,
        };
        Ok(Self {
            base: stored.base_model_name_or_path.filter(|b| !b.is_empty()),
            revision: stored.revision.filter(|r| !r.is_empty()),
            method,
            transposed: stored.fan_in_fan_out.unwrap_or(false),
            magnitudes: stored.use_dora.unwrap_or(false),
            output_biases: stored.lora_bias.unwrap_or(false),
            saved: stored.modules_to_save.unwrap_or_default(),
            biases,
            rank: stored.r.unwrap_or(8),
            alpha: alpha.unwrap_or(8.0),
            square_root: stored.use_rslora.unwrap_or(false),
            rank_pattern: Patterns::new("rank_pattern", Begin::Part, numbers(rank_pattern).map_err(unsupported)?)
                .map_err(unsupported)?,
            alpha_pattern: Patterns::new("alpha_pattern", Begin::Part, stored.alpha_pattern.unwrap_or_default().0)
                .map_err(unsupported)?,
            feedforward,
        })
    }

    /// Creates the configuration of an adapter of MLX: every increment has this scale.
    pub(super) fn of_mlx(base: Option<String>, rank: usize, scale: f64, magnitudes: bool) -> Self {
        Self {
            base,
            revision: None,
            method: Method::Mlx,
            transposed: false,
            magnitudes,
            output_biases: false,
            saved: Vec::new(),
            biases: false,
            rank,
            alpha: scale * rank as f64,
            square_root: false,
            rank_pattern: Patterns::none(),
            alpha_pattern: Patterns::none(),
            feedforward: Patterns::none(),
        }
    }

    /// Returns what wrote the adapter, for listings.
    pub(crate) fn kind(&self) -> &'static str {
        if self.method == Method::Mlx { "MLX adapter" } else { "peft adapter" }
    }

    /// Returns the library whose names the files have. `None` for those of MLX.
    pub(super) fn library(&self) -> Option<Library> {
        (self.method != Method::Mlx).then_some(Library::Peft)
    }

    /// Returns alpha, the number that scales all increments.
    pub(super) fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Returns the rank of a module's factors.
    pub(super) fn rank(&self, module: &str) -> usize {
        self.rank_pattern.first_match(module).unwrap_or(self.rank)
    }

    /// Whether (IA)³ scales the inputs of a module, by peft's rule.
    pub(super) fn scales_inputs(&self, module: &str) -> bool {
        let Method::Ia3 { feedforward } = &self.method else { return false };
        feedforward.iter().any(|name| module.ends_with(name.as_str())) || self.feedforward.first_match(module).is_some()
    }

    /// Checks how long it takes to find the ranks and factors of all modules. The error is a feature that is not supported.
    pub(super) fn check_work<'m>(&self, modules: impl Iterator<Item = &'m str> + Clone) -> Result<(), String> {
        self.rank_pattern.check_work(modules.clone())?;
        self.alpha_pattern.check_work(modules.clone())?;
        self.feedforward.check_work(modules)
    }

    /// Returns the factor of a module's increment: alpha / rank, or alpha / sqrt(rank) with `use_rslora`.
    pub(super) fn scale(&self, module: &str) -> f64 {
        let alpha = self.alpha_pattern.first_match(module).unwrap_or(self.alpha);
        let rank = self.rank(module) as f64;
        alpha / if self.square_root { rank.sqrt() } else { rank }
    }
}

/// Whether the value of a field has no effect: null, false, or an empty string, list or object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// Refuses initializations that change the base.
///
/// Some initializations split the first factors off the base's weights. The rest of the base is not stored with the adapter, so
/// base + increment would count these factors twice. (An adapter that was converted on saving has `true` here.)
fn check_initialization(initialization: Option<&Value>) -> Result<(), String> {
    // An unknown initialization is refused too, because it may change the base.
    match initialization {
        None | Some(Value::Null | Value::Bool(_)) => Ok(()),
        Some(Value::String(s))
            if ["gaussian", "eva", "orthogonal", "true", "false"].contains(&s.to_lowercase().as_str()) =>
        {
            Ok(())
        }
        Some(Value::String(s)) => Err(format!(
            "`init_lora_weights` {s}, which changes the base's own weights (saving it with \
             `path_initial_model_for_weight_conversion` makes it a plain LoRA)"
        )),
        Some(other) => Err(format!("`init_lora_weights` {other}")),
    }
}

/// Returns the values of patterns that are numbers.
fn numbers(patterns: Option<Entries<Value>>) -> Result<Vec<(String, usize)>, String> {
    let Entries(patterns) = patterns.unwrap_or_default();
    let number = |(pattern, value): (String, Value)| match value.as_u64().map(usize::try_from) {
        Some(Ok(rank)) => Ok((pattern, rank)),
        _ => Err(format!("`rank_pattern` `{pattern}` {value}")),
    };
    patterns.into_iter().map(number).collect()
}

/// Returns how many ranks of each module are left, from the lists that AdaLoRA keeps of them.
fn ranks(patterns: Option<Entries<Value>>) -> Result<BTreeMap<String, usize>, String> {
    let Entries(patterns) = patterns.unwrap_or_default();
    let count = |(name, value): (String, Value)| match &value {
        Value::Array(flags) if flags.iter().all(Value::is_boolean) => {
            let module = name.split(".lora_E").next().unwrap_or(&name).to_owned();
            Ok((module, flags.iter().filter(|flag| **flag == Value::Bool(true)).count()))
        }
        _ => Err(format!("`rank_pattern` `{name}` that is no list of ranks to keep")),
    };
    patterns.into_iter().map(count).collect()
}
