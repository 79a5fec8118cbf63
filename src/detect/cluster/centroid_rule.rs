//! The α rule: whether a centroid becomes a mean or a member in an iteration.

use super::clusterer::MemberScores;
use super::settings::parsed;
use crate::error::Error;
use crate::parent::lowest;
use rand::{Rng, RngCore};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

/// The share α of iterations in which centroids become means. In the others they become the member that the parent selector
/// prefers.
///
/// α = 1 is the paper's *identify after clustering*: the selector takes no part until clusters are final. α < 1 is *identify
/// along clustering*.
///
/// It is a setting of [`CentroidDetector`](crate::detect::cluster::CentroidDetector), the only detector that follows it.
///
/// Source: Yu & Wang, *Neural Phylogeny*, ICLR 2025, <https://openreview.net/forum?id=jv2zHOalpL>.
///
/// ```
/// use neural_phylogeny::detect::cluster::{Alpha, CentroidDetector, KMeans, MeanShift};
/// let along = CentroidDetector::new(KMeans::new()).with_alpha(0.5);
/// let swept = CentroidDetector::new(MeanShift::new()).with_alpha(Alpha::Sweep);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Alpha {
    /// A number in [0, 1]; NaN is refused.
    Fixed(f64),
    /// Every α of [`GRID`](Self::GRID), with the same random numbers. One run is kept.
    ///
    /// It is the run whose clusters differ from the [expected families](crate::detect::cluster::Points) in the fewest pairs
    /// of models, `Σ_{i<j} [same(i, j) ≠ expected(i, j)]`. Among equal runs, the one with the largest α is kept. The true
    /// families are not used, and the sweep ends early where nothing differs.
    /// [`Remark::AlphaChosen`](crate::phylogeny::Remark::AlphaChosen) reports α and that number.
    ///
    /// So the families found can be no better than the independence test (or the caller's count) allows. Where that is right,
    /// [`ExpectedFamilies`](crate::detect::cluster::ExpectedFamilies) needs no α at all.
    ///
    /// How often does it pick the best α? We tried five sets of really trained networks, with three selectors and ten seeds
    /// each, under default settings. No other α was more accurate in 150 of 150 cases for
    /// [`KMeans`](crate::detect::cluster::KMeans), and in 150 of 150 for [`MeanShift`](crate::detect::cluster::MeanShift). α
    /// mattered in 44 and 50 of them, and α = 1 was best in 144 and 110. The independence test finds the true families of all
    /// five sets, and the criterion was chosen on them: expect less elsewhere. `docs/alpha.md` has the table, the criteria it
    /// was preferred to, and the cases where it fails.
    Sweep,
}

impl Alpha {
    /// The values of α that [`Alpha::Sweep`] tries, ascending.
    pub const GRID: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];
}

impl Alpha {
    /// Refuses NaN and numbers outside [0, 1].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] for such a number.
    pub fn check(self) -> Result<(), Error> {
        match self {
            Self::Fixed(alpha) if !(0.0..=1.0).contains(&alpha) => {
                let found = alpha.to_string();
                Err(Error::InvalidSetting { setting: "alpha", found, expected: "a number from 0 to 1" })
            }
            _ => Ok(()),
        }
    }
}

/// The default is 1: means only.
impl Default for Alpha {
    fn default() -> Self {
        Self::Fixed(1.0)
    }
}

impl From<f64> for Alpha {
    fn from(alpha: f64) -> Self {
        Self::Fixed(alpha)
    }
}

/// Written as `sweep` or as the number.
impl fmt::Display for Alpha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(alpha) => alpha.fmt(f),
            Self::Sweep => f.pad("sweep"),
        }
    }
}

impl FromStr for Alpha {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "sweep" => Ok(Self::Sweep),
            _ => parsed("alpha", text, "a number from 0 to 1, or `sweep`").map(Self::Fixed),
        }
    }
}

/// The choice of the parent selector among members. It caches results, because clusters and windows recur.
pub(super) struct Preference<'a> {
    scores: &'a MemberScores<'a>,
    known: RefCell<HashMap<Vec<usize>, usize>>,
    /// Number of positions that `known` holds.
    held: Cell<usize>,
}

impl<'a> Preference<'a> {
    /// The most positions that are cached. They take 32 MiB.
    const MOST_HELD: usize = 1 << 22;

    /// A choice by these scores, with an empty cache.
    pub(super) fn new(scores: &'a MemberScores<'a>) -> Self {
        Self { scores, known: RefCell::default(), held: Cell::new(0) }
    }

    /// One finite score for each of some points.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidScores`] for another number of scores or one that is not finite, and the errors of the selector.
    pub(super) fn scores(&self, members: &[usize]) -> Result<Vec<f64>, Error> {
        let scores = (self.scores)(members)?;
        let invalid =
            |found: String| Error::InvalidScores { selector: "of the α rule".into(), found, expected: members.len() };
        // Scores may come from code outside this crate, so they are checked.
        if scores.len() != members.len() {
            return Err(invalid(format!("{} scores", scores.len())));
        }
        match scores.iter().find(|s| !s.is_finite()) {
            Some(score) => Err(invalid(format!("the score {score}"))),
            None => Ok(scores),
        }
    }

    /// The member of lowest score, and of equal ones the first. `members` is ascending and not empty.
    pub(super) fn of(&self, members: &[usize]) -> Result<usize, Error> {
        if let [only] = *members {
            return Ok(only);
        }
        if let Some(&known) = self.known.borrow().get(members) {
            return Ok(known);
        }
        let preferred = members[lowest(&self.scores(members)?)[0]];
        let mut known = self.known.borrow_mut();
        // Clearing the whole cache bounds its memory. Sets that recur are soon cached again.
        if self.held.get() + members.len() > Self::MOST_HELD {
            known.clear();
            self.held.set(0);
        }
        self.held.set(self.held.get() + members.len());
        known.insert(members.to_vec(), preferred);
        Ok(preferred)
    }
}

