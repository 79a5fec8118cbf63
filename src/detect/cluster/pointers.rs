//! A pointer to a clusterer is a clusterer.

use super::{Alpha, CentroidClusterer, Clusterer, Clustering, MemberScores, Points};
use crate::error::Error;
use rand::RngCore;
use std::sync::Arc;

impl<C: Clusterer + ?Sized> Clusterer for &C {
    fn check(&self) -> Result<(), Error> {
        (**self).check()
    }

    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        (**self).cluster(points, rng)
    }
}

impl<C: Clusterer + ?Sized> Clusterer for Box<C> {
    fn check(&self) -> Result<(), Error> {
        (**self).check()
    }

    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        (**self).cluster(points, rng)
    }
}

impl<C: Clusterer + ?Sized> Clusterer for Arc<C> {
    fn check(&self) -> Result<(), Error> {
        (**self).check()
    }

    fn cluster(&self, points: &Points<'_>, rng: &mut dyn RngCore) -> Result<Clustering, Error> {
        (**self).cluster(points, rng)
    }
}

impl<C: CentroidClusterer + ?Sized> CentroidClusterer for &C {
    fn check_along(&self) -> Result<(), Error> {
        (**self).check_along()
    }

    fn cluster_along(
        &self,
        points: &Points<'_>,
        alpha: Alpha,
        scores: &MemberScores<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        (**self).cluster_along(points, alpha, scores, rng)
    }
}

impl<C: CentroidClusterer + ?Sized> CentroidClusterer for Box<C> {
    fn check_along(&self) -> Result<(), Error> {
        (**self).check_along()
    }

    fn cluster_along(
        &self,
        points: &Points<'_>,
        alpha: Alpha,
        scores: &MemberScores<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        (**self).cluster_along(points, alpha, scores, rng)
    }
}

impl<C: CentroidClusterer + ?Sized> CentroidClusterer for Arc<C> {
    fn check_along(&self) -> Result<(), Error> {
        (**self).check_along()
    }

    fn cluster_along(
        &self,
        points: &Points<'_>,
        alpha: Alpha,
        scores: &MemberScores<'_>,
        rng: &mut dyn RngCore,
    ) -> Result<Clustering, Error> {
        (**self).cluster_along(points, alpha, scores, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::cluster::{KMeans, Seeding};
    use ndarray::array;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Labels, whether settings pass alone and along scores, and labels along scores.
    fn results(clusterer: impl CentroidClusterer) -> (Clustering, [bool; 2], Clustering) {
        let coordinates = array![[0.0], [1.0], [7.0], [8.0]];
        let points = Points::new(coordinates.view(), &[0, 0, 1, 1]);
        let scores = |members: &[usize]| Ok(members.iter().map(|&m| m as f64).collect());
        let rng = || ChaCha8Rng::seed_from_u64(1);
        let along = clusterer.cluster_along(&points, Alpha::Fixed(0.0), &scores, &mut rng()).unwrap();
        (
            clusterer.cluster(&points, &mut rng()).unwrap(),
            [clusterer.check().is_ok(), clusterer.check_along().is_ok()],
            along,
        )
    }

    #[test]
    fn every_method_is_that_of_what_is_pointed_to() {
        let expected = results(KMeans::new());
        let boxed: Box<dyn CentroidClusterer> = Box::new(KMeans::new());
        let shared: Arc<dyn CentroidClusterer> = Arc::new(KMeans::new());
        let lent: &dyn CentroidClusterer = &KMeans::new();
        assert_eq!([results(lent), results(boxed), results(shared)], [(); 3].map(|()| expected.clone()));
        let likely = KMeans::new().with_seeding(Seeding::LikelyParents { share: 0.5 });
        let boxed: Box<dyn CentroidClusterer> = Box::new(likely.clone());
        assert!(boxed.check().is_err() && boxed.check_along().is_ok() && Arc::new(likely).check_along().is_ok());
        let boxed: Box<dyn Clusterer> = Box::new(KMeans::new().with_restarts(0));
        assert!(boxed.check().is_err() && Arc::new(KMeans::new().with_restarts(0)).check().is_err());
    }
}
