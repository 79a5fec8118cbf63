//! `adapter_config.json`: the fields that decide the weights, and the fields that this crate cannot compute.

use crate::bytes::Folder;
use crate::bytes::json::{self, Entries};
use crate::error::SourceError;
use regex_lite::Regex;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The file that makes a folder an adapter.
pub(super) const FILE: &str = "adapter_config.json";

/// Fields that do not change what the stored tensors mean, such as how training went and which modules it adapted.
///
/// Some of them configure an initialization. peft reads these only together with the initialization of that name.
/// [`check_initialization`] refuses the initializations that change the base.
const WITHOUT_EFFECT: [&str; 20] = [
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
    "revision",
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
    /// Whether linear weights are stored with inputs as rows (`fan_in_fan_out`).
    pub(super) transposed: bool,
    /// Whether the weights of each output are rescaled to a stored magnitude (DoRA).
    pub(super) magnitudes: bool,
    /// Names of the modules that are stored whole.
    pub(super) saved: Vec<String>,
    /// Whether bias tensors are stored whole.
    pub(super) biases: bool,
    rank: usize,
    alpha: f64,
    square_root: bool,
    rank_pattern: Vec<(Regex, usize)>,
    alpha_pattern: Vec<(Regex, f64)>,
}

/// The fields of the file that decide the weights. A missing field has the default of peft.
#[derive(Deserialize)]
struct Stored {
    base_model_name_or_path: Option<String>,
    r: Option<usize>,
    lora_alpha: Option<f64>,
    bias: Option<String>,
    fan_in_fan_out: Option<bool>,
    use_rslora: Option<bool>,
    use_dora: Option<bool>,
    rank_pattern: Option<Entries<usize>>,
    alpha_pattern: Option<Entries<f64>>,
    modules_to_save: Option<Vec<String>>,
    init_lora_weights: Option<Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// The type of the adapter, read before its other fields.
#[derive(Deserialize)]
struct Kind {
    peft_type: Option<String>,
}

impl AdapterConfig {
    /// Reads the configuration in an adapter's folder and refuses what cannot be computed.
    pub(crate) fn read(tree: &dyn Folder, folder: &Path) -> Result<Self, SourceError> {
        let unsupported = |feature: String| SourceError::AdapterUnsupported { path: folder.to_owned(), feature };
        let file = tree.open(&folder.join(FILE))?;
        // The type comes first: other types have other fields, and their error should name the type and not a field.
        match json::read::<Kind>(&*file)?.peft_type.as_deref() {
            Some("LORA") => {}
            Some(other) => return Err(unsupported(format!("`peft_type` {other}"))),
            None => return Err(unsupported("no `peft_type`".to_owned())),
        }

        let stored: Stored = json::read(&*file)?;
        // A field that is not known may change the weights. It is refused unless its value is empty.
        for (field, value) in &stored.rest {
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
        Ok(Self {
            base: stored.base_model_name_or_path.filter(|b| !b.is_empty()),
            transposed: stored.fan_in_fan_out.unwrap_or(false),
            magnitudes: stored.use_dora.unwrap_or(false),
            saved: stored.modules_to_save.unwrap_or_default(),
            biases,
            rank: stored.r.unwrap_or(8),
            alpha: stored.lora_alpha.unwrap_or(8.0),
            square_root: stored.use_rslora.unwrap_or(false),
            rank_pattern: compiled("rank_pattern", stored.rank_pattern).map_err(unsupported)?,
            alpha_pattern: compiled("alpha_pattern", stored.alpha_pattern).map_err(unsupported)?,
        })
    }

    /// Returns the rank of a module's factors.
    pub(super) fn rank(&self, module: &str) -> usize {
        first_match(&self.rank_pattern, module).unwrap_or(self.rank)
    }

    /// Returns the factor of a module's increment: alpha / rank, or alpha / sqrt(rank) with `use_rslora`.
    pub(super) fn scale(&self, module: &str) -> f64 {
        let alpha = first_match(&self.alpha_pattern, module).unwrap_or(self.alpha);
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
        Some(Value::String(s)) => Err(format!("`init_lora_weights` {s}, which changes the base's own weights")),
        Some(other) => Err(format!("`init_lora_weights` {other}")),
    }
}

/// Compiles patterns that match a module's whole name, or its end after a dot, as peft does.
///
/// The patterns keep the order of the file, because the first match counts.
fn compiled<V>(field: &str, patterns: Option<Entries<V>>) -> Result<Vec<(Regex, V)>, String> {
    let Entries(patterns) = patterns.unwrap_or_default();
    let compile = |(pattern, value): (String, V)| match Regex::new(&format!(r"^(?:(?:.*\.)?(?:{pattern}))$")) {
        Ok(regex) => Ok((regex, value)),
        Err(e) => Err(format!("`{field}` `{pattern}` ({e})")),
    };
    patterns.into_iter().map(compile).collect()
}

fn first_match<V: Copy>(patterns: &[(Regex, V)], module: &str) -> Option<V> {
    patterns.iter().find(|(regex, _)| regex.is_match(module)).map(|&(_, value)| value)
}
