//! The functions and classes of PyTorch and Python that weights are made of. Only what they would make is described here; no
//! other function has an effect.
//!
//! Source: `torch/_utils.py` and `torch/serialization.py` of PyTorch.

use super::element::Element;
use super::heap::{Heap, Object, Place, Storage, Tensor, Value};
use crate::error::SourceError;

/// Most dimensions of a tensor. PyTorch allows 64.
const DIMENSIONS: usize = 64;

/// Why a step of a pickle failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The object could not be read.
    Source(SourceError),
    /// The pickle is not valid: what was found.
    Reason(String),
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        Self::Reason(reason.to_owned())
    }
}

/// Returns what a function makes of its arguments, and how many values were copied for it. `None` when it is not known.
pub(super) fn call(heap: &mut Heap, global: Place, arguments: Value) -> Result<(Option<Value>, u64), Failure> {
    // A function that makes a tensor of another function's result is followed once, so there is no recursion.
    let (global, arguments) = through_type(heap, global, arguments);
    let name = heap.text(global).to_owned();
    let given = match heap.object(arguments) {
        Some(Object::Tuple(items)) if items.len() <= 16 => items.clone(),
        _ => return Ok((None, 0)),
    };
    let first = given.first().copied();
    let refused = |heap: &mut Heap, what: &str| Ok((Some(Value::Object(heap.add(Object::Refused(what.into())))), 0));
    match name.as_str() {
        "collections.OrderedDict" | "builtins.dict" | "__builtin__.dict" => dict(heap, first),
        "collections.defaultdict" => Ok((Some(Value::Object(heap.add(Object::Dict(Vec::new())))), 0)),
        "builtins.set"
        | "__builtin__.set"
        | "builtins.frozenset"
        | "__builtin__.frozenset"
        | "builtins.list"
        | "__builtin__.list"
        | "builtins.tuple"
        | "__builtin__.tuple"
        | "torch.Size" => {
            let items = first.filter(|&v| matches!(heap.object(v), Some(Object::List(_) | Object::Tuple(_))));
            Ok((Some(items.unwrap_or_else(|| Value::Object(heap.add(Object::List(Vec::new()))))), 0))
        }
        "torch._utils._rebuild_parameter"
        | "torch._utils._rebuild_parameter_with_state"
        | "torch.nn.parameter.Parameter"
        | "torch._utils._rebuild_device_tensor_from_cpu_tensor" => Ok((first, 0)),
        "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
            tensor(heap, &given, None, given.get(6).copied())
        }
        "torch._utils._rebuild_tensor_v3" => {
            let Some(Value::Global(dtype)) = given.get(6) else { return Err("a tensor without a dtype".into()) };
            let spelling = heap.text(*dtype).to_owned();
            match Element::of_dtype(&spelling) {
                Some(element) => tensor(heap, &given, Some(element), given.get(7).copied()),
                None => refused(heap, &format!("a tensor of dtype `{spelling}`")),
            }
        }
        "torch._utils._rebuild_qtensor" => refused(heap, "a quantized tensor of PyTorch"),
        "torch._utils._rebuild_sparse_tensor" | "torch._utils._rebuild_sparse_csr_tensor" => {
            refused(heap, "a sparse tensor")
        }
        "torch._utils._rebuild_nested_tensor" => refused(heap, "a nested tensor"),
        "torch._utils._rebuild_meta_tensor_no_storage" => refused(heap, "a tensor of the meta device, without values"),
        "torch._utils._rebuild_wrapper_subclass" | "torch._utils._rebuild_device_tensor_from_numpy" => {
            refused(heap, &format!("an object that `{name}` makes"))
        }
        _ => Ok((None, 0)),
    }
}

/// Follows `_rebuild_from_type_v2(function, class, arguments, state)`, which wraps the tensors of a subclass.
fn through_type(heap: &Heap, global: Place, arguments: Value) -> (Place, Value) {
    if !matches!(heap.text(global), "torch._tensor._rebuild_from_type_v2" | "torch._tensor._rebuild_from_type") {
        return (global, arguments);
    }
    match heap.object(arguments) {
        Some(Object::Tuple(items)) => match items[..] {
            [Value::Global(function), _, inner, ..] => (function, inner),
            _ => (global, arguments),
        },
        _ => (global, arguments),
    }
}

