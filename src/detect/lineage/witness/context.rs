use super::decay::shrunk;
use crate::detect::lineage::edits::edit;
use crate::detect::lineage::index::Member;
use crate::detect::lineage::norms::Norms;
use crate::detect::lineage::weights::Weights;
use crate::error::Error;
use crate::evidence::Lines;
use crate::geometry::{Comparison, Geometry, LineRequest};
use crate::kernel::Square;
use crate::model_set::{ModelId, Position};
use crate::parent::Precedences;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The measurements of one lineage that need no supposed root.
///
/// Members are numbered as they were given. Members that are no merges come first, and only they may be the root.
///
/// ```
/// use neural_phylogeny::detect::witness::{ALL, Lineage, Member};
/// use neural_phylogeny::detect::Weights;
/// use neural_phylogeny::geometry::{Geometry, ParameterDistances};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A root and three children, in two parameters: ‖child − root‖² = 1, and children are at 2 from each other.
/// let squared = |a: usize, b: usize| match (a, b) {
///     (a, b) if a == b => 0.0,
///     (0, _) | (_, 0) => 1.0,
///     _ => 2.0,
/// };
/// let parameters = ["fc1.weight", "fc2.weight"].map(|name| {
///     ParameterDistances::from_fn(name, 4, squared).with_squared_norms([9.0, 10.0, 10.0, 10.0])
/// });
/// let geometry = Geometry::of_distances(parameters)?;
/// let family = geometry.models().to_vec();
///
/// let weights = Weights::default();
/// let lineage = Lineage::of(&geometry, &family, &weights)?;
/// let [a, b] = [lineage.rivals()[0], lineage.rivals()[1]];
/// for witness in ALL {
///     println!("{}: {:+.2}", witness.signal(), witness.precedes(&lineage, a, b));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Lineage<'a> {
    geometry: &'a Geometry,
    models: &'a [ModelId],
    weights: &'a Weights,
    whole: Comparison,
    plain: Comparison,
    norms: Norms,
    rivals: Vec<Member>,
    /// Evidence from distances and angles that the rival of the column precedes the rival of the row.
    precedences: Square<f64>,
    precedence_scores: Vec<f64>,
    lines: BTreeMap<Member, Lines>,
    /// For each rival, and each member read beside it.
    sides: BTreeMap<(Member, Member), Side>,
}

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
            && let Some(pair) = geometry.read_pair(models[0], models[1])?
            && let Some(edit) = edit(geometry, models, &pair, weights)?
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

impl<'a> Lineage<'a> {
    /// Measures a lineage without merges.
    ///
    /// Where values can be read, this reads all models once, beside at most `weights.root.rivals` rivals.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when models are not of one group. [`Error::Source`] for a model that cannot be read any more.
    pub fn of(geometry: &'a Geometry, models: &'a [ModelId], weights: &'a Weights) -> Result<Self, Error> {
        Self::with_merges(geometry, models, models.len(), weights)
    }

    /// Measures a lineage in which the first `plain` models are no merges and all others are.
    pub(crate) fn with_merges(
        geometry: &'a Geometry,
        models: &'a [ModelId],
        plain: usize,
        weights: &'a Weights,
    ) -> Result<Self, Error> {
        let whole = geometry.compare_unrounded(models)?;
        let norms = Norms::of(&whole, &weights.witnesses.norm);
        // A merge cannot be the root, and it would bias distances and angles among the members that can.
        let plain = whole.of(&Position::all(plain).collect::<Vec<_>>());
        let RivalOrder { rivals, precedences, scores } = RivalOrder::of(&plain, weights);
        let (mut lines, mut sides) = (BTreeMap::new(), BTreeMap::new());
        // Each rival may turn out to be the root, and lines are seen from the root.
        let request = |rival: &Member| LineRequest { reference: models[rival.index()], members: models };
        let requests: Vec<LineRequest<'_>> = rivals.iter().map(request).collect();
        for (&rival, found) in rivals.iter().zip(geometry.read_all_lines(&requests)?) {
            if let Some(found) = found {
                for m in Member::all(models.len()).filter(|&m| m != rival) {
                    let side = Side::of(geometry, models[rival.index()], &found, m.within(), weights)?;
                    sides.insert((rival, m), side);
                }
                lines.insert(rival, found.without_imprints());
            }
        }
        Ok(Self {
            geometry,
            models,
            weights,
            whole,
            plain,
            norms,
            rivals,
            precedences,
            precedence_scores: scores,
            lines,
            sides,
        })
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether the lineage has no member.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// All members, in order.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = Member> + Clone + use<> {
        Member::all(self.len())
    }

