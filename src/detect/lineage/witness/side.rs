//! What the lines of two models, read side by side, say about which of the two came first.

use super::decay::shrunk;
use crate::detect::lineage::edits::edit;
use crate::detect::lineage::index::Member;
use crate::detect::lineage::weights::Weights;
use crate::error::Error;
use crate::evidence::Lines;
use crate::geometry::Geometry;
use crate::model_set::{ModelId, Position};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What the lines of one model, read beside those of another, say about which of the two came first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Side {
    /// The evidence of the imprint that the reference came first, in nats.
    imprint: f64,
    /// The evidence of kurtosis that the reference came first, in nats, if tails grow.
    kurtosis: f64,
    /// `Greater` when exact lines of the member are smaller than those of the reference.
    shrank: Ordering,
    /// The evidence of directions that the member lacks that the reference came first, in nats.
    removal: f64,
}

impl Side {
    /// What the lines of a reference say of one of their members.
    ///
    /// Where these lines allow that directions were taken out of one of the two, both are read again.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more.
    pub(super) fn of(
        geometry: &Geometry,
        reference: ModelId,
        lines: &Lines,
        member: Position<Lines>,
        weights: &Weights,
    ) -> Result<Self, Error> {
        let (shrank, numbers) = (shrunk(lines, member, weights), &weights.witnesses);
        let models = [reference, lines.members()[member.index()]];
        if lines.projected(member)
            && let Some(increments) = geometry.read_increment(models[0], models[1])?
            && let Some(edit) = edit(geometry, models, &increments, weights)?
        {
            let nats = numbers.removal.nats(&edit);
            let removal = if edit.earlier == reference { nats } else { -nats };
            // Where nothing was trained, lines that grew say nothing of which came first.
            return Ok(Self { imprint: 0.0, kurtosis: 0.0, shrank, removal });
        }
        let imprints = lines.imprints(member);
        let (imprint, kurtosis) = (numbers.imprint.nats(imprints), numbers.kurtosis.nats(imprints));
        Ok(Self { imprint, kurtosis, shrank, removal: 0.0 })
    }

    /// What is known of the reference `a` and the member `b`, whichever of the two was the reference.
    pub(super) fn between(sides: &BTreeMap<(Member, Member), Self>, a: Member, b: Member) -> Option<Self> {
        match (sides.get(&(a, b)), sides.get(&(b, a)).map(|s| s.reversed())) {
            // Two measurements are equal up to rounding. Their mean does not depend on the order of members.
            (Some(&one), Some(other)) => {
                let mean = |of: fn(Self) -> f64| (of(one) + of(other)) / 2.0;
                Some(Self { imprint: mean(Self::imprint), kurtosis: mean(Self::kurtosis), ..one })
            }
            (one, other) => one.copied().or(other),
        }
    }

    /// The same with the two exchanged.
    fn reversed(self) -> Self {
        let shrank = self.shrank.reverse();
        Self { imprint: -self.imprint, kurtosis: -self.kurtosis, shrank, removal: -self.removal }
    }

    pub(super) fn imprint(self) -> f64 {
        self.imprint
    }

    pub(super) fn kurtosis(self) -> f64 {
        self.kurtosis
    }

    pub(super) fn shrank(self) -> Ordering {
        self.shrank
    }

    pub(super) fn removal(self) -> f64 {
        self.removal
    }
}
