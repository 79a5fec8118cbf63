//! The scale of the increments of an adapter file: alpha over the rank, from the file's tensors or its metadata.

use serde_json::Value;
use std::collections::BTreeMap;

/// The entry of a file's metadata in which diffusers keeps the configurations of its parts.
const CONFIGURATIONS: &str = "lora_adapter_metadata";

/// The entries in which writers name the base. The first that is there is taken.
const BASES: [&str; 3] = ["base_model_name_or_path", "ss_base_model_name_or_path", "ss_sd_model_name"];

/// What the metadata of an adapter file says about its increments.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// Settings of peft for each part of a pipeline, with names such as `transformer.lora_alpha`.
    settings: BTreeMap<String, Value>,
}

impl Metadata {
    pub(super) fn new(metadata: &BTreeMap<String, String>) -> Self {
        let settings = metadata.get(CONFIGURATIONS).and_then(|text| serde_json::from_str(text).ok());
        Self { settings: settings.unwrap_or_default() }
    }

    /// Returns the base that the metadata names.
    pub(super) fn base(metadata: &BTreeMap<String, String>) -> Option<String> {
        let named = BASES.iter().find_map(|entry| metadata.get(*entry))?.trim();
        (!named.is_empty() && named != "None").then(|| named.to_owned())
    }
}

/// How the increments of one part of a pipeline are scaled when their tensors do not say it.
pub(super) struct Scales {
    alpha: Option<f64>,
    square_root: bool,
}

impl Scales {
    /// Returns the scales of a part.
    ///
    /// # Errors
    ///
    /// The name of a setting that this crate does not follow.
    pub(super) fn of(metadata: &Metadata, family: &str) -> Result<Self, String> {
        let setting = |name: &str| metadata.settings.get(&format!("{family}{name}"));
        for name in ["rank_pattern", "alpha_pattern"] {
            if setting(name).and_then(Value::as_object).is_some_and(|pattern| !pattern.is_empty()) {
                return Err(format!("`{family}{name}` in its metadata"));
            }
        }
        let square_root = setting("use_rslora").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { alpha: setting("lora_alpha").and_then(Value::as_f64), square_root })
    }

    /// Returns the scale of an increment. Without alpha, alpha is the rank. An increment without a rank is not scaled.
    pub(super) fn scale(&self, alpha: Option<f32>, rank: Option<usize>) -> f32 {
        let Some(rank) = rank.map(|rank| rank as f64) else { return 1.0 };
        match (alpha, self.alpha) {
            (Some(alpha), _) => (f64::from(alpha) / rank) as f32,
            (None, Some(alpha)) => (alpha / if self.square_root { rank.sqrt() } else { rank }) as f32,
            (None, None) => 1.0,
        }
    }
}
