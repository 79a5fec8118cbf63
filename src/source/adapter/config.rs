//! `adapter_config.json`: what of it decides the weights, and what of it cannot be computed.

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

/// Fields that do not change what the stored tensors mean: how training went, which modules it was for.
///
/// The configurations of initializations are read by peft only along with the initialization of that name, which
/// [`check_initialization`] refuses where it changes the base.
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
    /// Where the base model was when the adapter was trained.
    pub(crate) base: Option<String>,
    /// Whether linear weights are stored with inputs as rows.
    pub(super) transposed: bool,
    /// Whether rows are rescaled to stored magnitudes.
    pub(super) magnitudes: bool,
    /// Modules stored whole.
    pub(super) saved: Vec<String>,
    /// Whether bias tensors are stored whole.
    pub(super) biases: bool,
    rank: usize,
    alpha: f64,
    square_root: bool,
    rank_pattern: Vec<(Regex, usize)>,
    alpha_pattern: Vec<(Regex, f64)>,
}

/// Defaults are those of peft.
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

#[derive(Deserialize)]
struct Kind {
    peft_type: Option<String>,
}

impl AdapterConfig {
    /// Reads the configuration in an adapter's folder and refuses what cannot be computed.
    pub(crate) fn read(tree: &dyn Folder, folder: &Path) -> Result<Self, SourceError> {
        let unsupported = |feature: String| SourceError::AdapterUnsupported { path: folder.to_owned(), feature };
        let file = tree.open(&folder.join(FILE))?;
        match json::read::<Kind>(&*file)?.peft_type.as_deref() {
            Some("LORA") => {}
            Some(other) => return Err(unsupported(format!("`peft_type` {other}"))),
            None => return Err(unsupported("no `peft_type`".to_owned())),
        }

        let stored: Stored = json::read(&*file)?;
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

    /// The rank of a module's factors.
    pub(super) fn rank(&self, module: &str) -> usize {
        first_match(&self.rank_pattern, module).unwrap_or(self.rank)
    }

    /// What the product of a module's factors is multiplied by: alpha / rank, or alpha / sqrt(rank).
    pub(super) fn scale(&self, module: &str) -> f64 {
        let alpha = first_match(&self.alpha_pattern, module).unwrap_or(self.alpha);
        let rank = self.rank(module) as f64;
        alpha / if self.square_root { rank.sqrt() } else { rank }
    }
}

/// Whether a field that is present says nothing.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// Some initializations split the first factors off the base's weights; what they leave behind is not stored with the
/// adapter, so that base + increment would count it twice. (Converted on saving, they are stored as `true`.)
fn check_initialization(initialization: Option<&Value>) -> Result<(), String> {
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

/// A module's name is matched from a dot on, or whole, as peft does; the first pattern in the file's order counts.
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
