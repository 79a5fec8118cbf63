//! The values of the sums in the order of the file: one walk for writing, reading and the checksum.

use crate::geometry::sums::Sums;
use crate::kernel::Moments;
use std::io;

/// What a walk over the sums does at each tensor.
pub(super) trait Archive {
    /// A tensor in F64.
    fn floats<'v>(
        &mut self,
        name: String,
        shape: &[usize],
        values: impl Iterator<Item = &'v mut f64>,
    ) -> io::Result<()>;

    /// A tensor in U64, of two for each of these: the lower half first.
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

/// Goes through the sums of one group, the `g`-th by content. Units with no job done are all zeros and left out.
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
    if let Some(open) = &mut sums.open {
        let rows = open.moments.len();
        let name = |what: &str| format!("{g}.open.{what}");
        to.floats(name("products"), &[rows, rows], open.products.iter_mut())?;
        to.floats(name("moments"), &[rows, 5], open.moments.iter_mut().flat_map(five))?;
        to.fingerprints(name("fingerprints"), &[rows, 2], open.fingerprints.iter_mut())?;
    }
    Ok(())
}
