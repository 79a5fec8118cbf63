//! Witnesses: evidence in the weights about which of two models came first.
//!
//! This module is for those who measure or extend the default detector. Every witness is one file and one type. The list
//! [`ALL`] holds each witness once, and every stage of the detector combines that list:
//!
//! | stage | question | what it adds up |
//! |---|---|---|
//! | root | which member is the root? | [`Witness::precedes`], [`Witness::points`] |
//! | presence | is the root in the set? | [`Witness::contradicts`], [`Witness::presence`] |
//! | parents | which member is the parent, given the root? | [`Witness::inherits`], [`Witness::forbids`] |
//!
//! A new witness needs one file with its type and its numbers, one line in the list below, and one row in docs/method.md.

pub(super) mod common_sign;
mod context;
mod hypothesis;
mod likely;
mod side;

pub use super::index::Member;
pub use context::Lineage;
pub use hypothesis::{Hypothesis, SupposedRoot};
pub(crate) use likely::Likely;

use super::weights::Weights;
use crate::parent::{Number, NumberGroup as _};
use crate::phylogeny::Signal;
use std::fmt::Debug;

/// One kind of evidence about which of two models came first.
///
/// # Contract
///
/// - Every method that returns evidence returns the natural logarithm of a likelihood ratio, and 0 where the witness knows
///   nothing. A method that is not written returns 0.
/// - [`contradicts`](Self::contradicts) is the exception: it returns counts of branches, by default none.
/// - The result depends only on what was measured of the models, never on their names or their order.
/// - Methods are called for every pair of members, from several threads.
///
/// ```
/// use neural_phylogeny::phylogeny::Signal;
/// use neural_phylogeny::detect::witness::{Lineage, Member, Witness};
///
/// /// The smaller norm came first.
/// #[derive(Debug)]
/// struct SmallerNorm;
///
/// impl Witness for SmallerNorm {
///     fn signal(&self) -> Signal {
///         Signal::new("smaller-norm", "which of the two has the smaller norm")
///     }
///
///     fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
///         let norm = |m| lineage.geometry().norm(lineage.model(m));
///         if norm(first) < norm(later) { 0.5 } else { -0.5 }
///     }
/// }
/// ```
pub trait Witness: Send + Sync + Debug {
    /// The word and the meaning that explanations show for this witness.
    fn signal(&self) -> Signal;

    /// Stage root: the evidence that `first` existed before `later`, against the reverse.
    fn precedes(&self, _lineage: &Lineage<'_>, _first: Member, _later: Member) -> f64 {
        0.0
    }

    /// Stage root: the evidence that the edge between two neighbours of the likeliest tree points from `first` to `later`.
    ///
    /// It is the same with the two exchanged, but for the sign. Where there is a [common sign](Self::common_sign), it is supposed
    /// to be right. If it is not written, it is half of what
    /// [`precedes`](Self::precedes) says the one way less the other way.
    fn points(&self, hypothesis: &Hypothesis<'_>, first: Member, later: Member) -> f64 {
        let lineage = hypothesis.lineage();
        (self.precedes(lineage, first, later) - self.precedes(lineage, later, first)) / 2.0
    }

    /// Stage root: the probability that the sign of what this witness says of edges is right. One cause then makes it right, or
    /// wrong, in all edges of a lineage.
    ///
    /// If it is not written, edges are right or wrong each for itself.
    fn common_sign(&self, _weights: &Weights) -> Option<f64> {
        None
    }

    /// Stage presence: for each member, the largest number of branches that share something which the member lacks.
    ///
    /// `branches` gives each member that is no merge the label of its branch: one member of that branch. The result is empty
    /// when the witness does not count branches.
    fn contradicts(&self, _lineage: &Lineage<'_>, _branches: &[Member]) -> Vec<usize> {
        Vec::new()
    }

    /// Stage presence: the evidence that the supposed root is the real root, against a sibling of its children.
    fn presence(&self, _supposed: &SupposedRoot<'_>) -> f64 {
        0.0
    }

    /// Stage parents: the evidence for `parent` → `child`, against `child` as a child of the root. Neither is the root.
    fn inherits(&self, _hypothesis: &Hypothesis<'_>, _parent: Member, _child: Member) -> f64 {
        0.0
    }

    /// Stage parents: the same evidence from what training cannot undo or cannot have made.
    ///
    /// It is not computed for pairs that [`inherits`](Self::inherits) has made hopeless already.
    fn forbids(&self, _hypothesis: &Hypothesis<'_>, _parent: Member, _child: Member) -> f64 {
        0.0
    }
}

/// Declares the list of witnesses, their modules, and the struct of their numbers. A row is `module: Witness, Numbers;`.
macro_rules! witnesses {
    ($($module:ident: $witness:ident, $weights:ident;)+) => {
        $(pub mod $module;)+

        /// All witnesses of the default detector, in the order in which their evidence is summed.
        pub static ALL: [&dyn Witness; COUNT] = [$(&$module::$witness),+];

        /// The number of witnesses in [`ALL`].
        pub const COUNT: usize = [$(stringify!($module)),+].len();

        /// The numbers of all witnesses.
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
        #[non_exhaustive]
        pub struct WitnessWeights {
            $(#[doc = concat!("The numbers of [`", stringify!($witness), "`](", stringify!($module), "::", stringify!($witness), ").")]
            pub $module: $module::$weights,)+
        }

        impl WitnessWeights {
            /// The groups in order, each with the name of its field.
            pub(super) fn groups(&self) -> Vec<(&'static str, Vec<Number>)> {
                vec![$((stringify!($module), self.$module.numbers())),+]
            }

            #[cfg(test)]
            pub(super) fn set(&mut self, group: &str, name: &str, value: f64) {
                match group {
                    $(stringify!($module) => self.$module.set(name, value),)+
                    _ => unreachable!("no witness is named {group}"),
                }
            }
        }
    };
}

witnesses! {
    precedence: Precedence, PrecedenceWitnessWeights;
    angle: Angle, AngleWeights;
    distance: Distance, DistanceWeights;
    slope: Slope, SlopeWeights;
    norm: Norm, NormWeights;
    imprint: Imprint, ImprintWeights;
    kurtosis: Kurtosis, KurtosisWeights;
    lines: SharedLines, LineWeights;
    decay: ExactDecay, DecayWeights;
    dtype: StoredDtype, DtypeWeights;
    counters: Counters, CounterWeights;
    vocabulary: Vocabulary, VocabularyWeights;
    removal: Removal, RemovalWeights;
    untouched: Untouched, UntouchedWeights;
    pairs: Pairs, PairWeights;
}

/// The signals that explanations of this detector can show: first those of the stages, then those of the witnesses.
pub fn signals() -> Vec<Signal> {
    let general = Signal::GENERAL.into_iter().chain([
        super::root::NEIGHBORS,
        super::presence::BRANCHES,
        super::presence::HOLDS,
        super::presence::ranks::RANKS,
    ]);
    general.chain(ALL.iter().map(|w| w.signal())).collect()
}

#[cfg(test)]
mod tests;
