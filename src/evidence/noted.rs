//! What the pass noted of two models, which saves reading them.

use super::shared::SharedTensor;
use super::values::Values;
use crate::geometry::{Geometry, Note, Zeros};
use crate::model_set::ModelId;

impl Geometry {
    /// Counts the zeros of two models among the values that both hold. `None` where the pass did not see them all.
    pub(crate) fn zeros(&self, a: ModelId, b: ModelId) -> Option<Zeros> {
        self.evidence()?.zeros(a, b)
    }
}

/// The zeros of two models among the values that both hold.
pub(super) fn zeros(values: &Values, a: ModelId, b: ModelId) -> Option<Zeros> {
    let ((g, of_a), (h, of_b)) = (values.place(a)?, values.place(b)?);
    let group = values.models().groups().get(g).filter(|_| g == h)?;
    let mut zeros = Zeros { of: [0; 2], values: 0 };
    for (p, parameter) in group.parameters().iter().enumerate() {
        if group.own_name(of_a, p).is_some() && group.own_name(of_b, p).is_some() {
            for (sum, model) in zeros.of.iter_mut().zip([a, b]) {
                *sum += values.notes().of(g, p, model)?.zeros;
            }
            zeros.values += parameter.size();
        }
    }
    Some(zeros)
}

/// What was seen of one tensor in one of the models that share it. `None` where the pass did not see it whole.
pub(super) fn note(values: &Values, tensor: &SharedTensor<'_>, model: ModelId) -> Option<Note> {
    let (g, _) = values.place(model)?;
    let mut note = Note::NONE;
    for (p, parameter) in values.models().groups().get(g)?.parameters().iter().enumerate() {
        let within = tensor.values.start <= parameter.values.start && parameter.values.end <= tensor.values.end;
        if within && parameter.name == tensor.name {
            note = note.merge(values.notes().of(g, p, model)?);
        }
    }
    (note.count == tensor.size()).then_some(note)
}

#[cfg(test)]
mod tests {
    use crate::geometry::{Geometry, GeometrySettings, Zeros};
    use crate::model_set::{ModelId, ModelSet};
    use crate::source::InMemory;

    #[test]
    fn zeros_are_those_of_what_both_hold() {
        let model = |rows: usize, zeros: usize| {
            let values = (0..rows * 8).map(|i| if i < zeros { 0.0 } else { 1.0 + i as f32 }).collect();
            let head = (0..64).map(|i| i as f32).collect();
            let model = InMemory::new().with_parameter("embed", [rows, 8], values).unwrap();
            model.with_parameter("head", [8, 8], head).unwrap()
        };
        // The second has fewer rows. Of the first, 18 of 20 zeros are in them.
        let wide = {
            let values = (0..80).map(|i| if (18..=77).contains(&i) { 1.0 + i as f32 } else { 0.0 }).collect();
            let head = (0..64).map(|i| 2.0 * i as f32).collect();
            let model = InMemory::new().with_parameter("embed", [10, 8], values).unwrap();
            model.with_parameter("head", [8, 8], head).unwrap()
        };
        let set = ModelSet::from_models([("wide", wide), ("narrow", model(9, 3))]).unwrap();
        let geometry = Geometry::compute(&set, &GeometrySettings::default()).unwrap();
        let [wide, narrow] = [0, 1].map(ModelId::new);
        // Each head has one zero.
        assert_eq!(geometry.zeros(wide, narrow), Some(Zeros { of: [19, 4], values: 72 + 64 }));
        // Rows that one model alone holds are not compared.
        assert_eq!(geometry.zeros(wide, wide), Some(Zeros { of: [19, 19], values: 72 + 64 }));
        assert_eq!(geometry.without_values().zeros(wide, narrow), None);
    }
}
