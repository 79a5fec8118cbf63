//! Which dictionary of a checkpoint holds the weights.
//!
//! Trainers save the weights beside the state of the optimizer, random generators and averages of the weights.

use super::heap::{Heap, Object, Value};
use super::holds::Holds;

/// Keys under which trainers save the weights. An earlier key is taken before a later one.
const WEIGHTS: [&str; 15] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "params",
    "weights",
    "weight",
    "state",
    "best_state",
    "generator",
    "netG",
    "student",
];

/// Words in the keys of averages of the weights. They are taken where the weights themselves are not there.
const AVERAGES: [&str; 4] = ["ema", "shadow", "averaged", "teacher"];

/// Parts of the keys of groups that are no weights.
const STATE: [&str; 12] = [
    "optim",
    "scheduler",
    "scaler",
    "rng",
    "random_state",
    "callbacks",
    "loops",
    "hyper_parameters",
    "hparams",
    "extra_state",
    "amp",
    "sampler",
];

/// How deep dictionaries of weights stand in one another, at most.
const DEPTH: usize = 8;

/// The object that holds the weights, and the groups of tensors beside it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) weights: Value,
    /// Keys of `weights` that are passed over.
    pub(super) without: Vec<String>,
    /// The name of each group of tensors that is passed over, and why.
    pub(super) left_out: Vec<(String, String)>,
}

/// Finds the weights below the root of a pickle.
pub(super) fn weights(heap: &Heap, holds: &Holds, root: Value) -> Chosen {
    let mut chosen = Chosen { weights: root, without: Vec::new(), left_out: Vec::new() };
    let mut path = String::new();
    for _ in 0..DEPTH {
        let Some(entries) = entries(heap, chosen.weights) else { break };
        let sorted = Sorted::new(heap, entries.into_iter().filter(|(_, value)| holds.tensors(*value)));
        let Some((key, value)) = sorted.taken() else {
            sorted.leave_states(heap, &path, &mut chosen);
            break;
        };
        for (other, reason) in sorted.others(heap, key, &format!("{path}{key}")) {
            chosen.left_out.push((format!("{path}{other}"), reason));
        }
        chosen.weights = *value;
        path = format!("{path}{key}.");
    }
    chosen
}

/// A key of a dictionary and its value.
type Entry = (String, Value);

/// The entries of a dictionary that hold tensors, sorted by what they seem to be.
struct Sorted {
    /// Tensors that stand in the dictionary itself.
    tensors: Vec<Entry>,
    /// Whether those are weights. A single number, such as the best loss, is none.
    direct: bool,
    states: Vec<Entry>,
    averages: Vec<Entry>,
    groups: Vec<Entry>,
}

impl Sorted {
    fn new(heap: &Heap, entries: impl Iterator<Item = Entry>) -> Self {
        let (tensors, groups): (Vec<_>, Vec<_>) = entries.partition(|(_, value)| is_tensor(heap, *value));
        let (states, groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(key, v)| is_state(heap, key, *v));
        let (averages, groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(key, _)| is_average(key));
        let direct = tensors.iter().any(|(key, value)| is_weight(heap, key, *value));
        Self { tensors, direct, states, averages, groups }
    }

    /// Returns the one entry that holds all weights. `None` when the dictionary itself is that of the weights.
    fn taken(&self) -> Option<&Entry> {
        let named = || WEIGHTS.iter().find_map(|key| self.groups.iter().find(|(k, _)| k == key));
        match &self.groups[..] {
            _ if self.direct => None,
            [] => self.averages.first(),
            [only] => Some(only),
            _ => named(),
        }
    }

