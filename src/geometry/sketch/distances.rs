//! The geometry of a group of sketched models: one Gram matrix for each parameter, of sketches instead of values.

use super::{Kept, Sketch, SketchSet};
use crate::error::Error;
use crate::geometry::Moments;
use crate::geometry::fingerprint::{Fingerprint, chain};
use crate::geometry::group::{GroupGeometry, ParameterGeometry, Tensor};
use crate::geometry::packed::Packed;
use crate::geometry::plan::Plan;
use crate::geometry::rank_update::{Rows, rank_update};
use crate::model_set::{LayoutGroup, ModelId};
use crate::source::ParameterSource;
use rayon::prelude::*;
use std::ops::Range;

/// One run of values of one parameter in the models that hold it.
struct Sketched {
    /// Shape (holders, columns), row by row: sketches, or values where all holders have them.
    rows: Vec<f64>,
    moments: Vec<Moments>,
    fingerprints: Vec<u128>,
    size: usize,
    /// Width of the sketch, `None` for values.
    width: Option<usize>,
}

/// A group in an order by content, and the parameters of which something is left out: what models cut into unlike segments and do
/// not hold whole.
pub(in crate::geometry) fn group(
    set: &SketchSet,
    group: &LayoutGroup,
    plan: &Plan,
) -> Result<(GroupGeometry, Vec<String>), Error> {
    let order = order(set, group);
    let mut place_of = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &at)| place_of[at] = place);
    let width = set.width(group);
    let runs: Vec<(Vec<Run>, usize)> = (0..group.parameters().len()).map(|p| runs(set, group, p, width)).collect();
    let compared = |&&p: &&usize| !runs[p].0.is_empty();
    let mut units = Vec::with_capacity(plan.units.len());
    for unit in &plan.units {
        let kept: Vec<usize> = unit.iter().filter(compared).copied().collect();
        if let Some(&first) = kept.first() {
            let mut holders: Vec<usize> = group.parameters()[first].holders.iter().map(|&at| place_of[at]).collect();
            holders.sort_unstable();
            units.push((kept, holders));
        }
    }
    let incomplete = |&p: &usize| runs[p].1 < group.parameters()[p].size();
    let mut left_out: Vec<String> =
        (0..runs.len()).filter(incomplete).map(|p| group.parameters()[p].name.clone()).collect();
    let of_unit =
        |(unit, holders): &(Vec<usize>, Vec<usize>)| unit_geometry(set, group, &order, unit, holders, &runs, width);
    let parameters: Vec<ParameterGeometry> = units.par_iter().map(of_unit).collect::<Result<_, Error>>()?;
    let members: Vec<ModelId> = order.iter().map(|&at| group.models()[at]).collect();
    let unshared = order.iter().map(|&at| group.unshared_size(at)).collect();
    left_out.sort();
    left_out.dedup();
    Ok((GroupGeometry::new(members, parameters, unshared), left_out))
}

/// Positions of models, sorted by the fingerprints of what all of them hold.
fn order(set: &SketchSet, group: &LayoutGroup) -> Vec<usize> {
    let n = group.models().len();
    let common: Vec<usize> =
        (0..group.parameters().len()).filter(|&p| group.parameters()[p].holders.len() == n).collect();
    let content = |at: usize| -> Vec<u128> {
        let sketch = set.sketch(group.models()[at]);
        let name = |&p: &usize| group.own_name(at, p).unwrap_or_default();
        common.iter().flat_map(|p| sketch.kept(name(p))).map(|kept| kept.fingerprint).collect()
    };
    let mut keyed: Vec<(Vec<u128>, usize)> = (0..n).map(|at| (content(at), at)).collect();
    keyed.sort();
    keyed.into_iter().map(|(_, at)| at).collect()
}

fn holder<'s>(set: &'s SketchSet, group: &'s LayoutGroup, at: usize, p: usize) -> (&'s Sketch, &'s str) {
    (set.sketch(group.models()[at]), group.own_name(at, p).unwrap_or_default())
}

/// Values of a parameter that all holders keep alike.
#[derive(Clone, Debug)]
enum Run {
    /// A segment that all have, by its number in each.
    Segment(usize),
    /// Values that all hold whole, whatever their segments.
    Values(Range<usize>),
}

