//! How much memory goes where: which tensors share one Gram matrix, how long blocks are, how many threads run.

use super::packed::Packed;
use super::settings::GeometrySettings;
use crate::error::Error;
use crate::model_set::{Kind, LayoutGroup, SharedParameter};
use std::collections::BTreeMap;

/// Longest run of values of one tensor that one job reads; jobs are the same whatever the number of threads.
pub(super) const JOB: usize = 1 << 20;

/// Values in one block of all models together, while memory allows: 32 MiB in f64.
const BLOCK: usize = 1 << 22;
const LONGEST_BLOCK: usize = 1 << 16;
const SHORTEST_BLOCK: usize = 256;

/// Bytes of one model's fingerprint in the making, rounded up.
const FINGERPRINT: u64 = 1 << 10;

/// Most results waiting to be summed in order.
const LONGEST_WAVE: usize = 256;

/// A run of values of one parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) parameter: usize,
    /// First value, counted from the first that is compared.
    pub(super) begin: usize,
    pub(super) length: usize,
}

/// Numbers that depend on the models and the memory setting alone, but for `threads` and `wave`, which do not touch the result.
#[derive(Debug)]
pub(super) struct Plan {
    /// Parameters that share one Gram matrix, as positions in the group's parameters.
    pub(super) units: Vec<Vec<usize>>,
    pub(super) block: usize,
    pub(super) threads: usize,
    pub(super) wave: usize,
}

/// Divides the memory setting among groups by what each would keep, and plans one group.
pub(super) fn plan(group: &LayoutGroup, share: f64, settings: &GeometrySettings) -> Result<Plan, Error> {
    let memory = settings.memory.0;
    let models = group.models().len();
    let kept = (memory as f64 / 2.0 * share) as u64;
    let units = units(group, kept).ok_or_else(|| too_small(group, share, memory))?;

    let square = (8 * models * models) as u64;
    let row = (8 * models) as u64;
    let work = (memory / 2).saturating_sub(square);
    let block = (BLOCK / models).min((work / 4 / row) as usize).clamp(SHORTEST_BLOCK, LONGEST_BLOCK);
    let per_thread = row * block as u64 + 4 * block as u64 + FINGERPRINT * models as u64 + square;
    if per_thread > work {
        return Err(too_small(group, share, memory));
    }
    let threads = settings.wanted_threads().min((work / per_thread) as usize).max(1);
    let left = work - per_thread * threads as u64;
    let wave = threads + (left / square.max(1)).min(LONGEST_WAVE as u64) as usize;
    Ok(Plan { units, block, threads, wave })
}

fn bytes(parameter: &SharedParameter) -> u64 {
    8 * Packed::length(parameter.holders.len()) as u64
}

/// Bytes that one Gram matrix for each parameter would take, and one for the total.
pub(super) fn wanted(group: &LayoutGroup) -> u64 {
    group.parameters().iter().map(bytes).sum::<u64>() + total_bytes(group)
}

fn total_bytes(group: &LayoutGroup) -> u64 {
    8 * Packed::length(group.models().len()) as u64
}

type Class<'a> = (Kind, &'a [usize]);

/// Parameters of one kind that the same models hold: only those can share a Gram matrix.
fn classes(group: &LayoutGroup) -> BTreeMap<Class<'_>, Vec<usize>> {
    let mut classes: BTreeMap<Class<'_>, Vec<usize>> = BTreeMap::new();
    for (p, parameter) in group.parameters().iter().enumerate() {
        classes.entry((parameter.kind, &parameter.holders)).or_default().push(p);
    }
    classes
}

fn units(group: &LayoutGroup, kept: u64) -> Option<Vec<Vec<usize>>> {
    if wanted(group) <= kept {
        return Some((0..group.parameters().len()).map(|p| vec![p]).collect());
    }
    let classes = classes(group);
    let least: u64 = classes.values().map(|c| bytes(&group.parameters()[c[0]])).sum();
    let free = kept.checked_sub(least + total_bytes(group))?;
    let all: u64 = group.parameters().iter().map(bytes).sum();
    let mut units = Vec::new();
    for class in classes.values() {
        let more = (class.len() - 1) as f64 * free as f64 / (all - least).max(1) as f64;
        units.extend(divide(group, class, 1 + more as usize));
    }
    units.sort_unstable();
    Some(units)
}

/// Cuts consecutive parameters into at most `count` runs of about equal size.
fn divide(group: &LayoutGroup, class: &[usize], count: usize) -> Vec<Vec<usize>> {
    let size = |&p: &usize| group.parameters()[p].size() as f64;
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

fn too_small(group: &LayoutGroup, share: f64, found: u64) -> Error {
    let models = group.models().len();
    let least: u64 =
        classes(group).values().map(|c| bytes(&group.parameters()[c[0]])).sum::<u64>() + total_bytes(group);
    let row = (8 * models) as u64;
    let work = 4 * row * SHORTEST_BLOCK as u64 + 2 * row * models as u64;
    let expected = 2 * work.max((least as f64 / share) as u64 + 1);
    Error::MemoryTooSmall { found, expected, models }
}

/// The jobs of one parameter.
pub(super) fn jobs(parameter: usize, size: usize) -> impl Iterator<Item = Job> {
    (0..size).step_by(JOB).map(move |begin| Job { parameter, begin, length: JOB.min(size - begin) })
}
