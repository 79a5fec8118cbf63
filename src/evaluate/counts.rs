/// How many of how many are right. A share is thus never read without its denominator.
///
/// With the feature `serde` it is written as `{"right": 3, "of": 4, "share": 0.75}`. The share is not read back.
///
/// ```
/// use neural_phylogeny::evaluate::Ratio;
///
/// assert_eq!(Ratio::new(3, 4).share(), Some(0.75));
/// assert_eq!(Ratio::new(0, 0).share(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[non_exhaustive]
pub struct Ratio {
    /// The number of right ones.
    pub right: usize,
    /// The number of all.
    pub of: usize,
}

impl Ratio {
    /// Makes a ratio of `right` in `of`.
    pub const fn new(right: usize, of: usize) -> Self {
        Self { right, of }
    }

    /// `right / of`; `None` when there was nothing to be right about.
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.right as f64 / self.of as f64)
    }

    /// Counts the `true` ones among outcomes.
    pub(super) fn count(outcomes: impl IntoIterator<Item = bool>) -> Self {
        outcomes.into_iter().fold(Self::default(), |r, right| Self::new(r.right + usize::from(right), r.of + 1))
    }
}

/// How a set that was found compares with the true one.
///
/// With the feature `serde`, precision, recall and F1 are written beside the counts. They are not read back.
///
/// ```
/// use neural_phylogeny::evaluate::Retrieval;
///
/// let edges = Retrieval::new(3, 4, 6);
/// assert_eq!((edges.precision(), edges.recall(), edges.f1()), (Some(0.75), Some(0.5), Some(0.6)));
/// assert_eq!(Retrieval::new(0, 0, 6).precision(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[non_exhaustive]
pub struct Retrieval {
    /// How many are in both sets.
    pub right: usize,
    /// How many were found.
    pub found: usize,
    /// How many there truly are.
    pub expected: usize,
}

impl Retrieval {
    /// Makes it of three counts: `right` are in both sets, `found` in the found set, `expected` in the true set.
    pub const fn new(right: usize, found: usize, expected: usize) -> Self {
        Self { right, found, expected }
    }

    /// `right / found`; `None` when nothing was found.
    pub fn precision(self) -> Option<f64> {
        Ratio::new(self.right, self.found).share()
    }

    /// `right / expected`; `None` when there was nothing to find.
    pub fn recall(self) -> Option<f64> {
        Ratio::new(self.right, self.expected).share()
    }

    /// Harmonic mean of precision and recall, `2 right / (found + expected)`; `None` when both sets are empty.
    pub fn f1(self) -> Option<f64> {
        Ratio::new(2 * self.right, self.found + self.expected).share()
    }
}

#[cfg(feature = "serde")]
mod serde_impls {
    use super::{Ratio, Retrieval};
    use serde::ser::{Serialize, SerializeStruct, Serializer};

    impl Serialize for Ratio {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Ratio", 3)?;
            fields.serialize_field("right", &self.right)?;
            fields.serialize_field("of", &self.of)?;
            fields.serialize_field("share", &self.share())?;
            fields.end()
        }
    }

    impl Serialize for Retrieval {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Retrieval", 6)?;
            fields.serialize_field("right", &self.right)?;
            fields.serialize_field("found", &self.found)?;
            fields.serialize_field("expected", &self.expected)?;
            fields.serialize_field("precision", &self.precision())?;
            fields.serialize_field("recall", &self.recall())?;
            fields.serialize_field("f1", &self.f1())?;
            fields.end()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_nothing_is_no_share() {
        assert_eq!(Ratio::default().share(), None);
        let empty = Retrieval::default();
        assert_eq!((empty.precision(), empty.recall(), empty.f1()), (None, None, None));
    }

    #[test]
    fn finding_nothing_of_something_has_f1_zero() {
        assert_eq!(Retrieval::new(0, 0, 3).f1(), Some(0.0));
        assert_eq!(Retrieval::new(0, 2, 0).f1(), Some(0.0));
    }

    #[test]
    fn outcomes_are_counted() {
        assert_eq!(Ratio::count([true, false, true]), Ratio::new(2, 3));
    }
}
