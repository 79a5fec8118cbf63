//! The walk over the sums in the order of the file. Writing, reading and the checksum use the same walk.

use crate::geometry::sums::Sums;
use crate::kernel::Moments;
use std::io;

/// The action of a walk at each tensor of the sums.
pub(super) trait Archive {
    /// Visits a tensor in F64.
    fn floats<'v>(
        &mut self,
        name: String,
        shape: &[usize],
        values: impl Iterator<Item = &'v mut f64>,
    ) -> io::Result<()>;

    /// Visits a tensor in U64, with two numbers for each value: first the lower half, then the upper half.
    fn fingerprints<'v>(
        &mut self,
        name: String,
        shape: &[usize],
        values: impl Iterator<Item = &'v mut u128>,
    ) -> io::Result<()>;
}

fn five(m: &mut Moments) -> [&mut f64; 5] {
    [&mut m.count, &mut m.mean, &mut m.m2, &mut m.m3, &mut m.m4]
}

/// Walks over the sums of one group, which is the `g`-th by content. Units without a finished tensor are all zeros, and are
/// left out.
pub(super) fn walk(g: usize, sums: &mut Sums, to: &mut impl Archive) -> io::Result<()> {
    for (u, unit) in sums.units.iter_mut().enumerate().filter(|(_, unit)| !unit.marginals.tensors.is_empty()) {
        let (tensors, models) = (unit.marginals.tensors.len(), unit.marginals.holders.len());
        let name = |what: &str| format!("{g}.{u}.{what}");
        let distances = unit.distances.values_mut();
        to.floats(name("distances"), &[distances.len()], distances.iter_mut())?;
        if let Some(squared) = &mut unit.to_initialization {
            to.floats(name("to_initialization"), &[models], squared.iter_mut())?;
        }
        let moments = unit.marginals.tensors.iter_mut().flat_map(|t| &mut t.moments).flat_map(five);
        to.floats(name("moments"), &[tensors, models, 5], moments)?;
        let fingerprints = unit.marginals.tensors.iter_mut().flat_map(|t| &mut t.fingerprints);
        to.fingerprints(name("fingerprints"), &[tensors, models, 2], fingerprints)?;
    }
    // A run may stop in the middle of a tensor. The sums of its jobs so far are kept beside the finished tensors.
    if let Some(open) = &mut sums.open {
        let rows = open.moments.len();
        let name = |what: &str| format!("{g}.open.{what}");
        let squared = open.squared.values_mut();
        to.floats(name("squared"), &[squared.len()], squared.iter_mut())?;
        to.floats(name("moments"), &[rows, 5], open.moments.iter_mut().flat_map(five))?;
        to.fingerprints(name("fingerprints"), &[rows, 2], open.fingerprints.iter_mut())?;
    }
    Ok(())
}
