//! A parent selector of one's own: fine-tuning spreads over all weights and so makes outliers rarer; the member whose weights
//! have the highest kurtosis is the parent.
//!
//! This is the direction score of Horwitz et al., *Unsupervised model tree heritage recovery* (ICLR 2025), for its
//! specialization stage. Its sign is not the same for every architecture: look before you trust it.
//!
//! `cargo run --example own_parent_selector --features testing`

use neural_phylogeny::detect::cluster::{CentroidDetector, KMeans};
use neural_phylogeny::geometry::Geometry;
use neural_phylogeny::model_set::Position;
use neural_phylogeny::testing::check_parent_selector;
use neural_phylogeny::{Config, Error, InMemory, ModelId, ModelSet, ParentSelector, detect_phylogeny};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Mean excess kurtosis over the parameters, negated: the lowest score is the parent.
#[derive(Debug)]
struct HighestKurtosis;

impl ParentSelector for HighestKurtosis {
    fn scores(&self, geometry: &Geometry, members: &[ModelId]) -> Result<Vec<f64>, Error> {
        let comparison = geometry.compare(members)?;
        let score = |a| {
            let kurtosis: Vec<f64> = comparison.scoped().filter_map(|p| p.moments(a).kurtosis()).collect();
            // Parameters of one constant value have no kurtosis; a model of only such has nothing to tell.
            -kurtosis.iter().sum::<f64>() / kurtosis.len().max(1) as f64
        };
        Ok(Position::all(members.len()).map(score).collect())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    check_parent_selector(&HighestKurtosis)?;

    let mut rng = ChaCha8Rng::seed_from_u64(0);
    // Cubes of uniform numbers: most weights near zero, a few far from it.
    let base: Vec<f32> = (0..4096).map(|_| rng.gen_range(-1.0f32..1.0).powi(3)).collect();
    let mut tuned = || -> Vec<f32> { base.iter().map(|w| w + rng.gen_range(-0.2f32..0.2)).collect() };
    let model = |weights| InMemory::new().with_parameter("fc.weight", [64, 64], weights);
    let models = ModelSet::builder()
        .with_model("chat", model(tuned())?)
        .with_model("base", model(base.clone())?)
        .with_model("code", model(tuned())?)
        .build()?;

    let phylogeny = detect_phylogeny(&models, Config::default().with_selector(HighestKurtosis))?;
    for edge in phylogeny.edges() {
        println!("{} -> {}", phylogeny.name(edge.parent), phylogeny.name(edge.child));
    }
    let parents: Vec<&str> = phylogeny.edges().iter().map(|e| phylogeny.name(e.parent)).collect();
    assert_eq!(parents, ["base", "base"]);

    // The same rule may have a say in where centroids move: half of the iterations ask it, the others take means.
    let along = CentroidDetector::new(KMeans::new()).with_alpha(0.5);
    let config = Config::default().with_selector(HighestKurtosis).with_detector(along);
    assert_eq!(detect_phylogeny(&models, config)?.edges().len(), 2);
    Ok(())
}
