use super::Geometry;
use crate::error::Error;
use std::fmt;

/// A quantity that a geometry made [from distances](Geometry::of_distances) may lack. A geometry of weights or sketches has
/// all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quantity {
    /// `‖θ_a‖²` in every parameter in the scope.
    Norms,
    /// Moments of values beyond the second, in every parameter in the scope.
    Moments,
    /// Numbers of values, in every parameter in the scope.
    Sizes,
    /// z-scores of kinship. They need norms and size of at least one parameter.
    Independence,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Norms => "norms",
            Self::Moments => "moments",
            Self::Sizes => "sizes",
            Self::Independence => "independence",
        })
    }
}

impl Geometry {
    /// Checks that the geometry has a quantity. Detectors and selectors that need it call this first.
    ///
    /// # Errors
    ///
    /// [`Error::NotMeasured`] when the geometry does not have it.
    pub fn require(&self, quantity: Quantity) -> Result<(), Error> {
        match self.lacking.contains(&quantity) {
            true => Err(Error::NotMeasured { quantity: quantity.to_string() }),
            false => Ok(()),
        }
    }
}
