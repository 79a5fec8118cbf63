//! The search in an index: the models that are kin to a given one, nearest first.

use super::chunk::{Chunk, ChunkBuffer};
use super::{Block, Damage, Excerpt, IndexRow, LiveIndex, MatrixExcerpt};
use crate::geometry::Independence;
use crate::kernel::format::INDEX_WIDTH;
use crate::kernel::median;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::f64::consts::PI;

/// The expected number of unrelated models in a store that the index takes for kin.
///
/// The index has few numbers of each model, so this is no proof. Whole sketches decide.
const FALSE_ALARMS: f64 = 0.1;

/// A model that looks like kin.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) name: String,
    pub(crate) content: u128,
    pub(crate) z: f64,
    /// The relative squared distance, `Σ_t ‖S a_t − S b_t‖² / √(Σ_t ‖a_t‖² Σ_t ‖b_t‖²)`.
    pub(crate) squared: f64,
}

/// What an index shows of one model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kin {
    /// Models of other content that look like kin, nearest first. Equally near ones are in the order of their content.
    pub(crate) found: Vec<Match>,
    /// Names of the models with the same content, sorted.
    pub(crate) identical: Vec<String>,
    /// Number of models in the store that can be read.
    pub(crate) stored: usize,
    /// Number of them that have a matrix of the same name and shape.
    pub(crate) comparable: usize,
}

/// Compares one model with all models of an index.
///
/// It reads the numbers of the layouts that share a matrix with the model, and no others.
pub(crate) fn search(index: &LiveIndex, asked: &Excerpt, content: u128) -> Result<Kin, Damage> {
    let stored: usize = index.blocks.iter().map(Block::live).sum();
    let rows = index.blocks.iter().flat_map(|block| block.rows.iter().zip(&block.live));
    let same = rows.filter(|(row, live)| **live && row.content == content);
    let mut identical: Vec<String> = same.map(|(row, _)| row.name.clone()).collect();
    identical.sort();

    // Layouts without a common matrix are not read at all.
    let shared: Vec<(&Block, Vec<CommonExcerpt>)> =
        index.blocks.iter().map(|b| (b, shared(&asked.excerpts, &b.excerpts))).filter(|(_, s)| !s.is_empty()).collect();
    let comparable = shared.iter().map(|(block, _)| block.live()).sum();
    let chunks: Vec<(usize, usize)> =
        shared.iter().enumerate().flat_map(|(b, (block, _))| (0..block.chunks()).map(move |c| (b, c))).collect();
    let compare = |buffer: &mut ChunkBuffer, (b, c): (usize, usize)| -> Result<Vec<Match>, Damage> {
        let (block, shared) = &shared[b];
        let chunk = block.chunk(c, buffer)?;
        // Models of the same content are reported as identical, not as kin.
        let other = |row: &usize| block.live[*row] && block.rows[*row].content != content;
        let found = chunk.rows.clone().filter(other).filter_map(|row| {
            let measured = measure(asked, block, &chunk, row - chunk.rows.start, shared);
            let (z, squared) = measured.filter(|(z, _)| Independence::p_value(*z) * stored as f64 <= FALSE_ALARMS)?;
            let IndexRow { name, content, .. } = &block.rows[row];
            Some(Match { name: name.clone(), content: *content, z, squared })
        });
        Ok(found.collect())
    };
    let found: Vec<Vec<Match>> =
        chunks.into_par_iter().map_init(ChunkBuffer::default, compare).collect::<Result<_, _>>()?;
    let mut found: Vec<Match> = found.into_iter().flatten().collect();
    // The name orders models of the same content, and nothing else, so names do not decide what is near.
    found.sort_by(|a, b| {
        let nearer = a.squared.total_cmp(&b.squared).then(a.content.cmp(&b.content));
        nearer.then_with(|| a.name.cmp(&b.name))
    });
    Ok(Kin { found, identical, stored, comparable })
}

/// A matrix that two layouts have in the index, with its position among the numbers of each.
struct CommonExcerpt {
    size: usize,
    kept: usize,
    ours: usize,
    our_values: usize,
    theirs: usize,
    their_values: usize,
}

/// The matrices that two layouts share: of one shape, and of one name but for a wrapper that one side has.
///
/// A matrix that fits several others is shared with none.
fn shared(ours: &[MatrixExcerpt], theirs: &[MatrixExcerpt]) -> Vec<CommonExcerpt> {
    let wraps =
        |a: &str, b: &str| a.strip_suffix(b).is_some_and(|wrapper| wrapper.is_empty() || wrapper.ends_with('.'));
    let fits = |a: &MatrixExcerpt, b: &MatrixExcerpt| {
        let shape = (a.begin, a.end, a.row) == (b.begin, b.end, b.row);
        shape && (wraps(&a.name, &b.name) || wraps(&b.name, &a.name))
    };
    let only = |a: &MatrixExcerpt, all: &[MatrixExcerpt]| -> Option<usize> {
        let named = all.iter().position(|b| b.name == a.name && fits(a, b));
        let mut fitting = all.iter().enumerate().filter(|(_, b)| fits(a, b)).map(|(at, _)| at);
        // The same name wins. Otherwise the match must be unique, because a wrapper could stand before any of several.
        named.or_else(|| fitting.next().filter(|_| fitting.next().is_none()))
    };
    let before = |excerpts: &[MatrixExcerpt], at: usize| excerpts[..at].iter().map(MatrixExcerpt::kept).sum();
    let pair = |(at, excerpt): (usize, &MatrixExcerpt)| {
        // Both sides must choose each other.
        let other = only(excerpt, theirs).filter(|&other| only(&theirs[other], ours) == Some(at))?;
        Some(CommonExcerpt {
            size: excerpt.size(),
            kept: excerpt.kept(),
            ours: at,
            our_values: before(ours, at),
            theirs: other,
            their_values: before(theirs, other),
        })
    };
    ours.iter().enumerate().filter_map(pair).collect()
}