/// The α rule of one run: α, and the selector for the iterations without means.
///
/// Each iteration draws u ~ U(0, 1) once for all centroids. If u < α, every centroid becomes its mean. Otherwise it becomes the
/// member that the parent selector prefers.
#[derive(Clone, Copy)]
pub(super) struct CentroidRule<'a> {
    alpha: f64,
    /// The choice of the selector; `None` at α = 1 and without a selector.
    preference: Option<&'a Preference<'a>>,
}

impl<'a> CentroidRule<'a> {
    /// A rule. Without a selector it has means only.
    pub(super) fn new(alpha: f64, preference: Option<&'a Preference<'a>>) -> Self {
        Self { alpha, preference: preference.filter(|_| alpha < 1.0) }
    }

    /// Draws the kind of one iteration: `None` for means, otherwise the selector to use.
    ///
    /// At α = 1 nothing is drawn. The random numbers, and with them the result, are then those of the unchanged clusterer.
    pub(super) fn draw(&self, rng: &mut dyn RngCore) -> Option<&'a Preference<'a>> {
        let preference = self.preference?;
        (rng.r#gen::<f64>() >= self.alpha).then_some(preference)
    }

    /// The selector, where it takes part: below α = 1.
    pub(super) fn preference(&self) -> Option<&'a Preference<'a>> {
        self.preference
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn by_position(members: &[usize]) -> Result<Vec<f64>, Error> {
        Ok(members.iter().map(|&m| m as f64).collect())
    }

    #[test]
    fn alpha_is_a_number_from_0_to_1() {
        for alpha in [0.0, 0.25, 1.0] {
            assert!(Alpha::from(alpha).check().is_ok());
        }
        for alpha in [-0.1, 1.000_001, f64::NAN, f64::INFINITY] {
            assert!(matches!(Alpha::from(alpha).check(), Err(Error::InvalidSetting { setting: "alpha", .. })));
        }
        assert!(Alpha::GRID.into_iter().all(|alpha| (0.0..=1.0).contains(&alpha)));
    }

    #[test]
    fn at_1_every_iteration_is_a_mean_and_nothing_is_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let untouched = rng.clone();
        let preference = Preference::new(&by_position);
        let rule = CentroidRule::new(1.0, Some(&preference));
        assert!((0..100).all(|_| rule.draw(&mut rng).is_none()));
        assert!(rule.preference().is_none());
        assert_eq!(rng, untouched);
    }

    #[test]
    fn at_0_every_iteration_asks_the_selector() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let preference = Preference::new(&by_position);
        let rule = CentroidRule::new(0.0, Some(&preference));
        assert!((0..1000).all(|_| rule.draw(&mut rng).is_some()));
    }

    /// The smallest number that can be drawn is 0: at α = 0 `u <= α` would now and then be a mean.
    #[test]
    fn a_draw_equal_to_alpha_asks_the_selector() {
        let preference = Preference::new(&by_position);
        // Draws 0, then one half: the bits of a `gen::<f64>()` are the upper 53 of one word.
        for (alpha, word) in [(0.0, 0), (0.5, 1 << 63)] {
            let rule = CentroidRule::new(alpha, Some(&preference));
            assert!(rule.draw(&mut rand::rngs::mock::StepRng::new(word, 0)).is_some(), "α = {alpha}");
        }
        let rule = CentroidRule::new(0.5, Some(&preference));
        assert!(rule.draw(&mut rand::rngs::mock::StepRng::new((1 << 63) - (1 << 11), 0)).is_none());
    }

    #[test]
    fn the_share_of_means_is_alpha() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let preference = Preference::new(&by_position);
        let rule = CentroidRule::new(0.3, Some(&preference));
        let means = (0..10_000).filter(|_| rule.draw(&mut rng).is_none()).count();
        // Four standard deviations of a binomial count.
        assert!((means as f64 - 3000.0).abs() < 4.0 * (10_000.0 * 0.3 * 0.7_f64).sqrt(), "{means}");
    }

    #[test]
    fn the_lowest_score_is_preferred_and_the_first_of_equal_ones() {
        let scores = |members: &[usize]| Ok(members.iter().map(|&m| [3.0, 1.0, 1.0 + 1e-15, 2.0][m]).collect());
        let preference = Preference::new(&scores);
        assert_eq!(preference.of(&[0, 1, 2, 3]).unwrap(), 1);
        assert_eq!(preference.of(&[0, 2, 3]).unwrap(), 2);
        assert_eq!(preference.of(&[0]).unwrap(), 0);
    }

    #[test]
    fn the_same_members_are_asked_about_once() {
        let asked = Cell::new(0);
        let scores = |members: &[usize]| {
            asked.set(asked.get() + 1);
            by_position(members)
        };
        let preference = Preference::new(&scores);
        for _ in 0..3 {
            assert_eq!(preference.of(&[4, 6]).unwrap(), 4);
            assert_eq!(preference.of(&[5, 6]).unwrap(), 5);
        }
        assert_eq!(asked.get(), 2);
    }

    #[test]
    fn scores_that_cannot_be_used_are_an_error() {
        for wrong in [vec![], vec![1.0], vec![1.0, f64::NAN], vec![1.0, f64::INFINITY], vec![1.0, 2.0, 3.0]] {
            let scores = |_: &[usize]| Ok(wrong.clone());
            let result = Preference::new(&scores).of(&[1, 2]);
            assert!(matches!(result, Err(Error::InvalidScores { expected: 2, .. })), "{result:?}");
        }
    }
}
