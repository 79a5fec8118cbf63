use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// The position of something in a list that belongs to a `L`, from 0.
///
/// A [`Comparison`](crate::geometry::Comparison) numbers its models, and so do [`Lines`](crate::evidence::Lines). The type `L`
/// says whose list is meant, so that a position in one list is no position in another one.
///
/// ```
/// use neural_phylogeny::geometry::Comparison;
/// use neural_phylogeny::model_set::Position;
///
/// let second: Position<Comparison> = Position::new(1);
/// assert_eq!((second.index(), second.to_string().as_str()), (1, "1"));
/// assert_eq!(Position::all(3).nth(1), Some(second));
/// ```
///
/// ```compile_fail
/// # use neural_phylogeny::evidence::Lines;
/// # use neural_phylogeny::geometry::Comparison;
/// # use neural_phylogeny::model_set::Position;
/// let in_lines: Position<Lines> = Position::new(0);
/// let in_comparison: Position<Comparison> = in_lines;
/// ```
pub struct Position<L: ?Sized> {
    index: usize,
    list: PhantomData<fn(&L)>,
}

impl<L: ?Sized> Position<L> {
    /// The first of a list.
    pub const FIRST: Self = Self::new(0);

    /// The second of a list.
    pub const SECOND: Self = Self::new(1);

    /// Creates the position with a number, from 0.
    pub const fn new(index: usize) -> Self {
        Self { index, list: PhantomData }
    }

    /// Returns the number, from 0.
    pub const fn index(self) -> usize {
        self.index
    }

    /// Returns the first `count` positions in order.
    pub fn all(count: usize) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator + Clone {
        (0..count).map(Self::new)
    }
}

// Derived, these would need the same of `L`, of which no value is held.
impl<L: ?Sized> Clone for Position<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: ?Sized> Copy for Position<L> {}

impl<L: ?Sized> PartialEq for Position<L> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<L: ?Sized> Eq for Position<L> {}

impl<L: ?Sized> PartialOrd for Position<L> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<L: ?Sized> Ord for Position<L> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.index.cmp(&other.index)
    }
}

impl<L: ?Sized> Hash for Position<L> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.index.hash(state);
    }
}

impl<L: ?Sized> From<Position<L>> for usize {
    fn from(position: Position<L>) -> Self {
        position.index
    }
}

impl<L: ?Sized> fmt::Debug for Position<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Position").field(&self.index).finish()
    }
}

/// Writes the number alone.
impl<L: ?Sized> fmt::Display for Position<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.index.fmt(f)
    }
}
