//! How an edge is written, in every form. A field of [`Edge`] is named here and nowhere else in this room.

use super::number::{brief, significant};
use super::text::shown;
use crate::phylogeny::{Edge, Phylogeny};

/// One value that is shown of an edge.
struct Column {
    heading: &'static str,
    /// The text; `None` when the value is not known.
    cell: fn(&Edge) -> Option<String>,
}

/// The columns in the order in which they are shown. The first is a word, the others are numbers.
const COLUMNS: [Column; 4] = [
    Column { heading: "relation", cell: |e| Some(e.relation.to_string()) },
    Column { heading: WEIGHT, cell: |e| Some(format!("{:.2}", e.weight)) },
    Column { heading: "distance", cell: distance },
    Column { heading: "confidence", cell: |e| e.confidence.map(|c| format!("{c:.2}")) },
];

const WEIGHT: &str = "weight";

/// Number of columns that stand to the left in a row: a name and the relation.
pub(super) const TEXT: usize = 2;

/// Edges of lower confidence are drawn as doubtful ones: they are more likely wrong than right.
const DOUBTFUL: f64 = 0.5;

/// Whether the weights of edges are shown. The weight of a single parent is 1 and says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WeightColumn {
    Shown,
    Hidden,
}

fn columns(weights: WeightColumn) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(move |c| weights == WeightColumn::Shown || c.heading != WEIGHT)
}

/// The headings of a table of edges, after the heading of the column of names.
pub(super) fn headings(name: &str, weights: WeightColumn) -> Vec<String> {
    std::iter::once(name).chain(columns(weights).map(|c| c.heading)).map(str::to_owned).collect()
}

/// The row of an edge, after a name. A dash stands for what is not known.
pub(super) fn row(phylogeny: &Phylogeny, name: String, edge: &Edge, weights: WeightColumn) -> Vec<String> {
    let cells = columns(weights).map(|c| cell(phylogeny, c, edge).unwrap_or_else(|| "-".to_owned()));
    std::iter::once(name).chain(cells).collect()
}

/// The text of one value. The relation has the method of quantization beside it.
fn cell(phylogeny: &Phylogeny, column: &Column, edge: &Edge) -> Option<String> {
    let cell = (column.cell)(edge)?;
    // A parent outside this phylogeny is one of an answer, whose edges have no method.
    let method = phylogeny.method(edge.child).filter(|_| column.heading == COLUMNS[0].heading);
    Some(method.map_or_else(|| cell.clone(), |method| format!("{cell} ({})", shown(method))))
}

/// The known values of an edge, one a line.
pub(super) fn label(phylogeny: &Phylogeny, edge: &Edge, weights: WeightColumn) -> Vec<String> {
    let line = |c: &Column| {
        let cell = cell(phylogeny, c, edge)?;
        Some(if c.heading == WEIGHT { format!("{WEIGHT} {cell}") } else { cell })
    };
    columns(weights).filter_map(line).collect()
}

/// Whether an edge is more likely wrong than right, as its detector says.
pub(super) fn doubtful(edge: &Edge) -> bool {
    edge.confidence.is_some_and(|c| c < DOUBTFUL)
}

/// The distance, with its standard error where there is one, as in `3.210 ± 0.05`.
fn distance(edge: &Edge) -> Option<String> {
    let distance = significant(edge.distance?);
    Some(match edge.distance_error {
        Some(error) => format!("{distance} ± {}", brief(error)),
        None => distance,
    })
}

#[cfg(feature = "serde")]
pub(super) use json::EdgeEntry;

#[cfg(feature = "serde")]
mod json {
    use super::Edge;
    use crate::model_set::ModelId;
    use crate::phylogeny::Relation;
    use serde::{Deserialize, Serialize};

    /// An edge in JSON, beside the name of the other model.
    #[derive(Debug, Serialize, Deserialize)]
    pub(in crate::write) struct EdgeEntry {
        pub(in crate::write) weight: Option<f64>,
        #[serde(default)]
        relation: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        distance: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        distance_error: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        confidence: Option<f64>,
    }

    impl From<&Edge> for EdgeEntry {
        fn from(edge: &Edge) -> Self {
            // There is no `..` here, so that a field that is not written does not compile.
            let Edge { parent: _, child: _, weight, relation, distance, distance_error, confidence } = *edge;
            Self { weight: Some(weight), relation: relation.as_str().to_owned(), distance, distance_error, confidence }
        }
    }

    impl EdgeEntry {
        /// Makes the edge. `share` is its weight where the file gives none.
        pub(in crate::write) fn edge(&self, parent: ModelId, child: ModelId, share: f64) -> Edge {
            Edge {
                parent,
                child,
                weight: self.weight.unwrap_or(share),
                // A relation that is not known may come from a later version.
                relation: self.relation.parse().unwrap_or(Relation::Unspecified),
                distance: self.distance,
                distance_error: self.distance_error,
                confidence: self.confidence,
            }
        }
    }
}
