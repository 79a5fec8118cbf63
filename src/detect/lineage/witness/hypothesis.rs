use super::side::Side;
use super::{ALL, COUNT, Lineage};
use crate::detect::lineage::index::Member;
use crate::detect::lineage::inheritance::Inheritance;
use crate::error::Error;
use crate::evidence::Lines;
use crate::geometry::LineRequest;
use crate::model_set::{ModelId, Position};
use crate::phylogeny::Evidence;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A lineage under the assumption that one member is its root.
#[derive(Debug)]
pub struct Hypothesis<'a> {
    lineage: &'a Lineage<'a>,
    root: Member,
    inheritance: Arc<Inheritance>,
    /// For each pair (parent, child) read side by side: the number of lines that the child has from the parent and the root
    /// lacks.
    derived: BTreeMap<(Member, Member), usize>,
    /// Lines of all members against the root, where the root is no rival.
    lines: Option<Lines>,
    /// What the lines of pairs say that were read side by side under this hypothesis.
    sides: BTreeMap<(Member, Member), Side>,
    /// How far tails grow in this lineage, from −1 to 1.
    drift: f64,
    /// The hypothesis about the whole lineage, where this one is about a branch of it.
    whole: Option<&'a Self>,
}

impl<'a> Hypothesis<'a> {
    /// Measures a lineage under one supposed root. O(n² T) time for n members and T parameters.
    pub fn of(lineage: &'a Lineage<'a>, root: Member) -> Self {
        let measured = || Arc::new(Inheritance::of(lineage.comparison(), root, lineage.weights()));
        let inheritance = lineage.inheritance(root).unwrap_or_else(measured);
        let (derived, sides) = (BTreeMap::new(), BTreeMap::new());
        let mut own = Self { lineage, root, inheritance, derived, lines: None, sides, drift: 0.0, whole: None };
        own.drift = own.measured_drift();
        own
    }

    /// Measures a branch of a lineage as if its first member were the root. Nothing is read for it.
    ///
    /// `among` are the members of the branch, with `root`, in ascending order. Only they may be asked about.
    pub(crate) fn of_branch(whole: &'a Self, root: Member, among: Vec<Member>) -> Self {
        let lineage = whole.lineage;
        let inheritance = Arc::new(Inheritance::among(lineage.comparison(), root, among, lineage.weights()));
        let (derived, sides) = (BTreeMap::new(), BTreeMap::new());
        Self { lineage, root, inheritance, derived, lines: None, sides, drift: whole.drift, whole: Some(whole) }
    }

    /// The lineage that the hypothesis is about.
    pub fn lineage(&self) -> &'a Lineage<'a> {
        self.lineage
    }

    /// The supposed root.
    pub fn root(&self) -> Member {
        self.root
    }

    /// Lines of all members against the root; `None` where they could not be read.
    ///
    /// Where the root is no rival, they are there once [`read`](Self::read) has read them.
    pub fn lines(&self) -> Option<&Lines> {
        self.lineage.lines(self.root).or(self.lines.as_ref())
    }

    /// Reads the lines of all members against the root, where that was not done for a rival.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more.
    pub fn read(&mut self) -> Result<(), Error> {
        if self.lines().is_some() {
            return Ok(());
        }
        let models: Vec<ModelId> = self.lineage.members().map(|m| self.lineage.model(m)).collect();
        if let Some(found) = self.lineage.geometry().read_lines(self.lineage.model(self.root), &models)? {
            for m in self.lineage.members().filter(|&m| m != self.root) {
                self.sides.insert((self.root, m), self.side_of(self.root, &found, m.within())?);
            }
            self.lines = Some(found.without_imprints());
            self.drift = self.measured_drift();
        }
        Ok(())
    }

