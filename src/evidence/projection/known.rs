//! The projections that were measured so far. Each costs four readings of a matrix.

use crate::geometry::{Projection, Side};
use crate::model_set::ModelId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The share of the memory setting that they take.
const SHARE: u64 = 16;

/// Two models and the name of one of their matrices.
type Key = (ModelId, ModelId, String);

/// The projections of matrices. What goes beyond its share of the memory is measured again.
#[derive(Debug)]
pub(in crate::evidence) struct KnownProjections {
    most: usize,
    /// The number of bytes kept, and what is kept; `None` for a matrix that has no projection.
    kept: Mutex<(usize, HashMap<Key, Option<Projection>>)>,
}

impl KnownProjections {
    /// Room for some projections, for a memory setting in bytes.
    pub(in crate::evidence) fn new(memory: u64) -> Self {
        Self { most: usize::try_from(memory / SHARE).unwrap_or(usize::MAX), kept: Mutex::default() }
    }

    /// The projection of one matrix of two models, by `measured` where it is not known.
    pub(in crate::evidence) fn of<E>(
        &self,
        [a, b]: [ModelId; 2],
        name: &str,
        measured: impl FnOnce() -> Result<Option<Projection>, E>,
    ) -> Result<Option<Projection>, E> {
        let key = (a, b, name.to_owned());
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().1.get(&key) {
            return Ok(known.clone());
        }
        let found = measured()?;
        let bytes = size_of::<Key>() + name.len() + found.as_ref().map_or(0, size);
        let mut kept = kept();
        if kept.0.saturating_add(bytes) <= self.most {
            kept.0 += bytes;
            kept.1.insert(key, found.clone());
        }
        Ok(found)
    }
}

/// The size of a projection in bytes.
fn size(projection: &Projection) -> usize {
    let side = |side: &Side| size_of::<Side>() + side.basis.iter().map(|d| size_of_val(d.as_slice())).sum::<usize>();
    side(&projection.rows) + side(&projection.columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_measured_once_while_there_is_room() {
        let known = KnownProjections::new(SHARE * 4096);
        let models = [0, 1].map(ModelId::new);
        let side = |length: usize| Side {
            basis: vec![vec![0.5; length]],
            squared_a: 1.0,
            squared_b: 0.0,
            inner: 0.0,
            rounding: 0.0,
        };
        let projection = |length: usize| Projection { rows: side(length), columns: side(1) };
        let mut measured = 0;
        let mut of = |name: &str, length: usize| {
            let found = known.of(models, name, || {
                measured += 1;
                Ok::<_, ()>((length > 0).then(|| projection(length)))
            });
            (found.unwrap(), measured)
        };
        assert_eq!((of("v", 8), of("v", 8)), ((Some(projection(8)), 1), (Some(projection(8)), 1)));
        assert_eq!((of("w", 0), of("w", 0)), ((None, 2), (None, 2)));
        // This one is too large.
        assert_eq!((of("x", 600).1, of("x", 600).1), (3, 4));
    }
}
