use super::likely::Likely;
use super::side::Side;
use crate::detect::lineage::index::Member;
use crate::detect::lineage::inheritance::Inheritance;
use crate::detect::lineage::norms::Norms;
use crate::detect::lineage::weights::Weights;
use crate::error::Error;
use crate::evidence::Lines;
use crate::geometry::{Comparison, Geometry, LineRequest};
use crate::kernel::Square;
use crate::model_set::{ModelId, Position};
use crate::parent::Precedences;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// Whether the lines of some members are the same lines as those of all.
    uniform: bool,
    /// For members that are no rivals: members whose lines were read beside theirs, and these lines.
    beside: BTreeMap<Member, (Vec<Member>, Lines)>,
    /// The evidence of angles and distances under roots that were supposed before.
    inheritances: BTreeMap<Member, Arc<Inheritance>>,
}

/// Up to so many members all lines are taken that are taken for few: see [`Lines`].
const UNIFORM: usize = 256;

impl<'a> Lineage<'a> {
    /// Measures a lineage without merges.
    ///
    /// Where values can be read, this reads all models once, beside at most `weights.root.rivals` rivals.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when models are not of one group. [`Error::Source`] for a model that cannot be read any more.
    pub fn of(geometry: &'a Geometry, models: &'a [ModelId], weights: &'a Weights) -> Result<Self, Error> {
        let mut lineage = Self::unread(geometry, models, models.len(), weights)?;
        lineage.read(Likely::default())?;
        Ok(lineage)
    }

    /// Measures a lineage in which the first `plain` models are no merges and all others are. No value is read for it.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when models are not of one group.
    pub(crate) fn unread(
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
        // Models of one layout share one list of tensors.
        let list = |m: &ModelId| geometry.listed(*m).map(|list| list.as_ptr());
        let alike = models.windows(2).all(|pair| list(&pair[0]) == list(&pair[1]));
        let uniform = alike && models.len() <= UNIFORM && geometry.has_values(models);
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
            lines: BTreeMap::new(),
            sides: BTreeMap::new(),
            uniform,
            beside: BTreeMap::new(),
            inheritances: BTreeMap::new(),
        })
    }

    /// Reads all models once, beside the rivals, where values can be read. What is likely to be asked later is read with it.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more.
    pub(crate) fn read(&mut self, likely: Likely) -> Result<(), Error> {
        let (geometry, models) = (self.geometry, self.models);
        self.inheritances = likely.inheritances;
        // Lines of candidates are asked about as seen from a root that was supposed.
        let roots: Vec<Member> = self.inheritances.keys().copied().collect();
        // Each rival may turn out to be the root, and lines are seen from the root.
        let rivals = self.rivals.iter().map(|&rival| (rival, Member::all(models.len()).collect()));
        let beside = |(q, children): (Member, BTreeSet<Member>)| {
            let rivals = roots.iter().copied().filter(|r| !children.contains(r));
            (q, rivals.chain(children.iter().copied()).collect())
        };
        let asked: Vec<(Member, Vec<Member>)> = rivals.chain(likely.lines.into_iter().map(beside)).collect();
        let model = |m: Member| models[m.index()];
        let members: Vec<Vec<ModelId>> =
            asked.iter().map(|(_, members)| members.iter().map(|&m| model(m)).collect()).collect();
        let request = |((q, _), members): (&(Member, Vec<Member>), _)| LineRequest { reference: model(*q), members };
        let requests: Vec<LineRequest<'_>> = asked.iter().zip(members.iter().map(Vec::as_slice)).map(request).collect();
        let edges: Vec<(ModelId, ModelId)> = likely.edges.into_iter().map(|(q, c)| (model(q), model(c))).collect();
        for ((q, members), found) in asked.into_iter().zip(geometry.read_lines_beside(&requests, &edges)?) {
            let Some(found) = found else { continue };
            if !self.rivals.contains(&q) {
                self.beside.insert(q, (members, found));
                continue;
            }
            for m in members.into_iter().filter(|&m| m != q) {
                let side = Side::of(geometry, model(q), &found, m.within(), self.weights)?;
                self.sides.insert((q, m), side);
            }
            self.lines.insert(q, found.without_imprints());
        }
        Ok(())
    }

    /// Whether the lines of some members are the same lines as those of all. Then it does not matter with which others lines are
    /// read.
    pub(crate) fn is_uniform(&self) -> bool {
        self.uniform
    }

    /// The evidence of angles and distances under a root, where it was supposed before.
    pub(super) fn inheritance(&self, root: Member) -> Option<Arc<Inheritance>> {
        self.inheritances.get(&root).cloned()
    }

    /// What the lines of `child` say that were read beside those of `parent`. `None` where they were not.
    ///
    /// # Errors
    ///
    /// [`Error::Source`] for a model that cannot be read any more.
    pub(super) fn known_side(&self, parent: Member, child: Member) -> Result<Option<Side>, Error> {
        if let Some(&side) = self.sides.get(&(parent, child)).filter(|_| self.uniform) {
            return Ok(Some(side));
        }
        let Some((members, lines)) = self.beside.get(&parent) else { return Ok(None) };
        let Some(at) = members.iter().position(|&m| m == child) else { return Ok(None) };
        Side::of(self.geometry, self.model(parent), lines, Position::new(at), self.weights).map(Some)
    }

    /// Number of lines that `child` has from `parent` and `root` lacks. `None` where they were not read beside one another.
    pub(super) fn known_derived(&self, root: Member, parent: Member, child: Member) -> Option<usize> {
        if let Some(lines) = self.lines.get(&parent).filter(|_| self.uniform) {
            return Some(lines.kept_in_b_changed_in_a(root.within(), child.within()));
        }
        let (members, lines) = self.beside.get(&parent)?;
        let at = |m: Member| members.iter().position(|&other| other == m).map(Position::new);
        Some(lines.kept_in_b_changed_in_a(at(root)?, at(child)?))
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
