//! Whether an increment is noise: its rows are then no more alike than chance makes them.
//!
//! Let Δ have p rows of n values. For noise, the squared cosine of two rows is 1 / n on average. Training moves all rows along
//! few directions, k of them, and the average is about 1 / k. The result is n times the average, so about 1 for noise and n / k
//! for training. It is the second moment of the spectrum of ΔΔᵀ: with the variance of the entries at 1, the law of Marchenko and
//! Pastur gives it the value 1 + p / n, of which p / n come from the rows themselves.
//!
//! Rounding noise is larger where values are larger. So all columns, and then all rows, are first brought to one norm.

use super::sample::Sample;

/// How often columns and rows are brought to one norm in turn.
const BALANCED: usize = 2;

/// How much more alike the rows of `b − a` are than those of noise. `None` for a small sample, or one without a difference.
pub(super) fn structure(sample: &Sample) -> Option<f64> {
    if !sample.is_large() {
        return None;
    }
    let columns = sample.columns();
    let (a, b) = (sample.values(0), sample.values(1));
    let mut rows: Vec<Vec<f64>> = a
        .chunks_exact(columns)
        .zip(b.chunks_exact(columns))
        .map(|(a, b)| a.iter().zip(b).map(|(&a, &b)| f64::from(b) - f64::from(a)).collect())
        .filter(|row: &Vec<f64>| row.iter().any(|d| *d != 0.0))
        .collect();
    // A few rows that moved say little of all.
    if rows.len() < sample.len() / columns / 4 || rows.len() < 8 {
        return None;
    }
    for _ in 0..BALANCED {
        balance_columns(&mut rows, columns);
        rows.iter_mut().for_each(|row| normalize(row));
    }
    let (mut sum, mut pairs) = (0.0, 0.0f64);
    for (i, row) in rows.iter().enumerate() {
        for other in &rows[..i] {
            sum += dot(row, other).powi(2);
            pairs += 1.0;
        }
    }
    Some(columns as f64 * sum / pairs)
}

/// Divides every column by its norm.
fn balance_columns(rows: &mut [Vec<f64>], columns: usize) {
    let mut squared = vec![0.0; columns];
    for row in rows.iter() {
        squared.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
    }
    for row in rows {
        row.iter_mut().zip(&squared).filter(|(_, sum)| **sum > 0.0).for_each(|(x, sum)| *x /= sum.sqrt());
    }
}

/// Divides a row by its norm.
fn normalize(row: &mut [f64]) {
    let norm = dot(row, row).sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|x| *x /= norm);
    }
}

/// The inner product, in eight sums for vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let ((a, rest), (b, other)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a).zip(b).for_each(|((lane, a), b)| *lane += a * b);
    }
    lanes.iter().sum::<f64>() + rest.iter().zip(other).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    /// The structure of an increment of noise and of some directions that all rows share.
    fn found(rows: usize, columns: usize, directions: usize, noise: f32) -> Option<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64((rows + columns + directions) as u64);
        let mut normal = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.sample(StandardNormal)).collect() };
        let (a, shared) = (normal(rows * columns), normal(directions * columns));
        let (weights, noisy) = (normal(rows * directions), normal(rows * columns));
        let increment = |i: usize| {
            let (row, column) = (i / columns, i % columns);
            let along = |k: usize| weights[row * directions + k] * shared[k * columns + column];
            // Noise that is larger where values are larger.
            0.01 * ((0..directions).map(along).sum::<f32>() + noise * noisy[i] * a[i])
        };
        let b = a.iter().enumerate().map(|(i, x)| x + increment(i)).collect();
        structure(&Sample::new(columns, a, b))
    }

    #[test]
    fn noise_has_no_structure_and_training_has() {
        for (rows, columns) in [(64, 64), (64, 512), (32, 200), (16, 64)] {
            let noise = found(rows, columns, 0, 1.0).unwrap();
            assert!((0.6..1.2).contains(&noise), "{rows} {columns}: {noise}");
            let trained = found(rows, columns, 8, 0.5).unwrap();
            assert!(trained > 2.0, "{rows} {columns}: {trained}");
        }
    }

    #[test]
    fn small_samples_and_equal_ones_say_nothing() {
        assert_eq!(found(8, 64, 0, 1.0), None);
        let same = vec![1.0f32; 32 * 32];
        assert_eq!(structure(&Sample::new(32, same.clone(), same)), None);
    }
}
