//! Inner products and distances of models, from the products of rows.

use super::block::{Partial, PassRow};

/// The products of rows, from which the inner products of models follow.
pub(super) struct Products<'a> {
    pub(super) rows: &'a [PassRow<'a>],
    pub(super) sum: &'a Partial,
}

impl Products<'_> {
    fn product(&self, a: usize, b: usize) -> f64 {
        self.sum.products[a.max(b) + a.min(b) * self.rows.len()]
    }

    fn is_reference(&self, i: usize) -> bool {
        self.rows[i].reference == i
    }

    /// Returns the rows whose sum is a model: its reference, and its difference from the reference.
    fn parts(&self, i: usize) -> impl Iterator<Item = usize> + use<> {
        let difference = (!self.is_reference(i)).then_some(i);
        [Some(self.rows[i].reference), difference].into_iter().flatten()
    }

    /// Returns the inner product of two models.
    pub(super) fn inner(&self, i: usize, j: usize) -> f64 {
        self.parts(i).flat_map(|a| self.parts(j).map(move |b| self.product(a, b))).sum()
    }

    /// Returns the squared distance of two models. It is exactly 0 when they have the same values, and never negative.
    pub(super) fn squared_distance(&self, i: usize, j: usize) -> f64 {
        if self.sum.fingerprints[i] == self.sum.fingerprints[j] {
            // Rounding must not give a distance to models with the same values.
            return 0.0;
        }
        let squared = if self.rows[i].reference != self.rows[j].reference {
            // The pilot found these models not near to one another, so the difference of large products keeps enough digits.
            self.inner(i, i) + self.inner(j, j) - 2.0 * self.inner(i, j)
        } else if self.is_reference(i) {
            self.product(j, j)
        } else if self.is_reference(j) {
            self.product(i, i)
        } else {
            self.product(i, i) + self.product(j, j) - 2.0 * self.product(i, j)
        };
        squared.max(0.0)
    }
}
