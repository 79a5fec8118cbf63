//! Which α to keep when none is given.

use super::centroid_rule::{Alpha, Preference};
use super::distances::Distances;
use crate::error::Error;
use crate::phylogeny::Remark;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Totals that differ by less than this share are equal but for rounding.
const TIE: f64 = 1e-9;

/// Runs a clusterer at the given α or, of those of the grid, at the one that `criterion` finds least; that is remarked on.
///
/// All runs of a sweep see the same random numbers, so that they differ in α alone.
pub(super) fn at<T>(
    clusterer: &'static str,
    alpha: Alpha,
    rng: &mut dyn RngCore,
    run: impl Fn(f64, &mut dyn RngCore) -> Result<T, Error>,
    criterion: impl Fn(&T) -> Result<f64, Error>,
) -> Result<(T, Option<Remark>), Error> {
    if let Alpha::Fixed(alpha) = alpha {
        return Ok((run(alpha, rng)?, None));
    }
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    let mut best: Option<(T, f64, f64)> = None;
    for alpha in Alpha::GRID {
        let found = run(alpha, &mut ChaCha8Rng::from_seed(seed))?;
        let value = criterion(&found)?;
        if best.as_ref().is_none_or(|(_, _, least)| value < least * (1.0 - TIE)) {
            best = Some((found, alpha, value));
        }
    }
    let (found, alpha, _) = best.expect("the grid is not empty");
    Ok((found, Some(Remark::AlphaChosen { clusterer, alpha })))
}

/// `Σ_i ‖x_i − p(i)‖²` with p(i) the member of its cluster that the selector prefers.
pub(super) fn total(distances: &Distances, preference: &Preference<'_>, labels: &[usize]) -> Result<f64, Error> {
    let mut clusters = vec![Vec::new(); labels.iter().max().map_or(0, |&l| l + 1)];
    for (i, &label) in labels.iter().enumerate() {
        clusters[label].push(i);
    }
    let mut total = 0.0;
    for members in clusters.iter().filter(|members| !members.is_empty()) {
        let parent = preference.of(members)?;
        total += members.iter().map(|&i| distances.squared[(parent, i)]).sum::<f64>();
    }
    Ok(total)
}
