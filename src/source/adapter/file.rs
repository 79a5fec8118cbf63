//! Adapters that are one file, without a configuration beside it: those of kohya's scripts, LyCORIS, ComfyUI and diffusers.
//!
//! Formulas: <https://github.com/KohakuBlueleaf/LyCORIS>, `lycoris/modules`; names:
//! <https://github.com/kohya-ss/sd-scripts>, `networks/lora.py`, and diffusers' `loaders/lora_conversion_utils.py`.

use super::file_keys::{self, FileKey};
use super::file_names;
use super::file_scale::{Metadata, Scales};
use super::fit::{Fit, Tensor};
use super::module::{Module, Rules};
use super::piece::{Piece, Pieces};
use crate::error::SourceError;
use crate::source::{ParameterInfo, ParameterSource};
use std::collections::BTreeMap;
use std::path::Path;

/// An adapter file whose base is not known yet.
#[derive(Debug)]
pub(crate) struct AdapterFile {
    /// What wrote it, for listings.
    pub(crate) kind: &'static str,
    /// The base that its metadata names.
    pub(crate) base: Option<String>,
    metadata: Metadata,
}

/// The modules of one part of a pipeline, with their pieces.
type Families = BTreeMap<(String, bool), BTreeMap<String, Pieces>>;

impl AdapterFile {
    /// Recognizes an adapter by the names of its tensors. `None` when some tensor is that of a whole model.
    ///
    /// # Errors
    ///
    /// [`SourceError::AdapterUnsupported`] when only some tensors are those of an adapter, or when the file has tensors of a
    /// method that is not computed.
    pub(crate) fn recognize(
        path: &Path,
        source: &dyn ParameterSource,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, SourceError> {
        let names: Vec<String> = source.parameters()?.into_iter().map(|p| p.name).collect();
        let Some(factor) = names.iter().find(|name| file_keys::is_of_adapter(name)) else { return Ok(None) };
        let unsupported = |feature: String| SourceError::AdapterUnsupported { path: path.to_owned(), feature };
        let needs_config = |name: &String| {
            name.starts_with("base_model.") || file_keys::parse(name).is_some_and(|k| !file_keys::is_of_file(k.piece))
        };
        if names.iter().any(needs_config) {
            let feature = format!("LoRA tensors (`{factor}`) without an adapter_config.json beside them");
            return Err(unsupported(feature));
        }
        if let Some(other) = names.iter().find(|name| file_keys::parse(name).is_none()) {
            let feature = match file_keys::is_of_adapter(other) {
                true => format!("a tensor `{other}`"),
                false => format!("a tensor of an adapter (`{factor}`) beside one of a model (`{other}`)"),
            };
            return Err(unsupported(feature));
        }
        let kind = kind(&names);
        Ok(Some(Self { kind, base: Metadata::base(metadata), metadata: Metadata::new(metadata) }))
    }

    /// Returns the tensors of the resulting model, and the tensors that belong to another part of the pipeline than the base.
    #[expect(clippy::type_complexity, reason = "both parts are taken apart at the one call")]
    pub(super) fn tensors(
        &self,
        path: &Path,
        stored: &dyn ParameterSource,
        base: Vec<ParameterInfo>,
    ) -> Result<(BTreeMap<String, Tensor>, Vec<(String, String)>), SourceError> {
        let mut fit = Fit::new(path, stored, base)?;
        let mut families = Families::new();
        for key in fit.stored.keys() {
            let Some(FileKey { family, module, underscored, piece }) = file_keys::parse(key) else { continue };
            let pieces = families.entry((family, underscored)).or_default().entry(module).or_default();
            if let Some(other) = pieces.insert(piece, key.clone()) {
                return Err(fit.unsupported(format!("two tensors of one role (`{other}` and `{key}`)")));
            }
        }
        let mut left_out = Vec::new();
        let mut missing: Vec<((String, bool), Vec<String>)> = Vec::new();
        let mut found = Vec::new();
        for ((family, underscored), modules) in &families {
            let names: Vec<&str> = modules.keys().map(String::as_str).collect();
            match file_names::weights(&names, *underscored, &fit.tensors) {
                Ok(weights) => found.push((family, modules, weights)),
                Err(names) => missing.push(((family.clone(), *underscored), names)),
            }
        }
        for (family, names) in missing {
            let modules = &families[&family];
            // A pipeline's text encoder is a model of its own, which a base that is another part does not hold.
            let elsewhere =
                is_text_encoder(&family.0) && !found.is_empty() && !fit.tensors.keys().any(|n| holds_text(n));
            if !elsewhere || names.len() != modules.len() {
                return Err(without_modules(&fit, &family.0, &names, families.values().map(BTreeMap::len).sum()));
            }
            let keys = modules.values().flat_map(BTreeMap::values);
            left_out.extend(keys.map(|k| (k.clone(), "it changes a text encoder, which the base is not".to_owned())));
        }
        for (family, modules, weights) in found {
            for ((name, pieces), weight) in modules.iter().zip(weights) {
                adapt(&mut fit, &self.metadata, family, &Module::new(name, weight, pieces))?;
            }
        }
        Ok((fit.tensors, left_out))
    }
}

/// Changes the weight of one module.
fn adapt(fit: &mut Fit<'_>, metadata: &Metadata, family: &str, module: &Module<'_>) -> Result<(), SourceError> {
    let alpha = module.take(Piece::Alpha).map(|key| Ok((key, fit.number(key)?))).transpose()?;
    if let Some((key, alpha)) = alpha
        && alpha == 0.0
    {
        let expected =
            "a number that is not 0, which some programs read as no scale and others as no change".to_owned();
        return Err(fit.mismatch(key, "0".to_owned(), expected));
    }
    let scales = Scales::of(metadata, family).map_err(|feature| fit.unsupported(feature))?;
    let scale = |rank: Option<usize>| Ok(scales.scale(alpha.map(|(_, alpha)| alpha), rank));
    fit.add(module, &Rules { transposed: false, flattened: true, scale: &scale })
}

/// Creates the error for modules that the base does not have.
fn without_modules(fit: &Fit<'_>, family: &str, missing: &[String], all: usize) -> SourceError {
    const SHOWN: usize = 3;
    let names: Vec<String> = missing.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if missing.len() > SHOWN { " and others" } else { "" };
    let found =
        format!("{} of its {all} modules without a weight in the base ({}{more})", missing.len(), names.join(", "));
    let expected = "a base with a weight for every module, under the same names".to_owned();
    let first = missing.first().map_or_else(String::new, |name| format!("{family}{name}"));
    fit.mismatch(&first, found, expected)
}

fn is_text_encoder(family: &str) -> bool {
    family.starts_with("lora_te") || family.starts_with("text_encoder") || family == "lora_prior_te_"
}

/// Whether a tensor belongs to a text encoder, by its name.
fn holds_text(name: &str) -> bool {
    ["text_model.", "cond_stage_model.", "conditioner.", "text_encoder", "te1.", "te2."]
        .iter()
        .any(|p| name.contains(p))
}

/// Returns what wrote a file, by the names of its tensors.
fn kind(names: &[String]) -> &'static str {
    let any = |part: &str| names.iter().any(|name| name.contains(part));
    if any(".hada_") {
        "LyCORIS LoHa file"
    } else if any(".lokr_") {
        "LyCORIS LoKr file"
    } else if any(".diff") || any(".w_norm") || any(".lora_mid") {
        "LyCORIS file"
    } else if any("lora_unet_") || any("lora_te") || any(".lora_down.") {
        "kohya LoRA file"
    } else {
        "LoRA file"
    }
}
