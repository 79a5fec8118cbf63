//! A pointer to a detector is a detector.

use super::{PhylogenyDetector, SelectorUse};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::parent::ParentSelector;
use crate::phylogeny::Phylogeny;
use rand::RngCore;
use std::sync::Arc;

impl<D: PhylogenyDetector + ?Sized> PhylogenyDetector for &D {
    fn selector_use(&self) -> SelectorUse {
        (**self).selector_use()
    }

    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        (**self).check(groups, models)
    }

    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        (**self).detect(geometry, selector, rng)
    }
}

impl<D: PhylogenyDetector + ?Sized> PhylogenyDetector for Box<D> {
    fn selector_use(&self) -> SelectorUse {
        (**self).selector_use()
    }

    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        (**self).check(groups, models)
    }

    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        (**self).detect(geometry, selector, rng)
    }
}

impl<D: PhylogenyDetector + ?Sized> PhylogenyDetector for Arc<D> {
    fn selector_use(&self) -> SelectorUse {
        (**self).selector_use()
    }

    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        (**self).check(groups, models)
    }

    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        (**self).detect(geometry, selector, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Arborescence, Families};

    fn asked(detector: impl PhylogenyDetector) -> (SelectorUse, bool) {
        (detector.selector_use(), detector.check(1, 3).is_ok())
    }

    #[test]
    fn every_method_is_that_of_what_is_pointed_to() {
        let detector = || Arborescence::new().with_families(Families::Count(9));
        let expected = (SelectorUse::Unused, false);
        let boxed: Box<dyn PhylogenyDetector> = Box::new(detector());
        let shared: Arc<dyn PhylogenyDetector> = Arc::new(detector());
        let lent: &dyn PhylogenyDetector = &detector();
        assert_eq!([asked(lent), asked(boxed), asked(shared)], [expected; 3]);
    }
}
