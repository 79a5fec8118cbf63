//! Squared distances of rows, each summed by itself in f64.

use crate::kernel::{APART, Rows, STRIP, add_squared_distances};
use pulp::{Arch, Simd, WithSimd};

/// Squared distances of some rows, column-major. Only the lower triangle is filled.
#[derive(Debug)]
pub(super) struct Squared {
    values: Vec<f64>,
    side: usize,
}

impl Squared {
    pub(super) fn new(rows: usize) -> Self {
        Self { values: vec![0.0; rows * rows], side: rows }
    }

    pub(super) fn value(&self, i: usize, j: usize) -> f64 {
        self.values[i.max(j) + i.min(j) * self.side]
    }

    #[cfg(test)]
    pub(super) fn set(&mut self, i: usize, j: usize, value: f64) {
        self.values[i.max(j) + i.min(j) * self.side] = value;
    }

    /// Adds the first `columns` columns of a block. Its rows are `length` values long and follow one another.
    ///
    /// Strips of the rows are widened into `wide`. O(n² · columns) time for n rows.
    pub(super) fn add(&mut self, narrow: &[f32], length: usize, columns: usize, wide: &mut Vec<f64>) {
        let stride = STRIP + APART;
        wide.resize(self.side * stride, 0.0);
        for begin in (0..columns).step_by(STRIP) {
            let taken = STRIP.min(columns - begin);
            for (narrow, wide) in narrow.chunks_exact(length).zip(wide.chunks_exact_mut(stride)) {
                Arch::new().dispatch(Widen { narrow: &narrow[begin..][..taken], wide });
            }
            add_squared_distances(&mut self.values, Rows { values: wide, stride, length: taken }, self.side);
        }
    }
}

/// Widens values to f64.
struct Widen<'a> {
    narrow: &'a [f32],
    wide: &'a mut [f64],
}

impl WithSimd for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.wide.iter_mut().zip(self.narrow).for_each(|(w, &x)| *w = f64::from(x));
    }
}
