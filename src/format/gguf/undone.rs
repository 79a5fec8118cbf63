//! A tensor as the model has it: what its converter did to it is undone as it is read.

use super::order::Order;
use super::stored::Stored;
use super::tensor_type::Kind;
use crate::bytes::ReadAt;
use crate::error::SourceError;
use crate::format::Decode;

/// One tensor of the model.
#[derive(Clone, Debug)]
pub(super) struct Undone {
    pub(super) stored: Stored,
    pub(super) order: Order,
    /// Whether the file holds the values plus one.
    pub(super) plus_one: bool,
    /// Factors of the values: one for all, or one for each of as many equal parts.
    pub(super) scales: Vec<f32>,
    /// The odd columns, where the others here are the even ones.
    pub(super) odd: Option<Box<Self>>,
}

impl Undone {
    /// A tensor that is stored as the model has it.
    pub(super) fn new(stored: Stored) -> Self {
        Self { stored, order: Order::Same, plus_one: false, scales: Vec::new(), odd: None }
    }

    /// Whether the stored bytes are the tensor.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.stored.kind.kind, Kind::Plain(_))
            && self.order == Order::Same
            && !self.plus_one
            && self.scales.is_empty()
            && self.odd.is_none()
    }

    /// Reads even and odd columns and puts them together.
    fn alternate(&self, odd: &Self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let (first, end) = (offset / 2, (offset + out.len()).div_ceil(2));
        let mut halves = [vec![0.0; end - first], vec![0.0; end - first]];
        self.column(bytes, first, &mut halves[0])?;
        odd.column(bytes, first, &mut halves[1])?;
        for (value, at) in out.iter_mut().zip(offset..) {
            *value = halves[at % 2][at / 2 - first];
        }
        Ok(())
    }

    /// Reads values without regard to odd columns.
    fn column(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        self.order.read(&self.stored, bytes, offset, out)?;
        if self.plus_one {
            out.iter_mut().for_each(|value| *value -= 1.0);
        }
        if !self.scales.is_empty() {
            let part = self.scaled_part();
            for (value, at) in out.iter_mut().zip(offset..) {
                *value *= self.scales[at / part];
            }
        }
        Ok(())
    }

    /// Returns the mean square of the rounding error, without regard to odd columns.
    fn mean_square(&self, bytes: &dyn ReadAt) -> Result<Option<f64>, SourceError> {
        let squares: f64 = self.scales.iter().map(|scale| f64::from(*scale).powi(2)).sum();
        let scale = if self.scales.is_empty() { 1.0 } else { squares / self.scales.len() as f64 };
        Ok(self.stored.rounding(bytes)?.map(|mean_square| mean_square * scale))
    }

    /// How many values have a factor in common.
    fn scaled_part(&self) -> usize {
        (self.stored.size / self.scales.len().max(1)).max(1)
    }
}

impl Decode for Undone {
    fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        match &self.odd {
            Some(odd) => self.alternate(odd, bytes, offset, out),
            None => self.column(bytes, offset, out),
        }
    }

    fn prefetch(&self, bytes: &dyn ReadAt, offset: usize, length: usize) {
        // Rows in another order lie near by. The elements of a transpose lie everywhere.
        if self.odd.is_none() && !matches!(self.order, Order::Transposed { .. }) {
            self.stored.prefetch(bytes, offset, length);
        }
    }

    fn rounding(&self, bytes: &dyn ReadAt) -> Result<Option<f64>, SourceError> {
        let mut total = self.mean_square(bytes)?;
        if let Some(odd) = &self.odd {
            total = total.zip(odd.mean_square(bytes)?).map(|(even, odd)| f64::midpoint(even, odd));
        }
        Ok(total.map(f64::sqrt))
    }
}
