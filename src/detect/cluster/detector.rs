use super::edges::Edges;
use super::{CentroidClusterer, Clusterer, Clustering, MemberScores, Points};
use crate::detect::PhylogenyDetector;
use crate::detect::families::{Families, by_first_appearance};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::parent::{Choice, ParentSelector};
use crate::phylogeny::{Phylogeny, Remark};
use rand::RngCore;

/// Identify after clustering: the clusterer runs untouched, then the selector picks each cluster's parent.
///
/// Every other member becomes a child of that parent. Noise is isolated. Groups of models that cannot be compared are clustered
/// one by one. A cluster in which the selector cannot tell the parent is a family without one: the tied members are its roots,
/// and others are children of the nearest of them, unless those too are equally near. Of members with
/// the same weights the one of lowest id stands for all, and the others are its duplicates: a copy adds one edge and moves none.
///
/// Source: Yu & Wang, *Neural Phylogeny*, ICLR 2025, <https://openreview.net/forum?id=jv2zHOalpL>.
///
/// ```
/// use neural_phylogeny::{ClusterDetector, ExpectedFamilies, Families};
/// let detector = ClusterDetector::new(ExpectedFamilies).with_families(Families::Count(3));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClusterDetector<C> {
    clusterer: C,
    families: Families,
}

impl<C: Clusterer> ClusterDetector<C> {
    /// A detector around a clusterer, families expected by the independence test.
    pub fn new(clusterer: C) -> Self {
        Self { clusterer, families: Families::default() }
    }

    /// How many families to expect: the K of clusterers that need one, the scale of those that estimate a radius.
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }
}

impl<C: Clusterer> PhylogenyDetector for ClusterDetector<C> {
    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        detect(geometry, selector, self.families, &mut |points, _| self.clusterer.cluster(points, rng))
    }
}

/// Identify along clustering: the selector has a say in where centroids move, by the α rule of the clusterer.
///
/// At α = 1 this is [`ClusterDetector`]. Parents at the end are the selector's choice among the final members.
#[derive(Clone, Debug, Default)]
pub struct CentroidDetector<C> {
    clusterer: C,
    families: Families,
}

impl<C: CentroidClusterer> CentroidDetector<C> {
    /// A detector around a clusterer that follows the α rule, families expected by the independence test.
    pub fn new(clusterer: C) -> Self {
        Self { clusterer, families: Families::default() }
    }

    /// How many families to expect.
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }
}

impl<C: CentroidClusterer> PhylogenyDetector for CentroidDetector<C> {
    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        detect(geometry, selector, self.families, &mut |points, scores| {
            self.clusterer.cluster_along(points, scores, rng)
        })
    }
}

type Run<'a> = dyn FnMut(&Points<'_>, &MemberScores<'_>) -> Result<Clustering, Error> + 'a;

fn detect(
    geometry: &Geometry,
    selector: &dyn ParentSelector,
    families: Families,
    run: &mut Run<'_>,
) -> Result<Phylogeny, Error> {
    let independence = geometry.independence();
    let expected = families.expected_from(geometry, &independence)?;
    let groups = geometry.groups().len();
    let count = expected.iter().map(|labels| labels.iter().max().map_or(0, |&l| l + 1)).sum();
    let mut remarks = vec![Remark::FamiliesExpected { count }];
    if groups > 1 {
        remarks.push(Remark::LayoutGroups { count: groups });
    }
    let mut edges = Edges::new(geometry, &independence);
    let mut noise = 0;
    for (members, expected) in geometry.groups().zip(&expected) {
        if members.len() == 1 {
            continue;
        }
        let points = Points::of_models(geometry.compare(members)?, expected);
        let scores = |positions: &[usize]| {
            let some: Vec<_> = positions.iter().map(|&p| members[p]).collect();
            Choice::of(selector, geometry, &some).map(|choice| choice.scores)
        };
        let clustering = run(&points, &scores)?;
        if clustering.labels.len() != members.len() {
            return Err(Error::Clustering {
                clusterer: "outside clusterer".to_owned(),
                models: members.len(),
                coordinates: points.width(),
                reason: format!("found {} labels, expected one for each model", clustering.labels.len()),
            });
        }
        remarks.extend(clustering.remarks);
        noise += clustering.labels.iter().filter(|l| l.is_none()).count();
        let labels = by_first_appearance(clustering.labels.iter().enumerate().map(|(i, l)| l.ok_or(i)));
        for label in 0..labels.iter().max().map_or(0, |&l| l + 1) {
            let cluster: Vec<_> = (0..members.len()).filter(|&i| labels[i] == label).map(|i| members[i]).collect();
            edges.family(selector, &cluster)?;
        }
    }
    if noise > 0 {
        remarks.push(Remark::Noise { count: noise });
    }
    edges.phylogeny(remarks)
}
