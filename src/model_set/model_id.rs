/// A model's number in its set, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(usize);

impl ModelId {
    /// The model at a position.
    pub const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Its position.
    pub const fn index(self) -> usize {
        self.0
    }
}
