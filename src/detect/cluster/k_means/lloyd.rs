//! Lloyd's algorithm, one linfa step at a time.

use super::NAME;
use crate::detect::cluster::centroid_rule::{CentroidRule, Member};
use crate::detect::cluster::clusterer::Points;
use crate::detect::cluster::distances::{Euclidean, NEGLIGIBLE, failure, row, squared_distance, variances};
use crate::error::Error;
use linfa::DatasetBase;
use linfa::prelude::{FitWith, ParamGuard, Predict};
use linfa_clustering::{IncrKMeansError, KMeans as LinfaKMeans, KMeansInit};
use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What one restart came to.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) labels: Vec<usize>,
    /// Where the centroids came to rest: read by tests only, as parents are chosen among the final members.
    #[cfg_attr(not(test), expect(dead_code))]
    pub(super) centroids: Array2<f64>,
    /// Sum of squared distances to the clusters' means or, where the selector takes part, to the members it prefers.
    pub(super) objective: f64,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

/// Lloyd's algorithm on fixed points.
pub(super) struct Lloyd<'a, 'p> {
    points: &'a Points<'p>,
    coordinates: &'a Array2<f64>,
    rule: CentroidRule<'a>,
    max_iterations: usize,
    /// Squared shift at which to stop, in the units of `coordinates`.
    at_rest: f64,
    /// Squared distances up to this are rounding.
    negligible: f64,
}

impl<'a, 'p> Lloyd<'a, 'p> {
    pub(super) fn new(
        points: &'a Points<'p>,
        coordinates: &'a Array2<f64>,
        rule: CentroidRule<'a>,
        max_iterations: usize,
        tolerance: f64,
    ) -> Self {
        let spread = variances(coordinates).sum();
        Self { points, coordinates, rule, max_iterations, at_rest: tolerance * spread, negligible: NEGLIGIBLE * spread }
    }

