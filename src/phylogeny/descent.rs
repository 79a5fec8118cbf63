//! Ways up and down a phylogeny.

use super::{Edge, Phylogeny};
use crate::model_set::ModelId;
use petgraph::graph::DiGraph;

impl Phylogeny {
    /// The edge from a model's parent; `None` for a root. For a merge it is the edge of the largest weight, and of equal
    /// weights the one from the lowest id.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn parent(&self, model: ModelId) -> Option<&Edge> {
        self.parents(model).iter().reduce(|best, e| if e.weight > best.weight { e } else { best })
    }

    /// All ancestors of a model, each once: nearest generation first, then by id.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn ancestors(&self, model: ModelId) -> Vec<ModelId> {
        self.reached(model, |m| self.parents(m).iter().map(|e| e.parent).collect())
    }

    /// All descendants of a model, each once: nearest generation first, then by id. O(n_models + n_edges).
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn descendants(&self, model: ModelId) -> Vec<ModelId> {
        let mut children = vec![Vec::new(); self.len()];
        for edge in &self.edges {
            children[edge.parent.index()].push(edge.child);
        }
        self.reached(model, |m| std::mem::take(&mut children[m.index()]))
    }

    /// The lowest common ancestor of two models: both descend from it, and no other common ancestor descends from it. A model
    /// counts as its own ancestor.
    ///
    /// `None` when there is no common ancestor, and when merges leave several lowest ones.
    ///
    /// # Panics
    ///
    /// When a model is not one of this phylogeny's.
    ///
    /// ```
    /// use neural_phylogeny::{Edge, ModelId, Phylogeny};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// // 0 ─┬─ 1 ─┬─ 3
    /// //    └─ 2  └─ 4
    /// let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(ModelId::new);
    /// let phylogeny = Phylogeny::from_edges(5, [(a, b), (a, c), (b, d), (b, e)].map(|(p, c)| Edge::new(p, c)).to_vec())?;
    /// assert_eq!(phylogeny.common_ancestor(d, e), Some(b));
    /// assert_eq!(phylogeny.common_ancestor(c, e), Some(a));
    /// assert_eq!(phylogeny.common_ancestor(b, e), Some(b));
    /// assert_eq!(phylogeny.descendants(b), [d, e]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn common_ancestor(&self, a: ModelId, b: ModelId) -> Option<ModelId> {
        let with_itself = |m: ModelId| {
            let mut marked = vec![false; self.len()];
            marked[m.index()] = true;
            self.ancestors(m).into_iter().for_each(|up| marked[up.index()] = true);
            marked
        };
        let common: Vec<bool> = with_itself(a).into_iter().zip(with_itself(b)).map(|(x, y)| x && y).collect();
        // An ancestor of a common ancestor is never the lowest.
        let mut lowest = common.clone();
        for edge in self.edges.iter().filter(|e| common[e.child.index()]) {
            lowest[edge.parent.index()] = false;
        }
        let mut lowest = self.models().filter(|m| lowest[m.index()]);
        lowest.next().filter(|_| lowest.next().is_none())
    }

    /// The phylogeny as a graph of `petgraph`: node i is the model of id i, and edges run from parent to child.
    ///
    /// The crate's version of petgraph is [`neural_phylogeny::petgraph`](crate::petgraph).
    ///
    /// ```
    /// use neural_phylogeny::petgraph::Direction;
    /// use neural_phylogeny::{Edge, ModelId, Phylogeny};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let phylogeny = Phylogeny::from_edges(2, vec![Edge::new(ModelId::new(0), ModelId::new(1))])?;
    /// let graph = phylogeny.to_graph();
    /// let leaves: Vec<ModelId> = graph.externals(Direction::Outgoing).map(|node| graph[node]).collect();
    /// assert_eq!(leaves, [ModelId::new(1)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_graph(&self) -> DiGraph<ModelId, Edge> {
        let mut graph = DiGraph::with_capacity(self.len(), self.edges.len());
        let nodes: Vec<_> = self.models().map(|m| graph.add_node(m)).collect();
        for edge in &self.edges {
            graph.add_edge(nodes[edge.parent.index()], nodes[edge.child.index()], *edge);
        }
        graph
    }

    /// All models that any number of steps reaches: nearest first, then by id.
    fn reached(&self, from: ModelId, mut step: impl FnMut(ModelId) -> Vec<ModelId>) -> Vec<ModelId> {
        let mut reached: Vec<ModelId> = Vec::new();
        let mut seen = vec![false; self.len()];
        let mut generation = vec![self.own(from)];
        while !generation.is_empty() {
            let mut next: Vec<ModelId> = generation
                .into_iter()
                .flat_map(&mut step)
                .filter(|m| !std::mem::replace(&mut seen[m.index()], true))
                .collect();
            next.sort_unstable();
            reached.extend(&next);
            generation = next;
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use crate::model_set::ModelId;
    use crate::phylogeny::arbitrary::{any_phylogeny, family};
    use proptest::prelude::*;

    fn id(model: usize) -> ModelId {
        ModelId::new(model)
    }

    #[test]
    fn a_merge_has_a_heaviest_parent_and_may_have_several_lowest_ancestors() {
        // 3 and 4 are both merges of 1 and 2; 5 comes from 4.
        let p = family(6, &[(0, 1, 1.0), (0, 2, 1.0), (1, 3, 0.4), (2, 3, 0.6), (1, 4, 0.5), (2, 4, 0.5), (4, 5, 1.0)]);
        assert_eq!([3, 4].map(|m| p.parent(id(m)).unwrap().parent), [id(2), id(1)]);
        assert!(p.parent(id(0)).is_none());
        assert_eq!(p.ancestors(id(5)), [4, 1, 2, 0].map(id));
        assert_eq!(p.common_ancestor(id(3), id(5)), None);
        assert_eq!(p.common_ancestor(id(1), id(5)), Some(id(1)));
        assert_eq!(p.common_ancestor(id(1), id(2)), Some(id(0)));
    }

    #[test]
    #[should_panic(expected = "model 3 is not one of the 3 of this phylogeny")]
    fn a_model_of_another_phylogeny_is_refused() {
        let _ = family(3, &[]).parents(id(3));
    }

    proptest! {
        #[test]
        fn up_and_down_agree_with_the_graph(phylogeny in any_phylogeny()) {
            let graph = phylogeny.to_graph();
            prop_assert!(!petgraph::algo::is_cyclic_directed(&graph));
            prop_assert_eq!(graph.edge_count(), phylogeny.edges().len());
            for a in phylogeny.models() {
                for b in phylogeny.models().filter(|&b| b != a) {
                    let [from, to] = [a, b].map(|m| petgraph::graph::NodeIndex::new(m.index()));
                    let below = petgraph::algo::has_path_connecting(&graph, from, to, None);
                    prop_assert_eq!(phylogeny.descendants(a).contains(&b), below);
                    prop_assert_eq!(phylogeny.ancestors(b).contains(&a), below);
                    let common = phylogeny.common_ancestor(a, b);
                    prop_assert_eq!(common, phylogeny.common_ancestor(b, a));
                    if below {
                        prop_assert_eq!(common, Some(a));
                    }
                }
            }
        }
    }
}
