//! Ways up and down a phylogeny.

use super::{Edge, Link, Node, Phylogeny, UnobservedId};
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

    /// All ancestors of a model in the set, each once: nearest generation first, then by id. Ways through unobserved models count,
    /// and these models are left out; [`lineage`](Self::lineage) has them too.
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn ancestors(&self, model: ModelId) -> Vec<ModelId> {
        self.lineage(model).into_iter().filter_map(Node::model).collect()
    }

    /// All ancestors of a node, unobserved ones too, each once: nearest generation first, then models before unobserved ones, then
    /// by id.
    ///
    /// # Panics
    ///
    /// When `node` is not one of this phylogeny's.
    pub fn lineage(&self, node: impl Into<Node>) -> Vec<Node> {
        self.reached(node.into(), |n| {
            let edges = n.model().map_or(&[][..], |model| self.parents(model));
            let links = self.links_to(n).iter().map(|link| link.parent);
            edges.iter().map(|edge| edge.parent.into()).chain(links).collect()
        })
    }

    /// All descendants of a model in the set, each once: nearest generation first, then by id. Ways through unobserved models
    /// count. O(n_models + n_edges).
    ///
    /// # Panics
    ///
    /// When `model` is not one of this phylogeny's.
    pub fn descendants(&self, model: ModelId) -> Vec<ModelId> {
        let mut children = vec![Vec::new(); self.len() + self.unobserved.len()];
        for step in self.steps() {
            children[step.parent.number(self.len())].push(step.child);
        }
        let reached = self.reached(model.into(), |n| std::mem::take(&mut children[n.number(self.len())]));
        reached.into_iter().filter_map(Node::model).collect()
    }

    /// The lowest common ancestor of two models: both descend from it, and no other common ancestor descends from it. A model
    /// counts as its own ancestor. It may be a model that is not in the set.
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
    /// assert_eq!(phylogeny.common_ancestor(d, e), Some(b.into()));
    /// assert_eq!(phylogeny.common_ancestor(c, e), Some(a.into()));
    /// assert_eq!(phylogeny.common_ancestor(b, e), Some(b.into()));
    /// assert_eq!(phylogeny.descendants(b), [d, e]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn common_ancestor(&self, a: ModelId, b: ModelId) -> Option<Node> {
        let (models, nodes) = (self.len(), self.len() + self.unobserved.len());
        let with_itself = |m: ModelId| {
            let mut marked = vec![false; nodes];
            marked[m.index()] = true;
            self.lineage(m).into_iter().for_each(|up| marked[up.number(models)] = true);
            marked
        };
        let common: Vec<bool> = with_itself(a).into_iter().zip(with_itself(b)).map(|(x, y)| x && y).collect();
        // An ancestor of a common ancestor is never the lowest.
        let mut lowest = common.clone();
        for step in self.steps().iter().filter(|step| common[step.child.number(models)]) {
            lowest[step.parent.number(models)] = false;
        }
        let mut lowest = (0..nodes).filter(|&n| lowest[n]);
        lowest.next().filter(|_| lowest.next().is_none()).map(|n| Node::of(n, models))
    }

    /// The phylogeny as a graph of `petgraph`. Node i is the model of id i; unobserved models come after all models. Arcs run
    /// from parent to child.
    ///
    /// [`parents`](Self::parents) has all fields of an edge. The crate's version of petgraph is
    /// [`neural_phylogeny::petgraph`](crate::petgraph).
    ///
    /// ```
    /// use neural_phylogeny::petgraph::Direction;
    /// use neural_phylogeny::phylogeny::Node;
    /// use neural_phylogeny::{Edge, ModelId, Phylogeny};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let phylogeny = Phylogeny::from_edges(2, vec![Edge::new(ModelId::new(0), ModelId::new(1))])?;
    /// let graph = phylogeny.to_graph();
    /// let leaves: Vec<Node> = graph.externals(Direction::Outgoing).map(|node| graph[node]).collect();
    /// assert_eq!(leaves, [Node::Model(ModelId::new(1))]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_graph(&self) -> DiGraph<Node, Link> {
        let steps = self.steps();
        let mut graph = DiGraph::with_capacity(self.len() + self.unobserved.len(), steps.len());
        let nodes: Vec<_> = self.nodes().map(|node| graph.add_node(node)).collect();
        for step in steps {
            graph.add_edge(nodes[step.parent.number(self.len())], nodes[step.child.number(self.len())], step);
        }
        graph
    }

    /// All models in the order of their ids, then all unobserved ones.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        let (models, unobserved) = (self.len(), self.unobserved.len());
        (0..models).map(|m| ModelId::new(m).into()).chain((0..unobserved).map(|id| UnobservedId::new(id).into()))
    }

    /// All nodes that any number of steps reaches: nearest first, then by id.
    fn reached(&self, from: Node, mut step: impl FnMut(Node) -> Vec<Node>) -> Vec<Node> {
        let mut reached: Vec<Node> = Vec::new();
        let mut seen = vec![false; self.len() + self.unobserved.len()];
        if let Node::Model(model) = from {
            let _ = self.own(model);
        }
        let mut generation = vec![from];
        while !generation.is_empty() {
            let mut next: Vec<Node> = generation
                .into_iter()
                .flat_map(&mut step)
                .filter(|n| !std::mem::replace(&mut seen[n.number(self.len())], true))
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
        assert_eq!(p.common_ancestor(id(1), id(5)), Some(id(1).into()));
        assert_eq!(p.common_ancestor(id(1), id(2)), Some(id(0).into()));
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
            prop_assert_eq!(graph.edge_count(), phylogeny.edges().len() + phylogeny.links().len());
            for a in phylogeny.models() {
                for b in phylogeny.models().filter(|&b| b != a) {
                    let [from, to] = [a, b].map(|m| petgraph::graph::NodeIndex::new(m.index()));
                    let below = petgraph::algo::has_path_connecting(&graph, from, to, None);
                    prop_assert_eq!(phylogeny.descendants(a).contains(&b), below);
                    prop_assert_eq!(phylogeny.ancestors(b).contains(&a), below);
                    let common = phylogeny.common_ancestor(a, b);
                    prop_assert_eq!(common, phylogeny.common_ancestor(b, a));
                    if below {
                        prop_assert_eq!(common, Some(a.into()));
                    }
                }
            }
        }
    }
}
