//! The signals of true edges.

use neural_phylogeny::detect::Weights;
use neural_phylogeny::detect::witness::norm::Norm;
use neural_phylogeny::detect::witness::{Lineage, Witness};
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::model_set::Position;
use neural_phylogeny::{ModelId, ModelSet};
use neural_phylogeny_evaluation::TrueSet;
use std::error::Error;

/// What is measured of a pair; above 0 where it says that the parent came first.
pub(crate) const SIGNALS: [&str; 4] = ["slopes", "independence", "kurtosis", "norm"];

/// A true edge.
pub(crate) struct Edge {
    pub(crate) parent: String,
    pub(crate) child: String,
    /// Matrices that moved, rows and columns apart.
    pub(crate) axes: usize,
    pub(crate) signals: [f64; SIGNALS.len()],
}

/// All true edges of a set to an only parent.
pub(crate) fn of(set: &TrueSet) -> Result<Vec<Edge>, Box<dyn Error>> {
    let truth = set.truth.phylogeny();
    let geometry = Geometry::compute(&set.models, &GeometrySettings::new())?;
    let mut edges = Vec::new();
    for child in truth.models() {
        let [edge] = truth.parents(child) else { continue };
        let (parent, child) = (truth.name(edge.parent), truth.name(child));
        if let (Some(p), Some(c)) = (id(&set.models, parent), id(&set.models, child)) {
            edges.extend(measured(&geometry, [(p, parent), (c, child)])?);
        }
    }
    Ok(edges)
}

fn id(models: &ModelSet, name: &str) -> Option<ModelId> {
    models.names().position(|n| n == name).map(ModelId::new)
}

/// The signals of one edge; `None` when nothing is to be read, or when nothing moved.
fn measured(
    geometry: &Geometry,
    [(p, parent), (c, child)]: [(ModelId, &str); 2],
) -> Result<Option<Edge>, Box<dyn Error>> {
    let weights = Weights::default();
    let pair = [p, c];
    let lineage = Lineage::of(geometry, &pair, &weights)?;
    let Some(lines) = geometry.read_lines(p, &[c])? else { return Ok(None) };
    let imprints = lines.imprints(Position::FIRST);
    let signs = weights.witnesses.imprint.signs(imprints);
    let [first, later] = [0, 1].map(neural_phylogeny::detect::witness::Member::new);
    let norm = Norm.precedes(&lineage, first, later) / weights.witnesses.norm.root;
    let kurtosis = weights.witnesses.kurtosis.sign(imprints);
    let signals = [signs.slopes, signs.independence, kurtosis, norm];
    let edge = Edge { parent: parent.to_owned(), child: child.to_owned(), axes: imprints.len(), signals };
    Ok((signals != [0.0; SIGNALS.len()]).then_some(edge))
}