    /// Reads the two models of each edge side by side, where that was not done.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more.
    pub(crate) fn read_edges(&mut self, parents: &[Option<Member>]) -> Result<(), Error> {
        let mut children: BTreeMap<Member, Vec<Member>> = BTreeMap::new();
        for (c, &parent) in self.lineage.members().zip(parents) {
            let Some(q) = parent.filter(|&q| self.side(q, c).is_none()) else { continue };
            match self.lineage.known_side(q, c)? {
                Some(side) => drop(self.sides.insert((q, c), side)),
                None => children.entry(q).or_default().push(c),
            }
        }
        let found = self.beside(&children, &[])?;
        for ((q, children), found) in children.iter().zip(found) {
            let Some(found) = found else { continue };
            for (i, &c) in children.iter().enumerate() {
                let side = self.side_of(*q, &found, Position::new(i))?;
                self.sides.insert((*q, c), side);
            }
        }
        Ok(())
    }

    /// What lines say that were read against a reference.
    fn side_of(&self, reference: Member, lines: &Lines, member: Position<Lines>) -> Result<Side, Error> {
        let lineage = self.lineage;
        Side::of(lineage.geometry(), lineage.model(reference), lines, member, lineage.weights())
    }

    /// What the lines of two members say that were read side by side.
    fn side(&self, a: Member, b: Member) -> Option<Side> {
        let own = || Side::between(&self.sides, a, b).or_else(|| self.whole?.side(a, b));
        self.lineage.side(a, b).or_else(own)
    }

    /// The evidence of the imprint that `first` came before `later`, in nats; `None` when the two were not read side by side.
    pub(super) fn imprint(&self, first: Member, later: Member) -> Option<f64> {
        self.side(first, later).map(Side::imprint)
    }

    /// The evidence of kurtosis that `first` came before `later`, in nats, if tails grow.
    pub(super) fn kurtosis(&self, first: Member, later: Member) -> Option<f64> {
        self.side(first, later).map(Side::kurtosis)
    }

    /// The evidence of directions that `later` lacks that `first` came before it, in nats; 0 when the two were not read side by side.
    pub(super) fn removal(&self, first: Member, later: Member) -> f64 {
        self.side(first, later).map_or(0.0, Side::removal)
    }

    /// How far tails grow in this lineage: from −1 where they shrink to 1 where they grow.
    pub(super) fn drift(&self) -> f64 {
        self.drift
    }

    /// The drift of kurtosis that the way from the root to all other members shows.
    fn measured_drift(&self) -> f64 {
        let others = self.lineage.members().filter(|&m| m != self.root);
        let said = others.fold(0.0, |sum, m| sum + self.kurtosis(self.root, m).unwrap_or(0.0));
        self.lineage.weights().witnesses.kurtosis.drift(said)
    }

    /// `Greater` when lines that are exact in both are smaller in `later`, by one factor.
    pub(super) fn shrank(&self, first: Member, later: Member) -> Ordering {
        self.side(first, later).map_or(Ordering::Equal, Side::shrank)
    }

    /// Number of lines that `child` has from `parent` and the root lacks; `None` when the two were not read side by side.
    pub fn derived(&self, parent: Member, child: Member) -> Option<usize> {
        self.derived.get(&(parent, child)).copied()
    }

    /// The evidence from angles and distances, for all pairs of members.
    pub(in crate::detect::lineage) fn inheritance(&self) -> &Inheritance {
        &self.inheritance
    }

    /// The same, to be kept.
    pub(in crate::detect::lineage) fn shared_inheritance(&self) -> Arc<Inheritance> {
        Arc::clone(&self.inheritance)
    }

    /// The evidence of each witness for `parent` → `child`, in nats and in the order of [`ALL`].
    ///
    /// The root is the reference that other parents are weighed against, so it has 0 everywhere.
    pub(crate) fn weigh(&self, parent: Member, child: Member) -> [f64; COUNT] {
        let mut weights = [0.0; COUNT];
        if parent == self.root {
            return weights;
        }
        for (weight, witness) in weights.iter_mut().zip(ALL) {
            *weight = witness.inherits(self, parent, child);
        }
        // The second group needs lines, which cost a read. Hopeless pairs skip it.
        if weights.iter().fold(0.0, |sum, w| sum + w) > self.lineage.weights().parents.hopeless {
            for (weight, witness) in weights.iter_mut().zip(ALL) {
                *weight += witness.forbids(self, parent, child);
            }
        }
        weights.map(Evidence::cut)
    }

