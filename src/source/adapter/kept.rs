//! Matrices that were computed for a weight and serve its next reads.

use crate::error::SourceError;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Most elements that are kept at a time, over all weights.
pub(super) const KEPT: usize = 1 << 24;

/// The matrices of the weights that were read last. Memory: at most [`KEPT`] elements.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<VecDeque<(String, Arc<[f32]>)>>);

impl Kept {
    /// Returns the matrix of a weight, and computes it if it is not at hand.
    pub(super) fn get(
        &self,
        weight: &str,
        compute: impl FnOnce() -> Result<Vec<f32>, SourceError>,
    ) -> Result<Arc<[f32]>, SourceError> {
        // The lock stays held during the computation: other readers of this weight would compute the same again.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, matrix)) = kept.iter().find(|(name, _)| name == weight) {
            return Ok(Arc::clone(matrix));
        }
        let matrix: Arc<[f32]> = compute()?.into();
        while !kept.is_empty() && kept.iter().map(|(_, m)| m.len()).sum::<usize>() + matrix.len() > KEPT {
            kept.pop_front();
        }
        kept.push_back((weight.to_owned(), Arc::clone(&matrix)));
        Ok(matrix)
    }
}
