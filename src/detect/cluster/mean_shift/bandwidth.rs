use crate::detect::cluster::settings::parsed;
use crate::error::Error;
use std::fmt;
use std::str::FromStr;

/// The width of the window of [`MeanShift`](super::MeanShift).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Bandwidth {
    /// The radius that best separates distances within expected families from distances between them.
    ///
    /// `b` is the distance within a family with the least `|{within > b}| / |within| + |{between ≤ b}| / |between|`. Families
    /// may all be narrower than any gap between two of them. Then `b` is the largest distance within. Every window then holds
    /// exactly one family from the first iteration on, and the result is the expected families.
    #[default]
    Expected,
    /// scikit-learn's `estimate_bandwidth`: the mean over models of the distance to their ⌊q·n_models⌋-th neighbor.
    ///
    /// A model counts as its own neighbor, and at least the first neighbor is taken. q is in [0, 1]; scikit-learn's default is
    /// 0.3.
    Quantile(f64),
    /// A distance between flattened weights, finite and above 0.
    Fixed(f64),
}

impl From<f64> for Bandwidth {
    fn from(bandwidth: f64) -> Self {
        Self::Fixed(bandwidth)
    }
}

/// Written as `expected`, `quantile:Q`, or the distance.
impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected => f.pad("expected"),
            Self::Quantile(quantile) => write!(f, "quantile:{quantile}"),
            Self::Fixed(bandwidth) => bandwidth.fmt(f),
        }
    }
}

impl FromStr for Bandwidth {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let expected = "a distance above 0, `expected`, or `quantile:Q` with Q from 0 to 1";
        match (text, text.strip_prefix("quantile:")) {
            ("expected", _) => Ok(Self::Expected),
            (_, Some(quantile)) => parsed("bandwidth", quantile, expected).map(Self::Quantile),
            (bandwidth, None) => parsed("bandwidth", bandwidth, expected).map(Self::Fixed),
        }
    }
}
