use crate::model_set::ModelId;

/// A node of an [`UnrootedTree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TreeNode {
    /// A model that was observed.
    Model(ModelId),
    /// A branching point at which no model was observed.
    Unobserved,
}

/// A branch of an [`UnrootedTree`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Branch {
    /// Position of one end among the nodes.
    pub a: usize,
    /// Position of the other end among the nodes.
    pub b: usize,
    /// Length in squared units of the weights.
    ///
    /// It is below 0 where distances are not those of any tree. It is kept as computed, so that path lengths remain those that
    /// were fitted. A drawing of the tree may use 0 instead.
    pub length: f64,
}

/// An undirected tree with branch lengths. Models are its tips.
///
/// - Nodes: first the models, each once, in the order of [`Geometry::models`](crate::geometry::Geometry::models). That order
///   does not depend on how they were given. Then the unobserved nodes, in the order in which they were made.
/// - n ≥ 3 models have n − 2 unobserved nodes of three branches each. Two models share one branch.
/// - There is one branch less than there are nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct UnrootedTree {
    nodes: Vec<TreeNode>,
    branches: Vec<Branch>,
}

impl UnrootedTree {
    /// A tree from its models and the branches of their joining.
    pub(super) fn new(models: Vec<ModelId>, branches: Vec<Branch>) -> Self {
        let unobserved = models.len().saturating_sub(2);
        let models = models.into_iter().map(TreeNode::Model);
        Self { nodes: models.chain(std::iter::repeat_n(TreeNode::Unobserved, unobserved)).collect(), branches }
    }

    /// All nodes, models first.
    pub fn nodes(&self) -> &[TreeNode] {
        &self.nodes
    }

    /// All branches, in the order in which they were made.
    pub fn branches(&self) -> &[Branch] {
        &self.branches
    }
}
