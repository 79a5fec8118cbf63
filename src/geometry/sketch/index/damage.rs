/// An index that is not what was written; it is made anew, so that nobody needs to know how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::geometry::sketch) struct Damaged;
