//! The division of memory: which tensors share a Gram matrix, how long blocks are, and how many threads run.

use super::settings::{GeometrySettings, Initialization};
use crate::error::Error;
use crate::kernel::format::JOB;
use crate::kernel::{APART, Packed, STRIP};
use crate::model_set::{Kind, LayoutGroup, Position, SharedParameter};
use std::collections::BTreeMap;

/// Number of values in one block of all models together: 4 MiB in f32. The block of each thread stays in the last-level cache.
const BLOCK: usize = 1 << 20;
/// Greatest length of a block, in values of one model.
const LONGEST_BLOCK: usize = 1 << 15;
/// Least length of a block, in values of one model, if memory allows: 32 KiB in F32. Shorter reads cost more than the cache
/// gains.
const SHORT_BLOCK: usize = 1 << 13;
/// Least length of a block, in values of one model. Blocks are whole strips, so that their length does not change the sums.
const SHORTEST_BLOCK: usize = STRIP;

/// Bytes of the state of one model's fingerprint, rounded up.
const FINGERPRINT: u64 = 1 << 10;

/// Most results that wait to be summed in order.
const LONGEST_WAVE: usize = 256;

/// A run of values of one parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) parameter: usize,
    /// Position of the first value, counted from the first value that is compared.
    pub(crate) begin: usize,
    pub(crate) length: usize,
}

/// The plan for one group. Only `threads` and `wave` depend on more than the models and the memory setting, and they do not
/// change the result.
#[derive(Debug)]
pub(crate) struct Plan {
    /// For each Gram matrix, the parameters that share it, as positions in the group's parameters.
    pub(crate) units: Vec<Vec<usize>>,
    pub(crate) block: usize,
    pub(crate) threads: usize,
    pub(crate) wave: usize,
}

/// Plans one group. `share` is its part of the memory for kept matrices, by what each group would keep.
pub(crate) fn plan(group: &LayoutGroup, share: f64, settings: &GeometrySettings) -> Result<Plan, Error> {
    let memory = settings.memory.0;
    let models = group.models().len();
    let kept = (memory as f64 / 2.0 * share) as u64;
    let units = kept.checked_sub(total_bytes(group)).and_then(|kept| units(&matrices(group), kept));
    let units = units.ok_or_else(|| too_small(group, share, settings))?;

    let rows = rows(models, settings);
    // Sums of the jobs so far, and of each job that waits to be added.
    let sums = packed(rows);
    let work = (memory / 2).saturating_sub(sums);
    // Blocks of one thread take at most a quarter of this half, so that four threads have room.
    let free = (work / 4).saturating_sub(per_thread(rows, 0)) as usize;
    let block = (BLOCK / rows).max(SHORT_BLOCK).min(free / (4 * rows));
    let block = block.clamp(SHORTEST_BLOCK, LONGEST_BLOCK) / STRIP * STRIP;
    let per_thread = per_thread(rows, block);
    if per_thread > work {
        return Err(too_small(group, share, settings));
    }
    let threads = settings.wanted_threads().min((work / per_thread) as usize).max(1);
    // A result waits in memory until the jobs before it are done, so the memory that is left limits their number.
    let left = work - per_thread * threads as u64;
    let wave = threads + (left / sums.max(1)).min(LONGEST_WAVE as u64) as usize;
    Ok(Plan { units, block, threads, wave })
}

/// Returns the number of rows of a block: one for each model, and one for the initialization unless that is zero.
fn rows(models: usize, settings: &GeometrySettings) -> usize {
    models + usize::from(!matches!(settings.initialization, Initialization::Zero))
}

/// Returns the bytes of the products of all rows.
fn square(rows: usize) -> u64 {
    8 * (rows as u64).pow(2)
}

/// Returns the bytes of the squared distances of all rows.
fn packed(rows: usize) -> u64 {
    8 * Packed::length(rows) as u64
}

/// Returns the bytes that one thread needs: a block as read, a strip of it in f32 and in f64, the states of fingerprints,
/// products, and the squared distances that follow from these.
fn per_thread(rows: usize, block: usize) -> u64 {
    let columns = 4 * block + (8 + 4) * (STRIP + 2 * APART);
    (rows * columns) as u64 + FINGERPRINT * rows as u64 + square(rows) + packed(rows)
}

