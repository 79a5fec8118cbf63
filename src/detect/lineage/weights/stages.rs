use crate::parent::numbers;

numbers! {
    /// The numbers of the first question: which member is the root?
    pub struct Root {
        /// Members that all witnesses compare, the first by distances and angles.
        rivals: usize = 4, "members", 2.0..=1e9,
            "Each costs a comparison with all members.";
        /// What each factor of e in the number of a member's neighbors in the likeliest tree says for it as the root.
        neighbors: f64 = 2.0, "nats", 0.0..=1e3,
            "A root has more children than others. Between 1.5 and 3 results are the same; without it leaves of stars become roots.";
        /// Roots less probable than this are left out of the sum over roots.
        least: f64 = 0.02, "probability", 0.0..=1.0,
            "Each costs a whole tree; what is left out counts for no parent in the set.";
        /// The most roots in that sum.
        most: usize = 3, "members", 1.0..=1e9,
            "Each costs a whole tree, n³ operations.";
    }
}

numbers! {
    /// The numbers of the second question: is the root in the set, or are its children siblings of a missing one?
    pub struct Presence {
        /// The probability that the root is in the set, before anything is measured.
        prior: f64 = 0.9, "probability", 1e-6..=0.999999,
            "Those who collect fine-tunes mostly have their base too. An absent root and a sibling that hardly moved are the same to all that weights say, so that the prior decides there.";
        /// Lineages of no more members are not tested.
        few: usize = 3, "members", 2.0..=1e9,
            "Two branches of one model each cannot contradict a third.";
        /// The probability of an inner model that is not in the set, where siblings share whole tensors which their parent lacks.
        inner: f64 = 0.9, "probability", 1e-6..=0.999999,
            "By design: the tensors are equal bit for bit, and a sibling that was read as one may be the model itself.";
        /// Log odds of its presence where ranks of low-rank increments add up from it, and against it where they add up from a model
        /// that is not there.
        ranks: f64 = 6.0, "nats", 0.0..=1e3,
            "Ranks are whole numbers and exact: by chance two increments hardly ever have directions in common.";
        /// Branches that share a line which the supposed root lacks, and so rule it out.
        contradicting: usize = 3, "branches", 1.0..=1e9,
            "Two may be one branch that was taken for two; three are not.";
        /// Log odds of its presence then.
        contradicted: f64 = -4.0, "nats", -1e3..=0.0,
            "One in fifty such contradictions is chance.";
        /// Branches that cast doubt on it.
        doubting: usize = 2, "branches", 1.0..=1e9,
            "They may be one after all.";
        /// Log odds of its presence then.
        doubted: f64 = -1.0, "nats", -1e3..=0.0,
            "Chosen among round values by log loss over the second set and the larger zoo.";
        /// Log odds for each factor of e in the median number of branches that rule a child of the root out.
        telling: f64 = 1.3, "nats", 0.0..=1e3,
            "Chosen among round values by log loss over the second set and the larger zoo.";
        /// So many branches are as likely with the root present as without it.
        even_branches: f64 = 1.5, "branches", 1e-3..=1e9,
            "Chosen among round values by log loss over the second set and the larger zoo.";
    }
}

numbers! {
    /// The numbers of the third question: which member is the parent, given the root?
    pub struct Parents {
        /// Candidates whose angles, distances, norms and tensors stay below this are looked at no further.
        hopeless: f64 = -12.0, "nats", -1e3..=0.0,
            "One in a hundred thousand; it saves reading lines of most pairs.";
        /// What a candidate loses that has what training cannot undo.
        excluded: f64 = -20.0, "nats", -1e3..=0.0,
            "More than all other evidence together can be in practice.";
        /// Candidates of each member whose lines are compared with its own.
        compared: usize = 3, "members", 0.0..=1e9,
            "Each costs a comparison of both; with one, five edges of the second set change.";
        /// What the root is worth as a parent, besides being as likely as all other members together.
        root: f64 = 0.5, "nats", -1e3..=1e3,
            "Between 0 and 1 results are the same; it keeps siblings apart, and lines of descent need it small.";
        /// How many independent tests all parameters together are worth.
        independent: f64 = 4.0, "tests", 0.0..=1e6,
            "Parameters of one network agree more than independent ones; four makes probabilities right about as often as they say.";
        /// The least share of each parent of a merge that a child of the merge has, next to the parent's weight.
        least_share: f64 = 0.5, "share", 0.0..=1e3,
            "A child of a merge keeps nearly all of it; what drifted with one parent has less of the others.";
    }
}

numbers! {
    /// The numbers of the tree as a whole and of what is reported of it.
    pub struct Confidence {
        /// Share of edges below the supposed root that hold although it is a sibling of its children.
        without_root: f64 = 0.5, "probability", 0.0..=1.0,
            "What all have in common with a sibling looks inherited.";
        /// Candidates listed for each model, besides no parent in the set.
        listed: usize = 8, "candidates", 1.0..=1e9,
            "A file of many models stays readable.";
    }
}

numbers! {
    /// The numbers that tell directions taken out of a model from other changes of low rank.
    pub struct Edits {
        /// The most of an increment that is not along what the earlier model has in its directions.
        beside: f64 = 0.1, "share of the increment", 0.0..=1.0,
            "Adapters of low rank leave nearly all of it, rounding to BF16 some 0.01.";
        /// Fewer changed lines for each direction are lines that were set to zero or scaled.
        spread: f64 = 4.0, "lines", 0.0..=1e9,
            "A line set to zero is a direction of its own; the directions of behaviors have a part in every line.";
        /// The most that is left along the directions, in all matrices together.
        kept: f64 = 0.9, "share of the norm", 0.0..=1.0,
            "Who takes a direction out takes more than a tenth of it; reflections leave all.";
        /// What is left of a direction that is gone, besides rounding.
        exact: f64 = 1e-3, "share of the norm", 0.0..=1.0,
            "Projections in F32 leave 5e-8, and those by a direction of three digits this much.";
        /// What is left of a direction that is gone, in units of what the rounding of storage may leave.
        roundings: f64 = 2.0, "roundings", 0.0..=1e6,
            "Most values are rounded by less than half a step; a script may round in between.";
        /// The largest angle, as a sine, between directions that are the same.
        alike: f64 = 0.1, "sine", 0.0..=1.0,
            "Rounding to BF16 turns a direction by some hundredths; those of two layers are farther apart.";
    }
}

numbers! {
    /// The numbers that name how a child came from its parent.
    pub struct Relations {
        /// A child that moved by more than this of its parent's norm was trained on far.
        far: f64 = 1.0, "parent norms", 0.0..=1e9,
            "It then has more of its own than of its parent.";
    }
}
