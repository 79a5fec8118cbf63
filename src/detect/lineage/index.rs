//! Positions. Each index space has a type of its own, so that two cannot be mixed up.

use crate::model_set::Position;

macro_rules! index {
    ($(#[$about:meta])+ $visibility:vis struct $name:ident;) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility struct $name(usize);

        impl $name {
            /// The position with this number, from 0.
            $visibility const fn new(position: usize) -> Self {
                Self(position)
            }

            /// The number of the position, from 0.
            $visibility const fn index(self) -> usize {
                self.0
            }

            /// The position in a list `L` that was made from the same models in the same order.
            pub(crate) const fn within<L: ?Sized>(self) -> Position<L> {
                Position::new(self.0)
            }

            /// The first `count` positions, in order.
            $visibility fn all(count: usize) -> impl DoubleEndedIterator<Item = Self> + Clone {
                (0..count).map(Self::new)
            }
        }

        impl From<$name> for usize {
            fn from(position: $name) -> Self {
                position.0
            }
        }
    };
}

index! {
    /// A model of one lineage: its position in the list that the lineage was made from.
    ///
    /// Models that are no merges come first.
    pub struct Member;
}

index! {
    /// A model of one family that is no copy: its position among these models.
    pub(super) struct Original;
}
