use super::ParentSelector;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::kernel::upper_median;
use crate::model_set::ModelId;

/// Scores that differ by less than this share of the largest differ by rounding alone: they are a tie.
const ROUNDING: f64 = 1e-12;

/// The choice of a selector in one family.
///
/// ```
/// use neural_phylogeny::{InMemory, ModelSet};
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
/// use neural_phylogeny::parent::{Choice, SmallestNorm};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |w| InMemory::new().with_parameter("w", [2, 2], vec![w; 4]);
/// let models = ModelSet::builder().with_model("a", model(2.0)?).with_model("b", model(1.0)?).build()?;
/// let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
///
/// let choice = Choice::new(&SmallestNorm, &geometry, &models.ids().collect::<Vec<_>>())?;
/// assert_eq!((choice.best.as_slice(), choice.margin), ([1].as_slice(), 2.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Choice {
    /// Scores in the order of the members.
    pub scores: Vec<f64>,
    /// Positions of the members with the lowest score, sorted; more than one is a tie.
    pub best: Vec<usize>,
    /// Second lowest score less the lowest; 0 for a tie, infinite for a family of one.
    pub margin: f64,
}

impl Choice {
    /// Makes the choice of a selector among some models of one group.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidScores`] when the selector does not give one finite score for each member, and whatever it returns.
    pub fn new(selector: &dyn ParentSelector, geometry: &Geometry, members: &[ModelId]) -> Result<Self, Error> {
        let scores = selector.scores(geometry, members)?;
        let invalid =
            |found: String| Error::InvalidScores { selector: format!("{selector:?}"), found, expected: members.len() };
        if scores.len() != members.len() || scores.is_empty() {
            return Err(invalid(format!("{} scores", scores.len())));
        }
        if let Some(score) = scores.iter().find(|s| !s.is_finite()) {
            return Err(invalid(format!("the score {score}")));
        }
        let best = lowest(&scores);
        let rest = (0..scores.len()).filter(|&i| i != best[0]).map(|i| scores[i]);
        let margin = if best.len() > 1 { 0.0 } else { rest.fold(f64::INFINITY, f64::min) - scores[best[0]] };
        Ok(Self { scores, best, margin })
    }

    /// How far the best member stands out, in [0, 1): 0 for a tie.
    ///
    /// It is `1 − exp(−2 m / s)`, with m the margin and s the median of all scores above the lowest, less the lowest. A parent
    /// as far below the runner-up as the runner-up is below the rest gives 0.86. The number is not calibrated: it is no
    /// probability.
    pub fn distinctness(&self) -> f64 {
        let lowest = self.best.first().map_or(0.0, |&b| self.scores[b]);
        let mut above: Vec<f64> =
            (0..self.scores.len()).filter(|i| !self.best.contains(i)).map(|i| self.scores[i] - lowest).collect();
        let typical = upper_median(&mut above).filter(|_| self.best.len() == 1);
        typical.map_or(0.0, |typical| 1.0 - (-2.0 * self.margin / typical).exp())
    }
}

/// Positions of the lowest of some finite scores, sorted; more than one is a tie.
pub(crate) fn lowest(scores: &[f64]) -> Vec<usize> {
    let lowest = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let scale = scores.iter().fold(0.0f64, |m, s| m.max(s.abs()));
    (0..scores.len()).filter(|&i| scores[i] - lowest <= ROUNDING * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(Vec<f64>);

    impl ParentSelector for Fixed {
        fn scores(&self, _: &Geometry, _: &[ModelId]) -> Result<Vec<f64>, Error> {
            Ok(self.0.clone())
        }
    }

    fn choice(scores: &[f64]) -> Result<Choice, Error> {
        use crate::geometry::GeometrySettings;
        use crate::model_set::ModelSet;
        use crate::source::InMemory;
        let mut builder = ModelSet::builder();
        for i in 0..2 {
            builder =
                builder.with_model(i.to_string(), InMemory::new().with_parameter("w", [1], vec![i as f32]).unwrap());
        }
        let geometry = Geometry::compute(&builder.build().unwrap(), &GeometrySettings::new()).unwrap();
        let members: Vec<ModelId> = (0..scores.len()).map(ModelId::new).collect();
        Choice::new(&Fixed(scores.to_vec()), &geometry, &members)
    }

    #[test]
    fn lowest_score_wins_and_equal_scores_tie() {
        let clear = choice(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((clear.best.as_slice(), clear.margin), ([1].as_slice(), 1.0));
        let tie = choice(&[1.0, 2.0, 1.0]).unwrap();
        assert_eq!((tie.best.as_slice(), tie.margin, tie.distinctness()), ([0, 2].as_slice(), 0.0, 0.0));
    }

    #[test]
    fn a_score_that_is_not_a_number_is_refused() {
        assert!(matches!(choice(&[1.0, f64::NAN]), Err(Error::InvalidScores { .. })));
    }
}
