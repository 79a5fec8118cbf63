//! A weight that is stored as its magnitude and its direction.

use super::ParameterSource;
use crate::error::SourceError;
use std::sync::{Arc, OnceLock};

/// Values read at a time while norms are measured.
const BLOCK: usize = 1 << 16;

/// Weight normalization: `w = g · v / ‖v‖`, with a norm for each place along one axis
/// (Salimans & Kingma 2016, <https://arxiv.org/abs/1602.07868>).
#[derive(Clone, Debug)]
pub(crate) struct Normed {
    /// The name of g.
    pub(crate) magnitude: String,
    /// The name of v.
    pub(crate) direction: String,
    /// The shape of v and of w.
    pub(crate) shape: Vec<usize>,
    /// The axis along which each place has a norm of its own. `None` for one norm of all values.
    pub(crate) axis: Option<usize>,
    factors: Arc<OnceLock<Vec<f64>>>,
}

impl Normed {
    /// Describes a weight by the names and shapes of g and v. `None` where the shapes do not fit.
    pub(crate) fn new(magnitude: (&str, &[usize]), direction: (&str, &[usize])) -> Option<Self> {
        let (g, v) = (magnitude.1, direction.1);
        let size: usize = g.iter().product();
        let axis = match size {
            1 if v.first() != Some(&1) => None,
            _ => Some((0..v.len()).find(|&k| v[k] == size && g.get(k) == Some(&size))?),
        };
        let (magnitude, direction) = (magnitude.0.to_owned(), direction.0.to_owned());
        Some(Self { magnitude, direction, shape: v.to_vec(), axis, factors: Arc::default() })
    }

    /// Returns the place along the axis of an element.
    fn place(&self, element: usize) -> usize {
        let Some(axis) = self.axis else { return 0 };
        element / self.shape[axis + 1..].iter().product::<usize>().max(1) % self.shape[axis]
    }

    /// Returns `g / ‖v‖` for each place. All of v is read once.
    fn factors(&self, from: &dyn ParameterSource) -> Result<&[f64], SourceError> {
        if let Some(known) = self.factors.get() {
            return Ok(known);
        }
        let size: usize = self.shape.iter().product();
        let places = self.axis.map_or(1, |axis| self.shape[axis]);
        let mut magnitude = vec![0.0; places];
        from.read(&self.magnitude, 0, &mut magnitude)?;
        let mut squares = vec![0f64; places];
        let mut block = Vec::new();
        for begin in (0..size).step_by(BLOCK) {
            block.resize(BLOCK.min(size - begin), 0.0);
            from.read(&self.direction, begin, &mut block)?;
            block.iter().enumerate().for_each(|(i, &v)| squares[self.place(begin + i)] += f64::from(v).powi(2));
        }
        let factor = |(&g, s): (&f32, f64)| if s > 0.0 { f64::from(g) / s.sqrt() } else { 0.0 };
        let factors = magnitude.iter().zip(squares).map(factor).collect();
        // Of two threads that measure at once, both find the same.
        Ok(self.factors.get_or_init(|| factors))
    }

    pub(crate) fn read(&self, from: &dyn ParameterSource, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let factors = self.factors(from)?;
        from.read(&self.direction, offset, out)?;
        out.iter_mut().enumerate().for_each(|(i, x)| *x = (f64::from(*x) * factors[self.place(offset + i)]) as f32);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::InMemory;

    fn weight(g: (&[usize], &[f32]), v: (&[usize], &[f32])) -> Vec<f32> {
        let model = InMemory::new().with_parameter("g", g.0, g.1.to_vec()).unwrap();
        let model = model.with_parameter("v", v.0, v.1.to_vec()).unwrap();
        let normed = Normed::new(("g", g.0), ("v", v.0)).unwrap();
        let mut all = vec![0.0; v.1.len()];
        normed.read(&model, 0, &mut all).unwrap();
        let mut end = vec![0.0; v.1.len() - 1];
        normed.read(&model, 1, &mut end).unwrap();
        assert_eq!(end, all[1..]);
        all
    }

    #[test]
    fn norms_are_along_the_axis_of_the_magnitude() {
        assert_eq!(weight((&[2, 1], &[10.0, 2.0]), (&[2, 2], &[3.0, 4.0, 0.0, 5.0])), [6.0, 8.0, 0.0, 2.0]);
        assert_eq!(weight((&[1, 2], &[10.0, 2.0]), (&[2, 2], &[3.0, 0.0, 4.0, 5.0])), [6.0, 0.0, 8.0, 2.0]);
        assert_eq!(weight((&[], &[10.0]), (&[2, 1], &[3.0, 4.0])), [6.0, 8.0]);
        assert_eq!(weight((&[2, 1, 1], &[1.0, 1.0]), (&[2, 1, 2], &[3.0, 4.0, 0.0, 0.0])), [0.6, 0.8, 0.0, 0.0]);
        assert!(Normed::new(("g", &[3, 1]), ("v", &[2, 2])).is_none());
    }
}
