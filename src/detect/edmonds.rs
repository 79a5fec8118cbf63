//! Minimum arborescences: the cheapest directed tree that spans a graph.
//!
//! petgraph has minimum spanning trees of undirected graphs only.

use std::cmp::Ordering;

/// The cost of an edge: an ordered group. Tuples compare by their first part and settle ties by the next.
///
/// With integers ties are exact. With `f64`, trees whose costs differ by rounding alone may replace each other.
pub(crate) trait Cost: Copy + PartialOrd {
    const ZERO: Self;
    /// The sum of two costs.
    fn plus(self, other: Self) -> Self;
    /// The difference of two costs.
    fn minus(self, other: Self) -> Self;
}

macro_rules! number {
    ($($number:ty = $zero:literal),*) => {$(
        impl Cost for $number {
            const ZERO: Self = $zero;
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn minus(self, other: Self) -> Self {
                self - other
            }
        }
    )*};
}

number!(f64 = 0.0, i64 = 0, i32 = 0);

impl<A: Cost, B: Cost> Cost for (A, B) {
    const ZERO: Self = (A::ZERO, B::ZERO);
    fn plus(self, other: Self) -> Self {
        (self.0.plus(other.0), self.1.plus(other.1))
    }
    fn minus(self, other: Self) -> Self {
        (self.0.minus(other.0), self.1.minus(other.1))
    }
}

/// The parent of each node `0..n` in the arborescence of least total cost that reaches all nodes from `root`.
///
/// The result is `None` when some node cannot be reached. Edges are (from, to, cost). Their order does not matter. Costs may be
/// negative and must be numbers.
///
/// Several trees may be optimal. Then, whenever two edges cost the same after what contraction subtracted, the edge with the
/// lower (to, from) is preferred.
///
/// # Complexity
///
/// O(m log n) time and O(m + n) memory for m edges. This is Edmonds' contraction along a growing path. Edges into a contracted
/// node lie in a skew heap whose costs are lowered as a whole. No recursion.
///
/// # Source
///
/// Edmonds, *Optimum branchings*, J. Res. NBS 71B (1967), doi:10.6028/jres.071B.032; Tarjan, *Finding optimum branchings*,
/// Networks 7 (1977), doi:10.1002/net.3230070103; the path order of Gabow et al., Combinatorica 6 (1986),
/// doi:10.1007/BF02579168.
pub(crate) fn minimum_arborescence<C: Cost>(
    n: usize,
    root: usize,
    edges: &[(usize, usize, C)],
) -> Option<Vec<Option<usize>>> {
    if root >= n {
        return None;
    }
    let mut edges: Vec<_> = edges.iter().copied().filter(|&(from, to, _)| from != to && to != root).collect();
    // A heap takes its shape from the order in which it is filled, and rounding follows the shape. Sorting fixes both.
    edges.sort_by(|a, b| (a.1, a.0).cmp(&(b.1, b.0)).then_with(|| a.2.partial_cmp(&b.2).unwrap_or(Ordering::Equal)));
    let contraction = Contraction::of(n, root, &edges)?;
    let entry = contraction.expand(n, &edges);
    Some((0..n).map(|v| (v != root).then(|| edges[entry[v]].0)).collect())
}

/// The same arborescence with the root that makes the total least. Each node has a root cost, which only the root pays.
///
/// The result is `None` when no node reaches all others.
pub(crate) fn minimum_rooted_arborescence<C: Cost>(
    edges: &[(usize, usize, C)],
    root_costs: &[C],
) -> Option<Vec<Option<usize>>> {
    let n = root_costs.len();
    // A virtual root reaches every node. Its edges cost more than all others, so only one is used unless there is no other way.
    let within = edges.iter().map(|&(from, to, cost)| (from, to, (0i32, cost)));
    let from_virtual = root_costs.iter().enumerate().map(|(to, &cost)| (n, to, (1i32, cost)));
    let edges: Vec<_> = within.chain(from_virtual).collect();
    let mut parents = minimum_arborescence(n + 1, n, &edges)?;
    parents.truncate(n);
    let parents: Vec<Option<usize>> = parents.into_iter().map(|p| p.filter(|&p| p < n)).collect();
    // Several roots mean that no single node reaches all others.
    (parents.iter().filter(|p| p.is_none()).count() <= 1).then_some(parents)
}

const NONE: usize = usize::MAX;

/// The contracted graph: nodes `0..n`, then one node for each contracted cycle.
struct Contraction {
    /// Position of the edge by which each node, contracted ones included, was entered.
    entry: Vec<usize>,
    /// The cycle that each node was contracted into.
    cycle: Vec<usize>,
}

