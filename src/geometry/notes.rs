//! What the pass notes of every model by itself, beside its moments: zeros and extremes.

use crate::model_set::ModelId;
use pulp::{Arch, Simd, WithSimd};

/// Number of independent counts, so that no comparison waits for the one before.
const LANES: usize = 16;

/// What was seen of the values of one tensor in one model. Values are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Note {
    /// Number of values seen.
    pub(crate) count: usize,
    /// Number of zeros among them, of either sign.
    pub(crate) zeros: usize,
    /// The least of them; +∞ without values.
    pub(crate) least: f32,
    /// The largest of them; −∞ without values.
    pub(crate) most: f32,
}

impl Note {
    /// The note of no values.
    pub(crate) const NONE: Self = Self { count: 0, zeros: 0, least: f32::INFINITY, most: f32::NEG_INFINITY };

    /// The note of some values. O(values) time.
    pub(super) fn of(values: &[f32]) -> Self {
        Arch::new().dispatch(Look { values })
    }

    /// The note of the values of both. The order does not matter.
    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            zeros: self.zeros + other.zeros,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }
}

/// Looks at each value once.
struct Look<'a> {
    values: &'a [f32],
}

impl WithSimd for Look<'_> {
    type Output = Note;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Note {
        let (mut zeros, mut least, mut most) = ([0u32; LANES], [f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        let (whole, rest) = self.values.as_chunks::<LANES>();
        for values in whole {
            for lane in 0..LANES {
                let x = values[lane];
                zeros[lane] += u32::from(x == 0.0);
                // Values are finite, so a plain comparison does what the slower `f32::min` would.
                least[lane] = if x < least[lane] { x } else { least[lane] };
                most[lane] = if x > most[lane] { x } else { most[lane] };
            }
        }
        let of_lane =
            |lane: usize| Note { count: 0, zeros: zeros[lane] as usize, least: least[lane], most: most[lane] };
        let of_rest = |&x: &f32| Note { count: 0, zeros: usize::from(x == 0.0), least: x, most: x };
        let all = (0..LANES).map(of_lane).chain(rest.iter().map(of_rest)).fold(Note::NONE, Note::merge);
        Note { count: self.values.len(), ..all }
    }
}

/// The notes of all models, by group and parameter.
///
/// A pass that goes on from a resume file has not seen all values. Tensors that it did not see whole have no notes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// For each group of the model set and each parameter of it: the models that were seen whole, in ascending order.
    groups: Vec<Vec<Vec<(ModelId, Note)>>>,
}

impl Notes {
    /// Adds the next group, with the notes of each parameter.
    pub(super) fn push(&mut self, mut parameters: Vec<Vec<(ModelId, Note)>>) {
        parameters.iter_mut().for_each(|notes| notes.sort_unstable_by_key(|(model, _)| *model));
        self.groups.push(parameters);
    }

    /// The note of one parameter of a group in one model; `None` where it was not seen whole.
    pub(crate) fn of(&self, group: usize, parameter: usize, model: ModelId) -> Option<Note> {
        let notes = self.groups.get(group)?.get(parameter)?;
        notes.binary_search_by_key(&model, |(other, _)| *other).ok().map(|at| notes[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_looked_at_once() {
        for n in [0, 1, 15, 16, 17, 100] {
            let values: Vec<f32> = (0..n).map(|i| if i % 5 == 4 { -0.0 } else { 3.0 - i as f32 }).collect();
            let zeros = values.iter().filter(|x| **x == 0.0).count();
            let fold = |start: f32, of: fn(f32, f32) -> f32| values.iter().copied().fold(start, of);
            let note = Note::of(&values);
            assert_eq!((note.count, note.zeros), (n, zeros));
            assert_eq!([note.least, note.most], [fold(f32::INFINITY, f32::min), fold(f32::NEG_INFINITY, f32::max)]);
            let (first, second) = values.split_at(n / 3);
            assert_eq!(Note::of(second).merge(Note::of(first)), note);
        }
    }

    #[test]
    fn notes_are_found_by_group_parameter_and_model() {
        let mut notes = Notes::default();
        let note = |zeros| Note { zeros, ..Note::NONE };
        notes.push(vec![vec![(ModelId::new(5), note(1)), (ModelId::new(2), note(2))], Vec::new()]);
        assert_eq!(notes.of(0, 0, ModelId::new(2)), Some(note(2)));
        assert_eq!(notes.of(0, 0, ModelId::new(3)), None);
        assert_eq!((notes.of(0, 1, ModelId::new(2)), notes.of(1, 0, ModelId::new(2))), (None, None));
    }
}
