use super::Geometry;
use crate::error::Error;
use std::fmt;

/// What a geometry may lack when it was made [from distances](Geometry::of_distances); of weights and sketches it has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quantity {
    /// `‖θ_a‖²` in every parameter that distances are made of.
    Norms,
    /// Moments of values beyond the second, in every parameter that distances are made of.
    Moments,
    /// Numbers of values, in every parameter that distances are made of.
    Sizes,
    /// z-scores of kinship: norms and size of one parameter at least.
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
    /// Checks that a quantity is at hand; detectors and selectors that cannot do without it begin with this.
    ///
    /// # Errors
    ///
    /// [`Error::NotMeasured`] when it is not.
    pub fn require(&self, quantity: Quantity) -> Result<(), Error> {
        match self.lacking.contains(&quantity) {
            true => Err(Error::NotMeasured { quantity: quantity.to_string() }),
            false => Ok(()),
        }
    }
}
