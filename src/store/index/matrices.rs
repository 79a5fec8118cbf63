//! The matrices that stand for a model, chosen by its layout alone, and what is kept of them.

use super::MatrixExcerpt;
use crate::error::SourceError;
use crate::kernel::format::{INDEX_DEPTHS, INDEX_LEAST_SIZE, INDEX_MATRICES, INDEX_WIDTH};
use crate::model_set::is_buffer;
use crate::sketch::{Sketch, segments};
use crate::source::ParameterInfo;
use std::collections::BTreeMap;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// The part of one sketch that an index keeps.
#[derive(Clone, Debug)]
pub(crate) struct Excerpt {
    pub(super) excerpts: Arc<[MatrixExcerpt]>,
    /// `[mean, m2]` for each excerpt.
    pub(super) moments: Vec<f64>,
    pub(super) values: Vec<f32>,
}

impl Excerpt {
    /// Reads the part of a sketch that stands for its model.
    pub(crate) fn new(sketch: &Sketch) -> Result<Self, SourceError> {
        let excerpts = excerpts(sketch.listed());
        let (mut moments, mut values) = (Vec::with_capacity(2 * excerpts.len()), Vec::new());
        for excerpt in &excerpts {
            // The first segment of a tensor begins with the tensor, and it is the largest.
            let kept = &sketch.kept(&excerpt.name)[0];
            moments.extend([kept.moments.mean, kept.moments.m2]);
            values.extend(sketch.values_at(kept, INDEX_WIDTH)?.into_iter().map(|v| v as f32));
        }
        Ok(Self { excerpts: excerpts.into(), moments, values })
    }
}

/// The matrices that stand for a model of this layout, sorted. Each kind has one before any kind has two.
///
/// A kind is a name without its numbers, such as `layers.#.q_proj.weight`. The largest matrices alone would not do: training
/// may leave embeddings or whole kinds as they were. Kinds with more values come first. Where a kind has one matrix, its
/// depth depends on the end of its name. So neither the first nor the last layers stand for all.
fn excerpts(parameters: &[ParameterInfo]) -> Vec<MatrixExcerpt> {
    let mut chosen =
        of_kinds(parameters, |p| p.size() >= INDEX_LEAST_SIZE && p.shape.iter().filter(|d| **d > 1).count() > 1);
    // A model of small or flat tensors alone still needs something that stands for it.
    if chosen.is_empty() {
        chosen = of_kinds(parameters, |p| p.size() > 0);
    }
    chosen.sort();
    chosen
}

/// Chooses among the matrices for which `keep` holds, kind by kind.
fn of_kinds(parameters: &[ParameterInfo], keep: impl Fn(&ParameterInfo) -> bool) -> Vec<MatrixExcerpt> {
    let mut by_kind: BTreeMap<String, Vec<(Vec<u64>, &ParameterInfo)>> = BTreeMap::new();
    for p in parameters.iter().filter(|p| !is_buffer(p) && keep(p)) {
        let (kind, numbers) = parted(&p.name);
        by_kind.entry(kind).or_default().push((numbers, p));
    }
    let mut kinds: Vec<(usize, String, Vec<&ParameterInfo>)> = by_kind
        .into_iter()
        .map(|(kind, mut all)| {
            all.sort();
            let size = all.iter().fold(0, |n: usize, (_, p)| n.saturating_add(p.size()));
            (size, kind, all.into_iter().map(|(_, p)| p).collect())
        })
        .collect();
    // The largest kinds come first, then the name decides: the choice depends on the layout alone.
    kinds.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));

    let mut counts = vec![0; kinds.len()];
    let mut left = INDEX_MATRICES.min(kinds.iter().map(|(.., all)| all.len()).sum());
    // Each round gives every kind one matrix more, so that no kind has two before all have one.
    while left > 0 {
        for (count, (.., all)) in counts.iter_mut().zip(&kinds) {
            if left > 0 && *count < all.len() {
                (*count, left) = (*count + 1, left - 1);
            }
        }
    }
    let mut chosen = Vec::new();
    for (count, (_, kind, all)) in counts.into_iter().zip(kinds) {
        let at = |k: usize| if count == 1 { depth(&kind, all.len()) } else { (2 * k + 1) * all.len() / (2 * count) };
        chosen.extend((0..count).filter_map(|k| excerpt(all[at(k)])));
    }
    chosen
}

