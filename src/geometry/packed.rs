/// A symmetric matrix of shape (n, n), its lower triangle stored row by row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed {
    values: Vec<f64>,
}

impl Packed {
    pub(crate) fn zeros(n: usize) -> Self {
        Self::constant(n, 0.0)
    }

    /// Every entry the same.
    pub(crate) fn constant(n: usize, value: f64) -> Self {
        Self { values: vec![value; Self::length(n)] }
    }

    /// Stored values of a matrix of shape (n, n).
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

    /// Values (i, 0) to (i, i).
    pub(crate) fn row(&self, i: usize) -> &[f64] {
        &self.values[Self::at(i, 0)..=Self::at(i, i)]
    }

    /// All stored values, row by row.
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
