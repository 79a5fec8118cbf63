//! What the one pass over the weights costs, N models of D parameters, next to what reading them alone costs.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::{InMemory, ModelSet};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::hint::black_box;
use std::time::Duration;

const FAMILIES: usize = 2;

/// Values read at once, as the pass over the weights does.
const BLOCK: usize = 1 << 15;

/// Two families: children within a tenth of their parent's weights, in tensors of 100,000 values.
fn models(n: usize, parameters: usize) -> ModelSet {
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let parents: Vec<Vec<f32>> =
        (0..FAMILIES).map(|_| (0..parameters).map(|_| rng.gen_range(-1.0..1.0)).collect()).collect();
    let mut builder = ModelSet::builder();
    for i in 0..n {
        let child: Vec<f32> = parents[i % FAMILIES].iter().map(|w| w + rng.gen_range(-0.1f32..0.1)).collect();
        let model = child.chunks(100_000).enumerate().fold(InMemory::new(), |model, (layer, values)| {
            let shape = [values.len() / 100, 100];
            model.with_parameter(format!("layers.{layer}.weight"), shape, values.to_vec()).unwrap()
        });
        builder = builder.with_model(i.to_string(), model);
    }
    builder.build().unwrap()
}

/// Every value once, block by block and all models in turn, and nothing done with them.
fn read(models: &ModelSet) {
    let mut block = vec![0.0; BLOCK];
    for parameter in models.groups()[0].parameters() {
        for begin in (0..parameter.size()).step_by(BLOCK) {
            let block = &mut block[..BLOCK.min(parameter.size() - begin)];
            for model in models.ids() {
                models.source(model).read(&parameter.name, begin, block).unwrap();
                black_box(&mut *block);
            }
        }
    }
}

fn gram(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gram");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    // One thread, so that the two can be compared.
    let settings = GeometrySettings::new().with_threads(1);
    for (n, parameters) in [(2, 1_000_000), (8, 1_000_000), (32, 1_000_000), (128, 100_000)] {
        let models = models(n, parameters);
        let size = format!("{n}-models/{parameters:e}-parameters");
        group.throughput(Throughput::Elements((n * parameters) as u64));
        group.bench_function(BenchmarkId::new("geometry", &size), |bencher| {
            bencher.iter(|| Geometry::compute(&models, &settings).unwrap());
        });
        group.bench_function(BenchmarkId::new("read-only", &size), |bencher| bencher.iter(|| read(&models)));
    }
    group.finish();
}

criterion_group!(benches, gram);
criterion_main!(benches);
