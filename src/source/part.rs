//! A tensor that is made of values of a stored one: turned axes, chosen rows, a part of a fused tensor.

use super::ParameterSource;
use crate::error::SourceError;

/// Rows `first`, `first + step`, …: `count` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowRun {
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) step: usize,
}

impl RowRun {
    /// One run of consecutive rows.
    pub(crate) fn consecutive(first: usize, count: usize) -> Self {
        Self { first, count, step: 1 }
    }
}

/// How a tensor is made of a range of a stored one.
///
/// The range begins at value `start` and is taken as a row-major array of shape `stored`. Axis k of the made tensor is axis
/// `axes[k]` of it. Of the rows after that, `rows` are taken, in their order. `shape` is how the result is listed; it has as
/// many values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) source: String,
    pub(crate) start: usize,
    pub(crate) stored: Vec<usize>,
    pub(crate) axes: Vec<usize>,
    pub(crate) rows: Vec<RowRun>,
    pub(crate) shape: Vec<usize>,
}

impl Part {
    /// The whole of a stored tensor, listed with another shape.
    pub(crate) fn whole(source: &str, stored: &[usize], shape: &[usize]) -> Self {
        let rows = vec![RowRun::consecutive(0, stored.first().copied().unwrap_or(1))];
        let axes = (0..stored.len()).collect();
        Self { source: source.to_owned(), start: 0, stored: stored.to_vec(), axes, rows, shape: shape.to_vec() }
    }

    /// The whole of a stored tensor with other axes first.
    pub(crate) fn turned(source: &str, stored: &[usize], axes: &[usize], shape: &[usize]) -> Self {
        let rows = vec![RowRun::consecutive(0, axes.first().map_or(1, |&a| stored[a]))];
        Self { axes: axes.to_vec(), rows, ..Self::whole(source, stored, shape) }
    }

    /// Returns how many values the made tensor has.
    pub(crate) fn size(&self) -> usize {
        self.rows.iter().map(|run| run.count).sum::<usize>() * self.row_size()
    }

    fn row_size(&self) -> usize {
        self.axes.iter().skip(1).map(|&a| self.stored[a]).product()
    }

    fn is_turned(&self) -> bool {
        self.axes.iter().enumerate().any(|(k, &a)| k != a)
    }

    /// Reads values of the made tensor from element `offset` on. The caller has checked the range.
    ///
    /// Memory: one row, where the axes are turned and the range begins or ends inside a row.
    pub(crate) fn read(&self, from: &dyn ParameterSource, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let row_size = self.row_size();
        let (mut row, mut column) = (offset / row_size.max(1), offset % row_size.max(1));
        let mut rest = out;
        let mut before = 0;
        for run in &self.rows {
            // Rows of runs that end before the range are passed over.
            if row >= before + run.count {
                before += run.count;
                continue;
            }
            while row < before + run.count && !rest.is_empty() {
                let left = before + run.count - row;
                let stored_row = run.first + (row - before) * run.step;
                let taken = if !self.is_turned() {
                    let rows = if run.step == 1 { left } else { 1 };
                    let taken = (rows * row_size - column).min(rest.len());
                    let at = self.start + stored_row * row_size + column;
                    from.read(&self.source, at, &mut rest[..taken])?;
                    taken
                } else if column == 0 && rest.len() >= row_size {
                    let rows = left.min(rest.len() / row_size);
                    self.gather(
                        from,
                        RowRun { first: stored_row, count: rows, step: run.step },
                        &mut rest[..rows * row_size],
                    )?;
                    rows * row_size
                } else {
                    let mut whole = vec![0.0; row_size];
                    self.gather(from, RowRun::consecutive(stored_row, 1), &mut whole)?;
                    let taken = (row_size - column).min(rest.len());
                    rest[..taken].copy_from_slice(&whole[column..column + taken]);
                    taken
                };
                row += (column + taken) / row_size;
                column = (column + taken) % row_size;
                rest = &mut rest[taken..];
            }
            before += run.count;
        }
        Ok(())
    }

