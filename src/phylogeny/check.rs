use super::{Edge, Family, FamilyId, Link, Node};
use crate::error::Error;
use crate::model_set::ModelId;
use petgraph::unionfind::UnionFind;
use std::collections::{BTreeMap, HashSet};

/// How far the weights of one child's parents may be from a sum of 1. Weights come from least squares and from text: a
/// thousandth is far above rounding and far below any intended share.
const WEIGHT_SUM_TOLERANCE: f64 = 1e-3;

pub(super) fn invalid<T>(reason: String) -> Result<T, Error> {
    Err(Error::InvalidPhylogeny { reason })
}

/// Checks that there are as many names as models and that no two are equal.
pub(super) fn named(models: usize, names: Vec<String>) -> Result<Vec<String>, Error> {
    if names.len() != models {
        return invalid(format!("{} names for {models} models", names.len()));
    }
    let mut seen = HashSet::with_capacity(names.len());
    if let Some(name) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(Error::DuplicateName { name: name.clone() });
    }
    Ok(names)
}

/// Checks ranges and repetition; `edges` are sorted by child, then parent.
pub(super) fn edges(names: &[String], edges: &[Edge]) -> Result<(), Error> {
    for e in edges {
        let (Some(p), Some(c)) = (names.get(e.parent.index()), names.get(e.child.index())) else {
            let models = names.len();
            return invalid(format!("edge {} -> {} names a model beyond the {models} there are", e.parent, e.child));
        };
        if e.parent == e.child {
            return invalid(format!("model `{p}` is its own parent"));
        }
        if let Some(problem) = e.out_of_range() {
            return invalid(format!("edge `{p}` -> `{c}` has {problem}"));
        }
    }
    // Edges are sorted, so that equal ones stand side by side.
    for pair in edges.windows(2) {
        if (pair[0].child, pair[0].parent) == (pair[1].child, pair[1].parent) {
            let [p, c] = [pair[0].parent, pair[0].child].map(|m| &names[m.index()]);
            return invalid(format!("edge `{p}` -> `{c}` is given twice"));
        }
    }
    Ok(())
}

/// Checks that the weights of the parents of each node sum to 1; `steps` are sorted by child.
pub(super) fn weights(names: &[String], steps: &[Link]) -> Result<(), Error> {
    for parents in steps.chunk_by(|a, b| a.child == b.child) {
        let sum: f64 = parents.iter().map(|e| e.weight).sum();
        if (sum - 1.0).abs() > WEIGHT_SUM_TOLERANCE {
            let child = shown(names, parents[0].child);
            return invalid(format!("weights of the parents of {child} sum to {sum}, expected 1"));
        }
    }
    Ok(())
}

/// A node in a message.
fn shown(names: &[String], node: Node) -> String {
    match node {
        Node::Model(model) => format!("model `{}`", names[model.index()]),
        Node::Unobserved(id) => format!("unobserved model {id}"),
    }
}

/// Gives the longest way up from each model, by Kahn's algorithm. Cycles are refused.
pub(super) fn generations(names: &[String], unobserved: usize, steps: &[Link]) -> Result<Vec<usize>, Error> {
    let models = names.len();
    let nodes = models + unobserved;
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    let mut waiting = vec![0usize; nodes];
    for step in steps {
        let (parent, child) = (step.parent.number(models), step.child.number(models));
        children[parent].push(child);
        waiting[child] += 1;
    }
    let mut generation = vec![0; nodes];
    let mut ready: Vec<usize> = (0..nodes).filter(|&m| waiting[m] == 0).collect();
    let mut done = 0;
    // A model is ready when all its parents are done, so that its generation is final.
    while let Some(m) = ready.pop() {
        done += 1;
        for &c in &children[m] {
            generation[c] = generation[c].max(generation[m] + 1);
            waiting[c] -= 1;
            if waiting[c] == 0 {
                ready.push(c);
            }
        }
    }
    // A model that never became ready is on a cycle or below one.
    if done < nodes {
        let stuck = waiting.iter().position(|&w| w > 0).unwrap_or_default();
        let node = shown(names, Node::of(stuck, models));
        return invalid(format!("{node} is its own ancestor or descends from a cycle"));
    }
    generation.truncate(models);
    Ok(generation)
}

/// Gives the connected components of steps and kin, sorted by their first member, and the family of every node.
///
/// Every unobserved model has a child, so that its family has a member.
pub(super) fn families(
    models: usize,
    unobserved: usize,
    steps: &[Link],
    kin: &[Vec<ModelId>],
) -> Result<(Vec<Family>, Vec<FamilyId>), Error> {
    let mut components = UnionFind::<usize>::new(models + unobserved);
    for step in steps {
        components.union(step.parent.number(models), step.child.number(models));
    }
    for set in kin {
        if let Some(m) = set.iter().find(|m| m.index() >= models) {
            return invalid(format!("a family names model {} beyond the {models} there are", m.index()));
        }
        // To join neighbors in the list is enough to join all of it.
        for pair in set.windows(2) {
            components.union(pair[0].index(), pair[1].index());
        }
    }
    let mut is_root = vec![true; models + unobserved];
    for step in steps {
        is_root[step.child.number(models)] = false;
    }
    let mut by_label: BTreeMap<usize, usize> = BTreeMap::new();
    let mut families: Vec<Family> = Vec::new();
    let mut family_of = Vec::with_capacity(models + unobserved);
    // Models come in the order of their ids, so that families are numbered by their first member and members are sorted.
    for (m, label) in components.into_labeling().into_iter().enumerate() {
        let f = *by_label.entry(label).or_insert_with(|| {
            families.push(Family { members: Vec::new(), roots: Vec::new() });
            families.len() - 1
        });
        family_of.push(FamilyId::new(f));
        let Node::Model(model) = Node::of(m, models) else { continue };
        families[f].members.push(model);
        if is_root[m] {
            families[f].roots.push(model);
        }
    }
    Ok((families, family_of))
}
