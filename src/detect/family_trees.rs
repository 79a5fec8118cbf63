//! Detection by one tree within each expected family.

use super::cluster::edges::Edges;
use super::families::Families;
use crate::error::Error;
use crate::geometry::Geometry;
use crate::model_set::ModelId;
use crate::phylogeny::{Phylogeny, Remark};

/// The result of a method in one family. Members are numbered as they were given.
pub(super) struct FamilyTree {
    /// The parent of each member, in one list for each root that is as good as the best. At least one list.
    pub(super) rootings: Vec<Vec<Option<usize>>>,
    /// One score for each member.
    pub(super) scores: Vec<f64>,
    /// The margin of the root; `None` when the method has none.
    pub(super) margin: Option<f64>,
    /// For each member, how clear the direction from its parent is, in 0 to 1.
    pub(super) distinctness: Vec<f64>,
}

impl FamilyTree {
    /// Whether several roots are equally good.
    pub(super) fn is_tie(&self) -> bool {
        self.rootings.len() > 1
    }

    /// The edges, as (child, parent), that all rootings share. What lies between tied roots has no direction.
    pub(super) fn agreed(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let first = self.rootings.first().into_iter().flatten().enumerate();
        first.filter_map(|(child, parent)| {
            let everywhere = self.rootings.iter().all(|parents| parents[child] == *parent);
            parent.filter(|_| everywhere).map(|parent| (child, parent))
        })
    }
}

/// Divides the models into expected families and grows a tree in each, without copies.
pub(super) fn detect(
    geometry: &Geometry,
    families: Families,
    grow: &dyn Fn(&[ModelId]) -> Result<FamilyTree, Error>,
) -> Result<Phylogeny, Error> {
    let independence = geometry.independence();
    let expected = families.expected_from(geometry, &independence)?;
    let count_of = |labels: &Vec<usize>| labels.iter().max().map_or(0, |&l| l + 1);
    let mut remarks = vec![Remark::FamiliesExpected { count: expected.iter().map(count_of).sum() }];
    let groups = geometry.groups().len();
    if groups > 1 {
        remarks.push(Remark::LayoutGroups { count: groups });
    }
    let mut edges = Edges::new(geometry, &independence);
    for (members, labels) in geometry.groups().zip(&expected) {
        for family in 0..count_of(labels) {
            let of_family = members.iter().zip(labels).filter(|(_, label)| **label == family);
            let family: Vec<ModelId> = of_family.map(|(&member, _)| member).collect();
            edges.tree(&family, grow)?;
        }
    }
    edges.phylogeny(remarks)
}
