/// A symmetric matrix of shape (n, n). Its lower triangle is stored row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed {
    values: Vec<f64>,
}

impl Packed {
    pub(crate) fn zeros(n: usize) -> Self {
        Self::constant(n, 0.0)
    }

    /// Creates a matrix with all entries equal.
    pub(crate) fn constant(n: usize, value: f64) -> Self {
        Self { values: vec![value; Self::length(n)] }
    }

    /// Returns the number of stored values of a matrix of shape (n, n).
    pub(crate) fn length(n: usize) -> usize {
        n * (n + 1) / 2
    }

    fn at(i: usize, j: usize) -> usize {
        let (i, j) = if i >= j { (i, j) } else { (j, i) };
        i * (i + 1) / 2 + j
    }

    pub(crate) fn value(&self, i: usize, j: usize) -> f64 {
        self.values[Self::at(i, j)]
    }

    /// Returns the values (i, 0) to (i, i).
    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.values[Self::at(i, 0)..=Self::at(i, i)]
    }

    /// Returns the values (i, 0) to (i, i) for every i.
    pub(crate) fn rows_mut(&mut self) -> Vec<&mut [f64]> {
        let mut rows = Vec::new();
        let mut rest = self.values.as_mut_slice();
        while !rest.is_empty() {
            let (row, after) = rest.split_at_mut(rows.len() + 1);
            rows.push(row);
            rest = after;
        }
        rows
    }

    /// Returns all stored values, row by row.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns all stored values, row by row.
    pub(crate) fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    pub(crate) fn set(&mut self, i: usize, j: usize, value: f64) {
        self.values[Self::at(i, j)] = value;
    }

    pub(crate) fn add(&mut self, i: usize, j: usize, value: f64) {
        self.values[Self::at(i, j)] += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_triangles_are_the_same_values() {
        let mut matrix = Packed::zeros(3);
        matrix.set(0, 2, 5.0);
        matrix.add(2, 0, 1.0);
        matrix.set(1, 1, 2.0);
        assert_eq!((matrix.value(2, 0), matrix.value(0, 2)), (6.0, 6.0));
        assert_eq!((matrix.row(2), matrix.row(1)), (&[6.0, 0.0, 0.0][..], &[0.0, 2.0][..]));
        assert_eq!(matrix.values_mut().len(), Packed::length(3));
        assert_eq!(matrix.rows_mut().iter().map(|row| row.len()).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
