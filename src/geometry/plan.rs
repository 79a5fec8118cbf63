//! How much memory goes where: which tensors share one Gram matrix, how long blocks are, how many threads run.

use super::settings::{GeometrySettings, Initialization};
use crate::error::Error;
use crate::kernel::format::JOB;
use crate::kernel::{APART, Packed, STRIP};
use crate::model_set::{Kind, LayoutGroup, SharedParameter};
use std::collections::BTreeMap;

/// Values in one block of all models together: 4 MiB in f32, of each thread in the last cache.
const BLOCK: usize = 1 << 20;
const LONGEST_BLOCK: usize = 1 << 15;
/// Reads shorter than 32 KiB of F32 cost more than the cache gives.
const SHORT_BLOCK: usize = 1 << 13;
/// Blocks are whole strips, so that their length does not touch the products.
const SHORTEST_BLOCK: usize = STRIP;

/// Bytes of one model's fingerprint in the making, rounded up.
const FINGERPRINT: u64 = 1 << 10;

/// Most results waiting to be summed in order.
const LONGEST_WAVE: usize = 256;

/// A run of values of one parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) parameter: usize,
    /// First value, counted from the first that is compared.
    pub(crate) begin: usize,
    pub(crate) length: usize,
}

/// Numbers that depend on the models and the memory setting alone, but for `threads` and `wave`, which do not touch the result.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Parameters that share one Gram matrix, as positions in the group's parameters.
    pub(crate) units: Vec<Vec<usize>>,
    pub(crate) block: usize,
    pub(crate) threads: usize,
    pub(crate) wave: usize,
}

/// Divides the memory setting among groups by what each would keep, and plans one group.
pub(crate) fn plan(group: &LayoutGroup, share: f64, settings: &GeometrySettings) -> Result<Plan, Error> {
    let memory = settings.memory.0;
    let models = group.models().len();
    let kept = (memory as f64 / 2.0 * share) as u64;
    let units = kept.checked_sub(total_bytes(group)).and_then(|kept| units(&matrices(group), kept));
    let units = units.ok_or_else(|| too_small(group, share, settings))?;

    let rows = rows(models, settings);
    let square = square(rows);
    let work = (memory / 2).saturating_sub(square);
    let free = (work / 4).saturating_sub(per_thread(rows, 0)) as usize;
    let block = (BLOCK / rows).max(SHORT_BLOCK).min(free / (4 * rows));
    let block = block.clamp(SHORTEST_BLOCK, LONGEST_BLOCK) / STRIP * STRIP;
    let per_thread = per_thread(rows, block);
    if per_thread > work {
        return Err(too_small(group, share, settings));
    }
    let threads = settings.wanted_threads().min((work / per_thread) as usize).max(1);
    let left = work - per_thread * threads as u64;
    let wave = threads + (left / square.max(1)).min(LONGEST_WAVE as u64) as usize;
    Ok(Plan { units, block, threads, wave })
}

/// Rows of a block: every model, and what they were initialized with if that is measured.
fn rows(models: usize, settings: &GeometrySettings) -> usize {
    models + usize::from(!matches!(settings.initialization, Initialization::Zero))
}

/// Bytes of the products of all rows.
fn square(rows: usize) -> u64 {
    8 * (rows as u64).pow(2)
}

/// Bytes that one thread works in: a block as read, a strip of it in f64, fingerprints in the making, and products.
fn per_thread(rows: usize, block: usize) -> u64 {
    let columns = 4 * block + 8 * (STRIP + APART);
    (rows * columns) as u64 + FINGERPRINT * rows as u64 + square(rows)
}

/// What one matrix of squared distances would be of.
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

fn matrices<'g>(group: &'g LayoutGroup) -> Vec<Matrix<'g, usize>> {
    let matrix = |p: &'g SharedParameter| Matrix { kind: p.kind, holders: &p.holders, size: p.size() };
    group.parameters().iter().map(matrix).collect()
}

/// Bytes that one Gram matrix for each parameter would take, and one for the total.
pub(crate) fn wanted(group: &LayoutGroup) -> u64 {
    matrices(group).iter().map(Matrix::bytes).sum::<u64>() + total_bytes(group)
}

fn total_bytes(group: &LayoutGroup) -> u64 {
    8 * Packed::length(group.models().len()) as u64
}

/// Parameters of one kind that the same models hold: only those can share a matrix.
fn classes<'a, H: Ord>(matrices: &[Matrix<'a, H>]) -> Vec<Vec<usize>> {
    let mut classes: BTreeMap<(Kind, &'a [H]), Vec<usize>> = BTreeMap::new();
    for (p, matrix) in matrices.iter().enumerate() {
        classes.entry((matrix.kind, matrix.holders)).or_default().push(p);
    }
    classes.into_values().collect()
}

/// Bytes of the matrices when as many parameters as possible share them.
pub(crate) fn least<H: Ord>(matrices: &[Matrix<'_, H>]) -> u64 {
    classes(matrices).iter().map(|class| matrices[class[0]].bytes()).sum()
}

/// Which parameters share a matrix, so that all take no more than `kept` bytes; `None` when they cannot.
pub(crate) fn units<H: Ord>(matrices: &[Matrix<'_, H>], kept: u64) -> Option<Vec<Vec<usize>>> {
    let all: u64 = matrices.iter().map(Matrix::bytes).sum();
    if all <= kept {
        return Some((0..matrices.len()).map(|p| vec![p]).collect());
    }
    let least = least(matrices);
    let free = kept.checked_sub(least)?;
    let mut units = Vec::new();
    for class in classes(matrices) {
        let more = (class.len() - 1) as f64 * free as f64 / (all - least).max(1) as f64;
        units.extend(divide(matrices, &class, 1 + more as usize));
    }
    units.sort_unstable();
    Some(units)
}

/// Cuts consecutive parameters into at most `count` runs of about equal size.
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
    let work = per_thread(rows, SHORTEST_BLOCK) + square(rows);
    let expected = 2 * work.max((least as f64 / share) as u64 + 1);
    Error::MemoryTooSmall { found: settings.memory.0, expected, models }
}

/// The jobs of one parameter.
pub(crate) fn jobs(parameter: usize, size: usize) -> impl Iterator<Item = Job> {
    (0..size).step_by(JOB).map(move |begin| Job { parameter, begin, length: JOB.min(size - begin) })
}
