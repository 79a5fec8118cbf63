//! Models put together from whole tensors of others: layers of two models one above the other, layers repeated or left out,
//! and experts made of the MLPs of dense models.
//!
//! Such a model has other names for the same tensors, or more or fewer of them. Distances under equal names mean little then.
//! Equal tensors are found by prints of their values, under any name.

use super::weights::Weights;
use crate::error::Error;
use crate::geometry::{Geometry, TensorPrint};
use crate::model_set::{Kind, ModelId};
use crate::source::ParameterInfo;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A model put together from tensors of others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stack {
    pub(super) child: ModelId,
    /// The parents, the one that gave most values first.
    pub(super) parents: Vec<Given>,
    /// Share of the child's values that are no parent's.
    pub(super) residual: f64,
    /// Probability that the child came from the parents, and not they from it.
    pub(super) direction: f64,
}

/// What one parent gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Given {
    pub(super) parent: ModelId,
    /// Share of the values that all parents gave together.
    pub(super) weight: f64,
    /// The child's name of each tensor, its number of values, and the parent's name.
    pub(super) tensors: Vec<(String, usize, String)>,
}

/// The models of a geometry that are put together from tensors of others. Without values there are none.
///
/// Values are read only where models of several depths hold matrices of the same shapes.
///
/// # Errors
///
/// [`Error::Interrupted`].
pub(super) fn stacks(geometry: &Geometry, weights: &Weights) -> Result<Vec<Stack>, Error> {
    let candidates = of_several_depths(geometry);
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let Some(prints) = geometry.read_prints(&candidates)? else { return Ok(Vec::new()) };
    let matrices = |id: ModelId| geometry.listed(id).map_or(0, |list| count_matrices(list));
    let of = |(i, &id): (usize, &ModelId)| Model::new(id, &prints[i], matrices(id));
    let models: Vec<Model<'_>> = candidates.iter().enumerate().map(of).collect();
    let known = holders(&models);
    let likely = |child: &&Model<'_>| {
        child.known_elsewhere(&known) as f64 >= (1.0 - weights.layers.left_over) * child.size() as f64
    };
    let mut found: Vec<Stack> =
        models.iter().filter(likely).filter_map(|child| stack(child, &models, weights)).collect();
    // Of two stacks of one another, the one that several models explain is the child; else neither is known to be.
    let mutual: BTreeSet<ModelId> = found
        .iter()
        .filter(|s| {
            let other = |o: &&Stack| is_parent(s, o.child) && is_parent(o, s.child);
            found.iter().filter(other).any(|o| o.parents.len() >= s.parents.len())
        })
        .map(|s| s.child)
        .collect();
    found.retain(|s| !mutual.contains(&s.child));
    Ok(found)
}

fn is_parent(stack: &Stack, model: ModelId) -> bool {
    stack.parents.iter().any(|g| g.parent == model)
}

/// Models in an order of their content, whose matrices have shapes of models with another number of matrices.
fn of_several_depths(geometry: &Geometry) -> Vec<ModelId> {
    // Models of one layout share the list, so each list is looked at once.
    let mut outlines: HashMap<*const ParameterInfo, (usize, BTreeSet<Vec<usize>>)> = HashMap::new();
    let key = |model: ModelId| geometry.listed(model).map(|list| list.as_ptr());
    for &model in geometry.models() {
        let Some(list) = geometry.listed(model) else { return Vec::new() };
        outlines.entry(list.as_ptr()).or_insert_with(|| {
            let matrices = list.iter().filter(|info| is_matrix(&info.shape) && !info.dtype.is_integer());
            let shapes: Vec<Vec<usize>> = matrices.map(|info| info.shape.clone()).collect();
            (shapes.len(), shapes.into_iter().collect())
        });
    }
    let apart = |a: &(usize, BTreeSet<Vec<usize>>), b: &(usize, BTreeSet<Vec<usize>>)| {
        a.0 != b.0 && a.1.intersection(&b.1).next().is_some()
    };
    let stands: BTreeMap<_, bool> =
        outlines.iter().map(|(k, a)| (*k as usize, outlines.values().any(|b| apart(a, b)))).collect();
    let has = |model: &ModelId| key(*model).is_some_and(|k| stands.get(&(k as usize)) == Some(&true));
    geometry.models().iter().copied().filter(has).collect()
}

