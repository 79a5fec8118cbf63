use super::counts::Ratio;
use super::matched::Matched;

/// Number of bins of equal width on [0, 1].
const BINS: usize = 10;

const THRESHOLDS: [f64; 8] = [0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];

/// Edges of similar confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ReliabilityBin {
    /// Least confidence in the bin.
    pub from: f64,
    /// Confidence at which the next bin begins; 1 is in the last one.
    pub to: f64,
    /// Mean confidence of its edges; `None` without edges.
    pub confidence: Option<f64>,
    /// Edges of right pair and direction, of those in the bin.
    pub edges: Ratio,
}

/// How right the edges are that remain when edges below a threshold are withheld.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Coverage {
    /// Least confidence that is kept. A merge counts by its least sure edge.
    pub threshold: f64,
    /// Edges of right pair and direction, of those kept.
    pub edges: Ratio,
    /// Children that keep a parent, of all children. They are counts, in `right` and `of`.
    pub answered: Ratio,
}

/// Whether confidences are what they say: of edges at 0.9, are nine in ten right?
///
/// It counts the edges of [`Evaluation::edges`](super::Evaluation::edges), whose ends are both evaluated. An edge is right when
/// the truth has it.
///
/// ```
/// use neural_phylogeny::{Edge, ModelId, Phylogeny, evaluate};
/// use neural_phylogeny::evaluate::Truth;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let edge = |parent, child, confidence| {
///     Edge::new(ModelId::new(parent), ModelId::new(child)).with_confidence(confidence)
/// };
/// let truth = Truth::from(Phylogeny::from_edges(3, vec![edge(0, 1, 1.0), edge(0, 2, 1.0)])?);
/// let result = Phylogeny::from_edges(3, vec![edge(0, 1, 0.75), edge(1, 2, 0.75)])?;
///
/// let reliability = evaluate(&result, &truth)?.reliability;
/// assert_eq!(reliability.bins[7].edges.share(), Some(0.5));
/// assert_eq!(reliability.calibration_error, Some(0.25));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Reliability {
    /// Ten bins of equal width, by rising confidence.
    pub bins: Vec<ReliabilityBin>,
    /// Expected calibration error, in [0, 1]; `None` without edges. It is the mean of |share right − mean confidence| over
    /// bins, each weighted by its number of edges.
    pub calibration_error: Option<f64>,
    /// By rising threshold: 0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99.
    pub coverage: Vec<Coverage>,
}

/// The reliability of no edges.
impl Default for Reliability {
    fn default() -> Self {
        Self::of(&[], &[])
    }
}

/// An edge of the result with its confidence.
#[derive(Clone, Copy, Debug)]
struct Said {
    confidence: f64,
    /// Least confidence of all edges to its child.
    least: f64,
    right: bool,
}

impl Reliability {
    /// Makes it from edges, and from the least confidence of the edges of each child that has any.
    fn of(said: &[Said], children: &[Option<f64>]) -> Self {
        let bins: Vec<ReliabilityBin> = (0..BINS).map(|b| bin(b, said)).collect();
        let gap = |b: &ReliabilityBin| Some((b.confidence? - b.edges.share()?).abs() * b.edges.of as f64);
        let gaps: f64 = bins.iter().filter_map(gap).sum();
        let calibration_error = (!said.is_empty()).then(|| gaps / said.len() as f64);
        let coverage = THRESHOLDS.map(|threshold| Coverage {
            threshold,
            edges: Ratio::count(said.iter().filter(|s| s.least >= threshold).map(|s| s.right)),
            answered: Ratio::count(children.iter().map(|least| least.is_some_and(|l| l >= threshold))),
        });
        Self { bins, calibration_error, coverage: coverage.to_vec() }
    }
}

fn bin(number: usize, said: &[Said]) -> ReliabilityBin {
    // A confidence of 1 belongs to the last bin.
    let place = |confidence: f64| ((confidence * BINS as f64) as usize).min(BINS - 1);
    let inside: Vec<&Said> = said.iter().filter(|s| place(s.confidence) == number).collect();
    let sum: f64 = inside.iter().map(|s| s.confidence).sum();
    ReliabilityBin {
        from: number as f64 / BINS as f64,
        to: (number + 1) as f64 / BINS as f64,
        confidence: (!inside.is_empty()).then(|| sum / inside.len() as f64),
        edges: Ratio::count(inside.iter().map(|s| s.right)),
    }
}

/// Measures the confidences.
pub(super) fn reliability(m: &Matched<'_>) -> Reliability {
    let mut said = Vec::new();
    let mut children = Vec::new();
    for (model, &(of_result, _)) in m.models.iter().enumerate() {
        let edges = m.result.parents(of_result);
        let least = edges.iter().filter_map(|e| e.confidence).reduce(f64::min);
        // A detector that states no confidence is not measured by it.
        let stated = edges.is_empty() || least.is_some();
        if stated && !m.true_parents[model].is_empty() {
            children.push(least);
        }
        for &parent in &m.found_parents[model] {
            let (parent_of_result, _) = m.models[parent];
            let edge = edges.iter().find(|e| e.parent == parent_of_result);
            let confidence = edge.and_then(|e| e.confidence);
            said.extend(confidence.zip(least).map(|(confidence, least)| Said {
                confidence,
                least,
                right: m.true_parents[model].contains(&parent),
            }));
        }
    }
    Reliability::of(&said, &children)
}
