//! Matching of the tensors of an adapter folder with those of its base.

use super::config::AdapterConfig;
use super::fit::{Content, Fit, Tensor};
use super::keys::{self, Key, Renaming};
use super::method::Method;
use super::module::{Module, Rules};
use super::piece::{Piece, Pieces};
use crate::error::SourceError;
use crate::source::{ParameterInfo, ParameterSource};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Layers that peft stores whole without being configured to, when their vocabulary was resized.
const VOCABULARY: [&str; 2] = ["embed_tokens", "lm_head"];

/// Returns the tensors of the resulting model.
pub(super) fn tensors(
    folder: &Path,
    config: &AdapterConfig,
    stored: &dyn ParameterSource,
    base: Vec<ParameterInfo>,
) -> Result<BTreeMap<String, Tensor>, SourceError> {
    let mut fit = Fit::new(folder, stored, base)?;
    let (modules, whole) = sorted_keys(&fit, config)?;
    config.check_work(modules.keys().map(String::as_str)).map_err(|feature| fit.unsupported(feature))?;
    let targets: Vec<String> = modules.keys().map(|module| format!("{module}.weight")).collect();
    let renaming = match (Renaming::find(&targets, &fit.tensors), targets.first()) {
        (Some(renaming), _) => renaming,
        // No weight is adapted, so only the names of whole tensors can show the renaming.
        (None, None) => {
            Renaming::find(&whole.keys().cloned().collect::<Vec<_>>(), &fit.tensors).unwrap_or(Renaming::Same)
        }
        (None, Some(_)) => return Err(without_target(&fit, &targets)),
    };
    // Whole tensors come first, because an increment may be added to one of them.
    for (name, key) in whole {
        store(&mut fit, config, &renaming, &name, key)?;
    }
    for (name, pieces) in modules {
        let target = format!("{name}.weight");
        let Some(weight) = renaming.apply(&target, &fit.tensors) else { return Err(without_target(&fit, &[target])) };
        adapt(&mut fit, config, &Module::new(&name, weight, &pieces))?;
    }
    Ok(fit.tensors)
}

/// Sorts the tensors of the file into pieces, by module, and whole tensors, by the name that they replace.
#[expect(clippy::type_complexity, reason = "both maps are taken apart at the one call")]
fn sorted_keys(
    fit: &Fit<'_>,
    config: &AdapterConfig,
) -> Result<(BTreeMap<String, Pieces>, BTreeMap<String, String>), SourceError> {
    let mut modules: BTreeMap<String, Pieces> = BTreeMap::new();
    let mut whole: BTreeMap<String, String> = BTreeMap::new();
    let mut adapters = BTreeSet::new();
    for key in fit.stored.keys() {
        let parsed = match config.method {
            Method::Mlx => keys::parse_mlx(key),
            _ => keys::parse(key),
        };
        match parsed {
            Key::Piece { module, piece, adapter } => {
                adapters.insert(adapter);
                modules.entry(module).or_default().insert(piece, key.to_owned());
            }
            Key::Whole { name } => {
                // peft may store a saved module twice, plainly and inside its wrapper. Both are the same.
                whole.entry(name).or_insert_with(|| key.to_owned());
            }
            Key::Untrained | Key::Shared => {}
            Key::Unsupported => return Err(fit.unsupported(format!("a tensor `{key}`"))),
        }
    }
    if adapters.len() > 1 {
        let names: Vec<String> = adapters.into_iter().map(|a| a.unwrap_or_else(|| "(unnamed)".to_owned())).collect();
        return Err(fit.unsupported(format!("several adapters in one file ({})", names.join(", "))));
    }
    Ok((modules, whole))
}

/// Creates the error for changes of weights that the base does not have.
pub(super) fn without_target(fit: &Fit<'_>, targets: &[String]) -> SourceError {
    let missing = targets.iter().find(|t| !fit.tensors.contains_key(*t)).or(targets.first());
    let missing = missing.map_or("", String::as_str);
    let near = fit.near(missing);
    let expected = format!("a tensor `{missing}` in the base, or one prefix that only one side has{near}");
    fit.mismatch(missing, "no such tensor, or several".to_owned(), expected)
}