    /// Returns the keys of all entries but the one that is taken, and why each is passed over.
    fn others<'a>(&'a self, heap: &'a Heap, taken: &'a str, path: &'a str) -> impl Iterator<Item = (&'a str, String)> {
        let single = self.tensors.iter().map(|(key, _)| (key, SINGLE.to_owned()));
        let states = self.states.iter().map(|(key, _)| (key, STATE_OF_TRAINER.to_owned()));
        let averages = self
            .averages
            .iter()
            .map(move |(key, _)| (key, format!("an average of the weights beside `{path}`, which is taken")));
        let groups = self.groups.iter().map(move |(key, value)| match heap.object(*value) {
            Some(Object::Instance(instance)) => (key, format!("an object of `{}`", heap.text(instance.global))),
            _ => (key, format!("another group of tensors than `{path}`, which is taken")),
        });
        let all = single.chain(states).chain(averages).chain(groups);
        all.filter(move |(key, _)| *key != taken).map(|(key, reason)| (key.as_str(), reason))
    }

    /// Passes over what stands among the weights and is none.
    fn leave_states(&self, heap: &Heap, path: &str, chosen: &mut Chosen) {
        let mut leave = |entries: &[Entry], reason: &str| {
            for (key, _) in entries {
                chosen.without.push(key.clone());
                chosen.left_out.push((format!("{path}{key}"), reason.to_owned()));
            }
        };
        leave(&self.states, STATE_OF_TRAINER);
        if self.groups.is_empty() || self.direct {
            return;
        }
        // An average of the weights would count each of them twice, and a number beside several groups is no weight.
        leave(&self.averages, "an average of the weights beside it");
        leave(&self.tensors, SINGLE);
        let is_foreign = |value: Value| match heap.object(value) {
            Some(Object::Instance(instance)) => instance.entries.is_empty() && !heap.is_module(instance),
            _ => false,
        };
        if !self.groups.iter().all(|(_, value)| is_foreign(*value)) {
            for (key, value) in self.groups.iter().filter(|(_, value)| is_foreign(*value)) {
                leave(&[(key.clone(), *value)], "an object of a class that is not known");
            }
        }
    }
}

const SINGLE: &str = "a single tensor beside the weights";

const STATE_OF_TRAINER: &str = "the state of a trainer and no weights";

/// Returns the entries of a dictionary whose keys are texts.
fn entries(heap: &Heap, value: Value) -> Option<Vec<Entry>> {
    let entries = match heap.object(value)? {
        Object::Dict(entries) => entries,
        Object::Instance(instance) if !instance.entries.is_empty() => &instance.entries,
        _ => return None,
    };
    let text = |key: &Value| match key {
        Value::Text(place) => Some(heap.text(*place).to_owned()),
        _ => None,
    };
    Some(entries.iter().filter_map(|(key, value)| Some((text(key)?, *value))).collect())
}

fn is_tensor(heap: &Heap, value: Value) -> bool {
    matches!(heap.object(value), Some(Object::Tensor(_) | Object::Refused(_)))
}

/// Whether a group is an average of the weights, by its key.
fn is_average(key: &str) -> bool {
    let mut words = key.split(['_', '.']);
    words.any(|word| AVERAGES.iter().any(|average| word.eq_ignore_ascii_case(average)))
}

/// Whether a value is a tensor that can be a weight of a dictionary of weights.
fn is_weight(heap: &Heap, key: &str, value: Value) -> bool {
    match heap.object(value) {
        Some(Object::Tensor(tensor)) => {
            let several = tensor.shape.iter().any(|&n| n != 1);
            // Names such as `layer.scale` are those of parameters, however small they are.
            (several || key.contains('.')) && !key.contains("rng_state")
        }
        Some(Object::Refused(_)) => true,
        _ => false,
    }
}

/// Whether a value is what `Optimizer.state_dict()` returns. It has the same two keys for every optimizer.
pub(super) fn is_optimizer(heap: &Heap, value: Value) -> bool {
    match heap.object(value) {
        Some(Object::Dict(entries)) => ["state", "param_groups"].iter().all(|k| heap.entry(entries, k).is_some()),
        _ => false,
    }
}

