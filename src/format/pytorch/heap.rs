//! The objects that a pickle describes. They stand in one list and refer to one another by number, so that shared and cyclic
//! objects need no recursion, not even to be dropped.

use super::element::Element;

/// The number of an object in its [`Heap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place(u32);

impl Place {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A value of the pickle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Anything that no weights are made of: floats, bytes, long texts and numbers.
    Opaque,
    /// A short text.
    Text(Place),
    /// A class or function, by its full name. It is a name and nothing more.
    Global(Place),
    Object(Place),
}

/// An object of the pickle.
#[derive(Debug)]
pub(super) enum Object {
    Text(Box<str>),
    /// A list or a set.
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Storage(Box<Storage>),
    Tensor(Box<Tensor>),
    /// A tensor that cannot be read: what it is, with an article.
    Refused(Box<str>),
    /// An object of a class that is not known. Nothing of that class is used.
    Instance(Box<Instance>),
}

/// A run of bytes that tensors share.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// The name of its bytes in the file.
    pub(super) key: Place,
    pub(super) element: Element,
    /// The element of the stored bytes at which it begins. Only old files have such views of a storage.
    pub(super) offset: u64,
}

/// A tensor: a view of a storage.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) storage: Storage,
    pub(super) element: Element,
    /// The element of the storage at which it begins.
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    /// For each dimension, by how many elements its neighbors are apart.
    pub(super) strides: Vec<u64>,
}

/// What a pickle says about an object of an unknown class.
#[derive(Debug)]
pub(super) struct Instance {
    /// The full name of the class, or of the function that would have made the object.
    pub(super) global: Place,
    pub(super) arguments: Value,
    pub(super) state: Value,
    pub(super) elements: Vec<Value>,
    pub(super) entries: Vec<(Value, Value)>,
}

/// All objects of a pickle.
#[derive(Debug, Default)]
pub(super) struct Heap(Vec<Object>);

impl Heap {
    pub(super) fn add(&mut self, object: Object) -> Place {
        // The interpreter stops long before there are so many objects.
        self.0.push(object);
        Place((self.0.len() - 1) as u32)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Object> {
        self.0.iter()
    }

    pub(super) fn get(&self, place: Place) -> &Object {
        &self.0[place.index()]
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut Object {
        &mut self.0[place.index()]
    }

    /// Returns the object that a value is. `None` for plain values.
    pub(super) fn object(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(place) => Some(self.get(place)),
            _ => None,
        }
    }

    /// Returns the text at a place. It is empty for other objects.
    pub(super) fn text(&self, place: Place) -> &str {
        match self.get(place) {
            Object::Text(text) => text,
            _ => "",
        }
    }

    /// Returns the value that a text key of a dictionary has. The last one counts, as in Python.
    pub(super) fn entry(&self, entries: &[(Value, Value)], key: &str) -> Option<Value> {
        let is_key = |found: Value| matches!(found, Value::Text(place) if self.text(place) == key);
        entries.iter().rev().find(|(found, _)| is_key(*found)).map(|(_, value)| *value)
    }

    /// Whether an object is a pickled `torch.nn.Module`.
    pub(super) fn is_module(&self, instance: &Instance) -> bool {
        match self.object(instance.state) {
            Some(Object::Dict(state)) => {
                ["_parameters", "_buffers", "_modules"].iter().all(|key| self.entry(state, key).is_some())
            }
            _ => false,
        }
    }
}