    /// Reads whole rows of the turned array. Stored values are read along the last stored axis and spread to their places.
    fn gather(&self, from: &dyn ParameterSource, rows: RowRun, out: &mut [f32]) -> Result<(), SourceError> {
        let dims = self.stored.len();
        let (first, last) = (self.axes[0], dims - 1);
        // The step in `out` along each stored axis.
        let mut steps = vec![0; dims];
        let mut step = 1;
        for (k, &axis) in self.axes.iter().enumerate().rev() {
            steps[axis] = step;
            step *= if k == 0 { rows.count } else { self.stored[axis] };
        }
        let span = if first == last { (rows.count - 1) * rows.step + 1 } else { self.stored[last] };
        let mut line = vec![0.0; span];
        // The number of places along each stored axis but the last.
        let counts: Vec<usize> = (0..last).map(|a| if a == first { rows.count } else { self.stored[a] }).collect();
        let mut index = vec![0; last];
        loop {
            let mut at = 0;
            let mut place = 0;
            for (a, &i) in index.iter().enumerate() {
                at = at * self.stored[a] + if a == first { rows.first + i * rows.step } else { i };
                place += i * steps[a];
            }
            at = at * self.stored[last] + if first == last { rows.first } else { 0 };
            from.read(&self.source, self.start + at, &mut line)?;
            let every = if first == last { rows.step } else { 1 };
            for (i, &value) in line.iter().step_by(every).enumerate() {
                out[place + i * steps[last]] = value;
            }
            let Some(axis) = (0..last).rev().find(|&a| index[a] + 1 < counts[a]) else { return Ok(()) };
            index[axis] += 1;
            index[axis + 1..].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::InMemory;

    fn all(part: &Part, from: &InMemory) -> Vec<f32> {
        let whole = part.size();
        assert_eq!(whole, part.shape.iter().product::<usize>());
        let mut out = vec![-1.0; whole];
        part.read(from, 0, &mut out).unwrap();
        // Every range of it is the same.
        for begin in 0..whole {
            for end in begin..=whole {
                let mut piece = vec![-1.0; end - begin];
                part.read(from, begin, &mut piece).unwrap();
                assert_eq!(piece, out[begin..end], "{begin}..{end} of {part:?}");
            }
        }
        out
    }

    fn counting(shape: &[usize]) -> InMemory {
        let size: usize = shape.iter().product();
        InMemory::new().with_parameter("w", shape, (0..size).map(|i| i as f32).collect()).unwrap()
    }

    #[test]
    fn a_matrix_is_turned() {
        let part = Part::turned("w", &[2, 3], &[1, 0], &[3, 2]);
        assert_eq!(all(&part, &counting(&[2, 3])), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    }

    #[test]
    fn a_kernel_is_turned() {
        // Height, width, inputs, outputs become outputs, inputs, height, width.
        let shape = [2, 3, 2, 4];
        let part = Part::turned("w", &shape, &[3, 2, 0, 1], &[4, 2, 2, 3]);
        let turned = all(&part, &counting(&shape));
        for (at, &value) in turned.iter().enumerate() {
            let (o, i, h, w) = (at / 12, at / 6 % 2, at / 3 % 2, at % 3);
            assert_eq!(value, (((h * 3 + w) * 2 + i) * 4 + o) as f32);
        }
        let back = Part::turned("w", &[4, 2, 2, 3], &[2, 3, 1, 0], &shape);
        let again = InMemory::new().with_parameter("w", [4, 2, 2, 3], turned).unwrap();
        assert_eq!(all(&back, &again), (0..48).map(|i| i as f32).collect::<Vec<_>>());
    }

    #[test]
    fn rows_are_chosen_in_any_order() {
        let runs = vec![RowRun { first: 1, count: 2, step: 2 }, RowRun { first: 0, count: 2, step: 2 }];
        let rows = Part { rows: runs.clone(), ..Part::whole("w", &[4, 2], &[4, 2]) };
        assert_eq!(all(&rows, &counting(&[4, 2])), [2.0, 3.0, 6.0, 7.0, 0.0, 1.0, 4.0, 5.0]);
        let turned = Part { rows: runs, ..Part::turned("w", &[2, 4], &[1, 0], &[4, 2]) };
        assert_eq!(all(&turned, &counting(&[2, 4])), [1.0, 5.0, 3.0, 7.0, 0.0, 4.0, 2.0, 6.0]);
    }

    #[test]
    fn one_of_several_stacked_matrices_is_taken() {
        let part = Part { start: 6, ..Part::turned("w", &[2, 3], &[1, 0], &[3, 2]) };
        assert_eq!(all(&part, &counting(&[2, 2, 3])), [6.0, 9.0, 7.0, 10.0, 8.0, 11.0]);
    }
}
