//! Matching of the tensors of an adapter with those of its base.

use super::config::AdapterConfig;
use super::keys::{self, Key, Piece, Renaming};
use super::low_rank::LowRank;
use super::magnitude::Magnitude;
use super::{Adapted, Content, Tensor};
use crate::error::SourceError;
use crate::source::{Dtype, ParameterInfo, ParameterSource};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// For each module, the stored names of the pieces of its increment.
type Pieces = BTreeMap<String, BTreeMap<Piece, String>>;

/// Layers that peft stores whole without being configured to, when their vocabulary was resized.
const VOCABULARY: [&str; 2] = ["embed_tokens", "lm_head"];

/// Returns the tensors of the resulting model.
pub(super) fn tensors(
    folder: &Path,
    config: &AdapterConfig,
    stored: &dyn ParameterSource,
    base: Vec<ParameterInfo>,
) -> Result<BTreeMap<String, Tensor>, SourceError> {
    let of_base = |p: ParameterInfo| {
        let ParameterInfo { name, shape, dtype, quantization, .. } = p;
        (name, Tensor { shape, dtype, quantization, content: Content::Base })
    };
    let stored = stored.parameters()?.into_iter().map(|info| (info.name.clone(), info)).collect();
    let mut fit = Fit { folder, config, stored, tensors: base.into_iter().map(of_base).collect() };
    let (pieces, stored) = fit.sorted_keys()?;
    let targets: Vec<String> = pieces.keys().map(|module| format!("{module}.weight")).collect();
    let renaming = match (Renaming::find(&targets, &fit.tensors), targets.first()) {
        (Some(renaming), _) => renaming,
        // No weight is adapted, so only the names of whole tensors can show the renaming.
        (None, None) => {
            Renaming::find(&stored.keys().cloned().collect::<Vec<_>>(), &fit.tensors).unwrap_or(Renaming::Same)
        }
        (None, Some(_)) => return Err(fit.without_target(&targets)),
    };
    // Whole tensors come first, because an increment may be added to one of them.
    for (name, key) in stored {
        fit.store(&renaming, &name, key)?;
    }
    for (module, pieces) in pieces {
        fit.adapt(&renaming, &module, &pieces)?;
    }
    Ok(fit.tensors)
}

/// An adapter while its tensors are matched with the base.
struct Fit<'a> {
    folder: &'a Path,
    config: &'a AdapterConfig,
    /// The tensors that the adapter stores, by name.
    stored: BTreeMap<String, ParameterInfo>,
    tensors: BTreeMap<String, Tensor>,
}

