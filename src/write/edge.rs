//! How an edge is written, in every form. A field of [`Edge`] is named here and nowhere else in this room.

use super::number::{brief, significant};
use super::text::shown;
use crate::phylogeny::{Edge, Link, Phylogeny, Relation};

/// One value that is shown of an edge.
struct Column {
    heading: &'static str,
    /// The text; `None` when the value is not known.
    cell: fn(&Edge) -> Option<String>,
}

/// The columns in the order in which they are shown. The first is a word, the others are numbers.
const COLUMNS: [Column; 7] = [
    Column { heading: "relation", cell: |e| Some(e.relation.to_string()) },
    Column { heading: WEIGHT, cell: |e| Some(format!("{:.2}", e.weight)) },
    Column { heading: "distance", cell: distance },
    Column { heading: "confidence", cell: |e| probability(e.confidence) },
    Column { heading: KIN, cell: |e| probability(e.kinship) },
    Column { heading: DIRECTION, cell: |e| probability(e.direction) },
    Column { heading: IN_SET, cell: |e| probability(e.presence) },
];

/// The headings of the three questions that a confidence answers together.
const KIN: &str = "kin";
const DIRECTION: &str = "direction";
const IN_SET: &str = "in the set";

fn probability(value: Option<f64>) -> Option<String> {
    value.map(|p| format!("{p:.2}"))
}

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

/// Which columns of edges are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) weights: WeightColumn,
    /// Whether the three questions stand apart: only where a detector tells them apart.
    apart: bool,
}

impl Columns {
    /// The columns for the edges of a phylogeny.
    pub(super) fn of(phylogeny: &Phylogeny, weights: WeightColumn) -> Self {
        let apart = |e: &Edge| e.kinship.is_some() || e.direction.is_some() || e.presence.is_some();
        Self { weights, apart: phylogeny.edges().iter().any(apart) }
    }

    fn shown(self) -> impl Iterator<Item = &'static Column> {
        COLUMNS.iter().filter(move |c| match c.heading {
            WEIGHT => self.weights == WeightColumn::Shown,
            KIN | DIRECTION | IN_SET => self.apart,
            _ => true,
        })
    }
}

/// The headings of a table of edges, after the heading of the column of names.
pub(super) fn headings(name: &str, columns: Columns) -> Vec<String> {
    std::iter::once(name).chain(columns.shown().map(|c| c.heading)).map(str::to_owned).collect()
}

/// The row of an edge, after a name. A dash stands for what is not known.
pub(super) fn row(phylogeny: &Phylogeny, name: String, edge: &Edge, columns: Columns) -> Vec<String> {
    let cells = columns.shown().map(|c| cell(phylogeny, c, edge).unwrap_or_else(|| "-".to_owned()));
    std::iter::once(name).chain(cells).collect()
}

/// The text of one value. The relation has the method beside it: how a model was quantized, or what was taken out of it.
fn cell(phylogeny: &Phylogeny, column: &Column, edge: &Edge) -> Option<String> {
    let cell = (column.cell)(edge)?;
    // A parent outside this phylogeny is one of an answer, whose edges have no method.
    let method = phylogeny.method(edge.child).filter(|_| column.heading == COLUMNS[0].heading);
    Some(method.map_or_else(|| cell.clone(), |method| format!("{cell} ({})", shown(method))))
}

/// The known values of an edge, one a line.
pub(super) fn label(phylogeny: &Phylogeny, edge: &Edge, weights: WeightColumn) -> Vec<String> {
    let columns = Columns { weights, apart: false };
    let line = |c: &Column| {
        let cell = cell(phylogeny, c, edge)?;
        Some(if c.heading == WEIGHT { format!("{WEIGHT} {cell}") } else { cell })
    };
    columns.shown().filter_map(line).collect()
}

/// The row of a link of an unobserved model, after a name: what is not known of it has a dash.
pub(super) fn link_row(name: String, link: &Link, columns: Columns) -> Vec<String> {
    let cells = columns.shown().map(|c| match c.heading {
        "relation" if link.relation != Relation::Unspecified => link.relation.to_string(),
        WEIGHT => format!("{:.2}", link.weight),
        "distance" => link.distance.map_or_else(|| "-".to_owned(), significant),
        "confidence" => probability(link.confidence).unwrap_or_else(|| "-".to_owned()),
        _ => "-".to_owned(),
    });
    std::iter::once(name).chain(cells).collect()
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
    use crate::phylogeny::{Link, Node, Relation};
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
        #[serde(skip_serializing_if = "Option::is_none")]
        kinship: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        direction: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        presence: Option<f64>,
    }

    impl From<&Edge> for EdgeEntry {
        fn from(edge: &Edge) -> Self {
            // There is no `..` here, so that a field that is not written does not compile.
            let Edge {
                parent: _,
                child: _,
                weight,
                relation,
                distance,
                distance_error,
                confidence,
                kinship,
                direction,
                presence,
            } = *edge;
            let (weight, relation) = (Some(weight), relation.as_str().to_owned());
            Self { weight, relation, distance, distance_error, confidence, kinship, direction, presence }
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
                kinship: self.kinship,
                direction: self.direction,
                presence: self.presence,
            }
        }
    }

    impl From<&Link> for EdgeEntry {
        fn from(link: &Link) -> Self {
            let Link { parent: _, child: _, weight, relation, distance, confidence } = *link;
            let (weight, relation) = (Some(weight), relation.as_str().to_owned());
            let (distance_error, kinship, direction, presence) = (None, None, None, None);
            Self { weight, relation, distance, distance_error, confidence, kinship, direction, presence }
        }
    }

    impl EdgeEntry {
        /// Makes the link. `share` is its weight where the file gives none.
        pub(in crate::write) fn link(&self, parent: Node, child: Node, share: f64) -> Link {
            Link {
                weight: self.weight.unwrap_or(share),
                relation: self.relation.parse().unwrap_or(Relation::Unspecified),
                distance: self.distance,
                confidence: self.confidence,
                ..Link::new(parent, child)
            }
        }
    }
}
