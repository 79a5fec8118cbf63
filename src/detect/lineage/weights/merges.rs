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
        /// The most ρ of a merge that was not trained on, in one weight for all tensors.
        left_over: f64 = 0.003, "ρ, beside rounding", 0.0..=1.0,
            "Merges leave 1e-12; checkpoints of one run on a nearly straight line leave 0.01 to 0.05.";
        /// The most ρ of a mean that is not looked at tensor by tensor.
        exact: f64 = 1e-4, "ρ", 0.0..=1.0,
            "A linear merge in F32 leaves 1e-12.";
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
    /// The numbers that recognize a merge whose weights differ by tensor.
    ///
    /// `ρ` is what the combination of one tensor leaves over, as a share of the squared distance to the nearest parent there.
    /// *Rounding* is the squared distance that storage in the child's dtype adds to a tensor on average.
    pub struct ByTensor {
        /// The nearest models of which one must be a parent.
        reach: usize = 8, "models", 1.0..=1e9,
            "A merge lies nearer to its heaviest parent than to most others.";
        /// The pairs of models that are looked at tensor by tensor.
        pairs: usize = 6, "pairs", 1.0..=1e9,
            "The parents are among the pairs that the merge sees in the most opposite directions.";
        /// The matrices of which the nearest model is looked for.
        matrices: usize = 12, "matrices", 1.0..=1e9,
            "Each parent leads in a good part of the tensors.";
        /// The most cosine of the directions to two parents, all tensors together.
        opposed: f64 = 0.1, "cosine", -1.0..=1.0,
            "It is 0 where each tensor is that of one parent, and below 0 else.";
        /// The most ρ of any tensor, beside rounding.
        tensor_left_over: f64 = 0.1, "ρ", 0.0..=1.0,
            "F32 leaves 1e-9; the worst tensor of an ordinary child leaves 0.35 or more.";
        /// The most ρ of all tensors together, beside rounding.
        left_over: f64 = 0.02, "ρ", 0.0..=1.0,
            "F32 leaves 1e-11; of an ordinary child at least 0.24 is left.";
        /// The most that rounding adds to one tensor.
        tensor_rounding: f64 = 4.0, "rounding", 0.0..=1e9,
            "Gains near 1 round 2.2 times as far as the average, and small tensors vary.";
        /// The most that rounding adds to all tensors together.
        rounding: f64 = 1.5, "rounding", 0.0..=1e9,
            "By definition 1; values just above a power of two round farther.";
        /// A tensor tells whether it is a combination when its nearest parent is farther than this.
        above_rounding: f64 = 8.0, "rounding", 0.0..=1e9,
            "At 8 an ordinary child leaves 2 and more, all tensors together.";
        /// Rounding is at least this share of the squared norm.
        least_rounding: f64 = 1e-13, "share of the squared norm", 0.0..=1.0,
            "Sums in double precision are not exact either.";
        /// The fewest tensors that tell.
        tensors: usize = 3, "tensors", 1.0..=1e9,
            "One tensor alone may lie on a line by chance, or because one step of training moved it.";
        /// The most that a weight is below 0 or above 1.
        outside: f64 = 0.02, "share of the child", 0.0..=1.0,
            "Of three models on one line in every tensor, the one in the middle is the merge.";
        /// The most ρ of parents to which further ones are added.
        extended: f64 = 0.4, "ρ", 0.0..=1.0,
            "Two of three equal parents leave 0.25 to 0.3.";
        /// The most parents.
        most: usize = 4, "models", 2.0..=6.0,
            "Recipes with shares by layer name two models, rarely three.";
        /// Weights that vary less than this between tensors are one weight.
        same: f64 = 0.02, "share of the child", 0.0..=1.0,
            "Spherical interpolation and rounding move them by 0.01.";
        /// The most cosine of the directions to two parents of whole tensors, seen from a model between them.
        apart: f64 = 0.35, "cosine", -1.0..=1.0,
            "Siblings have 0 to 0.3; a model that was trained on lies in the direction of its parent.";
        /// The least squared distance from that model to a parent, as a share of that between the parents.
        between: f64 = 0.1, "share", 0.0..=1.0,
            "A model beside one parent sees nothing of what is between.";
        /// Probability that such a model is a merge.
        confidence: f64 = 0.95, "probability", 0.0..=0.999999,
            "By design: no ordinary child of any set came near.";
    }
}

