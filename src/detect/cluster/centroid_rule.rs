//! The α rule: what a centroid becomes in one iteration.

use super::clusterer::PreferMember;
use crate::error::Error;
use rand::{Rng, RngCore};

/// The share of iterations in which centroids become means: a number in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Alpha(f64);

impl Alpha {
    /// Refuses NaN and anything outside [0, 1].
    pub(super) fn new(alpha: f64) -> Result<Self, Error> {
        if (0.0..=1.0).contains(&alpha) {
            Ok(Self(alpha))
        } else {
            Err(Error::InvalidSetting { setting: "alpha", found: alpha.to_string(), expected: "a number from 0 to 1" })
        }
    }
}

/// α and who is asked when it is not the mean's turn.
///
/// Each iteration draws u ~ U(0, 1) once for all centroids. If u < α every centroid becomes its mean, else the member that the
/// parent selector prefers.
#[derive(Clone, Copy)]
pub(super) struct CentroidRule<'a> {
    alpha: Alpha,
    prefer: Option<&'a PreferMember<'a>>,
}

impl<'a> CentroidRule<'a> {
    /// A rule without a selector is possible at α = 1 only.
    pub(super) fn new(alpha: f64, prefer: Option<&'a PreferMember<'a>>) -> Result<Self, Error> {
        let alpha = Alpha::new(alpha)?;
        if prefer.is_none() && alpha.0 < 1.0 {
            return Err(Error::InvalidSetting {
                setting: "alpha",
                found: alpha.0.to_string(),
                expected: "1 where no parent selector takes part",
            });
        }
        Ok(Self { alpha, prefer })
    }

    /// Draws the kind of one iteration: `None` for means, else the selector to ask.
    ///
    /// Nothing is drawn at α = 1, so that the random numbers, and with them the result, are those of the untouched clusterer.
    pub(super) fn draw(&self, rng: &mut dyn RngCore) -> Option<Member<'a>> {
        let member = self.member()?;
        (rng.r#gen::<f64>() >= self.alpha.0).then_some(member)
    }

    /// The selector, where it takes part at all: below α = 1.
    pub(super) fn member(&self) -> Option<Member<'a>> {
        self.prefer.filter(|_| self.alpha.0 < 1.0).map(|prefer| Member { prefer })
    }
}

/// An iteration in which the selector chooses.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    prefer: &'a PreferMember<'a>,
}

impl Member<'_> {
    /// The member that the selector prefers. `members` is not empty.
    pub(super) fn of(&self, clusterer: &'static str, members: &[usize]) -> Result<usize, Error> {
        let chosen = (self.prefer)(members)?;
        if members.contains(&chosen) {
            return Ok(chosen);
        }
        Err(Error::Clustering {
            clusterer: clusterer.into(),
            models: members.len(),
            coordinates: 0,
            reason: format!("the parent selector chose model {chosen}, which is not among the members it was given"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn first(members: &[usize]) -> Result<usize, Error> {
        Ok(members[0])
    }

    #[test]
    fn alpha_is_a_number_from_0_to_1() {
        for alpha in [0.0, 0.25, 1.0] {
            assert!(Alpha::new(alpha).is_ok());
        }
        for alpha in [-0.1, 1.000_001, f64::NAN, f64::INFINITY] {
            assert!(matches!(Alpha::new(alpha), Err(Error::InvalidSetting { setting: "alpha", .. })));
        }
    }

    #[test]
    fn without_a_selector_alpha_is_1() {
        assert!(CentroidRule::new(1.0, None).is_ok());
        assert!(matches!(CentroidRule::new(0.5, None), Err(Error::InvalidSetting { setting: "alpha", .. })));
    }

    #[test]
    fn at_1_every_iteration_is_a_mean_and_nothing_is_drawn() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let untouched = rng.clone();
        let rule = CentroidRule::new(1.0, Some(&first)).unwrap();
        assert!((0..100).all(|_| rule.draw(&mut rng).is_none()));
        assert_eq!(rng, untouched);
    }

    #[test]
    fn at_0_every_iteration_asks_the_selector() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rule = CentroidRule::new(0.0, Some(&first)).unwrap();
        assert!((0..1000).all(|_| rule.draw(&mut rng).is_some()));
    }

    #[test]
    fn the_share_of_means_is_alpha() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rule = CentroidRule::new(0.3, Some(&first)).unwrap();
        let means = (0..10_000).filter(|_| rule.draw(&mut rng).is_none()).count();
        // Four standard deviations of a binomial count.
        assert!((means as f64 - 3000.0).abs() < 4.0 * (10_000.0 * 0.3 * 0.7_f64).sqrt(), "{means}");
    }

    #[test]
    fn a_choice_outside_the_members_is_an_error() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let elsewhere = |_: &[usize]| Ok(7);
        let member = CentroidRule::new(0.0, Some(&elsewhere)).unwrap().draw(&mut rng).unwrap();
        assert!(member.of("KMeans", &[1, 2]).is_err());
        assert_eq!(member.of("KMeans", &[6, 7]).unwrap(), 7);
    }
}