/// Whether a group is the state of a trainer.
fn is_state(heap: &Heap, key: &str, value: Value) -> bool {
    if is_tensor(heap, value) {
        return false;
    }
    let key = key.to_ascii_lowercase();
    // A part of a model has a dotted name, and trainers' keys do not.
    is_optimizer(heap, value) || (!key.contains('.') && STATE.iter().any(|part| key.contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::pytorch::element::Element;
    use crate::format::pytorch::heap::{Storage, Tensor};
    use crate::format::pytorch::{flatten, holds::Holds};

    /// Makes a dictionary of the dotted names of tensors. A name that ends in `!` is one number, and in `?` no tensor.
    fn dictionary(heap: &mut Heap, names: &[&str]) -> Value {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        let mut groups: Vec<&str> = names.iter().map(|name| name.split('/').next().unwrap_or(name)).collect();
        groups.dedup();
        for group in groups {
            let begin = format!("{group}/");
            let inner: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(&begin)).collect();
            let value = match group.chars().last() {
                _ if !inner.is_empty() => dictionary(heap, &inner),
                Some('?') => Value::Int(1),
                end => {
                    let key = heap.add(Object::Text("0".into()));
                    let element = Element::Plain(crate::format::Dtype::F32);
                    let storage = Storage { key, element, offset: 0 };
                    let shape = vec![if end == Some('!') { 1 } else { 2 }];
                    let tensor = Tensor { storage, element, offset: 0, shape, strides: vec![1] };
                    Value::Object(heap.add(Object::Tensor(Box::new(tensor))))
                }
            };
            let key = heap.add(Object::Text(group.trim_end_matches(['!', '?']).into()));
            entries.push((Value::Text(key), value));
        }
        Value::Object(heap.add(Object::Dict(entries)))
    }

    #[test]
    fn the_weights_are_found_among_the_rest() {
        // What a checkpoint holds, the names of its weights, and the groups that are left out.
        let cases: [(&[&str], &str, &str); 16] = [
            (&["a.w", "b.w"], "a.w b.w", ""),
            (&["a.w!", "b.w!"], "a.w b.w", ""),
            (&["state_dict/a.w", "epoch?", "best!"], "a.w", "best"),
            (&["model/state_dict/a.w", "optimizer/state/0/m"], "a.w", "optimizer"),
            (&["whatever/a.w", "epoch?"], "a.w", ""),
            (&["model/a.w", "model_ema/a.w", "amp/scale!"], "a.w", "amp model_ema"),
            (&["ema/a.w", "lr?"], "a.w", ""),
            (&["student/a.w", "teacher/a.w", "dino_loss/center"], "a.w", "dino_loss teacher"),
            (&["g/a.w", "d/a.w"], "d.a.w g.a.w", ""),
            (
                &["g/a.w", "d/a.w", "g_ema/a.w", "sgd/state/0/m", "sgd/param_groups?", "step!"],
                "d.a.w g.a.w",
                "g_ema sgd step",
            ),
            (&["embed", "layers/0/w", "layers/1/w"], "embed layers.0.w layers.1.w", ""),
            (&["embed", "model/w", "optim/m"], "embed model.w", "optim"),
            (&["model/a.w", "net/b.w"], "a.w", "net"),
            (&["module/a.w", "rng_state", "cuda_rng/x"], "a.w", "cuda_rng rng_state"),
            (&["encoder/a.w", "decoder/a.w", "loss!"], "decoder.a.w encoder.a.w", "loss"),
            (&["lr?", "optimizer/state/0/m"], "", "optimizer"),
        ];
        for (names, weights, left_out) in cases {
            let mut heap = Heap::default();
            let root = dictionary(&mut heap, names);
            let holds = Holds::new(&heap, root);
            let chosen = super::weights(&heap, &holds, root);
            let flat = flatten::tensors(&heap, &holds, chosen.weights, &chosen.without).unwrap();
            let found: Vec<&str> = flat.tensors.keys().map(String::as_str).collect();
            let mut others: Vec<&str> = chosen.left_out.iter().map(|(name, _)| name.as_str()).collect();
            others.sort_unstable();
            assert_eq!((found.join(" ").as_str(), others.join(" ").as_str()), (weights, left_out), "{names:?}");
        }
    }
}