impl Fit<'_> {
    fn unsupported(&self, feature: String) -> SourceError {
        SourceError::AdapterUnsupported { path: self.folder.to_owned(), feature }
    }

    fn mismatch(&self, tensor: &str, found: String, expected: String) -> SourceError {
        SourceError::AdapterMismatch { path: self.folder.to_owned(), tensor: tensor.to_owned(), found, expected }
    }

    /// Sorts the tensors of the file into pieces, by module, and whole tensors, by the name that they replace.
    fn sorted_keys(&self) -> Result<(Pieces, BTreeMap<String, String>), SourceError> {
        let mut pieces = Pieces::new();
        let mut stored: BTreeMap<String, String> = BTreeMap::new();
        let mut adapters = BTreeSet::new();
        for key in self.stored.keys() {
            match keys::parse(key) {
                Key::Piece { module, piece, adapter } => {
                    adapters.insert(adapter);
                    pieces.entry(module).or_default().insert(piece, key.to_owned());
                }
                Key::Whole { name } => {
                    // peft may store a saved module twice, plainly and inside its wrapper. Both are the same.
                    stored.entry(name).or_insert_with(|| key.to_owned());
                }
                Key::Untrained => {}
                Key::Unsupported => return Err(self.unsupported(format!("a tensor `{key}`"))),
            }
        }
        if adapters.len() > 1 {
            let names: Vec<String> =
                adapters.into_iter().map(|a| a.unwrap_or_else(|| "(unnamed)".to_owned())).collect();
            return Err(self.unsupported(format!("several adapters in one file ({})", names.join(", "))));
        }
        Ok((pieces, stored))
    }

    /// Creates the error for increments to weights that the base does not have.
    fn without_target(&self, targets: &[String]) -> SourceError {
        let missing = targets.iter().find(|t| !self.tensors.contains_key(*t)).or(targets.first());
        let missing = missing.map_or("", String::as_str);
        let same_end = |name: &&String| {
            let last = |n: &str| n.rsplit('.').take(2).map(ToOwned::to_owned).collect::<Vec<_>>();
            last(name) == last(missing)
        };
        let near = self.tensors.keys().find(same_end).map_or(String::new(), |n| format!(" (it has `{n}`)"));
        let expected = format!("a tensor `{missing}` in the base, or one prefix that only one side has{near}");
        self.mismatch(missing, "no such tensor, or several".to_owned(), expected)
    }

    /// Replaces a tensor of the base by a whole tensor of the adapter.
    fn store(&mut self, renaming: &Renaming, name: &str, key: String) -> Result<(), SourceError> {
        let Some(ParameterInfo { shape, dtype, .. }) = self.stored.get(&key).cloned() else { return Ok(()) };
        let parts: Vec<&str> = name.split('.').collect();
        let saved = self.config.saved.iter().any(|module| is_within(name, module));
        let bias = self.config.biases && parts.last() == Some(&"bias");
        let vocabulary = parts.iter().any(|p| VOCABULARY.contains(p));
        let target = match renaming.apply(name, &self.tensors) {
            Some(target) => target,
            None if saved || bias || vocabulary => renaming.rename(name),
            None => {
                let expected = "a tensor of that name in the base, or `modules_to_save` naming its module".to_owned();
                return Err(self.mismatch(&key, "neither".to_owned(), expected));
            }
        };
        // A whole tensor may have another number of rows, as after resizing a vocabulary. Saved modules may have any shape.
        if let Some(base) = self.tensors.get(&target) {
            let resized = shape.len() == base.shape.len() && shape.get(1..) == base.shape.get(1..);
            if shape != base.shape && !saved && !resized {
                return Err(self.mismatch(&key, format!("shape {shape:?}"), format!("{:?}", base.shape)));
            }
        }
        self.tensors.insert(target, Tensor { shape, dtype, quantization: None, content: Content::Stored(key) });
        Ok(())
    }

    /// Adds an increment to a weight.
    fn adapt(
        &mut self,
        renaming: &Renaming,
        module: &str,
        pieces: &BTreeMap<Piece, String>,
    ) -> Result<(), SourceError> {
        let target = format!("{module}.weight");
        let Some(target) = renaming.apply(&target, &self.tensors) else { return Err(self.without_target(&[target])) };
        let delta = self.low_rank(module, &self.tensors[&target], pieces)?;
        let magnitude = match (self.config.magnitudes, pieces.get(&Piece::Magnitude)) {
            (false, None) => None,
            (true, Some(key)) => Some(self.magnitude(key, delta.outputs)?),
            (false, Some(key)) => return Err(self.unsupported(format!("`{key}` although `use_dora` is not set"))),
            (true, None) => {
                let found = format!("no `{module}.lora_magnitude_vector`");
                return Err(self.mismatch(&delta.b, found, "one, as `use_dora` is set".to_owned()));
            }
        };
        // A merged weight is not rounded back, so it is as precise as the most precise of its parts.
        let of_adapter = [&delta.a, &delta.b].into_iter().filter_map(|key| self.stored.get(key)).map(|info| info.dtype);
        let tensor = &self.tensors[&target];
        let dtype = of_adapter.fold(tensor.dtype, wider);
        let under = match &tensor.content {
            Content::Stored(key) => Some(key.clone()),
            _ => None,
        };
        let content = Content::Adapted(Box::new(Adapted { under, delta, magnitude }));
        self.tensors.insert(target, Tensor { shape: tensor.shape.clone(), dtype, quantization: None, content });
        Ok(())
    }

    /// Returns the factors of an increment after checking that they fit the weight.
    fn low_rank(
        &self,
        module: &str,
        weight: &Tensor,
        pieces: &BTreeMap<Piece, String>,
    ) -> Result<LowRank, SourceError> {
        let piece = |p| pieces.get(&p);
        let factors = (piece(Piece::A), piece(Piece::B), piece(Piece::EmbeddingA), piece(Piece::EmbeddingB));
        let (a, b, embedding) = match factors {
            (Some(a), Some(b), None, None) => (a, b, false),
            (None, None, Some(a), Some(b)) => (a, b, true),
            _ => {
                let stored: Vec<&str> = pieces.values().map(String::as_str).collect();
                return Err(self.mismatch(module, stored.join(", "), "one factor A and one factor B".to_owned()));
            }
        };
        if !weight.dtype.is_float() {
            return Err(self.mismatch(b, format!("a base weight in {}", weight.dtype), "floating point".to_owned()));
        }
        let shape = |key: &str| self.stored.get(key).map_or(&[][..], |info| &info.shape[..]);
        let (a_shape, b_shape) = (shape(a), shape(b));
        let misfit = || {
            let found = format!("shape {b_shape:?}, with {a_shape:?} for `{a}`");
            self.mismatch(b, found, format!("factors of a weight of shape {:?}", weight.shape))
        };
        let (&[rank, ref inputs @ ..], &[outputs, inner, ref ones @ ..]) = (a_shape, b_shape) else {
            return Err(misfit());
        };
        // In convolutions, A has the dimensions of the kernel, and B has ones in their place.
        if rank == 0 || rank != inner || inputs.is_empty() || ones.iter().any(|&n| n != 1) {
            return Err(misfit());
        }
        // Ranks in the configuration decide the scale, so a difference would give wrong weights silently.
        if rank != self.config.rank(module) {
            let expected = format!("rank {} from adapter_config.json", self.config.rank(module));
            return Err(self.mismatch(a, format!("rank {rank}"), expected));
        }
        let plain = weight.shape.split_first() == Some((&outputs, inputs));
        // A square linear weight fits both ways, and only then does the configuration decide.
        let turned = weight.shape == [inputs[0], outputs] && inputs.len() == 1;
        let transposed = match (plain, turned) {
            // The weight of an embedding has its inputs, the tokens, as rows.
            (_, true) if embedding => true,
            (true, false) if !embedding => false,
            (false, true) => true,
            (true, true) => self.config.transposed,
            _ => return Err(misfit()),
        };
        Ok(LowRank {
            a: a.clone(),
            b: b.clone(),
            rank,
            inputs: inputs.iter().product(),
            outputs,
            scale: self.config.scale(module) as f32,
            transposed,
        })
    }

    fn magnitude(&self, key: &str, outputs: usize) -> Result<Magnitude, SourceError> {
        let shape = self.stored.get(key).map_or(&[][..], |info| &info.shape[..]);
        let mut long = shape.iter().filter(|&&n| n != 1);
        match (long.next(), long.next(), shape.is_empty()) {
            (Some(&n), None, _) if n == outputs => Ok(Magnitude::new(key.to_owned())),
            (None, _, false) if outputs == 1 => Ok(Magnitude::new(key.to_owned())),
            _ => Err(self.mismatch(key, format!("shape {shape:?}"), format!("{outputs} magnitudes"))),
        }
    }
}

/// Whether a tensor belongs to a module or to a part of it. The module is named by its whole path or by the end of it.
fn is_within(tensor: &str, module: &str) -> bool {
    format!(".{tensor}").contains(&format!(".{module}."))
}

fn wider(a: Dtype, b: Dtype) -> Dtype {
    match a.size().cmp(&b.size()) {
        std::cmp::Ordering::Greater => a,
        std::cmp::Ordering::Less => b,
        std::cmp::Ordering::Equal if a == b => a,
        // F16 cannot hold every BF16 and BF16 cannot hold every F16, so only F32 holds both.
        std::cmp::Ordering::Equal => Dtype::F32,
    }
}