    /// k-means++: fewer than K centroids when there are fewer different points.
    pub(super) fn seed(&self, families: usize, rng: &mut dyn RngCore) -> Array2<f64> {
        let mut weights = vec![1.0; self.points.len()];
        let mut chosen = Vec::with_capacity(families);
        while chosen.len() < families {
            let total: f64 = weights.iter().sum();
            if total <= 0.0 {
                break;
            }
            let seed = weighted(&weights, rng.r#gen::<f64>() * total);
            let first = chosen.is_empty();
            chosen.push(seed);
            for (i, weight) in weights.iter_mut().enumerate() {
                let squared = squared_distance(row(self.coordinates, i), row(self.coordinates, seed));
                let squared = if squared > self.negligible { squared } else { 0.0 };
                *weight = if first { squared } else { weight.min(squared) };
            }
        }
        self.coordinates.select(Axis(0), &chosen)
    }

    pub(super) fn run(&self, start: Array2<f64>, rng: &mut dyn RngCore) -> Result<Run, Error> {
        let mut centroids = start;
        let (mut iterations, mut converged) = (0, false);
        while iterations < self.max_iterations && !converged {
            let next = match self.rule.draw(rng) {
                None => self.means(&centroids)?,
                Some(member) => self.members(&centroids, member)?,
            };
            let shift: f64 = (0..next.nrows()).map(|k| squared_distance(row(&centroids, k), row(&next, k))).sum();
            converged = shift <= self.at_rest;
            centroids = next;
            iterations += 1;
        }
        let labels = self.nearest(&centroids)?;
        let objective = match self.rule.member() {
            None => within_sum_of_squares(self.coordinates, &labels, centroids.nrows()),
            Some(member) => {
                let chosen = self.chosen(&labels, &centroids, member)?;
                labels
                    .iter()
                    .enumerate()
                    .map(|(i, &k)| squared_distance(row(self.coordinates, i), row(&chosen, k)))
                    .sum()
            }
        };
        Ok(Run { labels, centroids, objective, iterations, converged })
    }

    /// One true Lloyd step: linfa's incremental update from given centroids and no history.
    fn step(&self, centroids: &Array2<f64>, observations: &Array2<f64>) -> Result<LinfaKMeans<f64, Euclidean>, Error> {
        // No random number is drawn from given centroids; linfa asks for a generator all the same.
        let unused = ChaCha8Rng::from_seed([0; 32]);
        let step = LinfaKMeans::params_with(centroids.nrows(), unused, Euclidean)
            .init_method(KMeansInit::Precomputed(centroids.clone()))
            .check()
            .map_err(|e| failure(NAME, self.points, e.to_string()))?
            .fit_with(None, &DatasetBase::from(observations.view()));
        match step {
            // Our own tolerance decides about convergence.
            Ok(model) | Err(IncrKMeansError::NotConverged(model)) => Ok(model),
            Err(other) => Err(failure(NAME, self.points, other.to_string())),
        }
    }

    pub(super) fn means(&self, centroids: &Array2<f64>) -> Result<Array2<f64>, Error> {
        let model = self.step(centroids, self.coordinates)?;
        let mut next = model.centroids().clone();
        self.fill_empty(&mut next, |k| model.cluster_count()[k] == 0.0);
        Ok(next)
    }

    fn members(&self, centroids: &Array2<f64>, member: Member<'_>) -> Result<Array2<f64>, Error> {
        let labels = self.nearest(centroids)?;
        let mut next = self.chosen(&labels, centroids, member)?;
        self.fill_empty(&mut next, |k| !labels.contains(&k));
        Ok(next)
    }

    /// The preferred member of each cluster; the old centroid where there is no member.
    fn chosen(&self, labels: &[usize], centroids: &Array2<f64>, member: Member<'_>) -> Result<Array2<f64>, Error> {
        let mut clusters = vec![Vec::new(); centroids.nrows()];
        for (i, &label) in labels.iter().enumerate() {
            clusters[label].push(i);
        }
        let mut chosen = centroids.clone();
        for (k, members) in clusters.iter().enumerate().filter(|(_, members)| !members.is_empty()) {
            chosen.row_mut(k).assign(&self.coordinates.row(member.of(NAME, members)?));
        }
        Ok(chosen)
    }

    /// The nearest centroid of each point, the first of equally near ones.
    fn nearest(&self, centroids: &Array2<f64>) -> Result<Vec<usize>, Error> {
        // A step on the centroids themselves leaves them where they are: the only way to a linfa model that holds them.
        let model = self.step(centroids, centroids)?;
        let labels: Array1<usize> = model.predict(self.coordinates);
        Ok(labels.to_vec())
    }

    /// Moves each empty cluster to the point farthest from every centroid; where no point is away from one, it stays empty.
    fn fill_empty(&self, centroids: &mut Array2<f64>, is_empty: impl Fn(usize) -> bool) {
        let (empty, mut filled): (Vec<usize>, Vec<usize>) = (0..centroids.nrows()).partition(|&k| is_empty(k));
        for k in empty {
            let distance = |i: usize, centroids: &Array2<f64>| {
                let to = |&k: &usize| squared_distance(row(self.coordinates, i), row(centroids, k));
                filled.iter().map(to).fold(f64::INFINITY, f64::min)
            };
            let mut farthest = (0, self.negligible);
            for i in 0..self.points.len() {
                let squared = distance(i, centroids);
                if squared > farthest.1 {
                    farthest = (i, squared);
                }
            }
            if farthest.1 > self.negligible {
                centroids.row_mut(k).assign(&self.coordinates.row(farthest.0));
                filled.push(k);
            }
        }
    }
}

/// The first position at which the running sum exceeds `target`, else the last with a weight.
fn weighted(weights: &[f64], target: f64) -> usize {
    let mut sum = 0.0;
    let mut last = 0;
    for (i, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        sum += weight;
        last = i;
        if sum > target {
            break;
        }
    }
    last
}

fn within_sum_of_squares(coordinates: &Array2<f64>, labels: &[usize], families: usize) -> f64 {
    let mut means = Array2::<f64>::zeros((families, coordinates.ncols()));
    let mut counts = vec![0.0; families];
    for (point, &label) in coordinates.rows().into_iter().zip(labels) {
        counts[label] += 1.0;
        means.row_mut(label).zip_mut_with(&point, |mean, &x| *mean += x);
    }
    for (mut mean, &count) in means.rows_mut().into_iter().zip(&counts) {
        mean /= f64::max(count, 1.0);
    }
    labels.iter().enumerate().map(|(i, &label)| squared_distance(row(coordinates, i), row(&means, label))).sum()
}