fn count_matrices(list: &[ParameterInfo]) -> usize {
    list.iter().filter(|info| is_matrix(&info.shape) && !info.dtype.is_integer()).count()
}

fn is_matrix(shape: &[usize]) -> bool {
    shape.iter().filter(|&&n| n > 1).count() > 1
}

/// For each print, by shape and values, the numbers of matrices of the models that hold it: the least and the largest.
type Holders<'p> = HashMap<(&'p [usize], u64), (usize, usize)>;

fn holders<'p>(models: &[Model<'p>]) -> Holders<'p> {
    let mut holders: Holders<'p> = HashMap::new();
    for model in models {
        for &print in model.by_values.keys() {
            let range = holders.entry(print).or_insert((model.matrices, model.matrices));
            *range = (range.0.min(model.matrices), range.1.max(model.matrices));
        }
    }
    holders
}

/// The prints of one model, found by shape and values.
struct Model<'p> {
    id: ModelId,
    prints: &'p [TensorPrint],
    by_values: HashMap<(&'p [usize], u64), Vec<usize>>,
    by_name: HashMap<&'p str, usize>,
    /// Number of its matrices, those without a print included.
    matrices: usize,
}

impl<'p> Model<'p> {
    fn new(id: ModelId, prints: &'p [TensorPrint], matrices: usize) -> Self {
        let mut by_values: HashMap<(&'p [usize], u64), Vec<usize>> = HashMap::new();
        for (i, print) in prints.iter().enumerate() {
            by_values.entry((&print.shape, print.rounded)).or_default().push(i);
        }
        let by_name = prints.iter().enumerate().map(|(i, print)| (print.name.as_str(), i)).collect();
        Self { id, prints, by_values, by_name, matrices }
    }

    /// The tensor of this model with the values of another tensor: the one of its name if there are several.
    fn same(&self, print: &TensorPrint) -> Option<&TensorPrint> {
        let all = self.by_values.get(&(print.shape.as_slice(), print.rounded))?;
        // There may be many of the same values, all zeros for example.
        let named = self.named(&print.name).filter(|own| own.shape == print.shape && own.rounded == print.rounded);
        named.or_else(|| all.first().map(|&i| &self.prints[i]))
    }

    fn named(&self, name: &str) -> Option<&TensorPrint> {
        self.by_name.get(name).map(|&i| &self.prints[i])
    }

    /// Number of values in tensors that some model of another depth holds. Most models have few, so that no more is looked at.
    fn known_elsewhere(&self, holders: &Holders<'_>) -> usize {
        let elsewhere = |p: &&TensorPrint| {
            holders.get(&(p.shape.as_slice(), p.rounded)).is_some_and(|range| *range != (self.matrices, self.matrices))
        };
        self.prints.iter().filter(elsewhere).map(TensorPrint::size).sum()
    }

    fn size(&self) -> usize {
        self.prints.iter().map(TensorPrint::size).sum()
    }

    /// Number of values in tensors whose values another model has.
    fn covered_by(&self, other: &Self) -> usize {
        self.prints.iter().filter(|p| other.same(p).is_some()).map(TensorPrint::size).sum()
    }

    /// Number of matrices whose values an earlier matrix of this model has.
    fn repeated(&self) -> usize {
        let matrices = self.by_values.values().filter(|all| self.prints[all[0]].kind == Kind::Matrix);
        matrices.map(|all| all.len() - 1).sum()
    }
}

/// What a model has of others, when nearly all of it is theirs.
fn stack(child: &Model<'_>, models: &[Model<'_>], weights: &Weights) -> Option<Stack> {
    let numbers = &weights.layers;
    let size = child.size();
    let others: Vec<&Model<'_>> = models.iter().filter(|m| m.id != child.id && m.matrices != child.matrices).collect();
    let mut left: Vec<usize> = (0..child.prints.len()).collect();
    let mut given: Vec<(&Model<'_>, Vec<usize>)> = Vec::new();
    while given.len() < numbers.most {
        // Exact values count before rounded ones, so that a model comes before its cast.
        let gain = |m: &&Model<'_>| -> (usize, usize) {
            let found = left.iter().filter_map(|&i| Some((&child.prints[i], m.same(&child.prints[i])?)));
            found.fold((0, 0), |(all, exact), (mine, theirs)| {
                (all + mine.size(), exact + if mine.exact == theirs.exact { mine.size() } else { 0 })
            })
        };
        let gains: Vec<(usize, usize)> = others.iter().map(gain).collect();
        let best = (0..others.len()).max_by(|&a, &b| gains[a].cmp(&gains[b]).then(b.cmp(&a)))?;
        if (gains[best].0 as f64) < numbers.least * size as f64 {
            break;
        }
        let parent = others[best];
        let (taken, rest): (Vec<usize>, Vec<usize>) =
            left.iter().partition(|&&i| parent.same(&child.prints[i]).is_some());
        given.push((parent, taken));
        left = rest;
    }
    let unexplained: usize = left.iter().map(|&i| child.prints[i].size()).sum();
    if given.is_empty() || unexplained as f64 > numbers.left_over * size as f64 || !is_derived(child, &given) {
        return None;
    }
    // Which of an expert and a mixture that holds it was first is open: the mixture may be made of models that are not here.
    let direction = if is_expert(child, &given) { weights.copies.even } else { 1.0 };
    let explained = (size - unexplained).max(1) as f64;
    let given = given.into_iter().map(|(parent, taken)| {
        let tensor = |&i: &usize| {
            let mine = &child.prints[i];
            Some((mine.name.clone(), mine.size(), parent.same(mine)?.name.clone()))
        };
        let values: usize = taken.iter().map(|&i| child.prints[i].size()).sum();
        Given {
            parent: parent.id,
            weight: values as f64 / explained,
            tensors: taken.iter().filter_map(tensor).collect(),
        }
    });
    let residual = unexplained as f64 / size.max(1) as f64;
    Some(Stack { child: child.id, parents: given.collect(), residual, direction })
}

