//! The numbers of kinship in part.

use crate::parent::numbers;

numbers! {
    /// The numbers that separate two models that share a part from one model with a new head.
    ///
    /// The *part* is all matrices that have the same values in both. The *rest* of a model is its other matrices.
    pub struct InPart {
        /// The fewest matrices of unlike values that are a part.
        least: usize = 4, "matrices", 1.0..=1e9,
            "Tables of sines and filters are the same in strangers, and a model has one to three of them.";
        /// A rest of so many matrices is a head, whatever its size.
        head: usize = 4, "matrices", 0.0..=1e9,
            "The classifier of VGG has three matrices and 0.89 of all values; a head of a transformer has one or two.";
        /// The least rest of each model, of its matrices and of its values.
        rest: f64 = 0.2, "share", 0.0..=1.0,
            "Adapters are up to half of all matrices and a tenth of the values; language models beside a tower are more than half of both.";
        /// The most matrices of the rest that are related each by itself.
        related: f64 = 0.25, "share of the rest", 0.0..=1.0,
            "Embeddings of models trained apart on similar text correlate; they are at most two or three of a model's matrices.";
    }
}
