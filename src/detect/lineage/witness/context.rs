use crate::detect::lineage::index::Member;
use crate::detect::lineage::norms::Norms;
use crate::detect::lineage::weights::Weights;
use crate::error::Error;
use crate::evidence::Lines;
use crate::geometry::{Comparison, Geometry};
use crate::kernel::Square;
use crate::model_set::ModelId;
use crate::parent::Precedences;
use std::collections::BTreeMap;

/// What is measured of one lineage before any root is supposed.
///
/// Members are numbered as they were given. Those that are no merges come first, and they alone may be the root.
///
/// ```
/// use neural_phylogeny::detect::witness::{ALL, Lineage, Member};
/// use neural_phylogeny::ModelSet;
/// use neural_phylogeny::detect::Weights;
/// use neural_phylogeny::geometry::{Geometry, GeometrySettings};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let models = ModelSet::discover("tests/data/zoo/mlp")?;
/// let geometry = Geometry::compute(&models, &GeometrySettings::default())?;
/// let family: Vec<_> = geometry.models().iter().copied().filter(|&m| models.name(m).starts_with("m0")).collect();
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
    /// How strongly the rival of the column precedes that of the row, by distances and angles.
    precedences: Square<f64>,
    precedence_scores: Vec<f64>,
    lines: BTreeMap<Member, Lines>,
}

impl<'a> Lineage<'a> {
    /// Measures a lineage without merges: one read of all models for each of `weights.root.rivals`, where values are at hand.
    ///
    /// # Errors
    ///
    /// [`Error::NotComparable`] when models are not of one group, [`Error::Source`] for a model that cannot be read any more.
    pub fn of(geometry: &'a Geometry, models: &'a [ModelId], weights: &'a Weights) -> Result<Self, Error> {
        Self::with_merges(geometry, models, models.len(), weights)
    }

    /// The same, where only the first `plain` models are no merges.
    pub(crate) fn with_merges(
        geometry: &'a Geometry,
        models: &'a [ModelId],
        plain: usize,
        weights: &'a Weights,
    ) -> Result<Self, Error> {
        let whole = geometry.compare(models)?;
        let norms = Norms::of(&whole, &weights.witnesses.norm);
        let plain = whole.of(&(0..plain).collect::<Vec<_>>());
        let Ordered { rivals, precedences, scores } = Ordered::of(&plain, weights);
        let mut lines = BTreeMap::new();
        for &rival in &rivals {
            if let Some(found) = geometry.read_lines(models[rival.index()], models)? {
                lines.insert(rival, found);
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
        })
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// All members.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = Member> + Clone + use<> {
        Member::all(self.len())
    }

    /// The members that are no merges.
    pub fn plain_members(&self) -> impl DoubleEndedIterator<Item = Member> + Clone + use<> {
        Member::all(self.plain.len())
    }

    /// The model of a member.
    ///
    /// # Panics
    ///
    /// When `member` is not one of this lineage, as do all methods that take one.
    pub fn model(&self, member: Member) -> ModelId {
        self.models[member.index()]
    }

    /// The geometry that the models are of.
    pub fn geometry(&self) -> &'a Geometry {
        self.geometry
    }

    /// The numbers of the detector.
    pub fn weights(&self) -> &'a Weights {
        self.weights
    }

    /// Distances between all members.
    pub fn comparison(&self) -> &Comparison {
        &self.whole
    }

    /// Distances between the members that are no merges.
    pub fn plain_comparison(&self) -> &Comparison {
        &self.plain
    }

    /// The members that may be the root, the likeliest by distances and angles first.
    pub fn rivals(&self) -> &[Member] {
        &self.rivals
    }

    /// Lines of all members against a rival; `None` for other members, and where neither values nor sketches are at hand.
    pub fn lines(&self, rival: Member) -> Option<&Lines> {
        self.lines.get(&rival)
    }

    /// All that [`lines`](Self::lines) gives, with the rival it is of.
    pub fn all_lines(&self) -> impl Iterator<Item = (Member, &Lines)> {
        self.lines.iter().map(|(&rival, lines)| (rival, lines))
    }

    pub(in crate::detect::lineage) fn norms(&self) -> &Norms {
        &self.norms
    }

    /// How strongly one rival precedes another by distances and angles; `None` when either is no rival.
    pub(super) fn precedence(&self, first: Member, later: Member) -> Option<f64> {
        let rival = |m: Member| self.rivals.iter().position(|&r| r == m);
        Some(self.precedences[(rival(later)?, rival(first)?)])
    }

    /// For each member that is no merge the strongest evidence that another precedes it, by distances and angles.
    pub(crate) fn precedence_scores(&self) -> &[f64] {
        &self.precedence_scores
    }
}

/// Members in the order of distances and angles.
struct Ordered {
    rivals: Vec<Member>,
    precedences: Square<f64>,
    scores: Vec<f64>,
}

impl Ordered {
    fn of(comparison: &Comparison, weights: &Weights) -> Self {
        let n = comparison.len();
        if n <= 2 {
            // Two members have no third one that could tell them apart.
            return Self {
                rivals: Member::all(n).collect(),
                precedences: Square::filled(n, 0.0),
                scores: vec![0.0; n],
            };
        }
        let precedences = Precedences::of(comparison, &weights.precedence);
        let scores = precedences.scores();
        let mut order: Vec<usize> = (0..precedences.rivals.len()).collect();
        order.sort_by(|&i, &j| scores[precedences.rivals[i]].total_cmp(&scores[precedences.rivals[j]]));
        order.truncate(weights.root.rivals);
        let mut evidence = Vec::with_capacity(order.len() * order.len());
        for &i in &order {
            for &j in &order {
                evidence.push(if i == j { 0.0 } else { precedences.evidence(j, precedences.rivals[i]) });
            }
        }
        let rivals = order.iter().map(|&i| Member::new(precedences.rivals[i])).collect();
        Self { rivals, precedences: Square::from_rows(order.len(), evidence), scores }
    }
}
