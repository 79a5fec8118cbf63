use std::fmt;

/// The number of a model in its set, from 0.
///
/// ```
/// use neural_phylogeny::ModelId;
/// let model = ModelId::new(3);
/// assert_eq!((model.index(), model.to_string().as_str()), (3, "3"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ModelId(usize);

impl ModelId {
    /// Creates the id of the model at a position.
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Returns the position of the model.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Writes the number alone.
impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