/// Which of `count` matrices stands for a kind. The last two parts of the name decide, because wrappers leave them as they are.
fn depth(kind: &str, count: usize) -> usize {
    let begin = kind.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    let drawn = (xxh3_64(&kind.as_bytes()[begin..]) % INDEX_DEPTHS as u64) as usize;
    (2 * drawn + 1) * count / (2 * INDEX_DEPTHS)
}

/// The run of a matrix that an index keeps: its first segment; `None` for a tensor without segments.
fn excerpt(info: &ParameterInfo) -> Option<MatrixExcerpt> {
    // Floating point tensors have the same segments at every width.
    let first = segments(info, INDEX_WIDTH).into_iter().next()?;
    let row = info.shape.iter().skip(1).product();
    Some(MatrixExcerpt { name: info.name.clone(), begin: first.start, end: first.end, row })
}

/// A name with every number replaced by `#`, and the numbers.
fn parted(name: &str) -> (String, Vec<u64>) {
    let (mut kind, mut numbers) = (String::with_capacity(name.len()), Vec::new());
    let mut rest = name;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let length = rest[begin..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - begin);
        kind.push_str(&rest[..begin]);
        kind.push('#');
        // A number too large for u64 only needs a place in the order.
        numbers.push(rest[begin..begin + length].parse().unwrap_or(u64::MAX));
        rest = &rest[begin + length..];
    }
    kind.push_str(rest);
    (kind, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Dtype;

    fn info(name: &str, shape: &[usize]) -> ParameterInfo {
        ParameterInfo::new(name, shape, Dtype::F32)
    }

    fn names(parameters: &[ParameterInfo]) -> Vec<String> {
        excerpts(parameters).into_iter().map(|p| p.name).collect()
    }

    fn network(wrapper: &str, vocabulary: usize) -> Vec<ParameterInfo> {
        let mut all = vec![info(&format!("{wrapper}embed.weight"), &[vocabulary, 64])];
        for layer in 0..12 {
            for (kind, rows) in [("q", 64), ("k", 32), ("v", 32), ("o", 64), ("up", 256), ("gate", 256), ("down", 64)] {
                let columns = if kind == "down" { 256 } else { 64 };
                all.push(info(&format!("{wrapper}layers.{layer}.{kind}.weight"), &[rows, columns]));
            }
            all.push(info(&format!("{wrapper}layers.{layer}.norm.weight"), &[64]));
        }
        all.sort();
        all
    }

    #[test]
    fn one_of_each_kind_stands_for_a_network_whatever_wraps_it() {
        let plain = names(&network("", 1024));
        assert_eq!(plain.len(), INDEX_MATRICES);
        assert!(
            ["embed", ".q.", ".k.", ".v.", ".o.", ".up.", ".gate.", ".down."]
                .iter()
                .all(|kind| { plain.iter().filter(|name| name.contains(kind)).count() == 1 })
        );
        let wrapped = names(&network("model.", 1030));
        assert_eq!(wrapped, plain.iter().map(|n| format!("model.{n}")).collect::<Vec<_>>());
    }

    #[test]
    fn where_kinds_are_few_there_are_several_of_each() {
        let layers: Vec<ParameterInfo> = (1..=20).map(|i| info(&format!("fc{i}.weight"), &[16, 16])).collect();
        assert_eq!(names(&layers).len(), INDEX_MATRICES);
        let few = [info("conv.weight", &[8, 3, 3, 3]), info("bias", &[100]), info("tiny", &[2, 2])];
        assert_eq!(names(&few), ["conv.weight"]);
        assert_eq!(names(&few[1..2]), ["bias"]);
        assert!(names(&[info("none", &[0, 4])]).is_empty());
    }

    #[test]
    fn of_a_tall_matrix_the_first_segment_stands_for_it() {
        let tall = excerpts(&[info("embed", &[50_257, 64])]);
        assert_eq!((tall[0].begin, tall[0].end, tall[0].row), (0, 32_768 * 64, 64));
    }
}