    /// The members that are no merges, in order.
    pub fn plain_members(&self) -> impl DoubleEndedIterator<Item = Member> + Clone + use<> {
        Member::all(self.plain.len())
    }

    /// The model that a member stands for.
    ///
    /// # Panics
    ///
    /// Panics when `member` is not of this lineage. The same holds for all methods that take a member.
    pub fn model(&self, member: Member) -> ModelId {
        self.models[member.index()]
    }

    /// The geometry that the models belong to.
    pub fn geometry(&self) -> &'a Geometry {
        self.geometry
    }

    /// The numbers of the detector.
    pub fn weights(&self) -> &'a Weights {
        self.weights
    }

    /// The distances between all members.
    pub fn comparison(&self) -> &Comparison {
        &self.whole
    }

    /// The distances between the members that are no merges.
    pub fn plain_comparison(&self) -> &Comparison {
        &self.plain
    }

    /// The members that may be the root, the likeliest by distances and angles first.
    pub fn rivals(&self) -> &[Member] {
        &self.rivals
    }

    /// The lines of all members against a rival.
    ///
    /// The result is `None` for members that are no rival, and where neither values nor sketches can be read.
    pub fn lines(&self, rival: Member) -> Option<&Lines> {
        self.lines.get(&rival)
    }

    /// Every rival that has [`lines`](Self::lines), with these lines.
    pub fn all_lines(&self) -> impl Iterator<Item = (Member, &Lines)> {
        self.lines.iter().map(|(&rival, lines)| (rival, lines))
    }

    /// What the lines of two members, read side by side, say; `None` when neither is a rival, or lines cannot be read.
    pub(super) fn side(&self, a: Member, b: Member) -> Option<Side> {
        Side::between(&self.sides, a, b)
    }

    /// The evidence of the imprint that `first` came before `later`; `None` when the two were not read side by side.
    pub(super) fn imprint(&self, first: Member, later: Member) -> Option<f64> {
        self.side(first, later).map(Side::imprint)
    }

    /// The same of kurtosis, if tails grow.
    pub(super) fn kurtosis(&self, first: Member, later: Member) -> Option<f64> {
        self.side(first, later).map(Side::kurtosis)
    }

    /// The evidence of directions that `later` lacks that `first` came before it; 0 when the two were not read side by side.
    pub(super) fn removal(&self, first: Member, later: Member) -> f64 {
        self.side(first, later).map_or(0.0, Side::removal)
    }

    /// The evidence from norms, for all pairs of members.
    pub(in crate::detect::lineage) fn norms(&self) -> &Norms {
        &self.norms
    }

    /// Evidence from distances and angles that one rival precedes another; `None` when either is no rival.
    pub(super) fn precedence(&self, first: Member, later: Member) -> Option<f64> {
        let rival = |m: Member| self.rivals.iter().position(|&r| r == m);
        Some(self.precedences[(rival(later)?, rival(first)?)])
    }

    /// For each member that is no merge, the strongest evidence from distances and angles that another member precedes it.
    pub(crate) fn precedence_scores(&self) -> &[f64] {
        &self.precedence_scores
    }
}

/// The members that may be the root, ordered by distances and angles.
struct RivalOrder {
    rivals: Vec<Member>,
    precedences: Square<f64>,
    scores: Vec<f64>,
}

impl RivalOrder {
    /// Orders the members and keeps the evidence between the rivals.
    fn of(comparison: &Comparison, weights: &Weights) -> Self {
        let n = comparison.len();
        if n <= 2 {
            // Two members have no third one that could separate them.
            return Self {
                rivals: Member::all(n).collect(),
                precedences: Square::filled(n, 0.0),
                scores: vec![0.0; n],
            };
        }
        let precedences = Precedences::of(comparison, &weights.precedence);
        let scores = precedences.scores();
        let score = |i: usize| scores[precedences.rivals[i].index()];
        let mut order: Vec<usize> = (0..precedences.rivals.len()).collect();
        order.sort_by(|&i, &j| score(i).total_cmp(&score(j)));
        // Each rival costs a comparison with all members.
        order.truncate(weights.root.rivals);
        let mut evidence = Vec::with_capacity(order.len() * order.len());
        for &i in &order {
            for &j in &order {
                evidence.push(if i == j { 0.0 } else { precedences.evidence(j, precedences.rivals[i]) });
            }
        }
        let rivals = order.iter().map(|&i| Member::new(precedences.rivals[i].index())).collect();
        Self { rivals, precedences: Square::from_rows(order.len(), evidence), scores }
    }
}
