use crate::phylogeny::{Node, Phylogeny};

/// A phylogeny as a forest: every node hangs under the parent of the largest weight.
///
/// Among equal weights a model is taken before an unobserved one, then the lower id. A drawing must put the node somewhere, and
/// says that it is a merge.
#[derive(Debug)]
pub(crate) struct HeaviestParent {
    models: usize,
    children: Vec<Vec<Node>>,
}

impl HeaviestParent {
    /// The forest of a phylogeny. O(n_models + n_edges).
    pub(crate) fn new(phylogeny: &Phylogeny) -> Self {
        let models = phylogeny.len();
        let mut forest = Self { models, children: vec![Vec::new(); models + phylogeny.unobserved().len()] };
        for node in phylogeny.nodes() {
            let edges = node.model().map_or(&[][..], |model| phylogeny.parents(model));
            let edges = edges.iter().map(|edge| (Node::from(edge.parent), edge.weight));
            let links = phylogeny.links_to(node).iter().map(|link| (link.parent, link.weight));
            let heaviest = edges.chain(links).reduce(|best, next| if next.1 > best.1 { next } else { best });
            if let Some((parent, _)) = heaviest {
                let place = forest.place(parent);
                forest.children[place].push(node);
            }
        }
        forest
    }

    /// The nodes that hang under a node, sorted.
    pub(crate) fn children(&self, node: impl Into<Node>) -> &[Node] {
        &self.children[self.place(node.into())]
    }

    fn place(&self, node: Node) -> usize {
        match node {
            Node::Model(model) => model.index(),
            Node::Unobserved(id) => self.models + id.index(),
        }
    }
}