numbers! {
    /// The numbers that recognize a model put together from whole tensors of others.
    pub struct Layers {
        /// The most parents.
        most: usize = 8, "models", 1.0..=1e9,
            "Mixtures of eight experts are the largest that are made of dense models.";
        /// The least share of the child's values that one parent gives.
        least: f64 = 0.02, "share of values", 0.0..=1.0,
            "One layer of fifty.";
        /// The most of the child's values that no parent gives.
        left_over: f64 = 0.03, "share of values", 0.0..=1.0,
            "Routers of experts are new and small.";
        /// Probability that such a model was put together.
        confidence: f64 = 0.97, "probability", 0.0..=0.999999,
            "By design: equal values in other places have no other cause. Which of two copies gave them may be open.";
    }
}

numbers! {
    /// The numbers that recognize a merge of masked increments, TIES or DARE.
    ///
    /// Shares are those of a sample of values: at most 48 matrices, 64 rows of each, 512 values of each row. A value *changed* when
    /// it is not the base's as the child's dtype stores it.
    pub struct Masked {
        /// A row or column of which this share is unchanged is left out, as is a matrix that is a donor's to this share.
        line: f64 = 0.9, "share of values", 0.0..=1.0,
            "Dead inputs, dead neurons and frozen tensors keep lines whole; a mask does not.";
        /// The least share of unchanged values outside lines for which donors are read.
        seen: f64 = 0.03, "share of values", 0.0..=1.0,
            "Ordinary children in F32 have none; two masks of density 0.8 leave 0.04.";
        /// The least share of unchanged values outside lines, beside donors of exact factors.
        untouched: f64 = 0.08, "share of values", 0.0..=1.0,
            "Three masks of density ½ leave 0.125, three of TIES more; ordinary children leave at most 0.089.";
        /// The same share from which on masks are seen without exact factors.
        untouched_alone: f64 = 0.18, "share of values", 0.0..=1.0,
            "Twice what ordinary children leave; two masks of density ½ leave 0.25.";
        /// The least share of unchanged values in one matrix, where there are no exact factors.
        least: f64 = 0.05, "share of values", 0.0..=1.0,
            "A mask leaves values in every matrix: 0.09 and more.";
        /// A changed value counts when it moved by this many steps of its dtype.
        resolved: f64 = 8.0, "steps of storage", 1.0..=1e9,
            "Nearer ones are met by chance; of 8 steps and more, one value in thirty is.";
        /// The least share of changed values that count, where there are no exact factors.
        moved: f64 = 0.35, "share of changed values", 0.0..=1.0,
            "Training in small steps leaves most values of 16 bits unchanged, and moves others by one or two steps.";
        /// The least share of changed values that are one factor times an increment of one donor alone.
        share: f64 = 0.05, "share of changed values", 0.0..=1.0,
            "Parents have 0.07 to 0.57, others 0.03, or 0.046 beside parents that have 0.3.";
        /// The same share from which on no unchanged values are needed.
        share_alone: f64 = 0.1, "share of changed values", 0.0..=1.0,
            "Masks of high density leave few values unchanged.";
        /// A donor that has less than this of the largest share is none.
        beside: f64 = 0.2, "share of the largest", 0.0..=1.0,
            "What is alike in two siblings is met in a child of one of them.";
        /// The most by which the slope of another donor's increment is off 1 where that donor is a child of the merge.
        follows: f64 = 0.25, "slope", 0.0..=1.0,
            "A child has all of its parent's change and its own beside it.";
        /// The least cosine of that increment and the change of the merge.
        along: f64 = 0.5, "cosine", -1.0..=1.0,
            "Siblings have up to 0.4; a child that kept values of the merge moved little.";
        /// The least weight of a member that may be a donor, in the increment from the base.
        donor: f64 = 0.04, "share of the increment", 0.0..=1.0,
            "Parents have 0.15 or more; values decide about the rest.";
        /// Members that lie in the direction of a donor and may be it in its place.
        mates: usize = 2, "members", 0.0..=1e9,
            "A child of a parent is as likely to be named by distances as the parent.";
        /// The least weight of a parent in all parameters together, where there are no exact factors.
        least_weight: f64 = 0.15, "share of the increment", 0.0..=1.0,
            "As for merges that were trained on.";
        /// The most that a weight varies between parameters, as a median deviation.
        spread: f64 = 0.15, "share of the increment", 0.0..=1e9,
            "Masks are drawn anew in every parameter, so that weights vary more than those of a mean.";
    }
}
