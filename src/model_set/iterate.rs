//! Iteration over a set as a collection of named sources.

use super::ModelSet;
use crate::error::Error;
use crate::source::ParameterSource;
use std::sync::Arc;

impl ModelSet {
    /// Creates a set of named models with the default settings of [`ModelSet::builder`].
    ///
    /// # Errors
    ///
    /// The errors of [`ModelSetBuilder::build`](super::ModelSetBuilder::build).
    ///
    /// ```
    /// use neural_phylogeny::{InMemory, ModelSet};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let model = |w: f32| InMemory::new().with_parameter("w", [2], vec![w, 1.0]);
    /// let models = ModelSet::from_models([("a", model(0.0)?), ("b", model(1.0)?), ("c", model(2.0)?)])?;
    /// // A part of a set is a set; sources are shared.
    /// let part = ModelSet::from_models(models.iter().filter(|(name, _)| *name != "b"))?;
    /// assert_eq!(part.names().collect::<Vec<_>>(), ["a", "c"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_models<N: Into<String>, S: ParameterSource + 'static>(
        models: impl IntoIterator<Item = (N, S)>,
    ) -> Result<Self, Error> {
        models.into_iter().fold(Self::builder(), |builder, (name, source)| builder.with_model(name, source)).build()
    }

    /// Returns names and sources, in the order of ids.
    pub fn iter(&self) -> Iter<'_> {
        Iter { models: self.models.iter() }
    }
}

/// An iterator over the names and sources of a [`ModelSet`], in the order of ids.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    models: std::slice::Iter<'a, super::Model>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, Arc<dyn ParameterSource>);

    fn next(&mut self) -> Option<Self::Item> {
        self.models.next().map(|model| (model.name.as_str(), Arc::clone(&model.source)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.models.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a ModelSet {
    type Item = (&'a str, Arc<dyn ParameterSource>);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::InMemory;

    #[test]
    fn a_set_that_is_collected_again_is_the_same() {
        let model = |w: f32| InMemory::new().with_parameter("w", [2], vec![w, 1.0]).unwrap();
        let models = ModelSet::from_models([("b", model(0.0)), ("a", model(1.0))]).unwrap();
        let mut names = Vec::new();
        for (name, source) in &models {
            names.push(name);
            assert_eq!(source.parameters().unwrap().len(), 1);
        }
        assert_eq!((names, models.iter().len()), (vec!["b", "a"], 2));
        let again = ModelSet::from_models(&models).unwrap();
        assert_eq!(again.names().collect::<Vec<_>>(), ["b", "a"]);
        let twice = models.iter().chain(models.iter());
        assert!(matches!(ModelSet::from_models(twice), Err(Error::DuplicateName { .. })));
        let none: [(&str, InMemory); 0] = [];
        assert!(matches!(ModelSet::from_models(none), Err(Error::NoModels { .. })));
    }
}
