//! Own source, clusterer, selector and detector; linfa's clusterers; JSON there and back; errors by kind.

use linfa_clustering::{Dbscan, KMeans};
use neural_phylogeny::config::detect_phylogeny_in;
use neural_phylogeny::detect::cluster::{ClusterDetector, Clustering, Linfa, LinfaWith, Points};
use neural_phylogeny::format::{Dtype, ParameterInfo, check_range};
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::parent::{Choice, SmallestNorm};
use neural_phylogeny::phylogeny::PhylogenyBuilder;
use neural_phylogeny::rand::{Rng, RngCore, SeedableRng};
use neural_phylogeny::write::{read_json, write_json};
use neural_phylogeny::{
    Clusterer, Config, Edge, Error, ModelId, ModelSet, ParameterSource, ParentSelector, Phylogeny, PhylogenyDetector,
    SourceError, detect_phylogeny,
};
use std::sync::Arc;

/// One 32 × 32 matrix; a broken one fails when it is read.
#[derive(Debug)]
struct OneMatrix {
    weights: Vec<f32>,
    broken: bool,
}

impl ParameterSource for OneMatrix {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        Ok(vec![ParameterInfo::new("fc.weight", [32, 32], Dtype::F32)])
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        if name != "fc.weight" {
            return Err(SourceError::UnknownParameter { parameter: name.into() });
        }
        if self.broken {
            return Err(SourceError::Other { message: "503 from the object store".into(), source: None });
        }
        check_range(name, self.weights.len(), offset, out.len())?;
        out.copy_from_slice(&self.weights[offset..offset + out.len()]);
        Ok(())
    }
}

/// Every model joins the first one within a radius.
#[derive(Debug)]
struct Leaders(f64);

impl Clusterer for Leaders {
    fn check(&self) -> Result<(), Error> {
        if self.0 > 0.0 { Ok(()) } else { Err(Error::other("leaders need a radius above 0")) }
    }

    fn cluster(&self, points: &Points<'_>, _: &mut dyn RngCore) -> Result<Clustering, Error> {
        let (squared, mut labels) = (points.squared_distances(), Vec::<usize>::new());
        for i in 0..points.len() {
            let leader = (0..i).find(|&j| labels[j] == j && squared[(i, j)] < self.0 * self.0);
            labels.push(leader.unwrap_or(i));
        }
        Ok(Clustering::new(labels.into_iter().map(Some).collect()))
    }
}

/// The member whose farthest relative is nearest.
#[derive(Debug)]
struct Central;

impl ParentSelector for Central {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        let farthest = |&a| members.iter().filter_map(|&b| geometry.distance(a, b)).fold(0.0, f64::max);
        Ok(members.iter().map(farthest).collect())
    }
}

/// All comparable models are one family around the selector's choice.
#[derive(Debug)]
struct OneStar;

impl PhylogenyDetector for OneStar {
    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        _: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        let mut builder = PhylogenyBuilder::new(geometry.len());
        for group in geometry.groups() {
            if let [best] = Choice::new(selector, geometry, group)?.best[..] {
                let children = group.iter().filter(|&&m| m != group[best]);
                builder = builder.with_edges(children.map(|&m| Edge::new(group[best], m)));
            }
        }
        builder.build()
    }
}

/// Two families: a root and two children each.
fn models(broken: &str) -> Result<ModelSet, Error> {
    let mut rng = neural_phylogeny::rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut sources = Vec::new();
    for root in ["a", "b"] {
        let base: Vec<f32> = (0..1024).map(|_| rng.gen_range(-1.0..1.0)).collect();
        for (name, movement) in [(root.to_owned(), 0.0), (format!("{root}1"), 0.1), (format!("{root}2"), 0.1)] {
            let weights = base.iter().map(|w| w + movement * rng.gen_range(-1.0f32..1.0)).collect();
            sources.push((name.clone(), OneMatrix { weights, broken: name == broken }));
        }
    }
    ModelSet::from_models(sources)
}

fn parents(phylogeny: &Phylogeny) -> Vec<(&str, &str)> {
    // Edges are sorted by child.
    phylogeny.edges().iter().map(|e| (phylogeny.name(e.child), phylogeny.name(e.parent))).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let models = models("")?;
    let expected = [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")];
    let phylogeny = detect_phylogeny(&models, Config::default())?;
    assert_eq!(parents(&phylogeny), expected);

    // Parts of one's own and linfa's, over one pass.
    let geometry = Geometry::compute(&models, &GeometrySettings::new())?;
    let clusterers: [Arc<dyn Clusterer>; 3] = [
        Arc::new(Leaders(10.0)),
        Arc::new(Linfa::new(Dbscan::params(2).tolerance(10.0))),
        Arc::new(LinfaWith::new(|_: &Points<'_>, rng| KMeans::params_with_rng(2, rng))),
    ];
    for clusterer in clusterers {
        let config = Config::new().with_detector(ClusterDetector::new(clusterer)).with_selector(Central);
        let found = detect_phylogeny_in(&geometry, models.names(), config)?;
        assert_eq!(parents(&found), expected);
    }
    let star = Config::new().with_detector(OneStar).with_selector(SmallestNorm).with_seed(3);
    assert_eq!(star.settings().detector, "OneStar");
    assert_eq!(detect_phylogeny_in(&geometry, models.names(), star.clone())?.families().len(), 1);

    let mut json = Vec::new();
    write_json(&phylogeny, &mut json)?;
    assert_eq!(parents(&read_json(&json[..])?), expected);

    match self::models("b1").and_then(|models| detect_phylogeny(&models, star)) {
        Err(Error::Source { model, source }) => {
            assert!(model == "b1" && matches!(*source, SourceError::Other { .. }));
        }
        other => return Err(format!("{other:?}").into()),
    }
    let refused = detect_phylogeny(&models, Config::new().with_detector(ClusterDetector::new(Leaders(0.0))));
    assert_eq!(refused.map_err(|e| e.to_string()), Err("leaders need a radius above 0".to_owned()));
    Ok(())
}