/// The z-score of kinship and the squared distance, relative to both norms, of one row; `None` where nothing varies.
///
/// As in the independence test, z is the median over matrices. Let D be the number of values of two unrelated matrices, and w
/// the width of sketches. Then `⟨S a, S b⟩` has a variance of `‖a‖² ‖b‖² (1 / D + 1 / w)`. The median of m standard normals
/// has a variance of `π / 2m`.
fn measure(
    asked: &Excerpt,
    block: &Block,
    chunk: &Chunk<'_>,
    at: usize,
    shared: &[CommonExcerpt],
) -> Option<(f64, f64)> {
    let moments = &chunk.moments[at * 2 * block.excerpts.len()..];
    let values = &chunk.values[at * block.stride()..];
    let (mut squared, mut our_norm, mut their_norm) = (0.0, 0.0, 0.0);
    let mut scores = Vec::with_capacity(shared.len());
    for matrix in shared {
        let size = matrix.size as f64;
        let [our_mean, our_m2] = [0, 1].map(|k| asked.moments[2 * matrix.ours + k]);
        let [their_mean, their_m2] = [0, 1].map(|k| moments[2 * matrix.theirs + k]);
        let a = &asked.values[matrix.our_values..][..matrix.kept];
        let b = &values[matrix.their_values..][..matrix.kept];
        let (distance, inner) = products(a, b);
        let ours = size * our_mean * our_mean + our_m2;
        let theirs = size * their_mean * their_mean + their_m2;
        (squared, our_norm, their_norm) = (squared + distance, our_norm + ours, their_norm + theirs);
        // A matrix with no more values than the width is kept whole: sketching adds no error, and norms are about the mean.
        let (norms, error) = match matrix.size <= INDEX_WIDTH {
            true => (our_m2 * their_m2, 0.0),
            false => (ours * theirs, 1.0 / INDEX_WIDTH as f64),
        };
        // A constant matrix correlates with nothing.
        if our_m2 * their_m2 > 0.0 {
            scores.push((inner - size * our_mean * their_mean) / (norms * (1.0 / size + error)).sqrt());
        }
    }
    let norms = our_norm * their_norm;
    // Zeros have no norm to be relative to, and large values may overflow.
    if !(squared.is_finite() && norms > 0.0) {
        return None;
    }
    let narrower = (2.0 * scores.len() as f64 / PI).sqrt().max(1.0);
    Some((median(&mut scores)? * narrower, squared / norms.sqrt()))
}

/// `‖a − b‖²` and `⟨a, b⟩` of equally many values of both.
fn products(a: &[f32], b: &[f32]) -> (f64, f64) {
    let [squared, inner] = Arch::new().dispatch(Products { a, b });
    (squared.iter().sum(), inner.iter().sum())
}

/// Number of sums that run in parallel, so that no addition waits for the one before.
const LANES: usize = 8;

struct Products<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for Products<'_> {
    type Output = [[f64; LANES]; 2];

    // The code is the same for any processor. It is compiled for each set of vector registers, and dispatched at run time.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let (mut squared, mut inner) = ([0.0; LANES], [0.0; LANES]);
        let ((a, rest), (b, other)) = (self.a.as_chunks::<LANES>(), self.b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                let (x, y) = (f64::from(a[lane]), f64::from(b[lane]));
                squared[lane] += (x - y) * (x - y);
                inner[lane] += x * y;
            }
        }
        for (lane, (&x, &y)) in rest.iter().zip(other).enumerate() {
            let (x, y) = (f64::from(x), f64::from(y));
            squared[lane] += (x - y) * (x - y);
            inner[lane] += x * y;
        }
        [squared, inner]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(name: &str, size: usize) -> MatrixExcerpt {
        MatrixExcerpt { name: name.to_owned(), begin: 0, end: size, row: 16 }
    }

    fn pairs(ours: &[MatrixExcerpt], theirs: &[MatrixExcerpt]) -> Vec<(usize, usize)> {
        shared(ours, theirs).iter().map(|s| (s.ours, s.theirs)).collect()
    }

    #[test]
    fn matrices_correspond_by_name_and_shape_whatever_wraps_one_side() {
        let plain = [excerpt("a.w", 320), excerpt("b.w", 320), excerpt("c.w", 640)];
        let wrapped = [excerpt("model.b.w", 320), excerpt("model.c.w", 320), excerpt("model.d.w", 320)];
        assert_eq!(pairs(&plain, &plain), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(pairs(&plain, &wrapped), [(1, 0)]);
        let ambiguous = [excerpt("x.a.w", 320), excerpt("y.a.w", 320)];
        assert_eq!(pairs(&plain, &ambiguous), []);
        assert_eq!(pairs(&[excerpt("w", 320)], &[excerpt("low", 320)]), []);
    }

    #[test]
    fn products_are_sums_over_all_values() {
        let a: Vec<f32> = (0..21).map(|i| i as f32).collect();
        let b: Vec<f32> = (0..21).map(|i| 2.0 * i as f32).collect();
        assert_eq!(products(&a, &b), (2870.0, 5740.0));
    }
}
