//! Makes references, boxes and `Arc`s of a selector selectors.

use super::ParentSelector;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use std::sync::Arc;

impl<S: ParentSelector + ?Sized> ParentSelector for &S {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        (**self).scores(geometry, members)
    }
}

impl<S: ParentSelector + ?Sized> ParentSelector for Box<S> {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        (**self).scores(geometry, members)
    }
}

impl<S: ParentSelector + ?Sized> ParentSelector for Arc<S> {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        (**self).scores(geometry, members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::GeometrySettings;
    use crate::model_set::ModelSet;
    use crate::parent::SmallestNorm;
    use crate::source::InMemory;

    #[test]
    fn scores_are_those_of_what_is_pointed_to() {
        let model = |w: f32| InMemory::new().with_parameter("w", [2, 2], vec![w; 4]).unwrap();
        let models = ModelSet::builder().with_model("a", model(1.0)).with_model("b", model(2.0)).build().unwrap();
        let geometry = Geometry::compute(&models, &GeometrySettings::new()).unwrap();
        let scores = |selector: &dyn ParentSelector| selector.scores(&geometry, geometry.models()).unwrap();
        let boxed: Box<dyn ParentSelector> = Box::new(SmallestNorm);
        let shared: Arc<dyn ParentSelector> = Arc::new(SmallestNorm);
        let lent: &dyn ParentSelector = &SmallestNorm;
        assert_eq!([scores(&boxed), scores(&shared), scores(&lent)], [(); 3].map(|()| scores(&SmallestNorm)));
        assert_ne!(scores(&shared)[0], scores(&shared)[1]);
    }
}
