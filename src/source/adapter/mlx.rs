//! Adapters of MLX (`mlx_lm.lora`): `adapters.safetensors`, with a configuration of its own kind beside it.
//!
//! Formulas: <https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/tuner/lora.py> and `dora.py` beside it.

use super::config::AdapterConfig;
use crate::bytes::Folder;
use crate::error::SourceError;
use crate::format::{Formats, Tensors, whole_name};
use serde_json::Value;
use std::path::Path;

/// The name, without extension, of the file that holds the weights.
pub(crate) const STEM: &str = "adapters";

/// Opens the weights in an adapter's folder.
pub(super) fn open(tree: &dyn Folder, formats: &Formats, folder: &Path) -> Result<Tensors, SourceError> {
    let extensions = formats.iter().flat_map(|format| format.extensions());
    for name in extensions.map(|extension| whole_name(STEM, extension)) {
        match formats.open(tree, &folder.join(name)) {
            Err(SourceError::NotFound { .. }) => {}
            other => return other,
        }
    }
    let usual = formats.iter().flat_map(|format| format.extensions()).next().unwrap_or(&"");
    let expected = format!("{} beside {}", whole_name(STEM, usual), super::config::FILE);
    Err(SourceError::NoWeights { path: folder.to_owned(), expected })
}

/// Returns what the configuration says about the weights.
pub(super) fn config(folder: &Path, fields: &Value) -> Result<AdapterConfig, SourceError> {
    let unsupported = |feature: String| SourceError::AdapterUnsupported { path: folder.to_owned(), feature };
    let base = fields["model"].as_str().filter(|model| !model.is_empty()).map(ToOwned::to_owned);
    let magnitudes = match fields["fine_tune_type"].as_str() {
        // A whole fine-tuning stores the weights that were trained, which replace those of the base.
        Some("full") => return Ok(AdapterConfig::of_mlx(base, 1, 1.0, false)),
        Some("dora") => true,
        Some("lora") | None => fields["use_dora"].as_bool().unwrap_or(false),
        Some(other) => return Err(unsupported(format!("`fine_tune_type` {other}"))),
    };
    let parameters = &fields["lora_parameters"];
    // Early versions scaled by alpha / rank besides, later ones do not. A file does not say which one wrote it.
    if !parameters["alpha"].is_null() {
        return Err(unsupported("`lora_parameters` with an `alpha`, of an early version of mlx-lm".to_owned()));
    }
    let rank = parameters["rank"].as_u64().and_then(|rank| usize::try_from(rank).ok());
    let scale = parameters["scale"].as_f64();
    match (rank, scale) {
        (Some(rank), Some(scale)) => Ok(AdapterConfig::of_mlx(base, rank, scale, magnitudes)),
        _ => Err(unsupported("`lora_parameters` without `rank` or `scale`".to_owned())),
    }
}
