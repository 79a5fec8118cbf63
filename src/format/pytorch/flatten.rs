//! The names of the tensors below an object: the keys on the way to each, joined by dots.

use super::heap::{Heap, Instance, Object, Tensor, Value};
use super::holds::Holds;
use std::collections::{BTreeMap, HashMap};

/// How deep containers stand in one another, at most.
const DEPTH: usize = 64;

/// Most values that are visited. A shared container is visited each time, so a small pickle could describe very many.
const VISITS: usize = 2_000_000;

/// Longest name, in bytes.
const NAME: usize = 4096;

/// Most bytes of the names of all visited values: 128 MiB.
const NAMES: usize = 1 << 27;

/// The tensors below an object.
#[derive(Debug, Default)]
pub(super) struct Flat<'h> {
    pub(super) tensors: BTreeMap<String, &'h Tensor>,
    /// Tensors that cannot be read, and what they are.
    pub(super) refused: BTreeMap<String, String>,
}

/// Why the tensors below an object cannot be listed.
#[derive(Debug, PartialEq)]
pub(super) enum Unlisted {
    /// The pickle is not one of weights: what was found.
    Hostile(String),
    /// Two tensors have the same name.
    Twice(String),
    /// Weights are in an object of a class that is not known.
    Unknown { name: String, global: String },
}

/// Lists the tensors below an object, without those below some of its keys.
pub(super) fn tensors<'h>(
    heap: &'h Heap,
    holds: &'h Holds,
    root: Value,
    without: &[String],
) -> Result<Flat<'h>, Unlisted> {
    let mut walk = Walk { heap, holds, flat: Flat::default(), visits: 0, names: 0 };
    match heap.object(root) {
        // A tensor by itself has no name.
        Some(Object::Tensor(_) | Object::Refused(_)) => walk.visit("tensor".to_owned(), root, 0)?,
        _ => {
            for (key, value) in walk.entries("", root)? {
                if !without.contains(&key) {
                    walk.visit(key, value, 1)?;
                }
            }
        }
    }
    Ok(walk.flat)
}

struct Walk<'h> {
    heap: &'h Heap,
    holds: &'h Holds,
    flat: Flat<'h>,
    visits: usize,
    names: usize,
}

impl<'h> Walk<'h> {
    /// Visits a value that holds a tensor. The recursion is at most [`DEPTH`] deep.
    fn visit(&mut self, name: String, value: Value, depth: usize) -> Result<(), Unlisted> {
        let hostile = |reason: &str| Err(Unlisted::Hostile(reason.to_owned()));
        (self.visits, self.names) = (self.visits + 1, self.names + name.len());
        if depth > DEPTH {
            return hostile("containers that stand too deep in one another for a model");
        }
        if self.visits > VISITS || self.names > NAMES || name.len() > NAME {
            return hostile("more or longer names of tensors than a model has");
        }
        let heap = self.heap;
        let new = match heap.object(value) {
            Some(Object::Tensor(tensor)) => self.flat.tensors.insert(name.clone(), tensor).is_none(),
            Some(Object::Refused(what)) => self.flat.refused.insert(name.clone(), what.to_string()).is_none(),
            _ => {
                for (key, value) in self.entries(&name, value)? {
                    self.visit(format!("{name}.{key}"), value, depth + 1)?;
                }
                true
            }
        };
        if new { Ok(()) } else { Err(Unlisted::Twice(name)) }
    }

    /// Returns the values in an object that hold tensors, each with its key.
    fn entries(&mut self, name: &str, value: Value) -> Result<Vec<(String, Value)>, Unlisted> {
        match self.heap.object(value) {
            Some(Object::List(items) | Object::Tuple(items)) => self.numbered(items),
            Some(Object::Dict(entries)) => self.keyed(entries),
            Some(Object::Instance(instance)) => match self.module(instance) {
                Some(entries) => Ok(entries),
                None if !instance.entries.is_empty() => self.keyed(&instance.entries),
                None if !instance.elements.is_empty() => self.numbered(&instance.elements),
                None if self.holds.tensors(value) => {
                    let global = self.heap.text(instance.global).to_owned();
                    Err(Unlisted::Unknown { name: name.to_owned(), global })
                }
                None => Ok(Vec::new()),
            },
            _ => Ok(Vec::new()),
        }
    }

    fn numbered(&mut self, items: &[Value]) -> Result<Vec<(String, Value)>, Unlisted> {
        // A container of plain values that is shared very often would take long too.
        self.visits += items.len() / 16;
        let items = items.iter().enumerate().filter(|(_, value)| self.holds.tensors(**value));
        Ok(items.map(|(at, value)| (at.to_string(), *value)).collect())
    }

    fn keyed(&mut self, entries: &[(Value, Value)]) -> Result<Vec<(String, Value)>, Unlisted> {
        self.visits += entries.len() / 16;
        let mut keys: Vec<(String, Value)> = Vec::new();
        let mut place: HashMap<String, usize> = HashMap::new();
        for (key, value) in entries {
            let key = match key {
                Value::Text(key) => self.heap.text(*key).to_owned(),
                Value::Int(key) => key.to_string(),
                _ if !self.holds.tensors(*value) => continue,
                _ => return Err(Unlisted::Hostile("a tensor whose key is neither a text nor a number".to_owned())),
            };
            // The last of two equal keys counts, as in Python.
            match place.get(&key) {
                Some(&at) => keys[at].1 = *value,
                None => {
                    place.insert(key.clone(), keys.len());
                    keys.push((key, *value));
                }
            }
        }
        keys.retain(|(_, value)| self.holds.tensors(*value));
        Ok(keys)
    }

    /// Returns what `state_dict()` of a pickled `torch.nn.Module` would have. `None` for other objects.
    fn module(&self, instance: &Instance) -> Option<Vec<(String, Value)>> {
        let Some(Object::Dict(state)) = self.heap.object(instance.state) else { return None };
        let dictionary = |key: &str| match self.heap.object(self.heap.entry(state, key)?)? {
            Object::Dict(entries) => Some(entries.as_slice()),
            _ => None,
        };
        let parts = [dictionary("_parameters")?, dictionary("_buffers")?, dictionary("_modules")?];
        let passing = self.heap.entry(state, "_non_persistent_buffers_set").and_then(|set| self.heap.object(set));
        let passing = match passing {
            Some(Object::List(names) | Object::Tuple(names)) => names.as_slice(),
            _ => &[],
        };
        let name = |value: &Value| match value {
            Value::Text(place) => Some(self.heap.text(*place)),
            _ => None,
        };
        let passing: Vec<&str> = passing.iter().filter_map(name).collect();
        let all = parts.into_iter().enumerate().flat_map(|(part, entries)| entries.iter().map(move |e| (part, e)));
        let kept = all.filter_map(|(part, (key, value))| Some((part, name(key)?, *value)));
        let kept =
            kept.filter(|(part, key, value)| self.holds.tensors(*value) && (*part != 1 || !passing.contains(key)));
        Some(kept.map(|(_, key, value)| (key.to_owned(), value)).collect())
    }
}