/// The runs that make up as much of a parameter as sketches can compare, and how many values they are.
fn runs(set: &SketchSet, group: &LayoutGroup, p: usize, width: usize) -> (Vec<Run>, usize) {
    let parameter = &group.parameters()[p];
    let held: Vec<&[Kept]> = parameter
        .holders
        .iter()
        .map(|&at| {
            let (sketch, name) = holder(set, group, at, p);
            sketch.kept(name)
        })
        .collect();
    let whole = |kept: &Kept| kept.is_whole() && kept.segment.len() <= width;
    if held.iter().all(|segments| !segments.is_empty() && segments.iter().all(whole)) {
        return (vec![Run::Values(parameter.values.clone())], parameter.size());
    }
    let Some((first, others)) = held.split_first() else { return (Vec::new(), 0) };
    let within = |kept: &Kept| kept.segment.start >= parameter.values.start && kept.segment.end <= parameter.values.end;
    let common = |s: &usize| {
        let segment = &first[*s].segment;
        within(&first[*s]) && others.iter().all(|o| o.get(*s).is_some_and(|kept| kept.segment == *segment))
    };
    let runs: Vec<usize> = (0..first.len()).filter(common).collect();
    let size = runs.iter().map(|&s| first[s].segment.len()).sum();
    (runs.into_iter().map(Run::Segment).collect(), size)
}

fn unit_geometry(
    set: &SketchSet,
    group: &LayoutGroup,
    order: &[usize],
    unit: &[usize],
    holders: &[usize],
    runs: &[(Vec<Run>, usize)],
    width: usize,
) -> Result<ParameterGeometry, Error> {
    let mut geometry = ParameterGeometry {
        kind: group.parameters()[unit[0]].kind,
        tensors: Vec::with_capacity(unit.len()),
        holders: holders.to_vec(),
        distances: Packed::zeros(holders.len()),
        to_initialization: None,
        width: None,
    };
    for &p in unit {
        let positions: Vec<usize> = holders.iter().map(|&place| order[place]).collect();
        let mut tensor: Option<Tensor> = None;
        for run in &runs[p].0 {
            let mut sketched = read(set, group, p, run, &positions, width)?;
            add(&mut geometry.distances, &mut sketched);
            geometry.width = geometry.width.max(sketched.width);
            tensor = Some(match tensor {
                None => Tensor {
                    name: group.parameters()[p].name.clone(),
                    size: sketched.size,
                    moments: sketched.moments,
                    fingerprints: sketched.fingerprints,
                },
                Some(mut tensor) => {
                    tensor.size += sketched.size;
                    tensor.moments.iter_mut().zip(sketched.moments).for_each(|(m, next)| *m = m.merge(next));
                    tensor
                        .fingerprints
                        .iter_mut()
                        .zip(sketched.fingerprints)
                        .for_each(|(f, next)| *f = chain(*f, next));
                    tensor
                }
            });
        }
        geometry.tensors.extend(tensor);
    }
    Ok(geometry)
}

fn read(
    set: &SketchSet,
    group: &LayoutGroup,
    p: usize,
    run: &Run,
    positions: &[usize],
    width: usize,
) -> Result<Sketched, Error> {
    let n = positions.len();
    let mut found = Sketched {
        rows: Vec::new(),
        moments: Vec::with_capacity(n),
        fingerprints: Vec::with_capacity(n),
        size: 0,
        width: None,
    };
    for &at in positions {
        let (sketch, name) = holder(set, group, at, p);
        let named = |source| Error::Source { model: set.models().name(group.models()[at]).to_owned(), source };
        match run {
            Run::Segment(s) => {
                let kept = &sketch.kept(name)[*s];
                found.size = kept.segment.len();
                found.width = (found.size > width).then_some(width);
                found.rows.extend(sketch.values_at(kept, width).map_err(named)?);
                found.moments.push(kept.moments);
                found.fingerprints.push(kept.fingerprint);
            }
            Run::Values(range) => {
                let mut values = vec![0.0; range.len()];
                sketch.read(name, range.start, &mut values).map_err(named)?;
                found.size = range.len();
                found.moments.push(Moments::of(&values));
                let mut fingerprint = Fingerprint::new();
                fingerprint.update(&values);
                found.fingerprints.push(fingerprint.value());
                found.rows.extend(values.into_iter().map(f64::from));
            }
        }
    }
    Ok(found)
}

/// Adds squared distances of sketches, and exact squared norms on the diagonal; leaves rows as differences from the first.
fn add(distances: &mut Packed, sketched: &mut Sketched) {
    let n = sketched.moments.len();
    let columns = sketched.rows.len() / n.max(1);
    // Distances are those of differences from the first: what all have in common costs no digits.
    let first = sketched.rows[..columns].to_vec();
    let differ = |row: &mut [f64]| row.iter_mut().zip(&first).for_each(|(x, f)| *x -= f);
    sketched.rows.chunks_exact_mut(columns.max(1)).for_each(differ);
    let mut products = vec![0.0; n * n];
    rank_update(&mut products, Rows { values: &sketched.rows, stride: columns, length: columns }, n);
    for i in 0..n {
        let m = &sketched.moments[i];
        distances.add(i, i, m.count * m.mean * m.mean + m.m2);
        for j in (0..i).filter(|&j| sketched.fingerprints[i] != sketched.fingerprints[j]) {
            let squared = products[i + i * n] + products[j + j * n] - 2.0 * products[i + j * n];
            distances.add(i, j, squared.max(0.0));
        }
    }
}
