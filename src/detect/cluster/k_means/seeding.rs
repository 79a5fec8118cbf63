use crate::detect::cluster::centroid_rule::Preference;
use crate::detect::cluster::distances::Distances;
use crate::detect::cluster::settings::parsed;
use crate::error::Error;
use std::fmt;
use std::str::FromStr;

/// The models that [`KMeans`](super::KMeans) may begin at.
///
/// Both ways are k-means++. The first seed is drawn evenly. Each further seed is drawn with a probability proportional to its
/// squared distance to the nearest seed drawn before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Seeding {
    /// Every model may be a seed.
    #[default]
    PlusPlus,
    /// Only likely parents may be seeds: the models with the smallest scores of the parent selector, over all models at once.
    ///
    /// A far child is a likely seed of plain k-means++, and a centroid that begins there may never leave it. But it is no
    /// likely parent. Of N models, the ⌈share · N⌉ with the lowest scores are candidates, and so are those that equal the last
    /// of them. If there are fewer than K different models among them, every model is a candidate. At share 1 this is
    /// [`Seeding::PlusPlus`].
    ///
    /// Scores compare models of different families here. Those of [`SmallestNorm`](crate::parent::SmallestNorm) and
    /// [`NearestToInitialization`](crate::parent::NearestToInitialization) mean the same in every family. Those of a medoid
    /// favor the family in the middle.
    ///
    /// Only a [`CentroidDetector`](crate::detect::cluster::CentroidDetector) has these scores. A
    /// [`ClusterDetector`](crate::detect::cluster::ClusterDetector) refuses this seeding before any model is read.
    ///
    /// The paper's code has the same method with a threshold on the norm instead of a share.
    LikelyParents {
        /// The share of models that are candidates, in (0, 1]; NaN is refused.
        share: f64,
    },
}

/// The share of models that are candidates when `likely-parents` is written without one.
const LIKELY: f64 = 0.2;

/// Written as `plus-plus` or `likely-parents:SHARE`.
impl fmt::Display for Seeding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlusPlus => f.pad("plus-plus"),
            Self::LikelyParents { share } => write!(f, "likely-parents:{share}"),
        }
    }
}

/// Reads the same words. The share is 0.2 where none is given.
impl FromStr for Seeding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let expected = "`plus-plus`, `likely-parents` or `likely-parents:SHARE`, the share above 0, at most 1";
        match (text, text.strip_prefix("likely-parents:")) {
            ("plus-plus", _) => Ok(Self::PlusPlus),
            ("likely-parents", _) => Ok(Self::LikelyParents { share: LIKELY }),
            (_, Some(share)) => Ok(Self::LikelyParents { share: parsed("seeding", share, expected)? }),
            _ => Err(Error::unknown_word("seeding", text, expected)),
        }
    }
}

impl Seeding {
    /// Refuses a share out of range.
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Self::LikelyParents { share } if !(share > 0.0 && share <= 1.0) => Err(Error::InvalidSetting {
                setting: "seeding share",
                found: share.to_string(),
                expected: "a number above 0, at most 1",
            }),
            _ => Ok(()),
        }
    }

    /// Refuses seeds by scores where no parent selector takes part, and a share out of range.
    pub(super) fn check_alone(self) -> Result<(), Error> {
        self.check()?;
        match self {
            Self::PlusPlus => Ok(()),
            Self::LikelyParents { .. } => Err(Self::without_scores()),
        }
    }

    fn without_scores() -> Error {
        let expected =
            "plus-plus, or a `CentroidDetector` around the clusterer: no parent selector takes part elsewhere";
        Error::InvalidSetting { setting: "seeding", found: "likely parents".to_owned(), expected }
    }

    /// The points that seeds are drawn from.
    pub(super) fn candidates(
        self,
        distances: &Distances,
        families: usize,
        preference: Option<&Preference<'_>>,
    ) -> Result<Vec<usize>, Error> {
        let n = distances.squared.nrows();
        let all: Vec<usize> = (0..n).collect();
        let Self::LikelyParents { share } = self else { return Ok(all) };
        let preference = preference.ok_or_else(Self::without_scores)?;
        let scores = preference.scores(&all)?;
        let mut sorted = scores.clone();
        sorted.sort_by(f64::total_cmp);
        // Models that equal the last candidate are candidates too, so that no order decides between them.
        let last = sorted[((share * n as f64).ceil() as usize).clamp(1, n) - 1];
        let candidates: Vec<usize> = all.iter().copied().filter(|&i| scores[i] <= last).collect();
        // Fewer different candidates than families could not give each family a seed.
        Ok(if different(distances, &candidates, families) { candidates } else { all })
    }
}

/// Whether some points lie at `count` or more different places.
fn different(distances: &Distances, points: &[usize], count: usize) -> bool {
    let mut places: Vec<usize> = Vec::new();
    for &i in points {
        if places.len() < count && places.iter().all(|&p| distances.squared[(p, i)] > distances.negligible()) {
            places.push(i);
        }
    }
    places.len() >= count
}
