//! Which objects of a pickle hold tensors.

use super::heap::{Heap, Object, Value};

/// Which objects hold tensors, directly or through others.
#[derive(Debug)]
pub(super) struct Holds(Vec<bool>);

impl Holds {
    /// Looks at every object below the root once.
    pub(super) fn new(heap: &Heap, root: Value) -> Self {
        let mut holds = vec![false; heap.len()];
        let mut seen = vec![false; heap.len()];
        let mut open = vec![(root, false)];
        while let Some((value, done)) = open.pop() {
            let Value::Object(place) = value else { continue };
            let at = place.index();
            if done {
                let inner = |v: &Value| matches!(v, Value::Object(inner) if holds[inner.index()]);
                holds[at] = children(heap.get(place)).any(inner);
            } else if !std::mem::replace(&mut seen[at], true) {
                match heap.get(place) {
                    Object::Tensor(_) | Object::Refused(_) => holds[at] = true,
                    object => {
                        open.push((value, true));
                        open.extend(children(object).map(|child| (*child, false)));
                    }
                }
            }
        }
        Self(holds)
    }

    /// Whether a value is a tensor, or holds one.
    pub(super) fn tensors(&self, value: Value) -> bool {
        matches!(value, Value::Object(place) if self.0[place.index()])
    }
}

/// Returns the values that an object holds.
fn children(object: &Object) -> impl Iterator<Item = &Value> {
    type Parts<'a> = (&'a [Value], &'a [(Value, Value)], [Option<&'a Value>; 2]);
    let (list, entries, fields): Parts<'_> = match object {
        Object::List(items) | Object::Tuple(items) => (items, &[], [None; 2]),
        Object::Dict(entries) => (&[], entries, [None; 2]),
        Object::Instance(instance) => {
            (&instance.elements, &instance.entries, [Some(&instance.arguments), Some(&instance.state)])
        }
        _ => (&[], &[], [None; 2]),
    };
    list.iter().chain(entries.iter().map(|(_, value)| value)).chain(fields.into_iter().flatten())
}
