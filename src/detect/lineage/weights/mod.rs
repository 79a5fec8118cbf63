//! All numbers of the default detector.

mod copies;
mod in_part;
mod merges;
mod stages;
mod table;

pub use copies::{Copies, Tolerances};
pub use in_part::InPart;
pub use merges::{ByTensor, Layers, Masked, Merges};
pub use stages::{Confidence, Edits, Parents, Presence, Relations, Root};

use super::witness::WitnessWeights;
use crate::error::Error;
use crate::parent::{Number, NumberGroup, PrecedenceWeights};

/// All numbers of the [`LineageDetector`](crate::detect::LineageDetector), grouped by the stage that uses them.
///
/// `Default` gives the numbers that the detector is documented and measured with. Each field states its unit, its range and the
/// reason for its value. One table in docs/method.md holds them all. Those of the imprint were fitted, on sets made for that.
///
/// With the feature `serde`, weights can be read from and written to any format of serde. A missing field has its default, and
/// an unknown field is an error.
///
/// ```
/// use neural_phylogeny::detect::{LineageDetector, Weights};
///
/// let mut weights = Weights::default();
/// weights.witnesses.counters.root = 6.0;
/// assert!(weights.check().is_ok());
/// let detector = LineageDetector::new().with_weights(weights);
///
/// weights.copies.certain = f64::NAN;
/// assert!(weights.check().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Weights {
    /// How models are recognized that are kin in a part of their tensors alone.
    pub in_part: InPart,
    /// How copies and conversions are recognized.
    pub copies: Copies,
    /// How merges are recognized.
    pub merges: Merges,
    /// How merges whose weights differ by tensor are recognized.
    pub by_tensor: ByTensor,
    /// How models put together from tensors of others are recognized.
    pub layers: Layers,
    /// How merges of masked increments are recognized.
    pub masked: Masked,
    /// How distances and angles to all members are weighed.
    pub precedence: PrecedenceWeights,
    /// How the root is found among the members.
    pub root: Root,
    /// How the detector decides whether the root is in the set.
    pub presence: Presence,
    /// How the parent of a member is found.
    pub parents: Parents,
    /// How much each witness counts.
    pub witnesses: WitnessWeights,
    /// How the tree as a whole is weighed.
    pub confidence: Confidence,
    /// How directions taken out of a model are recognized.
    pub edits: Edits,
    /// How the relation of a child to its parent is named.
    pub relations: Relations,
    /// How far rounding may go.
    pub tolerances: Tolerances,
}

impl Weights {
    /// Checks every number.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] when a number is NaN or outside its range.
    pub fn check(&self) -> Result<(), Error> {
        self.groups().into_iter().flat_map(|(_, numbers)| numbers).try_for_each(|number| number.check())
    }

    /// The groups in the order of the table, each with its path and its numbers.
    pub(super) fn groups(&self) -> Vec<(String, Vec<Number>)> {
        let mut groups: Vec<(String, Vec<Number>)> = [
            ("in_part", self.in_part.numbers()),
            ("copies", self.copies.numbers()),
            ("merges", self.merges.numbers()),
            ("by_tensor", self.by_tensor.numbers()),
            ("layers", self.layers.numbers()),
            ("masked", self.masked.numbers()),
            ("precedence", self.precedence.numbers()),
            ("root", self.root.numbers()),
            ("presence", self.presence.numbers()),
            ("parents", self.parents.numbers()),
        ]
        .map(|(name, numbers)| (name.to_owned(), numbers))
        .to_vec();
        groups
            .extend(self.witnesses.groups().into_iter().map(|(name, numbers)| (format!("witnesses.{name}"), numbers)));
        groups.push(("confidence".to_owned(), self.confidence.numbers()));
        groups.push(("edits".to_owned(), self.edits.numbers()));
        groups.push(("relations".to_owned(), self.relations.numbers()));
        groups.push(("tolerances".to_owned(), self.tolerances.numbers()));
        groups
    }

    /// Sets one number, given its group and its own name.
    #[cfg(test)]
    pub(super) fn set(&mut self, group: &str, name: &str, value: f64) {
        match group {
            "in_part" => self.in_part.set(name, value),
            "copies" => self.copies.set(name, value),
            "merges" => self.merges.set(name, value),
            "by_tensor" => self.by_tensor.set(name, value),
            "layers" => self.layers.set(name, value),
            "masked" => self.masked.set(name, value),
            "precedence" => self.precedence.set(name, value),
            "root" => self.root.set(name, value),
            "presence" => self.presence.set(name, value),
            "parents" => self.parents.set(name, value),
            "confidence" => self.confidence.set(name, value),
            "edits" => self.edits.set(name, value),
            "relations" => self.relations.set(name, value),
            "tolerances" => self.tolerances.set(name, value),
            witness => self.witnesses.set(witness.trim_start_matches("witnesses."), name, value),
        }
    }
}
