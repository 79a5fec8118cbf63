//! The sweep over α: which α to keep when none is given.

use super::centroid_rule::Alpha;
use crate::error::Error;
use crate::phylogeny::Remark;
use rand::RngCore;

/// Runs a clusterer at the given α. For a sweep, it runs at every α of the grid.
///
/// A sweep keeps the run whose labels are nearest to the expected families, and a remark reports its α. All runs of a sweep
/// use the same random numbers, so they differ in α alone. A sweep equals the run at the α that it keeps.
pub(super) fn at<T>(
    clusterer: &'static str,
    alpha: Alpha,
    expected: &[usize],
    rng: &mut dyn RngCore,
    run: impl Fn(f64, &mut dyn RngCore) -> Result<T, Error>,
    labels: impl Fn(&T) -> &[usize],
) -> Result<(T, Option<Remark>), Error> {
    if let Alpha::Fixed(alpha) = alpha {
        return Ok((run(alpha, rng)?, None));
    }
    // With other random numbers for each α, a sweep would not equal the run at the α that it keeps.
    let mut replay = Replay { rng, drawn: Vec::new(), next: 0 };
    let mut at = |alpha| -> Result<(T, f64, usize), Error> {
        replay.next = 0;
        let found = run(alpha, &mut replay)?;
        let pairs = disagreements(labels(&found), expected);
        Ok((found, alpha, pairs))
    };
    let [lower @ .., last] = Alpha::GRID;
    let mut best = at(last)?;
    for alpha in lower.into_iter().rev() {
        // No run can be nearer than 0, and of equal runs the one with the largest α is kept.
        if best.2 == 0 {
            break;
        }
        let next = at(alpha)?;
        if next.2 < best.2 {
            best = next;
        }
    }
    let (found, alpha, disagreements) = best;
    Ok((found, Some(Remark::AlphaChosen { clusterer: clusterer.into(), alpha, disagreements })))
}

/// A source of random numbers that can be replayed.
struct Replay<'a> {
    rng: &'a mut dyn RngCore,
    drawn: Vec<u64>,
    next: usize,
}

impl RngCore for Replay<'_> {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        if self.next == self.drawn.len() {
            self.drawn.push(self.rng.next_u64());
        }
        self.next += 1;
        self.drawn[self.next - 1]
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        // Whole words are drawn, so that bytes and words share one sequence.
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// Number of pairs of models that share a family in one labeling and not in the other.
fn disagreements(labels: &[usize], expected: &[usize]) -> usize {
    let apart = |i: usize, j: usize| (labels[i] == labels[j]) != (expected[i] == expected[j]);
    (0..labels.len()).map(|i| (0..i).filter(|&j| apart(i, j)).count()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn disagreements_are_pairs_and_numbering_does_not_matter() {
        assert_eq!(disagreements(&[0, 0, 1], &[5, 5, 2]), 0);
        assert_eq!(disagreements(&[0, 0, 0], &[0, 0, 1]), 2);
        assert_eq!(disagreements(&[0, 1, 2, 3], &[0, 0, 0, 0]), 6);
        assert_eq!(disagreements(&[], &[]), 0);
    }

    fn kept(alpha: impl Into<Alpha>, labels: impl Fn(f64) -> Vec<usize>) -> (Vec<f64>, Option<Remark>) {
        let tried = std::cell::RefCell::new(Vec::new());
        let run = |alpha: f64, _: &mut dyn RngCore| {
            tried.borrow_mut().push(alpha);
            Ok(labels(alpha))
        };
        let rng = &mut ChaCha8Rng::seed_from_u64(0);
        let (_, remark) = at("test", alpha.into(), &[0, 0, 1, 1], rng, run, |labels| labels).unwrap();
        (tried.into_inner(), remark)
    }

    #[test]
    fn the_run_nearest_to_the_expected_families_is_kept_the_largest_of_equal_ones() {
        let chosen =
            |alpha, disagreements| Some(Remark::AlphaChosen { clusterer: "test".into(), alpha, disagreements });
        let (tried, remark) = kept(Alpha::Sweep, |_| vec![0, 0, 0, 1]);
        assert_eq!((tried.len(), remark), (7, chosen(1.0, 3)));
        let near = |alpha| if alpha < 0.6 { vec![0, 0, 1, 1] } else { vec![0; 4] };
        let (tried, remark) = kept(Alpha::Sweep, near);
        assert_eq!((tried, remark), (vec![1.0, 0.9, 0.75, 0.5], chosen(0.5, 0)));
        assert_eq!(kept(0.3, near), (vec![0.3], None));
    }

    /// At a smaller α more is drawn: what came before comes back, then the generator goes on.
    #[test]
    fn every_run_sees_the_random_numbers_it_would_see_alone() {
        let drawn = std::cell::RefCell::new(Vec::new());
        let run = |alpha: f64, rng: &mut dyn RngCore| {
            let count = 1 + (10.0 * (1.0 - alpha)) as usize;
            drawn.borrow_mut().push((0..count).map(|_| rng.next_u64()).collect::<Vec<_>>());
            Ok(vec![0, 0])
        };
        at("test", Alpha::Sweep, &[0, 1], &mut ChaCha8Rng::seed_from_u64(0), run, |labels| labels).unwrap();
        for run in drawn.into_inner() {
            let mut alone = ChaCha8Rng::seed_from_u64(0);
            assert!(run.iter().all(|&number| number == alone.next_u64()));
        }
    }
}
