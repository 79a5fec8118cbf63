use super::ModelId;
use super::layout::{Alignment, Holder, Layout, align};
use crate::error::Error;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

/// What a parameter's shape makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// At least two dimensions larger than one: weights of layers, embeddings, kernels.
    Matrix,
    /// Biases, scales and scalars.
    Vector,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Matrix => "matrix",
            Self::Vector => "vector",
        })
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "matrix" => Ok(Self::Matrix),
            "vector" => Ok(Self::Vector),
            _ => Err(Error::unknown_word("kind", text, "`matrix` or `vector`")),
        }
    }
}

/// A parameter, or a range of its values, that two or more models of a group hold.
///
/// Models whose row counts differ (a resized vocabulary) share the rows that both have: such a parameter stands once for each
/// range with other holders. Where only the [first values](super::ModelSetBuilder::with_first_values) are compared a range may end
/// inside a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedParameter {
    /// Its name, without a wrapper that only some of the models have.
    pub name: String,
    /// The values compared, in row-major order; all of them unless row counts differ or only the first are compared.
    pub values: Range<usize>,
    /// Elements in one row: the product of every dimension but the first.
    pub row_size: usize,
    /// Matrix or vector.
    pub kind: Kind,
    /// Positions, in the group's models, of those that hold it; sorted.
    pub holders: Vec<usize>,
}

impl SharedParameter {
    /// Number of elements compared.
    pub fn size(&self) -> usize {
        self.values.len()
    }

    /// First element compared, in row-major order.
    pub fn offset(&self) -> usize {
        self.values.start
    }

    /// The rows compared, the last one perhaps in part.
    pub fn rows(&self) -> Range<usize> {
        self.values.start / self.row_size..self.values.end.div_ceil(self.row_size)
    }
}

/// Models that can be compared with each other: each shares enough of its elements with all others.
#[derive(Clone, Debug)]
pub struct LayoutGroup {
    pub(super) models: Vec<ModelId>,
    pub(super) parameters: Vec<SharedParameter>,
    /// Per model, values of parameters that no other model of the group holds.
    unshared: Vec<usize>,
    /// Per model, the name it gives to each parameter; shared among models of one layout.
    own_names: Vec<Arc<[Option<Arc<str>>]>>,
}

impl LayoutGroup {
    /// The models, sorted.
    pub fn models(&self) -> &[ModelId] {
        &self.models
    }

    /// The parameters that two or more of the models share, sorted by name, then values.
    pub fn parameters(&self) -> &[SharedParameter] {
        &self.parameters
    }

    /// Elements that every model of the group holds.
    pub fn common_size(&self) -> usize {
        self.parameters.iter().filter(|p| p.holders.len() == self.models.len()).map(SharedParameter::size).sum()
    }

    /// Values of the model at a position in [`models`](Self::models) that no other model of the group holds.
    pub fn unshared_size(&self, model: usize) -> usize {
        self.unshared.get(model).copied().unwrap_or_default()
    }

    /// What the model at a position in [`models`](Self::models) calls the parameter at a position in
    /// [`parameters`](Self::parameters); `None` when it does not hold it.
    pub fn own_name(&self, model: usize, parameter: usize) -> Option<&str> {
        self.own_names.get(model)?.get(parameter)?.as_deref()
    }
}

/// Divides models, given by the number of their layout, into groups sorted by their first model.
pub(super) fn groups(layouts: &[Layout], layout_of: &[usize], minimum: f64) -> Vec<LayoutGroup> {
    let mut groups: Vec<LayoutGroup> = align(layouts, minimum).iter().map(|a| group(a, layout_of)).collect();
    groups.sort_by_key(|g| g.models[0]);
    groups
}

fn group(alignment: &Alignment, layout_of: &[usize]) -> LayoutGroup {
    let models: Vec<ModelId> =
        (0..layout_of.len()).filter(|&m| alignment.layouts.contains(&layout_of[m])).map(ModelId::new).collect();
    let mut positions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, model) in models.iter().enumerate() {
        positions.entry(layout_of[model.index()]).or_default().push(at);
    }

    let mut parameters = Vec::new();
    let mut unshared = vec![0; models.len()];
    let mut names: BTreeMap<usize, Vec<Option<Arc<str>>>> =
        alignment.layouts.iter().map(|&l| (l, Vec::new())).collect();
    for ((name, tail), holders) in &alignment.tensors {
        let row_size = tail.as_deref().map_or(1, |t| t.iter().product());
        let most_rows = holders.iter().map(|h| h.rows).max().unwrap_or(0);
        let wide = tail.as_deref().unwrap_or_default().iter().filter(|&&d| d > 1).count();
        let kind = if wide + usize::from(most_rows > 1) >= 2 { Kind::Matrix } else { Kind::Vector };
        for values in ranges(holders) {
            let held: Vec<&Holder> = holders.iter().filter(|h| h.values >= values.end).collect();
            let mut at: Vec<usize> = held.iter().flat_map(|h| positions[&h.layout].iter().copied()).collect();
            if let [alone] = at[..] {
                unshared[alone] += values.len();
            }
            if at.len() < 2 {
                continue;
            }
            at.sort_unstable();
            for (layout, own) in &mut names {
                own.push(held.iter().find(|h| h.layout == *layout).map(|h| h.own_name.clone()));
            }
            parameters.push(SharedParameter { name: name.clone(), values, row_size, kind, holders: at });
        }
    }
    let names: BTreeMap<usize, Arc<[Option<Arc<str>>]>> = names.into_iter().map(|(l, n)| (l, n.into())).collect();
    let own_names = models.iter().map(|m| names[&layout_of[m.index()]].clone()).collect();
    LayoutGroup { models, parameters, unshared, own_names }
}

/// The ranges between consecutive counts of values: within one, the same models hold every value.
fn ranges(holders: &[Holder]) -> Vec<Range<usize>> {
    let mut ends: Vec<usize> = holders.iter().map(|h| h.values).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut begin = 0;
    let mut ranges = Vec::with_capacity(ends.len());
    for end in ends {
        ranges.push(begin..end);
        begin = end;
    }
    ranges
}
