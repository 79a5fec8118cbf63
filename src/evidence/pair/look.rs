//! A look at one row of two models, which tells most of those that lie on no grid.

use super::grid::{Extent, Fits};
use super::rounding::unit_roundoff;
use crate::error::Error;
use crate::evidence::noted::note;
use crate::evidence::shared::RUN;
use crate::evidence::values::Values;
use crate::geometry::Geometry;
use crate::model_set::{Kind, ModelId};

/// The most rows that are looked at before one is found that differs.
const ROWS: usize = 16;

impl Geometry {
    /// Whether all parameters of b that differ from a may lie on a grid, as [`read_pair`](Self::read_pair) would tell.
    ///
    /// Few values are read: one row of a matrix that is on no grid is enough to know.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when the models are not of one group, [`Error::Source`] for a model that cannot be read any more.
    pub(crate) fn may_lie_on_grid(&self, a: ModelId, b: ModelId) -> Result<bool, Error> {
        self.evidence().map_or(Ok(true), |evidence| evidence.may_lie_on_grid(a, b))
    }
}

/// Whether all parameters of b that differ from a may lie on a grid.
pub(in crate::evidence) fn may_lie_on_grid(values: &Values, a: ModelId, b: ModelId) -> Result<bool, Error> {
    let (mut of_a, mut of_b): (Vec<f32>, Vec<f32>) = (Vec::new(), Vec::new());
    let mut looked = 0;
    for tensor in values.shared(&[a, b])?.iter().filter(|t| t.kind == Kind::Matrix && t.row_size <= RUN) {
        let size = tensor.row_size;
        let Some(note) = note(values, tensor, b) else { return Ok(true) };
        let first = tensor.values.start.div_ceil(size);
        for row in (first..tensor.values.end / size).take(ROWS - looked) {
            looked += 1;
            let run = row * size..(row + 1) * size;
            // The first whole row of most matrices is part of a sample, which the pass has set aside.
            for (model, own_name, out) in [(a, tensor.own_names[0], &mut of_a), (b, tensor.own_names[1], &mut of_b)] {
                out.clear();
                values.read_sample(model, own_name, &run, out)?;
            }
            if of_a == of_b {
                continue;
            }
            let roundoff = values.dtype(b, tensor.own_names[1]).map_or(0.0, unit_roundoff);
            let fails = |extent: Extent| {
                let mut fits = Fits::new();
                fits.observe(extent, &of_a, &of_b, roundoff);
                fits.fail()
            };
            // A row of one value fits any grid, so that such rows have none.
            return Ok(!(fails(Extent::between(note.least, note.most)) && (size == 1 || fails(Extent::of(&of_b)))));
        }
        if looked == ROWS {
            break;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::GeometrySettings;
    use crate::model_set::ModelSet;
    use crate::source::InMemory;

    fn looks(parent: &[f32], child: Vec<f32>) -> (bool, Option<u32>) {
        let model = |values: Vec<f32>| InMemory::new().with_parameter("w", [32, 32], values).unwrap();
        let set = ModelSet::from_models([("parent", model(parent.to_vec())), ("child", model(child))]).unwrap();
        let geometry = Geometry::compute(&set, &GeometrySettings::default()).unwrap();
        let [a, b] = [0, 1].map(ModelId::new);
        let pair = geometry.read_pair(a, b).unwrap().unwrap();
        (geometry.may_lie_on_grid(a, b).unwrap(), pair.quantized_bits())
    }

    #[test]
    fn no_grid_is_overlooked_and_most_others_show() {
        let noise = |seed: u64| (0..1024).map(move |i| ((i * 7919 + seed) * 104_729 % 65_537) as f32 / 65_537.0 - 0.5);
        let parent: Vec<f32> = noise(1).collect();
        let rounded = |values: &[f32], n: f32| -> Vec<f32> {
            let step = values.iter().fold(0.0f32, |m, x| m.max(x.abs())) / n;
            values.iter().map(|x| (x / step).round() * step).collect()
        };
        // One step for the tensor, and one for each row. The first two rows are left as they were.
        assert_eq!(looks(&parent, rounded(&parent, 127.0)), (true, Some(8)));
        let rows = |n: f32| parent.chunks(32).flat_map(move |row| rounded(row, n)).collect::<Vec<f32>>();
        assert_eq!(looks(&parent, rows(7.0)), (true, Some(4)));
        let late: Vec<f32> = parent[..64].iter().copied().chain(rows(127.0)[64..].iter().copied()).collect();
        assert!(looks(&parent, late).0);
        let trained: Vec<f32> = parent.iter().zip(noise(2)).map(|(x, e)| x + 0.01 * e).collect();
        assert_eq!(looks(&parent, trained), (false, None));
    }
}
