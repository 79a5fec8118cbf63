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
}

impl Undone {
    /// A tensor that is stored as the model has it.
    pub(super) fn new(stored: Stored) -> Self {
        Self { stored, order: Order::Same, plus_one: false, scales: Vec::new() }
    }

    /// Whether the stored bytes are the tensor.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.stored.kind.kind, Kind::Plain(_))
            && self.order == Order::Same
            && !self.plus_one
            && self.scales.is_empty()
    }

    /// How many values have a factor in common.
    fn scaled_part(&self) -> usize {
        (self.stored.size / self.scales.len().max(1)).max(1)
    }
}

impl Decode for Undone {
    fn decode(&self, bytes: &dyn ReadAt, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
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

    fn prefetch(&self, bytes: &dyn ReadAt, offset: usize, length: usize) {
        // Rows in another order lie near by. The elements of a transpose lie everywhere.
        if !matches!(self.order, Order::Transposed { .. }) {
            self.stored.prefetch(bytes, offset, length);
        }
    }

    fn rounding(&self, bytes: &dyn ReadAt) -> Result<Option<f64>, SourceError> {
        let Some(mean_square) = self.stored.rounding(bytes)? else { return Ok(None) };
        let squares: f64 = self.scales.iter().map(|scale| f64::from(*scale).powi(2)).sum();
        let scale = if self.scales.is_empty() { 1.0 } else { squares / self.scales.len() as f64 };
        Ok(Some((mean_square * scale).sqrt()))
    }
}
