//! A model some of whose tensors are made of its stored ones.

use super::normed::Normed;
use super::part::Part;
use super::{ParameterInfo, ParameterSource, check_range};
use crate::error::SourceError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a tensor is made of stored ones.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    /// Of values of one, in another order.
    Part(Part),
    /// Of a magnitude and a direction.
    Normed(Normed),
}

impl Made {
    /// Returns the name of the tensor that holds its values.
    fn source(&self) -> &str {
        match self {
            Self::Part(part) => &part.source,
            Self::Normed(normed) => &normed.direction,
        }
    }

    fn uses(&self, name: &str) -> bool {
        self.source() == name || matches!(self, Self::Normed(normed) if normed.magnitude == name)
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Part(part) => &part.shape,
            Self::Normed(normed) => &normed.shape,
        }
    }
}

/// A view of a source in which some tensors stand in another form, as another library would store them.
///
/// A stored tensor from which others are made is not listed any more, unless a made one has its name.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    stored: Arc<dyn ParameterSource>,
    made: BTreeMap<String, (ParameterInfo, Made)>,
    list: Vec<ParameterInfo>,
}

impl Derived {
    /// Makes the view. `made` has the name of each made tensor; a name that another tensor has replaces it.
    ///
    /// # Errors
    ///
    /// [`SourceError::UnknownParameter`] when a tensor is made of one that is not stored, and the errors of its list.
    pub(crate) fn new(stored: Arc<dyn ParameterSource>, made: BTreeMap<String, Made>) -> Result<Self, SourceError> {
        let own = stored.parameters()?;
        let used: BTreeSet<&str> =
            own.iter().map(|p| p.name.as_str()).filter(|name| made.values().any(|m| m.uses(name))).collect();
        let mut all = BTreeMap::new();
        for (name, made) in &made {
            let unknown = || SourceError::UnknownParameter { parameter: made.source().to_owned() };
            let from = own.iter().find(|p| p.name == made.source()).ok_or_else(unknown)?;
            let info = ParameterInfo { name: name.clone(), shape: made.shape().to_vec(), ..from.clone() };
            all.insert(name.clone(), (info, made.clone()));
        }
        let kept = own.iter().filter(|p| !used.contains(p.name.as_str()) && !all.contains_key(&p.name)).cloned();
        let mut list: Vec<ParameterInfo> = kept.chain(all.values().map(|(info, _)| info.clone())).collect();
        list.sort();
        Ok(Self { stored, made: all, list })
    }
}

impl ParameterSource for Derived {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        Ok(self.list.clone())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let Some((info, made)) = self.made.get(name) else { return self.stored.read(name, offset, out) };
        check_range(name, info.size(), offset, out.len())?;
        match made {
            Made::Part(part) => part.read(&self.stored, offset, out),
            Made::Normed(normed) => normed.read(&self.stored, offset, out),
        }
    }

    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        match self.made.contains_key(name) {
            true => Err(SourceError::NoBytes { parameter: name.to_owned() }),
            false => self.stored.read_bytes(name, offset, out),
        }
    }

    fn rounding(&self, name: &str) -> Result<Option<f64>, SourceError> {
        self.stored.rounding(self.made.get(name).map_or(name, |(_, made)| made.source()))
    }

    fn left_out(&self) -> Vec<(String, String)> {
        self.stored.left_out()
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        match self.made.get(name) {
            // Values of a turned tensor lie far apart.
            Some(_) => {}
            None => self.stored.prefetch(name, offset, length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::InMemory;
    use crate::source::part::RowRun;

    #[test]
    fn made_tensors_take_the_place_of_those_they_are_made_of() -> Result<(), SourceError> {
        let stored = InMemory::new()
            .with_parameter("fused", [4, 2], (0..8).map(|i| i as f32).collect())?
            .with_parameter("norm", [2], vec![8.0, 9.0])?;
        let rows = |first| Part { rows: vec![RowRun::consecutive(first, 2)], ..Part::whole("fused", &[4, 2], &[2, 2]) };
        let made = BTreeMap::from([("k".to_owned(), Made::Part(rows(2))), ("q".to_owned(), Made::Part(rows(0)))]);
        let view = Derived::new(Arc::new(stored.clone()), made)?;
        let list = view.parameters()?;
        let listed: Vec<(&str, &[usize])> = list.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
        assert_eq!(listed, [("k", &[2, 2][..]), ("norm", &[2]), ("q", &[2, 2])]);
        let mut out = [0.0; 2];
        view.read("k", 1, &mut out)?;
        assert_eq!(out, [5.0, 6.0]);
        view.read("norm", 0, &mut out)?;
        assert_eq!(out, [8.0, 9.0]);
        assert!(matches!(view.read("k", 3, &mut out), Err(SourceError::OutOfRange { .. })));
        let unknown = BTreeMap::from([("q".to_owned(), Made::Part(Part::whole("gone", &[2], &[2])))]);
        assert!(matches!(Derived::new(Arc::new(stored), unknown), Err(SourceError::UnknownParameter { .. })));
        Ok(())
    }
}
