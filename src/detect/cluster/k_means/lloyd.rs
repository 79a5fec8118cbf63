//! Lloyd's algorithm on squared distances.
//!
//! A centroid is a model or the mean of some models, so its distances to all models follow from their distances to each other
//! ([`Center`]). Tests compare a step with linfa's KMeans, which runs on coordinates. At N models in N − 1 coordinates, linfa's
//! assignment alone costs N² K operations, a hundred times the cost of a whole step here.

use crate::detect::cluster::center::Center;
use crate::detect::cluster::centroid_rule::{CentroidRule, Preference};
use crate::detect::cluster::distances::Distances;
use crate::error::Error;
use rand::{Rng, RngCore};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The result of one restart.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) labels: Vec<usize>,
    /// The sets of models whose means are the final centroids.
    ///
    /// Only tests read them, because parents are chosen among the final members.
    #[cfg_attr(not(test), expect(dead_code))]
    pub(super) centroids: Vec<Vec<usize>>,
    /// Sum of squared distances to the clusters' means or, where the selector takes part, to the members it prefers.
    pub(super) objective: f64,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

/// A cache of the means of sets of models. Restarts end in the same few sets.
pub(super) struct Means<'a> {
    pub(super) distances: &'a Distances,
    known: RefCell<HashMap<Vec<usize>, Rc<Center<'a>>>>,
}

impl<'a> Means<'a> {
    pub(super) fn new(distances: &'a Distances) -> Self {
        Self { distances, known: RefCell::default() }
    }

    /// The mean of some models, from the cache or computed.
    fn of(&self, members: Vec<usize>) -> Rc<Center<'a>> {
        let mut known = self.known.borrow_mut();
        if let Some(center) = known.get(&members) {
            return Rc::clone(center);
        }
        // The bound lets the cache take about as much memory as the distances.
        if known.len() > self.distances.squared.nrows() {
            known.clear();
        }
        let center = Rc::new(Center::of(members.clone(), &self.distances.squared));
        known.insert(members, Rc::clone(&center));
        center
    }
}

/// Lloyd's algorithm on fixed points.
pub(super) struct Lloyd<'r, 'a> {
    means: &'r Means<'a>,
    rule: CentroidRule<'r>,
    max_iterations: usize,
    /// Squared shift at which to stop, in the units of `distances`.
    at_rest: f64,
}

impl<'r, 'a> Lloyd<'r, 'a> {
    pub(super) fn new(means: &'r Means<'a>, rule: CentroidRule<'r>, max_iterations: usize, tolerance: f64) -> Self {
        Self { means, rule, max_iterations, at_rest: tolerance * means.distances.spread }
    }

    /// Runs from the models `start` as centroids until the centroids rest or the iterations end.
    pub(super) fn run(&self, start: &[usize], rng: &mut dyn RngCore) -> Result<Run, Error> {
        let mut centers: Vec<Rc<Center<'a>>> = start.iter().map(|&seed| self.means.of(vec![seed])).collect();
        let (mut iterations, mut converged) = (0, false);
        while iterations < self.max_iterations && !converged {
            let next = self.step(&centers, self.rule.draw(rng))?;
            let shift: f64 = centers.iter().zip(&next).map(|(from, to)| from.squared_distance(to)).sum();
            converged = shift <= self.at_rest;
            centers = next;
            iterations += 1;
        }
        // The last step moved the centers, so labels are computed once more.
        let labels = nearest(&centers);
        let mut objective = 0.0;
        for members in clusters(&labels, centers.len()).into_iter().filter(|members| !members.is_empty()) {
            objective += self.objective(members)?;
        }
        let centroids = centers.iter().map(|c| c.members.clone()).collect();
        Ok(Run { labels, centroids, objective, iterations, converged })
    }

    /// Sum of squared distances of some models to their mean or, where the selector takes part, to the member it prefers.
    fn objective(&self, members: Vec<usize>) -> Result<f64, Error> {
        if let Some(preference) = self.rule.preference() {
            let chosen = preference.of(&members)?;
            return Ok(members.iter().map(|&i| self.means.distances.squared[(chosen, i)]).sum());
        }
        let count = members.len() as f64;
        Ok(count * self.means.of(members).variance)
    }

