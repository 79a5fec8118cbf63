use super::edges::Edges;
use super::{Alpha, CentroidClusterer, Clusterer, Clustering, MemberScores, Points};
use crate::detect::PhylogenyDetector;
use crate::detect::families::{Families, by_first_appearance};
use crate::error::Error;
use crate::geometry::Geometry;
use crate::parent::{Choice, ParentSelector};
use crate::phylogeny::{Phylogeny, Remark};
use rand::RngCore;

/// Identify after clustering: the clusterer runs unchanged, then the selector picks the parent of each cluster.
///
/// Every other member becomes a child of that parent. Noise is isolated. Groups of models that cannot be compared are clustered
/// one by one.
///
/// If the selector cannot decide between members of a cluster, the family has no single parent. The tied members are its roots.
/// Other members are children of the nearest root, unless several roots are equally near.
///
/// Among members with the same weights, the one of lowest id stands for all, and the others are its duplicates. So a copy adds
/// one edge and moves none.
///
/// Source: Yu & Wang, *Neural Phylogeny*, ICLR 2025, <https://openreview.net/forum?id=jv2zHOalpL>.
///
/// The α rule does not apply here; the detector that follows it is [`CentroidDetector`].
///
/// ```
/// use neural_phylogeny::detect::Families;
/// use neural_phylogeny::detect::cluster::{ClusterDetector, ExpectedFamilies};
/// let detector = ClusterDetector::new(ExpectedFamilies).with_families(Families::Count(3));
/// ```
///
/// ```compile_fail
/// use neural_phylogeny::detect::cluster::{ClusterDetector, KMeans};
/// let detector = ClusterDetector::new(KMeans::new()).with_alpha(0.5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClusterDetector<C> {
    clusterer: C,
    families: Families,
}

impl<C: Clusterer> ClusterDetector<C> {
    /// A detector around a clusterer. Families are expected by the independence test.
    pub fn new(clusterer: C) -> Self {
        Self { clusterer, families: Families::default() }
    }

    /// Sets how many families to expect. Default: as many as the independence test finds.
    ///
    /// The number is the K of clusterers that need one, and the families are the scale of those that estimate a radius.
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }
}

impl<C: Clusterer> PhylogenyDetector for ClusterDetector<C> {
    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        self.clusterer.check()?;
        self.families.check(groups, models)
    }

    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        detect(geometry, selector, self.families, &mut |points, _| self.clusterer.cluster(points, rng))
    }
}

/// Identify along clustering: the selector takes part in where centroids move, by the α rule.
///
/// At α = 1 this is [`ClusterDetector`]. In the end, the selector chooses parents among the final members.
///
/// ```
/// use neural_phylogeny::{Config, InMemory, ModelSet, detect_phylogeny};
/// use neural_phylogeny::detect::cluster::{CentroidDetector, MeanShift};
/// use neural_phylogeny::parent::SmallestNorm;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = |w| InMemory::new().with_parameter("w", [2, 2], vec![w; 4]);
/// let models = ModelSet::builder().with_model("a", model(1.0)?).with_model("b", model(1.1)?).with_model("c", model(9.0)?).build()?;
///
/// let detector = CentroidDetector::new(MeanShift::new().with_bandwidth(1.0)).with_alpha(0.5);
/// let config = Config::new().with_detector(detector).with_selector(SmallestNorm);
/// let phylogeny = detect_phylogeny(&models, config)?;
/// assert_eq!(phylogeny.name(phylogeny.edges()[0].parent), "a");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CentroidDetector<C> {
    clusterer: C,
    alpha: Alpha,
    families: Families,
}

impl<C: CentroidClusterer> CentroidDetector<C> {
    /// A detector around a clusterer that follows the α rule. α is 1, and families are expected by the independence test.
    pub fn new(clusterer: C) -> Self {
        Self { clusterer, alpha: Alpha::default(), families: Families::default() }
    }

    /// Sets α, the share of iterations in which centroids become means. A number in [0, 1] is [`Alpha::Fixed`]. Default: 1.
    pub fn with_alpha(mut self, alpha: impl Into<Alpha>) -> Self {
        self.alpha = alpha.into();
        self
    }

    /// Sets how many families to expect. Default: as many as the independence test finds.
    pub fn with_families(mut self, families: Families) -> Self {
        self.families = families;
        self
    }
}

impl<C: CentroidClusterer> PhylogenyDetector for CentroidDetector<C> {
    fn check(&self, groups: usize, models: usize) -> Result<(), Error> {
        self.alpha.check()?;
        self.clusterer.check_along()?;
        self.families.check(groups, models)
    }

    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        detect(geometry, selector, self.families, &mut |points, scores| {
            self.clusterer.cluster_along(points, self.alpha, scores, rng)
        })
    }
}

/// One run of a clusterer on the points of one group.
type Run<'a> = dyn FnMut(&Points<'_>, &MemberScores<'_>) -> Result<Clustering, Error> + 'a;

/// Clusters each group and joins the members of each cluster to its parent.
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
        // A single model is a family by itself.
        if members.len() == 1 {
            continue;
        }
        let points = Points::from_models(geometry.compare(members)?, expected);
        // The clusterer knows positions alone, and the selector needs models.
        let scores = |positions: &[usize]| {
            let some: Vec<_> = positions.iter().map(|&p| members[p]).collect();
            Choice::new(selector, geometry, &some).map(|choice| choice.scores)
        };
        let clustering = run(&points, &scores)?;
        // An outside clusterer may break its contract; without this check its labels would be read beyond their end.
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
        // Noise gets a label of its own per model, and so becomes a cluster of one.
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
