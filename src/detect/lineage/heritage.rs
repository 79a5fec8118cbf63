//! What training cannot undo: untouched lines, exact decay, counters, grown vocabularies.

use super::inheritance::{EXCLUDED, Inheritance};
use super::root::{LEAST_FACTORS, LEAST_LINES, ahead, direction};
use crate::error::Error;
use crate::evidence::{LineState, Lines};
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::phylogeny::{Evidence, Signal};
use crate::source::Dtype;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Share of a child's untouched lines that a candidate must have changed to be ruled out: with weights of 16 bits a few come back
/// to what they were by chance.
const RETURNED: f64 = 0.02;

/// Candidates whom distances and angles have ruled out already are not asked for more.
const HOPELESS: f64 = -12.0;

/// Lines that q changed and c has from it: one of the two descends from the other.
const DERIVED: f64 = 10.0;

/// Vocabularies are resized upward nearly always.
const SHRUNK: f64 = -8.0;

/// Where the evidence comes from; lines are those of all members against the supposed root, where values are at hand.
pub(super) struct Heritage<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) models: &'a [ModelId],
    pub(super) lines: Option<&'a Lines>,
    /// For pairs (q, c) that were looked at, the lines that c has from q and the root does not have.
    pub(super) derived: BTreeMap<(usize, usize), usize>,
}

/// Candidates of each member whose lines are compared with its own.
const COMPARED: usize = 3;

impl Heritage<'_> {
    /// Reads members once more beside the likeliest candidates for their parent, where values are at hand.
    ///
    /// Not to be asked when the root itself is in doubt: siblings of a root that is not in the set share lines which the supposed
    /// one lacks.
    pub(super) fn derive(&mut self, inheritance: &Inheritance) -> Result<(), Error> {
        if self.lines.is_none() {
            return Ok(());
        }
        let (n, root) = (self.models.len(), inheritance.root);
        let mut children: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for c in (0..n).filter(|&c| c != root) {
            let total = |q: usize| inheritance.cell(q, c).total();
            let mut likely: Vec<usize> = (0..n).filter(|&q| q != c && q != root && total(q) > HOPELESS).collect();
            likely.sort_by(|&a, &b| total(b).total_cmp(&total(a)));
            likely.into_iter().take(COMPARED).for_each(|q| children.entry(q).or_default().push(c));
        }
        for (q, children) in children {
            let places = std::iter::once(root).chain(children.iter().copied());
            let members: Vec<ModelId> = places.map(|m| self.models[m]).collect();
            if let Some(found) = self.geometry.read_lines(self.models[q], &members)? {
                for (i, &c) in children.iter().enumerate() {
                    self.derived.insert((q, c), found.kept_in_b_changed_in_a(0, i + 1));
                }
            }
        }
        Ok(())
    }
}

/// What speaks for `q → c` against c being a child of the root; nothing when q is the root.
pub(super) fn evidence(inheritance: &Inheritance, heritage: &Heritage<'_>, q: usize, c: usize) -> Vec<Evidence> {
    let mut found = Vec::new();
    each(inheritance, heritage, (q, c), |evidence| found.push(evidence));
    found
}

/// The sum of [`evidence`].
pub(super) fn total(inheritance: &Inheritance, heritage: &Heritage<'_>, q: usize, c: usize) -> f64 {
    let mut sum = 0.0;
    each(inheritance, heritage, (q, c), |evidence| sum += evidence.weight);
    sum
}

fn each(inheritance: &Inheritance, heritage: &Heritage<'_>, (q, c): (usize, usize), mut say: impl FnMut(Evidence)) {
    if q == inheritance.root {
        return;
    }
    let cell = inheritance.cell(q, c);
    say(Evidence::new(Signal::Angle, cell.angle));
    say(Evidence::new(Signal::Distance, cell.distance));
    say(Evidence::new(Signal::Norm, cell.norm));
    let mut untouched = cell.untouched();
    let (from, to) = (heritage.models[q], heritage.models[c]);
    if cell.total() > HOPELESS {
        if let Some(lines) = heritage.lines {
            let kept = lines.kept_in_b_changed_in_a(q, c);
            if heritage.derived.get(&(q, c)).is_some_and(|&shared| shared >= LEAST_LINES) {
                untouched += DERIVED;
            }
            if kept >= LEAST_LINES && kept as f64 >= RETURNED * lines.count(c, LineState::Exact) as f64 {
                untouched += EXCLUDED;
            }
            if lines.exact_in_both(q, c) >= LEAST_FACTORS && direction(lines, q, c) > 0 {
                say(Evidence::new(Signal::ExactDecay, EXCLUDED));
            }
        }
        if coarser(heritage.geometry, from, to)
            && heritage.lines.is_some_and(|lines| lines.kept_in_b_not_in_a(q, c) >= LEAST_LINES)
        {
            say(Evidence::new(Signal::Dtype, EXCLUDED));
        }
        if ahead(heritage.geometry, from, to) > 0 {
            say(Evidence::new(Signal::Counter, EXCLUDED));
        }
        if heritage.geometry.compare_rows(from, to) == Ordering::Greater {
            say(Evidence::new(Signal::VocabularySize, SHRUNK));
        }
    }
    if untouched != 0.0 {
        say(Evidence::new(Signal::Untouched, untouched));
    }
}

/// Whether a is stored with fewer digits than b: what b has beyond them it does not have from a.
fn coarser(geometry: &Geometry, a: ModelId, b: ModelId) -> bool {
    let digits = |m: ModelId| match geometry.dtype(m) {
        Some(Dtype::F64 | Dtype::F32) => 24,
        Some(Dtype::F16) => 11,
        Some(Dtype::BF16) => 8,
        _ => 0,
    };
    digits(a) > 0 && digits(a) < digits(b)
}