/// The parameter that one matrix of squared distances would cover.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a, H> {
    pub(crate) kind: Kind,
    /// Models that hold it.
    pub(crate) holders: &'a [H],
    pub(crate) size: usize,
}

impl<H> Matrix<'_, H> {
    fn bytes(&self) -> u64 {
        8 * Packed::length(self.holders.len()) as u64
    }
}

fn matrices<'g>(group: &'g LayoutGroup) -> Vec<Matrix<'g, Position<LayoutGroup>>> {
    let matrix = |p: &'g SharedParameter| Matrix { kind: p.kind, holders: &p.holders, size: p.size() };
    group.parameters().iter().map(matrix).collect()
}

/// Returns the bytes of one Gram matrix for each parameter, and of one for the total.
pub(crate) fn wanted(group: &LayoutGroup) -> u64 {
    matrices(group).iter().map(Matrix::bytes).sum::<u64>() + total_bytes(group)
}

fn total_bytes(group: &LayoutGroup) -> u64 {
    8 * Packed::length(group.models().len()) as u64
}

/// Groups the parameters that have the same kind and holders. Only such parameters can share a matrix.
fn classes<'a, H: Ord>(matrices: &[Matrix<'a, H>]) -> Vec<Vec<usize>> {
    let mut classes: BTreeMap<(Kind, &'a [H]), Vec<usize>> = BTreeMap::new();
    for (p, matrix) in matrices.iter().enumerate() {
        classes.entry((matrix.kind, matrix.holders)).or_default().push(p);
    }
    classes.into_values().collect()
}

/// Returns the bytes of the matrices when as many parameters as possible share them.
pub(crate) fn least<H: Ord>(matrices: &[Matrix<'_, H>]) -> u64 {
    classes(matrices).iter().map(|class| matrices[class[0]].bytes()).sum()
}

/// Decides which parameters share a matrix, so that all matrices take at most `kept` bytes. `None` when this is impossible.
pub(crate) fn units<H: Ord>(matrices: &[Matrix<'_, H>], kept: u64) -> Option<Vec<Vec<usize>>> {
    let all: u64 = matrices.iter().map(Matrix::bytes).sum();
    if all <= kept {
        return Some((0..matrices.len()).map(|p| vec![p]).collect());
    }
    let least = least(matrices);
    let free = kept.checked_sub(least)?;
    let mut units = Vec::new();
    for class in classes(matrices) {
        // Memory beyond the least is divided by how many more matrices each class could use.
        let more = (class.len() - 1) as f64 * free as f64 / (all - least).max(1) as f64;
        units.extend(divide(matrices, &class, 1 + more as usize));
    }
    units.sort_unstable();
    Some(units)
}

/// Divides consecutive parameters into at most `count` runs of about equal size.
fn divide<H>(matrices: &[Matrix<'_, H>], class: &[usize], count: usize) -> Vec<Vec<usize>> {
    let size = |&p: &usize| matrices[p].size as f64;
    let total: f64 = class.iter().map(size).sum();
    let mut before = 0.0;
    let mut runs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for p in class {
        let middle = before + size(p) / 2.0;
        runs.entry((middle / total * count as f64) as usize).or_default().push(*p);
        before += size(p);
    }
    runs.into_values().collect()
}

fn too_small(group: &LayoutGroup, share: f64, settings: &GeometrySettings) -> Error {
    let models = group.models().len();
    let least = least(&matrices(group)) + total_bytes(group);
    let rows = rows(models, settings);
    let work = per_thread(rows, SHORTEST_BLOCK) + packed(rows);
    let expected = 2 * work.max((least as f64 / share) as u64 + 1);
    Error::MemoryTooSmall { found: settings.memory.0, expected, models }
}

/// Returns the jobs of one parameter, in order.
pub(crate) fn jobs(parameter: usize, size: usize) -> impl Iterator<Item = Job> {
    (0..size).step_by(JOB).map(move |begin| Job { parameter, begin, length: JOB.min(size - begin) })
}
