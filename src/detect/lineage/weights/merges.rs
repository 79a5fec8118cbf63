use crate::parent::numbers;

numbers! {
    /// The numbers that separate a merge from a child. The test is the affine combination of few models nearest to the model.
    ///
    /// `ρ` is the squared distance that the combination leaves over, as a share of the squared distance to the nearest parent.
    pub struct Merges {
        /// Parents looked for before superfluous ones are taken out again.
        steps: usize = 6, "models", 1.0..=1e6,
            "Merges of more than five models are rare.";
        /// A parent of less weight is none.
        least_weight: f64 = 0.03, "share of the child", 0.0..=1.0,
            "A share this small is met by chance among many models.";
        /// A parent is superfluous when without it ρ grows by less than this factor.
        superfluous: f64 = 3.0, "ratio of ρ", 1.0..=1e9,
            "One parent more always lowers ρ a little.";
        /// The most ρ of a merge that was not trained on.
        left_over: f64 = 0.05, "ρ", 0.0..=1.0,
            "Rounding in storage leaves 1e-3, spherical interpolation 0.02, the likest ordinary child 0.15.";
        /// The most sum of absolute weights of a mean.
        convex: f64 = 1.05, "sum of absolute weights", 1.0..=1e9,
            "A mean has exactly 1; the rest is rounding and spherical interpolation.";
        /// The most sum of absolute weights of any merge.
        extrapolated: f64 = 2.5, "sum of absolute weights", 1.0..=1e9,
            "Beyond it the combination explains one of the parents better than the child.";
        /// The fewest members among whom a mean of strangers, or a likeliest root, can be found.
        fewest: usize = 3, "members", 3.0..=1e9,
            "Of two models neither is a combination.";
        /// The most ρ of a merge that was trained on.
        trained_left_over: f64 = 0.25, "ρ", 0.0..=1.0,
            "It must look like a mean in every parameter besides.";
        /// The least weight of each parent of a merge that was trained on.
        trained_least: f64 = 0.15, "share of the child", 0.0..=1.0,
            "What a child drifts toward a sibling by chance stays below it.";
        /// The most weight of each parent of a merge that was trained on.
        trained_most: f64 = 0.85, "share of the child", 0.0..=1.0,
            "The rest of the least weight.";
        /// The most that such a weight varies between parameters, as a median deviation.
        trained_spread: f64 = 0.1, "share of the child", 0.0..=1e9,
            "A mean has one weight in all parameters; a drift has not.";
        /// The fewest parameters that such a weight is known from.
        trained_parameters: usize = 3, "parameters", 1.0..=1e9,
            "Of two numbers the median deviation says nothing.";
        /// The most of `Σ w² d²(child, parent)` that is left over.
        opposed: f64 = 0.3, "share", 0.0..=1e9,
            "Parents point away from one another as seen from a merge; children leave all of it.";
        /// Increments from the root nearer in direction than this are one lineage.
        one_lineage: f64 = 0.7, "cosine", -1.0..=1.0,
            "A point further along one training run is no merge.";
        /// Probability that a mean is a merge.
        convex_confidence: f64 = 0.95, "probability", 0.0..=0.999999,
            "By design: there are too few merges to count.";
        /// Probability that an extrapolated combination is a merge.
        extrapolated_confidence: f64 = 0.9, "probability", 0.0..=0.999999,
            "By design: there are too few merges to count.";
        /// Probability that a sum of masked increments is a merge.
        masked_confidence: f64 = 0.8, "probability", 0.0..=0.999999,
            "By design: there are too few merges to count.";
        /// Probability that a merge that was trained on is one.
        trained_confidence: f64 = 0.6, "probability", 0.0..=0.999999,
            "By design: there are too few merges to count.";
    }
}

numbers! {
    /// The numbers that recognize a merge of masked increments, TIES or DARE.
    pub struct Masked {
        /// The least share of values, in every matrix that changed, that are where the root has them.
        untouched: f64 = 0.1, "share of values", 0.0..=1.0,
            "Masks of density ½ leave ¼; training in F32 leaves none but dead lines.";
        /// The most that one such share is of another.
        alike: f64 = 2.0, "ratio", 1.0..=1e9,
            "Dead inputs keep more of the first layer than of others.";
        /// The least weight of a parent in all parameters together.
        least_weight: f64 = 0.15, "share of the increment", 0.0..=1.0,
            "As for merges that were trained on.";
        /// The most that a weight varies between parameters, as a median deviation.
        spread: f64 = 0.15, "share of the increment", 0.0..=1e9,
            "Masks are drawn anew in every parameter, so that weights vary more than those of a mean.";
    }
}
