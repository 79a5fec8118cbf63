use ndarray::Array1;
use std::collections::HashMap;

/// The results of linfa's clusterers as labels: numbers, numbers or noise, or either of them in a `Result`.
pub trait Labels {
    /// A label, or `None` for noise, for each point.
    ///
    /// # Errors
    ///
    /// linfa's error as text.
    fn labels(self) -> Result<Vec<Option<usize>>, String>;
}

impl Labels for Array1<usize> {
    fn labels(self) -> Result<Vec<Option<usize>>, String> {
        Ok(self.into_iter().map(Some).collect())
    }
}

impl Labels for Array1<Option<usize>> {
    fn labels(self) -> Result<Vec<Option<usize>>, String> {
        Ok(self.into_iter().collect())
    }
}

impl<L: Labels, E: std::error::Error> Labels for Result<L, E> {
    fn labels(self) -> Result<Vec<Option<usize>>, String> {
        self.map_err(|e| e.to_string())?.labels()
    }
}

/// Renumbers labels from 0 by first appearance. Noise stays noise.
pub(super) fn numbered(labels: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut numbers = HashMap::new();
    let mut number = |label: usize| {
        let next = numbers.len();
        *numbers.entry(label).or_insert(next)
    };
    labels.iter().copied().map(|label| label.map(&mut number)).collect()
}
