use super::layout::{Alignment, Holder};
use super::{ModelId, Position};
use crate::error::Error;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

/// The kind of a parameter, which follows from its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// At least two dimensions are larger than one: weights of layers, embeddings, kernels.
    Matrix,
    /// At most one dimension is larger than one: biases, scales and scalars.
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
/// Models whose row counts differ (a resized vocabulary) share the rows that both have. Such a parameter is listed several
/// times, once for each range of values with the same holders. If only the [first values](super::ModelSetBuilder::with_first_values)
/// are compared, a range may end inside a row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedParameter {
    /// The name, without wrappers that only some of the models have.
    pub name: String,
    /// The values compared, in row-major order. These are all values, unless row counts differ or only the first are compared.
    pub values: Range<usize>,
    /// Elements in one row: the product of every dimension but the first.
    pub row_size: usize,
    /// Matrix or vector.
    pub kind: Kind,
    /// Positions in the group's models of the models that hold it, sorted.
    pub holders: Vec<Position<LayoutGroup>>,
}

impl SharedParameter {
    /// Returns the number of elements compared.
    pub fn size(&self) -> usize {
        self.values.len()
    }

    /// Returns the row-major index of the first element compared.
    pub fn offset(&self) -> usize {
        self.values.start
    }

    /// Returns the rows compared. The last one may be compared in part.
    pub fn rows(&self) -> Range<usize> {
        self.values.start / self.row_size..self.values.end.div_ceil(self.row_size)
    }
}

/// A group of models that can be compared with each other. Each shares enough of its elements with all others.
#[derive(Clone, Debug)]
pub struct LayoutGroup {
    pub(super) models: Vec<ModelId>,
    pub(super) parameters: Vec<SharedParameter>,
    /// For each model, the number of values that no other model of the group holds.
    unshared: Vec<usize>,
    /// One model of each other group whose shapes are alike.
    resembling: Vec<ModelId>,
    /// For each model, its own name of each parameter. Models of one layout share the list.
    own_names: Vec<Arc<[Option<Arc<str>>]>>,
}

impl LayoutGroup {
    /// Creates the group of a model that has nothing to compare.
    pub(super) fn of_nothing(model: ModelId) -> Self {
        Self {
            models: vec![model],
            parameters: Vec::new(),
            unshared: vec![0],
            resembling: Vec::new(),
            own_names: vec![Arc::from([])],
        }
    }

    /// Returns the models, sorted by id.
    pub fn models(&self) -> &[ModelId] {
        &self.models
    }

    /// Returns the positions of all models, in their order.
    pub fn positions(&self) -> impl DoubleEndedIterator<Item = Position<Self>> + ExactSizeIterator + Clone + use<> {
        Position::all(self.models.len())
    }

    /// Returns the model at a position.
    ///
    /// # Panics
    ///
    /// Panics when the position is out of range.
    pub fn model(&self, at: Position<Self>) -> ModelId {
        self.models[at.index()]
    }

    /// Returns the parameters that two or more of the models share, sorted by name, then by values.
    pub fn parameters(&self) -> &[SharedParameter] {
        &self.parameters
    }

    /// Returns the number of elements that every model of the group holds.
    pub fn common_size(&self) -> usize {
        self.parameters.iter().filter(|p| p.holders.len() == self.models.len()).map(SharedParameter::size).sum()
    }

    /// Returns how many values of a model no other model of the group holds. 0 for a position out of range.
    pub fn unshared_size(&self, model: Position<Self>) -> usize {
        self.unshared.get(model.index()).copied().unwrap_or_default()
    }

    /// Returns one model of each other group whose tensors have the same shapes under other names, sorted.
    ///
    /// The two groups may be one network in two vocabularies of names. No values of their models are related beyond chance, or
    /// none were [to be read](super::Matching::ByNames), so that nothing tells which tensors correspond. They are not
    /// comparable under these names, which says nothing about kinship.
    pub fn resembling(&self) -> &[ModelId] {
        &self.resembling
    }

    /// Returns a model's own name of a parameter. `None` when the model does not hold it.
    ///
    /// `parameter` is a number in [`parameters`](Self::parameters).
    pub fn own_name(&self, model: Position<Self>, parameter: usize) -> Option<&str> {
        self.own_names.get(model.index())?.get(parameter)?.as_deref()
    }
}

/// Divides models into groups, sorted by their first model.
///
/// `layout_of` has the number of each model's layout, `resembling` pairs of alignments whose shapes are alike.
pub(super) fn groups(alignments: &[Alignment], layout_of: &[usize], resembling: &[(usize, usize)]) -> Vec<LayoutGroup> {
    let mut groups: Vec<LayoutGroup> = alignments.iter().map(|a| group(a, layout_of)).collect();
    let first: Vec<ModelId> = groups.iter().map(|g| g.models[0]).collect();
    for &(a, b) in resembling {
        groups[a].resembling.push(first[b]);
        groups[b].resembling.push(first[a]);
    }
    groups.iter_mut().for_each(|g| g.resembling.sort_unstable());
    groups.sort_by_key(|g| g.models[0]);
    groups
}

fn group(alignment: &Alignment, layout_of: &[usize]) -> LayoutGroup {
    let models: Vec<ModelId> =
        (0..layout_of.len()).filter(|&m| alignment.layouts.contains(&layout_of[m])).map(ModelId::new).collect();
    let mut positions: BTreeMap<usize, Vec<Position<LayoutGroup>>> = BTreeMap::new();
    for (at, model) in Position::all(models.len()).zip(&models) {
        positions.entry(layout_of[model.index()]).or_default().push(at);
    }

    let mut parameters = Vec::new();
    let mut unshared = vec![0; models.len()];
    let mut names: BTreeMap<usize, Vec<Option<Arc<str>>>> =
        alignment.layouts.iter().map(|&l| (l, Vec::new())).collect();
    for ((name, tail), holders) in &alignment.tensors {
        let row_size = tail.as_deref().map_or(1, |t| t.iter().product());
        // The tallest holder decides the kind, so that all ranges of a parameter have the same kind.
        let most_rows = holders.iter().map(|h| h.rows).max().unwrap_or(0);
        let wide = tail.as_deref().unwrap_or_default().iter().filter(|&&d| d > 1).count();
        let kind = if wide + usize::from(most_rows > 1) >= 2 { Kind::Matrix } else { Kind::Vector };
        for values in ranges(holders) {
            let held: Vec<&Holder> = holders.iter().filter(|h| h.values >= values.end).collect();
            let mut at: Vec<Position<LayoutGroup>> =
                held.iter().flat_map(|h| positions[&h.layout].iter().copied()).collect();
            // Values of one model alone cannot be compared. They only show that it is not identical to others.
            if let [alone] = at[..] {
                unshared[alone.index()] += values.len();
            }
            if at.len() < 2 {
                continue;
            }
            at.sort_unstable();
            // Every list of own names has one entry for each parameter, also for layouts that do not hold it.
            for (layout, own) in &mut names {
                own.push(held.iter().find(|h| h.layout == *layout).map(|h| h.own_name.clone()));
            }
            parameters.push(SharedParameter { name: name.clone(), values, row_size, kind, holders: at });
        }
    }
    let names: BTreeMap<usize, Arc<[Option<Arc<str>>]>> = names.into_iter().map(|(l, n)| (l, n.into())).collect();
    let own_names = models.iter().map(|m| names[&layout_of[m.index()]].clone()).collect();
    LayoutGroup { models, parameters, unshared, resembling: Vec::new(), own_names }
}

/// Returns the ranges between consecutive counts of values. Within one range, the same models hold every value.
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
