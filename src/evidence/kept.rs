//! Values of samples, kept so that each is read once.

use crate::model_set::ModelId;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The share of the memory setting that they take.
pub(super) const SHARE: u64 = 16;

/// What one run takes beside its values, in bytes.
pub(super) const ENTRY: usize = 128;

/// The runs of one tensor by where they begin.
type Runs = HashMap<usize, Vec<f32>>;

/// Runs of values of some models. What goes beyond its share of the memory is not kept.
#[derive(Debug)]
pub(super) struct KeptSamples {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    models: HashMap<ModelId, HashMap<String, Runs>>,
}

impl KeptSamples {
    /// Room for some runs, for a memory setting in bytes.
    pub(super) fn new(memory: u64) -> Self {
        Self { most: usize::try_from(memory / SHARE).unwrap_or(usize::MAX), kept: Mutex::default() }
    }

    /// Appends the values of a run to `out`, if they are kept. Returns whether they are.
    pub(super) fn append(&self, model: ModelId, own_name: &str, run: &Range<usize>, out: &mut Vec<f32>) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.models.get(&model).and_then(|tensors| tensors.get(own_name)?.get(&run.start));
        let values = found.and_then(|values| values.get(..run.len()));
        values.inspect(|values| out.extend_from_slice(values)).is_some()
    }

    /// Keeps the values of a run that begins at `begin`, if there is room.
    pub(super) fn keep(&self, model: ModelId, own_name: &str, begin: usize, values: Vec<f32>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = size_of_val(values.as_slice()) + ENTRY;
        if kept.bytes.saturating_add(bytes) <= self.most {
            kept.bytes += bytes;
            let tensors = kept.models.entry(model).or_default();
            tensors.entry(own_name.to_owned()).or_default().insert(begin, values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_kept_while_there_is_room() {
        let samples = KeptSamples::new(SHARE * (16 + ENTRY as u64));
        let [a, b] = [0, 1].map(ModelId::new);
        let mut out = vec![9.0];
        assert!(!samples.append(a, "w", &(4..8), &mut out));
        samples.keep(a, "w", 4, vec![1.0, 2.0, 3.0, 4.0]);
        samples.keep(b, "w", 4, vec![0.0; 4]);
        assert!(samples.append(a, "w", &(4..8), &mut out) && samples.append(a, "w", &(4..6), &mut out));
        assert_eq!(out, [9.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0]);
        let others = [(b, "w", 4..8), (a, "v", 4..8), (a, "w", 5..8), (a, "w", 4..9)];
        assert!(others.iter().all(|(model, name, run)| !samples.append(*model, name, run, &mut out)));
    }
}
