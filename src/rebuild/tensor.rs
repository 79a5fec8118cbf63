//! One tensor of the absent model.

use super::alternation::find;
use super::matrix::Rows;
use super::span::{decomposed, rank, singular_values, squared};
use super::{Child, RebuildError, TensorOrigin};
use crate::format::{Dtype, ParameterInfo};
use faer::Mat;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Dimensions that a first sketch of each difference has; twice as many until the rank fits.
const SKETCH: usize = 48;

/// A limit of singular values, as a share of the largest: what is below is rounding, however exact the values are.
const RELATIVE: f64 = 1e-6;

/// What is added to a random matrix's largest singular value, so that rounding stays below the limit.
const MARGIN: f64 = 1.3;

/// Children may keep this share of their increments unexplained. Beyond it, the increments are not of low rank.
const UNEXPLAINED: f64 = 0.1;

/// The absent tensor: a child's values plus a product of two small matrices.
pub(super) struct Solved {
    pub(super) origin: TensorOrigin,
    /// The child whose values the tensor is made from.
    pub(super) child: usize,
    /// `W − W_child = left rightᵀ`; `None` where the child has the values themselves.
    pub(super) factors: Option<(Mat<f64>, Mat<f64>)>,
    pub(super) ranks: Vec<usize>,
    pub(super) error: f64,
    /// Squared norm of the tensor in the first child.
    pub(super) norm: f64,
    /// Squared norm of what each child's increment leaves unexplained.
    pub(super) left: Vec<f64>,
}

