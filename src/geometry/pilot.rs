//! A sample of a few values of every model. It decides in which order models are read.

use super::faults::Faults;
use crate::error::{Error, SourceError};
use crate::kernel::update;
use crate::model_set::{LayoutGroup, ModelSet, Position};
use xxhash_rust::xxh3::Xxh3;

/// Number of values that are sampled of each model.
const VALUES: usize = 4096;
/// Number of values that are sampled of each model in sets of more than [`LARGE_SET`] models, so that samples stay small.
const VALUES_IN_LARGE_SETS: usize = 1024;
/// Greatest number of models of which [`VALUES`] values each are sampled.
const LARGE_SET: usize = 1000;

/// The order of a group's models.
#[derive(Debug)]
pub(super) struct Pilot {
    /// The group's models, sorted by the sampled values. Names and positions do not matter.
    pub(super) order: Vec<Position<LayoutGroup>>,
    /// Digest of the sampled values, in `order`.
    pub(super) digest: u128,
    /// For each place in `order`, whether another model has the same sampled values. Then only names distinguish the two.
    pub(super) tied: Vec<bool>,
}

impl Pilot {
    /// Returns the place in `order` of each of the group's models.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut place_of = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(place, &at)| place_of[at.index()] = place);
        place_of
    }
}

/// Samples every model of a group, and finds their order.
pub(super) fn pilot(models: &ModelSet, group: &LayoutGroup, faults: &Faults) -> Result<Pilot, Error> {
    let n = group.models().len();
    let look = |at: Position<LayoutGroup>| {
        look(models, group, at).or_else(|error| {
            // The set of this pilot is given up, so that any sample does for the faulty model.
            faults.note(models, group.model(at), error).map(|()| Vec::new())
        })
    };
    let seen: Vec<Vec<f32>> = group.positions().map(look).collect::<Result<_, _>>()?;
    let mut order: Vec<Position<LayoutGroup>> = group.positions().collect();
    // Models with equal samples keep their order, and are marked as tied below.
    order.sort_by(|&a, &b| {
        let values = seen[a.index()].iter().zip(&seen[b.index()]);
        values.map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(a.cmp(&b))
    });

    // In the order of content the digest is the same however the models were given.
    let mut digest = Xxh3::new();
    order.iter().for_each(|&at| update(&mut digest, &seen[at.index()]));
    let values = |place: usize| &seen[order[place].index()];
    let same = |a: usize, b: usize| values(a).iter().zip(values(b)).all(|(x, y)| x.to_bits() == y.to_bits());
    let tied = (0..n).map(|p| (p > 0 && same(p - 1, p)) || (p + 1 < n && same(p, p + 1))).collect();
    Ok(Pilot { order, digest: digest.digest128(), tied })
}

/// Reads a few values from the middle of every parameter that all models of the group hold.
fn look(models: &ModelSet, group: &LayoutGroup, at: Position<LayoutGroup>) -> Result<Vec<f32>, SourceError> {
    let n = group.models().len();
    let common: Vec<usize> =
        (0..group.parameters().len()).filter(|&p| group.parameters()[p].holders.len() == n).collect();
    let values = if n > LARGE_SET { VALUES_IN_LARGE_SETS } else { VALUES };
    let each = (values / common.len().max(1)).max(4);
    let id = group.model(at);
    let mut seen = Vec::with_capacity(values);
    for p in common {
        let parameter = &group.parameters()[p];
        let length = parameter.size().min(each);
        let offset = parameter.offset() + (parameter.size() - length) / 2;
        let begin = seen.len();
        seen.resize(begin + length, 0.0);
        let name = group.own_name(at, p).unwrap_or_default();
        super::read::check_read(models.source(id), name, offset, &mut seen[begin..])?;
    }
    Ok(seen)
}