/// Replaces a tensor of the base by a whole tensor of the adapter.
fn store(
    fit: &mut Fit<'_>,
    config: &AdapterConfig,
    renaming: &Renaming,
    name: &str,
    key: String,
) -> Result<(), SourceError> {
    let Some(ParameterInfo { shape, dtype, quantization, .. }) = fit.stored.get(&key).cloned() else { return Ok(()) };
    let parts: Vec<&str> = name.split('.').collect();
    let saved = config.saved.iter().any(|module| is_within(name, module));
    let bias = config.biases && parts.last() == Some(&"bias");
    let vocabulary = parts.iter().any(|p| VOCABULARY.contains(p));
    let target = match renaming.apply(name, &fit.tensors) {
        Some(target) => target,
        None if saved || bias || vocabulary => renaming.rename(name),
        None => {
            let expected = "a tensor of that name in the base, or `modules_to_save` naming its module".to_owned();
            return Err(fit.mismatch(&key, "neither".to_owned(), expected));
        }
    };
    // A whole tensor may have another number of rows, as after resizing a vocabulary. Saved modules may have any shape.
    if let Some(base) = fit.tensors.get(&target) {
        let resized = shape.len() == base.shape.len() && shape.get(1..) == base.shape.get(1..);
        if shape != base.shape && !saved && !resized {
            return Err(fit.mismatch(&key, format!("shape {shape:?}"), format!("{:?}", base.shape)));
        }
    }
    fit.tensors.insert(target, Tensor { shape, dtype, quantization, content: Content::Stored(key) });
    Ok(())
}

/// Changes the weight of a module.
fn adapt(fit: &mut Fit<'_>, config: &AdapterConfig, module: &Module<'_>) -> Result<(), SourceError> {
    check_method(fit, config, module)?;
    match &config.method {
        Method::Lora | Method::LoHa | Method::LoKr => {}
        Method::Mlx => return super::variants::mlx(fit, config, module),
        Method::AdaLora { .. } => return super::variants::adalora(fit, config, module),
        Method::Vera => return super::variants::vera(fit, config, module),
        Method::Fourier { scale, seed } => return super::variants::fourier(fit, config, module, *scale, *seed),
        Method::Ia3 { .. } => return super::variants::ia3(fit, config, module),
        Method::Oft(_) | Method::Boft | Method::Hra { .. } => return super::turns::turned(fit, config, module),
    }
    let configured = config.rank(module.name);
    let (path, tensor) = (fit.path.to_owned(), module.first());
    let scale = |rank: Option<usize>| match rank {
        // Ranks in the configuration decide the scale, so a difference would give wrong weights silently.
        Some(rank) if rank != configured => Err(SourceError::AdapterMismatch {
            path: path.clone(),
            tensor: tensor.clone(),
            found: format!("rank {rank}"),
            expected: format!("rank {configured} from adapter_config.json"),
        }),
        _ => Ok(config.scale(module.name) as f32),
    };
    fit.add(module, &Rules { transposed: config.transposed, flattened: config.method.flattened(), scale: &scale })
}

/// Checks that the pieces of a module are those of the configured method.
fn check_method(fit: &Fit<'_>, config: &AdapterConfig, module: &Module<'_>) -> Result<(), SourceError> {
    let without = |piece: Piece, field: &str, set: bool| match module.peek(piece) {
        Some(key) if !set => Err(fit.unsupported(format!("`{key}` although `{field}` is not set"))),
        _ => Ok(()),
    };
    without(Piece::Magnitude, "use_dora", config.magnitudes)?;
    without(Piece::OutputBias, "lora_bias", config.output_biases)?;
    if config.magnitudes && !module.has(Piece::Magnitude) {
        let found = format!("no `{}.lora_magnitude_vector`", module.name);
        return Err(fit.mismatch(&module.first(), found, "one, as `use_dora` is set".to_owned()));
    }
    if let Some(key) = module.peek(Piece::Kron2)
        && fit.shape(key).len() == 3
    {
        let feature = format!("`{key}` on a convolution of one dimension, where peft and LyCORIS do not agree");
        return Err(fit.unsupported(feature));
    }
    match module.foreign(config.method.pieces()) {
        Some(key) => Err(fit.unsupported(format!("a tensor `{key}`, which {} does not have", config.method.name()))),
        None => Ok(()),
    }
}

/// Whether a tensor belongs to a module or to a part of it. The module is named by its whole path or by the end of it.
fn is_within(tensor: &str, module: &str) -> bool {
    format!(".{tensor}").contains(&format!(".{module}."))
}