/// Whether the child came from these models, and not they from it.
fn is_derived(child: &Model<'_>, given: &[(&Model<'_>, Vec<usize>)]) -> bool {
    let pairs = given.iter().flat_map(|(parent, taken)| taken.iter().map(move |&i| (parent, &child.prints[i])));
    let matrices: Vec<bool> = pairs
        .filter(|(_, mine)| mine.kind == Kind::Matrix)
        .filter_map(|(parent, mine)| Some(parent.same(mine)?.name == mine.name))
        .collect();
    // Under equal names alone, a model that lacks some tensors is a copy in part. Under other names alone, it is a part of a file.
    if !(matrices.contains(&true) && matrices.contains(&false)) {
        return false;
    }
    let whole = |m: &Model<'_>| m.covered_by(child) == m.size();
    match given {
        // Of two that hold each other's tensors, the one with repeated tensors or more of them was made from the other.
        [(parent, _)] => !whole(parent) || child.repeated() > parent.repeated() || child.matrices > parent.matrices,
        // A file that holds several models whole, none of which repeats another, is not made of them.
        _ => !given.iter().all(|(parent, _)| whole(parent)) || child.repeated() > 0,
    }
}

/// Whether the child may be an expert of its only parent: some of its matrices have names that no tensor of the parent has.
///
/// A model whose layers were left out has every name that it uses from its parent, where another tensor has it.
fn is_expert(child: &Model<'_>, given: &[(&Model<'_>, Vec<usize>)]) -> bool {
    let [(parent, taken)] = given else { return false };
    let known = |mine: &TensorPrint| parent.named(&mine.name).is_some();
    let mut matrices = taken.iter().map(|&i| &child.prints[i]).filter(|mine| mine.kind == Kind::Matrix);
    child.matrices < parent.matrices && !matrices.all(known)
}

#[cfg(test)]
mod tests;