/// Makes a dictionary, of a list of pairs if one is given.
fn dict(heap: &mut Heap, list: Option<Value>) -> Result<(Option<Value>, u64), Failure> {
    let entries = match list.and_then(|list| heap.object(list)) {
        Some(Object::Dict(entries)) => entries.clone(),
        Some(Object::List(items) | Object::Tuple(items)) => {
            let pair = |item: &Value| match heap.object(*item) {
                Some(Object::List(pair) | Object::Tuple(pair)) if pair.len() == 2 => Ok((pair[0], pair[1])),
                _ => Err("a dictionary of something else than pairs"),
            };
            items.iter().map(pair).collect::<Result<_, _>>()?
        }
        _ => Vec::new(),
    };
    let cost = entries.len() as u64;
    Ok((Some(Value::Object(heap.add(Object::Dict(entries)))), cost))
}

/// Makes a tensor of `(storage, offset, shape, strides, …)`.
fn tensor(
    heap: &mut Heap,
    given: &[Value],
    element: Option<Element>,
    metadata: Option<Value>,
) -> Result<(Option<Value>, u64), Failure> {
    let [storage, offset, shape, strides, ..] = given else { return Err("a tensor of too few arguments".into()) };
    let storage = match heap.object(*storage) {
        Some(Object::Storage(storage)) => Storage::clone(storage),
        _ => return Err("a tensor without a storage".into()),
    };
    let Value::Int(offset @ 0..) = *offset else { return Err("a tensor that begins before its storage".into()) };
    let (shape, strides) = (sizes(heap, *shape)?, sizes(heap, *strides)?);
    if shape.len() != strides.len() {
        return Err(format!("a tensor of {} dimensions and {} strides", shape.len(), strides.len()).into());
    }
    let given_dimensions = shape.len() as u64;
    let element = element.unwrap_or(storage.element);
    let lazy = match metadata.and_then(|m| heap.object(m)) {
        Some(Object::Dict(entries)) => {
            ["conj", "neg"].iter().any(|key| heap.entry(entries, key).is_some_and(|v| v != Value::Bool(false)))
        }
        _ => false,
    };
    let object = match element {
        _ if lazy => Object::Refused("a tensor that PyTorch stores conjugated or negated".into()),
        Element::Untyped => return Err("a tensor without a dtype".into()),
        _ => {
            let shape = shape.iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
            Object::Tensor(Box::new(Tensor { storage, element, offset: offset as u64, shape, strides }))
        }
    };
    Ok((Some(Value::Object(heap.add(object))), 4 + 2 * given_dimensions))
}

fn sizes(heap: &Heap, value: Value) -> Result<Vec<u64>, Failure> {
    match heap.object(value) {
        Some(Object::Tuple(items) | Object::List(items)) if items.len() <= DIMENSIONS => items
            .iter()
            .map(|item| match item {
                Value::Int(size @ 0..) => Ok(*size as u64),
                _ => Err("a dimension or stride that is no count".into()),
            })
            .collect(),
        Some(Object::Tuple(_) | Object::List(_)) => Err(format!("more than {DIMENSIONS} dimensions").into()),
        _ => Err("a shape that is no list".into()),
    }
}

/// Makes a storage of `("storage", class, key, device, length[, view])`.
pub(super) fn persistent(heap: &mut Heap, id: Value) -> Result<Value, Failure> {
    let Some(Object::Tuple(items)) = heap.object(id) else { return Err("a persistent id that is no tuple".into()) };
    match items[..] {
        [Value::Text(kind), Value::Global(class), Value::Text(key), _, Value::Int(0..), ref rest @ ..]
            if heap.text(kind) == "storage" =>
        {
            let view = rest.first().and_then(|view| match heap.object(*view) {
                Some(Object::Tuple(view)) => Some(view.as_slice()),
                _ => None,
            });
            // A view has a key of its own, and the element of the storage at which it begins.
            // Their lengths are not needed: a tensor is checked against the bytes that there are.
            let offset = match view {
                None => 0,
                Some([_, Value::Int(offset @ 0..), Value::Int(0..)]) => *offset as u64,
                Some(_) => return Err("a view of a storage without place and length".into()),
            };
            let class = heap.text(class);
            let element = Element::of_storage(class).ok_or_else(|| format!("storages of `{class}` are not known"))?;
            Ok(Value::Object(heap.add(Object::Storage(Box::new(Storage { key, element, offset })))))
        }
        // Old files keep the source of a module's class beside the class.
        [Value::Text(kind), class @ Value::Global(_), ..] if heap.text(kind) == "module" => Ok(class),
        _ => Err("a persistent id that is no storage".into()),
    }
}
