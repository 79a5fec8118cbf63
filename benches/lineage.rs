//! What lineages cost from a stored geometry, in families of 40 and in a single one; and what reading values again adds.
//!
//! `cargo bench --bench lineage`; for sets too large to be run ten times `lineage_cost` of the member `evaluation`.

#[path = "support/lineages.rs"]
mod lineages;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lineages::geometry;
use neural_phylogeny::PhylogenyDetector;
use neural_phylogeny::detect::LineageDetector;
use neural_phylogeny::parent::SmallestNorm;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

fn lineage(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lineage");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    let mut case = |name: &str, models: usize, family: usize, values: bool| {
        let geometry = geometry(models, family, values);
        group.bench_function(BenchmarkId::new(name, format!("{models}-models")), |bencher| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            bencher.iter(|| LineageDetector::new().detect(&geometry, &SmallestNorm, &mut rng).expect("a phylogeny"));
        });
    };
    for models in [100, 400, 1000] {
        case("families-of-40", models, 40, false);
        case("one-family", models, models, false);
    }
    case("one-family-with-values", 100, 100, true);
    group.finish();
}

criterion_group!(benches, lineage);
criterion_main!(benches);