impl Contraction {
    /// Contracts cycles along a growing path until every node is reached; `None` when one cannot be.
    fn of<C: Cost>(n: usize, root: usize, edges: &[(usize, usize, C)]) -> Option<Self> {
        let mut heaps = Heaps::new(edges);
        let mut entering = vec![NONE; n];
        for (position, edge) in edges.iter().enumerate() {
            entering[edge.1] = heaps.merge(entering[edge.1], position);
        }
        let mut nodes = Outermost { up: (0..n).collect() };
        let mut this = Self { entry: vec![NONE; n], cycle: vec![NONE; n] };
        let mut state = vec![State::New; n];
        state[root] = State::Reached;
        for start in 0..n {
            let mut path = Vec::new();
            let mut node = nodes.find(start);
            while state[node] != State::Reached {
                // Edges within a contracted node lead nowhere, so they are skipped.
                let (position, cost) = loop {
                    let (position, cost) = heaps.pop(&mut entering[node])?;
                    if nodes.find(edges[position].0) != node {
                        break (position, cost);
                    }
                };
                // The other edges into this node keep only the extra cost of replacing the chosen one.
                heaps.lower(entering[node], cost);
                this.entry[node] = position;
                state[node] = State::OnPath;
                path.push(node);
                let before = nodes.find(edges[position].0);
                if state[before] != State::OnPath {
                    node = before;
                    continue;
                }
                // The path met itself: everything back to `before` is a cycle and becomes one node.
                let contracted = this.entry.len();
                let mut heap = NONE;
                while let Some(member) = path.pop() {
                    heap = heaps.merge(heap, entering[member]);
                    this.cycle[member] = contracted;
                    nodes.up[member] = contracted;
                    if member == before {
                        break;
                    }
                }
                this.entry.push(NONE);
                this.cycle.push(NONE);
                nodes.up.push(contracted);
                entering.push(heap);
                state.push(State::New);
                node = contracted;
            }
            // The path has met a reached node, so all of it hangs below the root.
            path.into_iter().for_each(|node| state[node] = State::Reached);
        }
        Some(this)
    }

    /// The position of the edge that enters each of the nodes `0..n`.
    ///
    /// The edge that enters a cycle replaces one edge of that cycle.
    fn expand<C>(mut self, n: usize, edges: &[(usize, usize, C)]) -> Vec<usize> {
        let mut settled = vec![false; self.entry.len()];
        // Outer cycles come first: the edge that enters them decides where the inner ones are entered.
        for contracted in (n..self.entry.len()).rev() {
            if settled[contracted] {
                continue;
            }
            let position = self.entry[contracted];
            let mut node = edges[position].1;
            while node != contracted {
                self.entry[node] = position;
                settled[node] = true;
                node = self.cycle[node];
            }
        }
        self.entry
    }
}

/// The state of a node in the search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnPath,
    Reached,
}

/// The outermost contracted node that each node is part of. Paths are halved whenever they are followed.
struct Outermost {
    up: Vec<usize>,
}

impl Outermost {
    /// The outermost node that holds `node`: itself when it is part of no cycle.
    fn find(&mut self, mut node: usize) -> usize {
        while self.up[node] != node {
            self.up[node] = self.up[self.up[node]];
            node = self.up[node];
        }
        node
    }
}

/// Skew heaps of edges (Sleator & Tarjan 1986, doi:10.1137/0215004), the cheapest edge on top.
struct Heaps<C> {
    nodes: Vec<HeapNode<C>>,
}

struct HeapNode<C> {
    cost: C,
    /// The amount still to be subtracted from the costs of everything below.
    pending: C,
    left: usize,
    right: usize,
}

impl<C: Cost> Heaps<C> {
    /// One heap node for each edge, none of them joined yet.
    fn new(edges: &[(usize, usize, C)]) -> Self {
        let node = |edge: &(usize, usize, C)| HeapNode { cost: edge.2, pending: C::ZERO, left: NONE, right: NONE };
        Self { nodes: edges.iter().map(node).collect() }
    }

    /// Subtracts a cost from every edge of a heap.
    fn lower(&mut self, heap: usize, by: C) {
        if let Some(top) = self.nodes.get_mut(heap) {
            top.cost = top.cost.minus(by);
            top.pending = top.pending.plus(by);
        }
    }

    /// Applies the pending amount of the top to both heaps below it.
    fn pass_down(&mut self, heap: usize) {
        let HeapNode { pending, left, right, .. } = self.nodes[heap];
        if pending != C::ZERO {
            self.lower(left, pending);
            self.lower(right, pending);
            self.nodes[heap].pending = C::ZERO;
        }
    }

    /// Whether edge a comes before edge b: by cost, then by position.
    fn before(&self, a: usize, b: usize) -> bool {
        let (cost, other) = (self.nodes[a].cost, self.nodes[b].cost);
        cost < other || (cost == other && a < b)
    }

    /// Joins two heaps from the top down, without recursion, and returns the new top.
    fn merge(&mut self, a: usize, b: usize) -> usize {
        let (mut rest, mut other) = (a, b);
        let mut top = NONE;
        // The next smallest node hangs to the left of this one.
        let mut above = NONE;
        while rest != NONE && other != NONE {
            if self.before(other, rest) {
                std::mem::swap(&mut rest, &mut other);
            }
            self.pass_down(rest);
            self.hang(rest, above, &mut top);
            above = rest;
            rest = self.nodes[above].right;
            self.nodes[above].right = self.nodes[above].left;
        }
        self.hang(if rest == NONE { other } else { rest }, above, &mut top);
        top
    }

    /// Hangs a node below `above`, or makes it the top when there is none.
    fn hang(&mut self, node: usize, above: usize, top: &mut usize) {
        match self.nodes.get_mut(above) {
            Some(above) => above.left = node,
            None => *top = node,
        }
    }

    /// Takes the cheapest edge out of a heap.
    fn pop(&mut self, heap: &mut usize) -> Option<(usize, C)> {
        let top = *heap;
        if top == NONE {
            return None;
        }
        self.pass_down(top);
        let HeapNode { cost, left, right, .. } = self.nodes[top];
        *heap = self.merge(left, right);
        Some((top, cost))
    }
}

#[cfg(test)]
mod tests;
