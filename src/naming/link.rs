//! What a match says: which piece is which, and in what form.

use super::side::Piece;
use crate::source::RowRun;

/// The side whose tensor is brought into the form of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Viewed {
    /// The first side.
    First,
    /// The second side.
    Second,
}

/// How a piece is brought into the form of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The values stand in the same order.
    Same,
    /// Axis k is axis `axes[k]` of the piece.
    Turned(Vec<usize>),
    /// The axes are turned, and rows are taken after that.
    Rows {
        /// As in `Turned`.
        axes: Vec<usize>,
        /// The rows, in order.
        rows: Vec<RowRun>,
    },
}

/// Two pieces that hold the same weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) first: Piece,
    pub(crate) second: Piece,
    pub(crate) viewed: Viewed,
    pub(crate) view: View,
    /// The correlation of the two samples.
    pub(crate) r: f64,
}
