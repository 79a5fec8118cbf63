//! Contraction: from a tree over models and unobserved nodes to a tree over models.

use super::Branch;

/// Replaces every unobserved node by the model at the smallest path length, and returns the links that remain between models.
///
/// Models are the nodes `0..scores.len()`. Branches below 0 count as 0. Of equally near models the one with the lower score
/// stands for the node, then the one that comes first. The nodes that one model stands for are connected, so the links are a
/// tree.
///
/// O(n²) time for n nodes.
pub(super) fn contract(branches: &[Branch], scores: &[f64]) -> Vec<(usize, usize)> {
    let models = scores.len();
    let nodes = branches.iter().map(|b| b.a.max(b.b) + 1).fold(models, usize::max);
    let near = adjacency(nodes, branches.iter().map(|b| (b.a, b.b, b.length.max(0.0))));
    // The nearest model known so far for each node, with the length of the path to it.
    let mut nearest: Vec<Option<(f64, usize)>> = (0..nodes).map(|v| (v < models).then_some((0.0, v))).collect();
    let mut settled = vec![false; nodes];
    let nearer = |a: (f64, usize), b: (f64, usize)| {
        a.0.total_cmp(&b.0).then(scores[a.1].total_cmp(&scores[b.1])).then(a.1.cmp(&b.1)).is_lt()
    };
    loop {
        // As in Dijkstra's algorithm, no later path can be shorter than that of the nearest open node.
        let mut next: Option<(usize, (f64, usize))> = None;
        for (node, found) in nearest.iter().enumerate().filter(|(node, _)| !settled[*node]) {
            if let Some(found) = found.filter(|&f| next.is_none_or(|(_, least)| nearer(f, least))) {
                next = Some((node, found));
            }
        }
        let Some((node, (length, model))) = next else { break };
        settled[node] = true;
        // A model stands for itself, however near another model is.
        for &(other, branch) in near[node].iter().filter(|(other, _)| *other >= models && !settled[*other]) {
            let found = (length + branch, model);
            if nearest[other].is_none_or(|known| nearer(found, known)) {
                nearest[other] = Some(found);
            }
        }
    }
    let stands_for = |node: usize| nearest[node].map_or(node, |(_, model)| model);
    branches.iter().map(|b| (stands_for(b.a), stands_for(b.b))).filter(|(a, b)| a != b).collect()
}

/// The parent of each of the n nodes of a tree, given its undirected links and its root.
pub(super) fn rooted(n: usize, links: &[(usize, usize)], root: usize) -> Vec<Option<usize>> {
    let near = adjacency(n, links.iter().map(|&(a, b)| (a, b, 0.0)));
    let mut parents = vec![None; n];
    // A stack instead of recursion: a chain of models may be long.
    let mut reached = vec![root];
    while let Some(node) = reached.pop() {
        let parent = parents[node];
        for &(child, _) in near[node].iter().filter(|(other, _)| Some(*other) != parent) {
            parents[child] = Some(node);
            reached.push(child);
        }
    }
    parents
}

/// The neighbors of each node, with the lengths of the links to them.
fn adjacency(n: usize, links: impl Iterator<Item = (usize, usize, f64)>) -> Vec<Vec<(usize, f64)>> {
    let mut near = vec![Vec::new(); n];
    for (a, b, length) in links {
        near[a].push((b, length));
        near[b].push((a, length));
    }
    near
}
