//! Positions, each of a type of its own: one cannot be taken for another.

macro_rules! index {
    ($(#[$about:meta])+ $visibility:vis struct $name:ident;) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility struct $name(usize);

        impl $name {
            /// The position of a number, from 0.
            $visibility const fn new(position: usize) -> Self {
                Self(position)
            }

            /// Its number, from 0.
            $visibility const fn index(self) -> usize {
                self.0
            }

            /// The first positions, `count` of them.
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
    /// A model of one lineage, by its position among those the lineage was made of. Models that are no merges come first.
    pub struct Member;
}

index! {
    /// A model of one family that is no copy, by its position among those.
    pub(super) struct Original;
}
