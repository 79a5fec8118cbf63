//! The walk through a model's graphs, which finds every tensor that has values.

use super::tensor::Tensor;
use super::wire::{Range, Value, Wire};
use crate::error::SourceError;
use std::collections::VecDeque;

/// Deepest nesting of graphs in one another, such as loops in loops.
const DEPTH_LIMIT: usize = 16;

/// Bytes of all names together, at most. Names in nested graphs repeat those of the graphs above.
const NAMES_LIMIT: usize = 1 << 26;

/// Operators that have weights in a packed form of their own.
const PACKED: [&str; 5] = ["MatMulNBits", "MatMulBnb4", "GatherBlockQuantized", "QMoE", "MatMulFpQ4"];

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Initializers, and constants of more than one value.
    pub(super) tensors: Vec<Tensor>,
    pub(super) dequantized: Vec<Dequantized>,
    /// What holds no weights, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// Operators that cannot be read, and their names.
    pub(super) packed: Option<String>,
    /// A sparse initializer.
    pub(super) sparse: Option<String>,
}

/// A `DequantizeLinear` of tensors, by their names.
#[derive(Debug)]
pub(super) struct Dequantized {
    /// The names may be those of tensors of this nested graph, or of the outermost one.
    pub(super) prefix: String,
    pub(super) values: String,
    pub(super) scale: String,
    pub(super) zero: Option<String>,
    pub(super) axis: i64,
    pub(super) block: u64,
}

/// A graph or function that is not walked yet.
#[derive(Debug)]
struct Scope {
    range: Range,
    /// The names of its tensors begin with this.
    prefix: String,
    depth: usize,
    /// The field of its nodes, which differs between graphs and functions.
    nodes: u64,
}

/// Walks a `ModelProto`.
pub(super) fn walk(wire: &mut Wire<'_>) -> Result<Found, SourceError> {
    let mut found = Found::default();
    let mut scopes = VecDeque::new();
    let mut rest = wire.whole();
    let mut has_graph = false;
    while let Some((field, value)) = wire.field(&mut rest)? {
        match (field, value) {
            (7, Value::Bytes(range)) => {
                has_graph = true;
                scopes.push_back(Scope { range, prefix: String::new(), depth: 0, nodes: 1 });
            }
            (25, Value::Bytes(range)) => {
                let name = first_text(wire, range, 1)?;
                scopes.push_back(Scope { range, prefix: format!("{name}."), depth: 1, nodes: 7 });
            }
            _ => {}
        }
    }
    if !has_graph {
        return Err(wire.malformed("it has no graph"));
    }
    let mut names = 0;
    // A list of what is left in place of recursion, so that nesting takes no stack.
    while let Some(scope) = scopes.pop_front() {
        let mut rest = scope.range;
        while let Some((field, value)) = wire.field(&mut rest)? {
            let Value::Bytes(range) = value else { continue };
            if field == scope.nodes {
                node(wire, range, &scope, &mut found, &mut scopes)?;
            } else if scope.nodes == 1 && field == 5 {
                let mut tensor = Tensor::read(wire, range)?;
                tensor.name = format!("{}{}", scope.prefix, tensor.name);
                found.tensors.push(tensor);
            } else if scope.nodes == 1 && field == 15 {
                let values = first(wire, range, 1)?;
                let name = values.map(|range| first_text(wire, range, 8)).transpose()?.unwrap_or_default();
                found.sparse.get_or_insert(format!("{}{name}", scope.prefix));
            }
            names += scope.prefix.len();
            if names > NAMES_LIMIT {
                return Err(wire.malformed(format!("the names of nested graphs have more than {NAMES_LIMIT} bytes")));
            }
        }
    }
    Ok(found)
}

