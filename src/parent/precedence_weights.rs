use super::number::numbers;

numbers! {
    /// The numbers of [`Precedence`](super::Precedence).
    pub struct PrecedenceWeights {
        /// Distances below this share of the median distance count alike.
        floor: f64 = 1e-3, "share of the median distance", 0.0..=1.0,
            "Rounding in storage moves models by less, and training by more.";
        /// Scale of the cosine between increments of siblings, to the acute side.
        acute: f64 = 0.3, "cosine", 1e-6..=1e6,
            "Fine-tunes of one parent drift alike, by cosines of 0.05 to 0.3; set by eye on eight sets.";
        /// Scale of the same cosine, to the obtuse side.
        obtuse: f64 = 0.15, "cosine", 1e-6..=1e6,
            "Siblings seldom part at an obtuse angle: half of the other scale.";
        /// The least log-likelihood of a single cosine.
        cap: f64 = 4.0, "nats", 0.0..=1e3,
            "One witness of many must not decide a pair.";
        /// Members that every member is compared with: the first by mean log distance.
        rivals: usize = 32, "members", 2.0..=1e9,
            "A bound on time: half or double changes no result on the sets at hand.";
        /// Largest number of other members that judge one pair.
        witnesses: usize = 128, "members", 1.0..=1e9,
            "A bound on time: half or double changes no result on the sets at hand.";
    }
}

impl PrecedenceWeights {
    /// ψ: log-likelihood, up to a constant, of a cosine between the increments of siblings.
    pub(crate) fn sibling_likelihood(&self, cosine: f64) -> f64 {
        -(if cosine >= 0.0 { cosine / self.acute } else { -cosine / self.obtuse }).min(self.cap)
    }

    /// The integral of the density of siblings' cosines before it is normalized.
    pub(crate) fn sibling_width(&self) -> f64 {
        self.acute + self.obtuse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_capped_and_obtuse_ones_weigh_twice() {
        let weights = PrecedenceWeights::default();
        assert_eq!(
            [0.0, 0.3, -0.3, 1.0, -1.0].map(|c| weights.sibling_likelihood(c)),
            [0.0, -1.0, -2.0, -1.0 / 0.3, -4.0]
        );
        assert_eq!(weights.sibling_width(), 0.3 + 0.15);
    }
}