    /// The sum of all witnesses without those that forbid, in nats.
    pub(crate) fn inherits(&self, parent: Member, child: Member) -> f64 {
        ALL.iter().fold(0.0, |sum, witness| sum + witness.inherits(self, parent, child))
    }

    /// Reads each member again next to its likeliest candidate parents, where values can be read.
    ///
    /// Do not call this when the root itself is in doubt: siblings of a missing root share lines that the supposed root lacks.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more.
    pub fn derive(&mut self) -> Result<(), Error> {
        if self.lines().is_none() {
            return Ok(());
        }
        let numbers = &self.lineage.weights().parents;
        let mut children: BTreeMap<Member, Vec<Member>> = BTreeMap::new();
        // Sides change the evidence for other candidates, so that they are added when all candidates are chosen.
        let mut found = Vec::new();
        for c in self.lineage.members().filter(|&c| c != self.root) {
            let candidates = self.lineage.members().filter(|&q| q != c && q != self.root);
            let weighed = candidates.map(|q| (q, self.inherits(q, c)));
            let mut likely: Vec<(Member, f64)> = weighed.filter(|&(_, total)| total > numbers.hopeless).collect();
            likely.sort_by(|a, b| b.1.total_cmp(&a.1));
            // Each comparison costs a pass over the lines of two models, so only the likeliest candidates get one.
            for (q, _) in likely.into_iter().take(numbers.compared) {
                let known = self.lineage.known_derived(self.root, q, c);
                match (known, self.lineage.known_side(q, c)?) {
                    (Some(derived), Some(side)) => {
                        found.push(((q, c), derived, side));
                    }
                    _ => children.entry(q).or_default().push(c),
                }
            }
        }
        for (edge, derived, side) in found {
            self.derived.insert(edge, derived);
            self.sides.insert(edge, side);
        }
        // The root comes first: lines that the child kept of q are counted where the root lacks them.
        let found = self.beside(&children, &[self.root])?;
        for ((q, children), found) in children.iter().zip(found) {
            let Some(found) = found else { continue };
            for (i, &c) in children.iter().enumerate() {
                let place = Position::new(i + 1);
                self.derived.insert((*q, c), found.kept_in_b_changed_in_a(Position::FIRST, place));
                let side = self.side_of(*q, &found, place)?;
                self.sides.insert((*q, c), side);
            }
        }
        Ok(())
    }

    /// The lines of some members beside each candidate, after those of `first`, all read in one pass.
    fn beside(&self, children: &BTreeMap<Member, Vec<Member>>, first: &[Member]) -> Result<Vec<Option<Lines>>, Error> {
        let model = |m: &Member| self.lineage.model(*m);
        let members: Vec<Vec<ModelId>> =
            children.values().map(|c| first.iter().chain(c).map(model).collect()).collect();
        let request = |(q, members)| LineRequest { reference: model(q), members };
        let requests: Vec<LineRequest<'_>> =
            children.keys().zip(members.iter().map(Vec::as_slice)).map(request).collect();
        self.lineage.geometry().read_all_lines(&requests)
    }
}

/// A supposed root and its children. The question is whether the root is present.
#[derive(Clone, Copy, Debug)]
pub struct SupposedRoot<'a> {
    pub(crate) lineage: &'a Lineage<'a>,
    pub(crate) root: Member,
    pub(crate) children: &'a [Member],
}

impl<'a> SupposedRoot<'a> {
    /// The lineage that root and children belong to.
    pub fn lineage(&self) -> &'a Lineage<'a> {
        self.lineage
    }

    /// The supposed root.
    pub fn root(&self) -> Member {
        self.root
    }

    /// The children of the root in the likeliest tree.
    pub fn children(&self) -> &'a [Member] {
        self.children
    }
}