fn node(
    wire: &mut Wire<'_>,
    range: Range,
    scope: &Scope,
    found: &mut Found,
    scopes: &mut VecDeque<Scope>,
) -> Result<(), SourceError> {
    let (mut inputs, mut attributes) = (Vec::new(), Vec::new());
    let (mut name, mut output, mut operator) = (None, None, None);
    let mut rest = range;
    while let Some((field, value)) = wire.field(&mut rest)? {
        let Value::Bytes(range) = value else { continue };
        match field {
            1 if inputs.len() < 3 => inputs.push(range),
            2 => _ = output.get_or_insert(range),
            3 => name = Some(range),
            4 => operator = Some(range),
            5 => attributes.push(range),
            _ => {}
        }
    }
    let operator = operator.map(|range| wire.text(range)).transpose()?.unwrap_or_default();
    let label = output.or(name).map(|range| wire.text(range)).transpose()?.unwrap_or_default();
    let label = format!("{}{label}", scope.prefix);
    let wanted = match operator.as_str() {
        "Constant" => Wanted::Value,
        "DequantizeLinear" => Wanted::Axis,
        other => {
            if PACKED.contains(&other) {
                found.packed.get_or_insert(operator.clone());
            }
            Wanted::Graphs
        }
    };
    let (mut axis, mut block) = (1, 0);
    for range in attributes {
        let Attribute { name, number, tensor, graphs, listed } = Attribute::read(wire, range, wanted)?;
        match wanted {
            Wanted::Value => {
                if let Some(range) = tensor.filter(|_| name == "value") {
                    let mut tensor = Tensor::read(wire, range)?;
                    tensor.name.clone_from(&label);
                    if tensor.shape.iter().all(|&d| d == 1) {
                        found.left_out.push((label.clone(), "it is a constant of one value".to_owned()));
                    } else {
                        found.tensors.push(tensor);
                    }
                } else if listed || name == "sparse_value" {
                    found.left_out.push((label.clone(), format!("it is a constant given by `{name}`")));
                }
            }
            Wanted::Axis if name == "axis" => axis = number,
            Wanted::Axis if name == "block_size" => block = number.max(0).unsigned_abs(),
            _ => {}
        }
        for graph in graphs {
            let depth = scope.depth + 1;
            if depth > DEPTH_LIMIT {
                return Err(wire.malformed(format!("graphs are nested deeper than {DEPTH_LIMIT}")));
            }
            scopes.push_back(Scope { range: graph, prefix: format!("{label}.{name}."), depth, nodes: 1 });
        }
    }
    if wanted == Wanted::Axis && inputs.len() >= 2 {
        let mut input = |at: usize| inputs.get(at).map(|range| wire.text(*range)).transpose();
        let (values, scale) = (input(0)?.unwrap_or_default(), input(1)?.unwrap_or_default());
        let zero = input(2)?.filter(|name| !name.is_empty());
        found.dequantized.push(Dequantized { prefix: scope.prefix.clone(), values, scale, zero, axis, block });
    }
    Ok(())
}

/// What is looked for among the attributes of a node. Graphs are always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Value,
    Axis,
    Graphs,
}

/// An attribute of a node.
#[derive(Debug, Default)]
struct Attribute {
    name: String,
    number: i64,
    tensor: Option<Range>,
    graphs: Vec<Range>,
    /// Whether it has a list of floating point numbers.
    listed: bool,
}

impl Attribute {
    fn read(wire: &mut Wire<'_>, mut rest: Range, wanted: Wanted) -> Result<Self, SourceError> {
        let mut found = Self::default();
        let mut name = None;
        while let Some((field, value)) = wire.field(&mut rest)? {
            match (field, value) {
                (1, Value::Bytes(range)) => name = Some(range),
                (3, Value::Number(number)) => found.number = number as i64,
                (5, Value::Bytes(range)) => found.tensor = Some(range),
                (6 | 11, Value::Bytes(range)) => found.graphs.push(range),
                (7, _) => found.listed = true,
                _ => {}
            }
        }
        // Most attributes are settings, whose names are not needed.
        if let Some(range) = name.filter(|_| wanted != Wanted::Graphs || !found.graphs.is_empty()) {
            found.name = wire.text(range)?;
        }
        Ok(found)
    }
}

/// Returns the bytes of the first field of that number.
fn first(wire: &mut Wire<'_>, mut rest: Range, number: u64) -> Result<Option<Range>, SourceError> {
    while let Some((field, value)) = wire.field(&mut rest)? {
        if let (true, Value::Bytes(range)) = (field == number, value) {
            return Ok(Some(range));
        }
    }
    Ok(None)
}

fn first_text(wire: &mut Wire<'_>, range: Range, number: u64) -> Result<String, SourceError> {
    let found = first(wire, range, number)?;
    Ok(found.map(|range| wire.text(range)).transpose()?.unwrap_or_default())
}