    /// Does one iteration: each model joins its nearest center, then each center moves to the mean or to the preferred member.
    pub(super) fn step(
        &self,
        centers: &[Rc<Center<'a>>],
        preference: Option<&Preference<'_>>,
    ) -> Result<Vec<Rc<Center<'a>>>, Error> {
        let clusters = clusters(&nearest(centers), centers.len());
        let empty: Vec<usize> = (0..centers.len()).filter(|&k| clusters[k].is_empty()).collect();
        let mut next = Vec::with_capacity(centers.len());
        for (old, members) in centers.iter().zip(clusters) {
            next.push(match preference {
                // An empty cluster has no mean; `fill` moves it below.
                _ if members.is_empty() => Rc::clone(old),
                Some(preference) => self.means.of(vec![preference.of(&members)?]),
                None => self.means.of(members),
            });
        }
        self.fill(&mut next, &empty);
        Ok(next)
    }

    /// Moves each empty cluster to the point farthest from every centroid.
    ///
    /// A cluster stays empty where every point lies on a centroid.
    fn fill(&self, centers: &mut [Rc<Center<'a>>], empty: &[usize]) {
        let distances = self.means.distances;
        let mut filled: Vec<usize> = (0..centers.len()).filter(|k| !empty.contains(k)).collect();
        for &k in empty {
            let distance = |i: usize| filled.iter().map(|&k| centers[k].to_points[i]).fold(f64::INFINITY, f64::min);
            // A point within rounding of a centroid would only give a second cluster at the same place.
            let mut farthest = (0, distances.negligible());
            for i in 0..distances.squared.nrows() {
                let squared = distance(i);
                if squared > farthest.1 {
                    farthest = (i, squared);
                }
            }
            if farthest.1 > distances.negligible() {
                centers[k] = self.means.of(vec![farthest.0]);
                filled.push(k);
            }
        }
    }
}

/// The nearest center of each point, and of equally near ones the first.
fn nearest(centers: &[Rc<Center<'_>>]) -> Vec<usize> {
    let mut best = centers[0].to_points.to_owned();
    let mut labels = vec![0; best.len()];
    for (k, center) in centers.iter().enumerate().skip(1) {
        for ((best, label), &squared) in best.iter_mut().zip(&mut labels).zip(&center.to_points) {
            if squared < *best {
                (*best, *label) = (squared, k);
            }
        }
    }
    labels
}

/// The points of each label, ascending.
fn clusters(labels: &[usize], count: usize) -> Vec<Vec<usize>> {
    let mut clusters = vec![Vec::new(); count];
    for (i, &label) in labels.iter().enumerate() {
        clusters[label].push(i);
    }
    clusters
}

/// Draws seeds among some points by k-means++. There are fewer than K seeds when there are fewer different points.
pub(super) fn seed(distances: &Distances, among: &[usize], families: usize, rng: &mut dyn RngCore) -> Vec<usize> {
    let mut weights = vec![1.0; among.len()];
    let mut chosen = Vec::with_capacity(families);
    while chosen.len() < families {
        let total: f64 = weights.iter().sum();
        if total <= 0.0 {
            break;
        }
        let seed = among[weighted(&weights, rng.r#gen::<f64>() * total)];
        let first = chosen.is_empty();
        chosen.push(seed);
        for (&i, weight) in among.iter().zip(&mut weights) {
            let squared = distances.squared[(seed, i)];
            // Rounding would leave copies of a seed a small weight, and one of them could be drawn.
            let squared = if squared > distances.negligible() { squared } else { 0.0 };
            *weight = if first { squared } else { weight.min(squared) };
        }
    }
    chosen
}

/// The first position at which the running sum exceeds `target`; if none does, the last position with a weight.
fn weighted(weights: &[f64], target: f64) -> usize {
    let mut sum = 0.0;
    let mut last = 0;
    for (i, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        sum += weight;
        // Rounding can leave the whole sum just below the target.
        last = i;
        if sum > target {
            break;
        }
    }
    last
}
