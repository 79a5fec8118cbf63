use std::borrow::Cow;
use std::fmt;

/// Something a person should know about how a phylogeny came about.
///
/// `Display` gives one sentence for each.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Remark {
    /// How many families were expected, by the independence test or by the caller.
    FamiliesExpected {
        /// The number of families.
        count: usize,
    },
    /// Some models have unlike layouts and cannot be compared with each other.
    LayoutGroups {
        /// How many groups of comparable models there are.
        count: usize,
    },
    /// Models have the name of their pipeline and are one part of it. Its other parts are models of their own.
    OnePart {
        /// How many models.
        count: usize,
    },
    /// Groups of models have tensors of the same shapes under names that could not be matched.
    ///
    /// They may hold one network in several vocabularies. That they were not compared says nothing about kinship.
    OtherNames {
        /// How many such groups there are.
        count: usize,
    },
    /// A clusterer ran on fewer leading coordinates than there are.
    CoordinatesReduced {
        /// The clusterer.
        clusterer: Cow<'static, str>,
        /// Coordinates used.
        used: usize,
        /// Coordinates there are.
        available: usize,
        /// Share of the total variance that the used ones hold, in [0, 1].
        #[cfg_attr(feature = "serde", serde(with = "number"))]
        variance: f64,
    },
    /// A radius was estimated, not given.
    RadiusEstimated {
        /// The setting: `bandwidth` or `eps`.
        setting: Cow<'static, str>,
        /// The estimate.
        #[cfg_attr(feature = "serde", serde(with = "number"))]
        value: f64,
        /// What it was estimated from.
        rule: Cow<'static, str>,
    },
    /// A sweep chose a value of α.
    AlphaChosen {
        /// The clusterer.
        clusterer: Cow<'static, str>,
        /// The chosen α.
        #[cfg_attr(feature = "serde", serde(with = "number"))]
        alpha: f64,
        /// Pairs of models that are of one family there and not among the expected families, or the other way round.
        disagreements: usize,
    },
    /// A covariance needed regularization to be invertible.
    Regularized {
        /// Share of the mean variance that was added to the diagonal.
        #[cfg_attr(feature = "serde", serde(with = "number"))]
        share: f64,
    },
    /// An iteration converged.
    Converged {
        /// The clusterer.
        clusterer: Cow<'static, str>,
        /// Iterations done.
        iterations: usize,
    },
    /// An iteration was stopped at its limit.
    NotConverged {
        /// The clusterer.
        clusterer: Cow<'static, str>,
        /// Iterations done.
        iterations: usize,
    },
    /// A clusterer left models out as noise.
    Noise {
        /// How many models.
        count: usize,
    },
    /// Families in which the selector found several parents equally likely.
    Ties {
        /// How many families.
        count: usize,
    },
    /// Edges were left out because they are less sure than the caller wanted.
    Withheld {
        /// How many edges.
        edges: usize,
        /// The least confidence that was wanted, in [0, 1].
        #[cfg_attr(feature = "serde", serde(with = "number"))]
        minimum: f64,
    },
    /// Distances come from sketches.
    Sketched {
        /// Parameters that were left out in part or as a whole, because models hold unlike numbers of their rows.
        left_out: Vec<String>,
    },
    /// The rank of a change could not be computed for some tensors. Relations and movements say nothing of it there.
    WithoutRank {
        /// How many tensors, counted once for each pair of models.
        tensors: usize,
    },
    /// Partial sums could not be kept. The result is whole, and a run that had been stopped would have begun again.
    Unkept {
        /// The error of the operating system.
        reason: String,
    },
    /// A sentence of an outside detector or clusterer.
    #[cfg_attr(feature = "serde", serde(with = "text"))]
    Other(String),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FamiliesExpected { count: 1 } => f.write_str("1 family expected"),
            Self::FamiliesExpected { count } => write!(f, "{count} families expected"),
            Self::LayoutGroups { count } => write!(f, "{count} groups of models that cannot be compared across groups"),
            Self::OnePart { count } => write!(
                f,
                "{count} models stand for one part of their pipeline, the unet or transformer; its other parts are models of their own"
            ),
            Self::OtherNames { count } => write!(
                f,
                "{count} groups of models have tensors of the same shapes under other names that could not be matched: \
                 they are not comparable under these names, which says nothing about kinship"
            ),
            Self::CoordinatesReduced { clusterer, used, available, variance } => {
                write!(
                    f,
                    "{clusterer} ran on {used} of {available} coordinates, {:.1} % of the variance",
                    100.0 * variance
                )
            }
            Self::RadiusEstimated { setting, value, rule } => write!(f, "{setting} {value:.6} estimated from {rule}"),
            Self::AlphaChosen { clusterer, alpha, disagreements } => {
                write!(
                    f,
                    "{clusterer} kept α = {alpha} of a sweep: {disagreements} pairs differ from the expected families"
                )
            }
            Self::Regularized { share } => write!(f, "covariances regularized by {share:e} of the mean variance"),
            Self::Converged { clusterer, iterations } => {
                write!(f, "{clusterer} converged after {iterations} iterations")
            }
            Self::NotConverged { clusterer, iterations } => {
                write!(f, "{clusterer} stopped at its limit of {iterations} iterations before converging")
            }
            Self::Noise { count } => write!(f, "{count} models left out of every cluster as noise"),
            Self::Ties { count } => write!(f, "in {count} families the parent is a tie"),
            Self::Withheld { edges, minimum } => {
                write!(f, "{edges} edges withheld as less sure than {minimum}")
            }
            Self::Sketched { left_out } if left_out.is_empty() => f.write_str("distances are those of sketches"),
            Self::Sketched { left_out } => write!(
                f,
                "distances are those of sketches, which could not compare all of {}: models hold unlike numbers of rows",
                left_out.join(", ")
            ),
            Self::WithoutRank { tensors } => {
                write!(
                    f,
                    "the rank of the change could not be computed for {tensors} tensors, and had no part in the result"
                )
            }
            Self::Unkept { reason } => write!(
                f,
                "partial sums could not be kept ({reason}): the result is whole, a stopped run would have begun again"
            ),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// JSON has no infinity, so that a number that is not finite is written as a text.
#[cfg(feature = "serde")]
mod number {
    use serde::de::{Deserializer, Error};
    use serde::{Deserialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.collect_str(value) }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(number),
            Written::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

/// A tagged variant holds fields, not a bare text.
#[cfg(feature = "serde")]
mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Text<'a> {
            text: &'a str,
        }
        Text { text }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        #[derive(Deserialize)]
        struct Text {
            text: String,
        }
        Text::deserialize(deserializer).map(|written| written.text)
    }
}
