use crate::model_set::ModelId;
use crate::phylogeny::Phylogeny;

/// A phylogeny as a forest: every model hangs under the parent of the largest weight.
///
/// Among equal weights the parent of the lower id is taken. A drawing must put the model somewhere, and says that it is a
/// merge.
#[derive(Debug)]
pub(crate) struct HeaviestParent {
    children: Vec<Vec<ModelId>>,
}

impl HeaviestParent {
    /// The forest of a phylogeny. O(n_models + n_edges).
    pub(crate) fn new(phylogeny: &Phylogeny) -> Self {
        let mut children = vec![Vec::new(); phylogeny.len()];
        for model in phylogeny.models() {
            if let Some(edge) = phylogeny.parent(model) {
                children[edge.parent.index()].push(model);
            }
        }
        Self { children }
    }

    /// The models that hang under a model, sorted.
    pub(crate) fn children(&self, model: ModelId) -> &[ModelId] {
        &self.children[model.index()]
    }
}
