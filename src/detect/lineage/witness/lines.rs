//! Witness: rows and columns that several members share. Who has them from whom?
//!
//! A line that no gradient reached stays as it was, or shrinks by one exact factor. Other models share it with the parent, and
//! not with a sibling that trained it.

use super::{Hypothesis, Lineage, Member, Witness};
use crate::evidence::{LineState, Lines};
use crate::parent::numbers;
use crate::phylogeny::Signal;

numbers! {
    /// The numbers of [`SharedLines`].
    pub struct LineWeights {
        /// Log-likelihood for each factor of e between how many members contradict the one and how many the other.
        contradiction: f64 = 1.5, "nats", 0.0..=1e3,
            "Members that share lines do not do so independently of one another.";
        /// Fewer lines than this are chance.
        least: usize = 2, "lines", 1.0..=1e9,
            "One line may come back to what it was; with four, five edges of the second set change.";
    }
}

/// Lines that other members share with one of the two models and that the other has changed. Used for root and presence.
#[derive(Clone, Copy, Debug)]
pub struct SharedLines;

impl Witness for SharedLines {
    fn signal(&self) -> Signal {
        Signal::new("lines", "rows and columns that others share with the one, and that the other has changed")
    }

    fn precedes(&self, lineage: &Lineage<'_>, first: Member, later: Member) -> f64 {
        let numbers = &lineage.weights().witnesses.lines;
        let (Some(of_later), Some(of_first)) = (lineage.lines(later), lineage.lines(first)) else { return 0.0 };
        let others = |lines: &Lines, changed: Member| {
            let kept = lineage.plain_members().filter(|&c| c != first && c != later);
            let shared = |c: Member| lines.kept_in_b_changed_in_a(changed.within(), c.within());
            kept.filter(|&c| shared(c) >= numbers.least).count() as f64
        };
        // Adding 1 keeps the logarithm finite where nobody contradicts.
        numbers.contradiction * ((1.0 + others(of_first, later)) / (1.0 + others(of_later, first))).ln()
    }

    /// Nothing: all on one side of an edge share lines with the end on their side, whichever end is older.
    fn points(&self, _: &Hypothesis<'_>, _: Member, _: Member) -> f64 {
        0.0
    }

    /// For each member, the number of branches that share a line which the member lacks.
    ///
    /// A few lines may be chance. So the lines are ordered by this number, and the `least`-th largest one counts.
    fn contradicts(&self, lineage: &Lineage<'_>, branches: &[Member]) -> Vec<usize> {
        let least = lineage.weights().witnesses.lines.least;
        let n = branches.len();
        let mut most = vec![0; n];
        for (reference, lines) in lineage.all_lines() {
            let reference = reference.index();
            let states: Vec<&[LineState]> = Member::all(n).map(|m| lines.states(m.within())).collect();
            let counts: Vec<usize> = (0..lines.len())
                .map(|line| {
                    let sharing = |m: &usize| *m == reference || states[*m][line] == LineState::Exact;
                    distinct((0..n).filter(sharing).map(|m| branches[m]))
                })
                .collect();
            for m in (0..n).filter(|&m| m != reference) {
                let lacked = (0..counts.len()).filter(|&line| states[m][line] == LineState::Changed);
                let mut against: Vec<usize> = lacked.map(|line| counts[line]).collect();
                // The `least`-th largest count has at least that many lines behind it, so one chance line cannot decide.
                against.sort_unstable_by(|a, b| b.cmp(a));
                most[m] = most[m].max(against.get(least - 1).copied().unwrap_or(0));
            }
        }
        most
    }
}

/// The number of different branches among these.
pub(super) fn distinct(branches: impl Iterator<Item = Member>) -> usize {
    let mut branches: Vec<Member> = branches.collect();
    branches.sort_unstable();
    branches.dedup();
    branches.len()
}
