//! A detector of one's own: in each family, the parent of a model is the nearest of those that score lower. Unlike a
//! clustering, whose families are stars, this finds lineages of several generations.
//!
//! `cargo run --example own_detector --features testing`

use neural_phylogeny::detect::Families;
use neural_phylogeny::geometry::Geometry;
use neural_phylogeny::parent::{Choice, SmallestNorm};
use neural_phylogeny::phylogeny::PhylogenyBuilder;
use neural_phylogeny::testing::check_detector;
use neural_phylogeny::{
    Config, Edge, Error, InMemory, ModelId, ModelSet, ParentSelector, Phylogeny, PhylogenyDetector, detect_phylogeny,
};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The nearest model that scores lower is the parent; families are those of the independence test.
#[derive(Debug)]
struct NearestElder;

impl PhylogenyDetector for NearestElder {
    fn detect(
        &self,
        geometry: &Geometry,
        selector: &dyn ParentSelector,
        _rng: &mut dyn RngCore,
    ) -> Result<Phylogeny, Error> {
        let expected = Families::default().expected(geometry)?;
        let mut families: Vec<Vec<ModelId>> = Vec::new();
        for (group, labels) in geometry.groups().zip(&expected) {
            let count = labels.iter().max().map_or(0, |&last| last + 1);
            let members = |label| (0..group.len()).filter(move |&i| labels[i] == label).map(|i| group[i]);
            families.extend((0..count).map(|label| members(label).collect()));
        }
        let mut builder = PhylogenyBuilder::new(geometry.len());
        for family in &families {
            let choice = Choice::new(selector, geometry, family)?;
            for (i, &child) in family.iter().enumerate().filter(|(i, _)| !choice.best.contains(i)) {
                let elders = (0..family.len()).filter(|&j| choice.scores[j] < choice.scores[i]).map(|j| family[j]);
                let distance = |&elder: &ModelId| geometry.distance(elder, child).unwrap_or(f64::INFINITY);
                if let Some(parent) = elders.min_by(|a, b| distance(a).total_cmp(&distance(b))) {
                    builder = builder.with_edge(Edge::new(parent, child).with_distance(distance(&parent)));
                }
            }
        }
        // Tied models have no edge between them and stay kin all the same.
        families.into_iter().fold(builder, PhylogenyBuilder::with_kin).build()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    check_detector(&NearestElder)?;

    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut noise = |size: f32| -> Vec<f32> { (0..4096).map(|_| rng.gen_range(-size..size)).collect() };
    let add = |a: &[f32], b: Vec<f32>| -> Vec<f32> { a.iter().zip(b).map(|(x, y)| x + y).collect() };
    let base = noise(1.0);
    let instruct = add(&base, noise(0.3));
    let chat = add(&instruct, noise(0.3));
    let model = |weights: &[f32]| InMemory::new().with_parameter("fc.weight", [64, 64], weights.to_vec());
    let models = ModelSet::builder()
        .with_model("chat", model(&chat)?)
        .with_model("stranger", model(&noise(1.0))?)
        .with_model("base", model(&base)?)
        .with_model("instruct", model(&instruct)?)
        .build()?;

    let config = Config::default().with_detector(NearestElder).with_selector(SmallestNorm);
    let phylogeny = detect_phylogeny(&models, config)?;
    for edge in phylogeny.edges() {
        println!("{} -> {}", phylogeny.name(edge.parent), phylogeny.name(edge.child));
    }
    let chat = phylogeny.id("chat").ok_or("the set has a model `chat`")?;
    let ancestors: Vec<&str> = phylogeny.ancestors(chat).into_iter().map(|m| phylogeny.name(m)).collect();
    assert_eq!(ancestors, ["instruct", "base"]);
    Ok(())
}