/// Solves one tensor. Nothing larger than a piece of rows and the small factors is held.
pub(super) fn solve(info: &ParameterInfo, children: &[Child<'_>]) -> Result<Solved, RebuildError> {
    let rows = Rows::of(info, children);
    let n = children.len();
    let mut equal = vec![vec![true; n]; n];
    let mut norm = 0.0;
    rows.each(|_, values| {
        norm += values[0].iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
        for i in 0..n {
            for j in 0..i {
                let same = equal[i][j] && values[i].iter().zip(&values[j]).all(|(a, b)| a.to_bits() == b.to_bits());
                (equal[i][j], equal[j][i]) = (same, same);
            }
        }
        Ok(())
    })?;
    let shared = |i: usize| equal[i].iter().filter(|same| **same).count();
    // Of equally many, the first child's group is taken.
    let most = (0..n).rev().max_by_key(|&i| shared(i)).unwrap_or_default();
    let not = |reason: String| RebuildError::NotLowRank { tensor: info.name.clone(), reason };
    let sketched = match shared(most) {
        1 if n < 3 => return Err(RebuildError::TooFew { found: n, tensor: Some(info.name.clone()) }),
        1 => Some(sketched(&rows, limit_of(info.dtype, norm, &rows))?.ok_or_else(|| {
            not("the children's differences are of full rank, expected increments of low rank".to_owned())
        })?),
        _ => None,
    };
    let Some(sketched) = sketched else {
        return of_shared(&rows, most, &equal[most], norm);
    };
    let found = find(&sketched.children, sketched.limit).map_err(not)?;
    let outside = &sketched.outside;
    let left: Vec<f64> = found.left.iter().zip(outside).map(|(inside, outside)| inside + outside).collect();
    if found.left.iter().sum::<f64>() > UNEXPLAINED * UNEXPLAINED * found.moved {
        let share = (found.left.iter().sum::<f64>() / found.moved).sqrt();
        return Err(not(format!("increments of ranks {:?} leave {share:.2} of the movement unexplained", found.ranks)));
    }
    let error = (found.left.iter().sum::<f64>() / n as f64 / norm.max(f64::MIN_POSITIVE)).sqrt();
    let exact = info.dtype.size() >= 4 && found.closed;
    Ok(Solved {
        origin: if exact { TensorOrigin::ClosedForm } else { TensorOrigin::Iterated { rounds: found.rounds } },
        child: 0,
        factors: Some((&sketched.columns * &found.base, sketched.rows)),
        ranks: found.ranks,
        error,
        norm,
        left,
    })
}

/// A tensor that two children or more have bit for bit.
fn of_shared(rows: &Rows<'_, '_>, child: usize, equal: &[bool], norm: f64) -> Result<Solved, RebuildError> {
    let children = equal.iter().filter(|same| **same).count();
    // The increments of the others are not looked into: nothing hangs on their ranks.
    let full = rows.rows.min(rows.row);
    Ok(Solved {
        origin: TensorOrigin::Shared { children },
        child,
        factors: None,
        ranks: equal.iter().map(|&same| if same { 0 } else { full }).collect(),
        error: 0.0,
        norm,
        left: vec![0.0; equal.len()],
    })
}

/// Singular values up to this are rounding: the largest one of a random matrix of the size of the rounding of two children.
fn limit_of(dtype: Dtype, norm: f64, rows: &Rows<'_, '_>) -> f64 {
    let digits = match dtype {
        Dtype::BF16 => 8,
        Dtype::F16 => 11,
        _ => 24,
    };
    let values = (rows.rows * rows.row).max(1) as f64;
    // Values of one binade are rounded by up to half a unit of their last digit: 0.42 · 2^-digits of them in the mean square.
    let each = 0.42 * 2f64.powi(-digits) * (norm / values).sqrt() * 2f64.sqrt();
    MARGIN * each * ((rows.rows as f64).sqrt() + (rows.row as f64).sqrt())
}

/// The differences of all children from the first one in common bases.
struct Sketched {
    columns: Mat<f64>,
    rows: Mat<f64>,
    children: Vec<Mat<f64>>,
    /// Squared norm of each difference outside the bases.
    outside: Vec<f64>,
    limit: f64,
}

/// Sketches the differences; `None` when their rank is no low one.
fn sketched(rows: &Rows<'_, '_>, rounding: f64) -> Result<Option<Sketched>, RebuildError> {
    let (n, small) = (rows.children.len(), rows.rows.min(rows.row));
    let mut width = SKETCH.min(small);
    loop {
        // The seed is fixed: the same children give the same bytes.
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let scale = 1.0 / (width.max(1) as f64).sqrt();
        let map = Mat::from_fn(rows.row, width, |_, _| {
            let drawn: f64 = StandardNormal.sample(&mut rng);
            drawn * scale
        });
        let mut images = vec![Mat::<f64>::zeros(rows.rows, width); n - 1];
        let mut norms = vec![0.0; n];
        rows.each(|first, values| {
            for (i, image) in images.iter_mut().enumerate() {
                let apart = rows.apart(&values[0], &values[i + 1]);
                norms[i + 1] += squared(apart.as_ref());
                let part = &apart * &map;
                for r in 0..part.nrows() {
                    for c in 0..width {
                        image[(first + r, c)] = part[(r, c)];
                    }
                }
            }
            Ok(())
        })?;
        let mut largest: f64 = 0.0;
        let mut whole: Option<Mat<f64>> = None;
        let mut full = false;
        for image in &images {
            let Some(values) = singular_values(image.as_ref()) else { return Ok(None) };
            largest = largest.max(values.first().copied().unwrap_or_default());
            let limit = rounding.max(RELATIVE * largest);
            full |= rank(&values, limit) == width;
            whole = Some(match whole {
                None => image.clone(),
                Some(before) => super::span::beside(&before, image),
            });
        }
        let limit = rounding.max(RELATIVE * largest);
        if full && width < small {
            width = (2 * width).min(small);
            continue;
        }
        let Some(columns) = whole.as_ref().and_then(|whole| decomposed(whole.as_ref())) else { return Ok(None) };
        let columns = columns.columns(columns.rank(limit));
        // Three increments need room beside one another: r_1 + r_2 + r_3 dimensions.
        if full || columns.ncols() >= small {
            return Ok(None);
        }
        let mut images = vec![Mat::<f64>::zeros(columns.ncols(), rows.row); n - 1];
        rows.each(|first, values| {
            let own = columns.subrows(first, values[0].len() / rows.row);
            for (i, image) in images.iter_mut().enumerate() {
                *image = &*image + own.transpose() * rows.apart(&values[0], &values[i + 1]);
            }
            Ok(())
        })?;
        let turned: Mat<f64> = Mat::from_fn(rows.row, columns.ncols() * (n - 1), |i, j| {
            images[j / columns.ncols().max(1)][(j % columns.ncols().max(1), i)]
        });
        let Some(across) = decomposed(turned.as_ref()) else { return Ok(None) };
        let across = across.columns(across.rank(limit));
        let mut children = vec![Mat::<f64>::zeros(columns.ncols(), across.ncols())];
        children.extend(images.iter().map(|image| image * &across));
        let outside = norms.iter().zip(&children).map(|(&norm, c)| (norm - squared(c.as_ref())).max(0.0)).collect();
        return Ok(Some(Sketched { columns, rows: across, children, outside, limit }));
    }
}
