use super::counts::{Ratio, Retrieval};
use super::matched::Matched;
use std::collections::BTreeSet;

type Pairs = BTreeSet<(usize, usize)>;

fn directed(parents: &[Vec<usize>]) -> Pairs {
    parents.iter().enumerate().flat_map(|(c, parents)| parents.iter().map(move |&p| (p, c))).collect()
}

fn undirected(parents: &[Vec<usize>]) -> Pairs {
    directed(parents).into_iter().map(|(p, c)| (p.min(c), p.max(c))).collect()
}

fn compare(found: &Pairs, truth: &Pairs) -> Retrieval {
    Retrieval::new(found.intersection(truth).count(), found.len(), truth.len())
}

/// Edges `{(p, c) : p is a parent of c}` with both ends evaluated, found against true.
pub(super) fn edges(m: &Matched<'_>) -> Retrieval {
    compare(&directed(&m.found_parents), &directed(&m.true_parents))
}

/// Pairs `{{p, c}}`, which are the edges without direction. This is the paper's question of existence.
pub(super) fn pairs(m: &Matched<'_>) -> Retrieval {
    compare(&undirected(&m.found_parents), &undirected(&m.true_parents))
}

/// The paper's question of direction, `right edges / right pairs`.
pub(super) fn direction(m: &Matched<'_>) -> Ratio {
    Ratio::new(edges(m).right, pairs(m).right)
}
