use super::{Clusterer, Clustering, Points};
use crate::error::Error;
use rand::RngCore;

/// The expected families as they are: those of the independence test, unless a count was given.
///
/// Needs no distances, no radius and no K; the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedFamilies;

impl Clusterer for ExpectedFamilies {
    fn cluster(&self, points: &Points<'_>, _: &mut dyn RngCore) -> Result<Clustering, Error> {
        Ok(Clustering::new(points.expected.iter().map(|&f| Some(f)).collect()))
    }
}
