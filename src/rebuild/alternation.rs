//! The absent matrix in the few dimensions that the increments of its children span.

use super::span::{beside, common, decomposed, pseudoinverse, singular_values, squared};
use faer::Mat;

/// Rounds of alternation after which it stops. In closed form it takes one or two.
const ROUNDS: usize = 400;

/// A change of the estimate below this share of what counts as rounding ends the alternation.
const STILL: f64 = 1e-3;

/// The absent matrix, less the first child's, and what was found on the way.
pub(super) struct Found {
    /// `W − W_1` in the common bases.
    pub(super) base: Mat<f64>,
    pub(super) ranks: Vec<usize>,
    pub(super) rounds: usize,
    /// Squared norm of what each child's increment has beyond its rank.
    pub(super) left: Vec<f64>,
    /// Squared norms of all increments, summed.
    pub(super) moved: f64,
    /// Whether the alternation went no farther from the closed form than rounding reaches.
    pub(super) closed: bool,
}

/// Finds the absent matrix from `children`, each less the first one. Singular values up to `limit` are rounding.
///
/// The error is a reason, as the end of a sentence.
pub(super) fn find(children: &[Mat<f64>], limit: f64) -> Result<Found, String> {
    let n = children.len();
    let stuck = || "a value is not finite".to_owned();
    let mut rank = vec![vec![0usize; n]; n];
    for i in 0..n {
        for j in 0..i {
            let apart = &children[i] - &children[j];
            rank[i][j] = super::span::rank(&singular_values(apart.as_ref()).ok_or_else(stuck)?, limit);
            rank[j][i] = rank[i][j];
        }
    }
    // Of all triples, the one of the smallest ranks is solved: it needs the least room, r_1 + r_2 + r_3 dimensions.
    let mut triples: Vec<(usize, [usize; 3])> = Vec::new();
    for a in 0..n {
        for b in a + 1..n {
            for c in b + 1..n {
                triples.push((rank[a][b] + rank[a][c] + rank[b][c], [a, b, c]));
            }
        }
    }
    triples.sort_unstable();
    let mut reason = "three children are needed".to_owned();
    for (_, triple) in triples {
        match of_triple(children, triple, &rank, limit) {
            Ok((base, own)) => {
                let ranks = ranks(&rank, triple, own);
                return alternated(children, base, ranks, limit).ok_or_else(stuck);
            }
            Err(said) => reason = said,
        }
    }
    Err(reason)
}

/// The rank of every child's increment: those of the triple are known, each other one's is the median over the triple.
fn ranks(rank: &[Vec<usize>], triple: [usize; 3], own: [usize; 3]) -> Vec<usize> {
    let of = |child: usize| match triple.iter().position(|&t| t == child) {
        Some(at) => own[at],
        None => {
            let mut found: Vec<usize> = (0..3).map(|at| rank[child][triple[at]].saturating_sub(own[at])).collect();
            found.sort_unstable();
            found[1]
        }
    };
    (0..rank.len()).map(of).collect()
}

/// The absent matrix from three children in closed form, and the ranks of their increments.
fn of_triple(
    children: &[Mat<f64>],
    triple: [usize; 3],
    rank: &[Vec<usize>],
    limit: f64,
) -> Result<(Mat<f64>, [usize; 3]), String> {
    let [a, b, c] = triple;
    let (ab, ac, bc) = (rank[a][b], rank[a][c], rank[b][c]);
    let twice = [(ab + ac).checked_sub(bc), (ab + bc).checked_sub(ac), (ac + bc).checked_sub(ab)];
    let [Some(ra), Some(rb), Some(rc)] = twice.map(|twice| twice.filter(|t| t % 2 == 0).map(|t| t / 2)) else {
        return Err(format!(
            "the differences of three children have ranks {ab}, {ac} and {bc}, which no three increments give"
        ));
    };
    if let Some(at) = [ra, rb, rc].iter().position(|&r| r == 0) {
        // This child has the matrix unchanged.
        return Ok((children[triple[at]].clone(), [ra, rb, rc]));
    }
    let stuck = || "a value is not finite".to_owned();
    let parts = |i: usize, j: usize| decomposed((&children[i] - &children[j]).as_ref()).ok_or_else(stuck);
    let (of_ab, of_ac, of_bc) = (parts(a, b)?, parts(a, c)?, parts(b, c)?);
    let columns_a = common(&of_ab.columns(ab), &of_ac.columns(ac), ra).ok_or_else(stuck)?;
    let rows_a = common(&of_ab.rows(ab), &of_ac.rows(ac), ra).ok_or_else(stuck)?;
    let columns_b = common(&of_ab.columns(ab), &of_bc.columns(bc), rb).ok_or_else(stuck)?;
    let rows_b = common(&of_ab.rows(ab), &of_bc.rows(bc), rb).ok_or_else(stuck)?;
    let left = pseudoinverse(&beside(&columns_a, &columns_b)).ok_or_else(stuck)?;
    let right = pseudoinverse(&beside(&rows_a, &rows_b)).ok_or_else(stuck)?;
    let blocks = &left * (&children[a] - &children[b]) * right.transpose();
    if blocks.nrows() != ra + rb || blocks.ncols() != ra + rb {
        return Err("the increments of two children have directions in common".to_owned());
    }
    // That the blocks beside the diagonal are zero is the evidence that there is such a matrix at all.
    let beside_diagonal = |i: usize, j: usize| (i < ra) != (j < ra);
    let off: f64 = (0..ra + rb)
        .flat_map(|i| (0..ra + rb).map(move |j| (i, j)))
        .filter(|&(i, j)| beside_diagonal(i, j))
        .map(|(i, j)| blocks[(i, j)] * blocks[(i, j)])
        .sum();
    let whole = squared(blocks.as_ref());
    // Rounding tilts the bases by limit / smallest singular value.
    let smallest = of_ab.values.get(ab.saturating_sub(1)).copied().unwrap_or(limit).max(limit);
    let allowed = (8.0 * limit / smallest).clamp(1e-6, 0.5);
    if off > allowed * allowed * whole {
        return Err(format!(
            "the difference of two children does not fall into two increments: {:.1e} of it lies beside them",
            (off / whole).sqrt()
        ));
    }
    let block = blocks.submatrix(0, 0, ra, ra).to_owned();
    let increment = &columns_a * block * rows_a.transpose();
    Ok((&children[a] - increment, [ra, rb, rc]))
}

/// Alternates from a first estimate: increments cut to their ranks, then the mean of what is left.
fn alternated(children: &[Mat<f64>], first: Mat<f64>, ranks: Vec<usize>, limit: f64) -> Option<Found> {
    let (mut rounds, mut base) = (0, first.clone());
    loop {
        rounds += 1;
        let mut next = Mat::<f64>::zeros(base.nrows(), base.ncols());
        let (mut left, mut moved) = (Vec::with_capacity(children.len()), 0.0);
        for (child, &rank) in children.iter().zip(&ranks) {
            let increment = child - &base;
            let kept = decomposed(increment.as_ref())?.cut(rank);
            moved += squared(kept.as_ref());
            left.push(squared((&increment - &kept).as_ref()));
            next += child - kept;
        }
        let share = 1.0 / children.len() as f64;
        let next = Mat::from_fn(next.nrows(), next.ncols(), |i, j| next[(i, j)] * share);
        let change = squared((&next - &base).as_ref());
        base = next;
        if change <= (STILL * limit).powi(2) || rounds == ROUNDS {
            let closed = squared((&base - &first).as_ref()) <= limit * limit * ranks.len() as f64;
            return Some(Found { base, ranks, rounds, left, moved, closed });
        }
    }
}
