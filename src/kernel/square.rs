use rayon::prelude::*;
use std::ops::{Index, IndexMut};

/// A square table, row by row, of shape (n, n).
///
/// It is indexed by a pair of plain positions or of index newtypes, as `table[(row, column)]`. An index newtype is any type
/// that turns into a `usize`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Square<T> {
    n: usize,
    cells: Vec<T>,
}

impl<T> Square<T> {
    /// Creates a table. `cell` gives the value for each row and column.
    #[cfg(test)]
    pub(crate) fn from_fn(n: usize, mut cell: impl FnMut(usize, usize) -> T) -> Self {
        let cells = (0..n).flat_map(|row| (0..n).map(move |column| (row, column)));
        Self { n, cells: cells.map(|(row, column)| cell(row, column)).collect() }
    }

    /// Creates a table from its cells, row by row. If cells are missing, reading them panics.
    pub(crate) fn from_rows(n: usize, cells: Vec<T>) -> Self {
        debug_assert_eq!(cells.len(), n * n);
        Self { n, cells }
    }

    /// Returns the number of rows, which is that of columns.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    /// Returns the rows in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[T]> {
        // A table without rows has no cells. Then the length of a chunk does not matter, but it must not be 0.
        self.cells.chunks(self.n.max(1))
    }
}

impl<T: Clone> Square<T> {
    /// Creates a table of equal cells.
    pub(crate) fn filled(n: usize, cell: T) -> Self {
        Self { n, cells: vec![cell; n * n] }
    }
}

impl<T: Send> Square<T> {
    /// Returns blocks of `rows` rows, to be filled in parallel, each with the number of its first row. The last may be shorter.
    pub(crate) fn par_blocks_mut(&mut self, rows: usize) -> impl IndexedParallelIterator<Item = (usize, &mut [T])> {
        let rows = rows.max(1);
        self.cells.par_chunks_mut((rows * self.n).max(1)).enumerate().map(move |(block, cells)| (block * rows, cells))
    }

    /// Returns the rows in order, to be filled in parallel, each with its number.
    pub(crate) fn par_rows_mut(&mut self) -> impl IndexedParallelIterator<Item = (usize, &mut [T])> {
        self.cells.par_chunks_mut(self.n.max(1)).enumerate()
    }
}

impl<T, R: Into<usize>, C: Into<usize>> Index<(R, C)> for Square<T> {
    type Output = T;

    fn index(&self, (row, column): (R, C)) -> &T {
        let (row, column) = (row.into(), column.into());
        // Without this check, a column beyond the row would silently be a cell of the next row.
        debug_assert!(column < self.n, "column {column} of a table of {} columns", self.n);
        &self.cells[row * self.n + column]
    }
}

impl<T, R: Into<usize>, C: Into<usize>> IndexMut<(R, C)> for Square<T> {
    fn index_mut(&mut self, (row, column): (R, C)) -> &mut T {
        let (row, column) = (row.into(), column.into());
        debug_assert!(column < self.n, "column {column} of a table of {} columns", self.n);
        &mut self.cells[row * self.n + column]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Place(usize);

    impl From<Place> for usize {
        fn from(place: Place) -> Self {
            place.0
        }
    }

    #[test]
    fn rows_come_first_and_newtypes_are_indices() {
        let mut table = Square::from_fn(3, |row, column| 10 * row + column);
        assert_eq!((table[(1usize, 2usize)], table[(Place(2), Place(0))], table[(0usize, Place(1))]), (12, 20, 1));
        table[(Place(1), 1usize)] = 7;
        assert_eq!(table.rows().map(<[_]>::to_vec).collect::<Vec<_>>(), [[0, 1, 2], [10, 7, 12], [20, 21, 22]]);
        assert_eq!(table, Square::from_rows(3, vec![0, 1, 2, 10, 7, 12, 20, 21, 22]));
    }

    #[test]
    fn rows_are_filled_in_parallel_and_a_table_may_be_empty() {
        let mut table = Square::filled(2, 0);
        table.par_rows_mut().for_each(|(row, cells)| cells.fill(row + 1));
        assert_eq!(table, Square::from_rows(2, vec![1, 1, 2, 2]));
        let mut tall = Square::filled(3, 0);
        tall.par_blocks_mut(2).for_each(|(first, cells)| cells.fill(first + cells.len()));
        assert_eq!(tall, Square::from_rows(3, vec![6, 6, 6, 6, 6, 6, 5, 5, 5]));
        let mut empty = Square::filled(0, 0);
        empty.par_rows_mut().for_each(|(_, cells)| cells.fill(1));
        assert_eq!((empty.len(), empty.rows().count()), (0, 0));
    }
}
