use crate::parent::numbers;

numbers! {
    /// The numbers that separate a copy from a model that was trained on.
    pub struct Copies {
        /// The most that a conversion to fewer bits moves a model, of its norm.
        rounded: f64 = 0.12, "share of the norm", 0.0..=1.0,
            "Grids of four bits move a model by about a tenth.";
        /// The most that a conversion moves one parameter, in units of what it moves another.
        alike: f64 = 12.0, "ratio", 1.0..=1e9,
            "Embeddings keep more digits than the rest in many conversions.";
        /// The most that quantization moves a model, in units of what rounding to the nearest code moves it; also, how much less
        /// it may be.
        explained: f64 = 2.0, "ratio", 1.0..=1e3,
            "GPTQ lets some values move farther so that outputs move less.";
        /// The most that noise added to a model moves it.
        perturbed: f64 = 0.04, "share of the norm", 0.0..=1.0,
            "Noise of 3 % is about the most that leaves a model usable; light fine-tunes begin at 1 %.";
        /// Two models that differ by noise are so many times nearer to each other than to any other.
        far_nearer: f64 = 2.0, "ratio", 1.0..=1e9,
            "Fine-tunes of one model lie 1.4 times as far from one another as from it.";
        /// The least share of values, and of matrices, that noise changes.
        altered: f64 = 0.5, "share of the values", 0.0..=1.0,
            "Masked increments (DARE, TIES) leave most values as they were; noise leaves those that storage rounds back.";
        /// The most that the rows of an increment are alike where it is noise, in units of chance.
        structure: f64 = 1.4, "ratio", 0.0..=1e9,
            "Rounding and noise of 15 kinds leave at most 1.01 in the median of matrices; movements by training of less than 12 % of the norm leave at least 1.9.";
        /// The least share that others have of the noise between two copies where their source is absent.
        between: f64 = 0.2, "share", 0.0..=0.5,
            "Nothing of it where the source is there, half of it where both have as much noise.";
        /// Probability that the source is the source where values prove it.
        certain: f64 = 0.98, "probability", 0.0..=0.999999,
            "By design: certain but for what nobody thought of.";
        /// The same where the copy is the one farther from the rest of the family.
        likely: f64 = 0.9, "probability", 0.0..=0.999999,
            "By design: there are too few such copies to count.";
        /// The same where one of two models alone lacks tensors, or has rows that the other lacks.
        lacking: f64 = 0.7, "probability", 0.0..=0.999999,
            "By design: heads are dropped more often than added, and vocabularies padded more often than trimmed.";
        /// The same where nothing tells which of the two was first.
        even: f64 = 0.5, "probability", 0.0..=0.999999,
            "Two equal models are alike in everything that could show an order.";
    }
}

numbers! {
    /// How far rounding may go. Each bound is far above the rounding of f64 and far below the effect of training.
    pub struct Tolerances {
        /// Below this a squared sine leaves a model and a multiple of another the same.
        collinear: f64 = 1e-10, "squared sine", 0.0..=1.0,
            "Rounding of f32 leaves about 1e-14.";
        /// What setting values to zero may leave of a squared norm.
        projected: f64 = 1e-9, "share of the squared norm", 0.0..=1.0,
            "Sums in f64 leave about 1e-13.";
        /// The same where what was left was rounded when it was stored; values then prove it.
        pruned_and_rounded: f64 = 1e-3, "share of the squared norm", 0.0..=1.0,
            "BF16 leaves about 1e-4 of a matrix of some thousand values.";
        /// A direction less new than this adds rounding to a combination, and nothing else.
        new_direction: f64 = 1e-12, "share of the squared increment", 0.0..=1.0,
            "The rounding of f64, with four digits to spare.";
        /// What a combination may leave without one of its parents, next to the nearest parent.
        superfluous: f64 = 1e-8, "share of the squared distance", 0.0..=1.0,
            "Rounding of f32 leaves about 1e-12 of a movement of 1e-2.";
        /// A remainder this much smaller than its increment is none.
        increment: f64 = 1e-12, "share of the squared increment", 0.0..=1.0,
            "The rounding of f64, with four digits to spare.";
        /// What rounding may move the factor of a line, besides five median deviations.
        factor: f64 = 3e-6, "relative", 0.0..=1.0,
            "A line counts as exact up to a residual of 1e-5.";
        /// How many median deviations a factor must be from 1.
        deviations: f64 = 5.0, "median deviations", 0.0..=1e9,
            "Five are far out of normal scatter.";
        /// Probabilities of roots nearer than this are a tie.
        tie: f64 = 1e-12, "probability", 0.0..=1.0,
            "Sums in another order differ by about 1e-15.";
        /// An edge below the likeliest into the same child by more than this is left out.
        negligible: f64 = 40.0, "nats", 1.0..=700.0,
            "One part in e^40, 4e-18, is below the rounding of f64.";
    }
}
