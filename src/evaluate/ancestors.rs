use super::counts::Retrieval;
use super::matched::Matched;
use crate::model_set::ModelId;
use crate::phylogeny::Phylogeny;

const BITS: usize = u64::BITS as usize;

/// Which of the evaluated models are ancestors of which: one bit per pair.
#[derive(Debug)]
pub(super) struct Ancestors {
    rows: Vec<Vec<u64>>,
}

impl Ancestors {
    /// Finds all pairs among `models`. A lineage may lead through models that are not among them.
    ///
    /// O(n_edges · n_models / 64) time, n_models² / 64 words.
    pub(super) fn new(phylogeny: &Phylogeny, models: &[ModelId]) -> Self {
        let mut position = vec![None; phylogeny.len()];
        for (i, m) in models.iter().enumerate() {
            position[m.index()] = Some(i);
        }
        let mut by_generation: Vec<ModelId> = phylogeny.models().collect();
        // Parents come before their children, so that each row is complete when a child inherits it.
        by_generation.sort_by_key(|&m| phylogeny.generation(m));
        let mut rows = vec![vec![0; models.len().div_ceil(BITS)]; phylogeny.len()];
        for child in by_generation {
            // The row is taken out while the rows of its parents are borrowed.
            let mut row = std::mem::take(&mut rows[child.index()]);
            for edge in phylogeny.parents(child) {
                for (word, inherited) in row.iter_mut().zip(&rows[edge.parent.index()]) {
                    *word |= inherited;
                }
                if let Some(p) = position[edge.parent.index()] {
                    row[p / BITS] |= 1 << (p % BITS);
                }
            }
            rows[child.index()] = row;
        }
        Self { rows: models.iter().map(|m| std::mem::take(&mut rows[m.index()])).collect() }
    }

    /// Whether `ancestor` is one of `descendant`.
    pub(super) fn contains(&self, ancestor: usize, descendant: usize) -> bool {
        self.rows[descendant][ancestor / BITS] >> (ancestor % BITS) & 1 == 1
    }

    fn count(&self) -> usize {
        self.rows.iter().flatten().map(|w| w.count_ones() as usize).sum()
    }

    fn common(&self, other: &Self) -> usize {
        let words = self.rows.iter().flatten().zip(other.rows.iter().flatten());
        words.map(|(a, b)| (a & b).count_ones() as usize).sum()
    }
}

/// The lineages of result and truth over the evaluated models.
pub(super) fn lineages(m: &Matched<'_>) -> (Ancestors, Ancestors) {
    let of_result: Vec<ModelId> = m.models.iter().map(|&(r, _)| r).collect();
    let of_truth: Vec<ModelId> = m.models.iter().map(|&(_, t)| t).collect();
    (Ancestors::new(m.result, &of_result), Ancestors::new(m.truth.phylogeny(), &of_truth))
}

/// Ancestor pairs `{(a, d) : a is an ancestor of d}`, found against true.
pub(super) fn ancestor_pairs(found: &Ancestors, truth: &Ancestors) -> Retrieval {
    Retrieval::new(found.common(truth), found.count(), truth.count())
}
