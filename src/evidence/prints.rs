//! Prints of tensors: equal tensors are found under any name, from a few values of each.

use super::values::Values;
use crate::error::Error;
use crate::geometry::{Geometry, TensorPrint};
use crate::model_set::{Kind, ModelId, Role};
use crate::source::ParameterInfo;
use rayon::prelude::*;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The pieces of a tensor that are read. They have the same distance from one another.
const PIECES: usize = 4;

/// The values of one piece.
const PIECE: usize = 64;

impl Geometry {
    /// Reads the prints of every parameter of some models, in the order of their names.
    ///
    /// Parameters of which all values read are equal have none: gains of 1 and biases of 0 are alike in strangers. Nor have those
    /// that cannot be read or are not finite. At most 256 values of each parameter are read. The result is `None` when values are not
    /// at hand.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub(crate) fn read_prints(&self, models: &[ModelId]) -> Result<Option<Vec<Vec<TensorPrint>>>, Error> {
        self.evidence().map_or(Ok(None), |evidence| evidence.prints(models))
    }

    /// All tensors of a model as its source lists them. `None` without evidence.
    pub(crate) fn listed(&self, model: ModelId) -> Option<&Arc<[ParameterInfo]>> {
        Some(&self.evidence()?.facts(model).listed)
    }
}

/// Reads the prints.
pub(super) fn prints(values: &Values, models: &[ModelId]) -> Result<Vec<Vec<TensorPrint>>, Error> {
    let parameters = |&model: &ModelId| -> Vec<ParameterInfo> {
        let all = values.models().parameters(model);
        all.filter(|(_, role)| *role == Role::Parameter).map(|(info, _)| info.clone()).collect()
    };
    let listed: Vec<(ModelId, Vec<ParameterInfo>)> = models.iter().map(|m| (*m, parameters(m))).collect();
    let read = |info: &ParameterInfo| places(info.size()).iter().map(|(_, length)| length).sum::<usize>();
    values.announce(listed.iter().flat_map(|(_, infos)| infos).map(read).sum());
    values.thread_pool()?.install(|| {
        let of_model = |(model, infos): &(ModelId, Vec<ParameterInfo>)| -> Result<Vec<TensorPrint>, Error> {
            let mut found = Vec::with_capacity(infos.len());
            for info in infos {
                found.extend(print(values, *model, info)?);
            }
            Ok(found)
        };
        listed.par_iter().map(of_model).collect()
    })
}

/// Where the pieces of a tensor begin, and how long they are.
fn places(size: usize) -> Vec<(usize, usize)> {
    if size <= PIECES * PIECE {
        return vec![(0, size)];
    }
    (0..PIECES).map(|i| (i * (size - PIECE) / (PIECES - 1), PIECE)).collect()
}

fn print(values: &Values, model: ModelId, info: &ParameterInfo) -> Result<Option<TensorPrint>, Error> {
    let (mut all, mut piece) = (Vec::new(), Vec::new());
    for (begin, length) in places(info.size()) {
        // A tensor that no other model has under its name was not read before. One that is broken has no print.
        if !values.peek(model, &info.name, &(begin..begin + length), &mut piece)? {
            return Ok(None);
        }
        all.extend_from_slice(&piece);
    }
    if all.iter().all(|x| *x == all[0]) || all.iter().any(|x| !x.is_finite()) {
        return Ok(None);
    }
    let hash = |bits: &dyn Fn(f32) -> u32| {
        let bytes: Vec<u8> = all.iter().flat_map(|x| bits(*x).to_le_bytes()).collect();
        xxh3_64(&bytes)
    };
    // Rounding to nearest with ties to even, as casts do.
    let rounded = |x: f32| x.to_bits().wrapping_add(0x7fff + ((x.to_bits() >> 16) & 1)) & 0xffff_0000;
    let kind = if info.shape.iter().filter(|&&n| n > 1).count() > 1 { Kind::Matrix } else { Kind::Vector };
    Ok(Some(TensorPrint {
        name: info.name.clone(),
        kind,
        shape: info.shape.clone(),
        rounded: hash(&rounded),
        exact: hash(&f32::to_bits),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::GeometrySettings;
    use crate::model_set::ModelSet;
    use crate::source::InMemory;

    #[test]
    fn equal_tensors_have_one_print_under_any_name() {
        let values = |add: f32| (0..4096).map(|i| (i * i % 97) as f32 + add).collect::<Vec<f32>>();
        let model = |names: [&str; 2], last: f32| {
            let model = InMemory::new().with_parameter(names[0], [64, 64], values(0.0)).unwrap();
            let model = model.with_parameter(names[1], [64, 64], values(last)).unwrap();
            model.with_parameter("norm", [64], vec![1.0; 64]).unwrap()
        };
        let set = ModelSet::from_models([("a", model(["a", "b"], 1.0)), ("b", model(["b", "c"], 0.001))]).unwrap();
        let geometry = Geometry::compute(&set, &GeometrySettings::default()).unwrap();
        let prints = geometry.read_prints(&[ModelId::new(0), ModelId::new(1)]).unwrap().unwrap();
        // The gains of 1 have none.
        assert_eq!(prints.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        let [[a, b], [c, d]] = [&prints[0], &prints[1]].map(|p| [&p[0], &p[1]]);
        assert!((a.rounded, a.exact) == (c.rounded, c.exact) && b.rounded != a.rounded);
        assert_eq!((a.kind, a.size()), (Kind::Matrix, 4096));
        // A step below what BF16 stores changes the exact hash alone, but for values near 0.
        assert!(d.exact != c.exact);
    }

    #[test]
    fn what_is_not_finite_has_no_print() {
        let model = |names: [&str; 2], last: f32| {
            let mut values: Vec<f32> = (0..64).map(|i| i as f32).collect();
            let model = InMemory::new().with_parameter("shared", [8, 8], values.clone()).unwrap();
            values[63] = last;
            names.iter().fold(model, |m, name| m.with_parameter(*name, [8, 8], values.clone()).unwrap())
        };
        // Tensors that one model alone has are not read when the geometry is computed.
        let models = [("a", model(["a.x", "a.y"], f32::NAN)), ("b", model(["b.x", "b.y"], 1.0))];
        let set = ModelSet::builder().with_minimum_shared(0.1);
        let set = models.into_iter().fold(set, |set, (name, model)| set.with_model(name, model)).build().unwrap();
        let geometry = Geometry::compute(&set, &GeometrySettings::default()).unwrap();
        let prints = geometry.read_prints(&[ModelId::new(0), ModelId::new(1)]).unwrap().unwrap();
        assert_eq!(prints.iter().map(Vec::len).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn pieces_reach_from_the_first_value_to_the_last() {
        assert_eq!(places(10), [(0, 10)]);
        assert_eq!(places(1000), [(0, 64), (312, 64), (624, 64), (936, 64)]);
    }
}
