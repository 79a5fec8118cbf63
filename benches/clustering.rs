//! KMeans and MeanShift, along (α = 0.5) and after (α = 1), on a stored geometry of N models in eight families, as
//! `name,models,median seconds,runs` on standard output; the coordinates and settings are left in a folder for
//! `clustering_reference.py`. `clustering.sh` runs both.
//!
//! `cargo bench --bench clustering -- [--models N,N,…] [--folder FOLDER]`

use linfa::DatasetBase;
use linfa::prelude::{FitWith, ParamGuard};
use linfa_clustering::KMeansInit;
use linfa_nn::distance::L2Dist;
use ndarray::{Array2, Axis};
use neural_phylogeny::detect::cluster::{Alpha, CentroidClusterer, CentroidDetector, KMeans, MeanShift, Points};
use neural_phylogeny::geometry::{Geometry, GeometrySettings};
use neural_phylogeny::parent::{Choice, SmallestNorm};
use neural_phylogeny::phylogeny::Remark;
use neural_phylogeny::{InMemory, ModelId, ModelSet, PhylogenyDetector};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FAMILIES: usize = 8;
const ALPHA: f64 = 0.5;
const RESTARTS: usize = 10;

/// Parents with entries of variance 1, children a tenth of a parent's norm away from it.
fn geometry(n: usize) -> Geometry {
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let mut normal = |size: usize| -> Vec<f32> { (0..size).map(|_| rng.sample(StandardNormal)).collect() };
    let size = 4096;
    let parents: Vec<Vec<f32>> = (0..FAMILIES).map(|_| normal(size)).collect();
    let mut builder = ModelSet::builder();
    for i in 0..n {
        let movement = if i < FAMILIES { 0.0 } else { 0.1 };
        let weights = parents[i % FAMILIES].iter().zip(normal(size)).map(|(w, e)| w + movement * e).collect();
        let model = InMemory::new().with_parameter("w", [64, 64], weights).expect("64 x 64 weights");
        builder = builder.with_model(i.to_string(), model);
    }
    let models = builder.build().expect("models of one layout");
    Geometry::compute(&models, &GeometrySettings::new()).expect("a geometry")
}

/// Median time of a run, and how many runs there were: at least five, more while they are short.
fn time<T>(name: &str, n: usize, mut run: impl FnMut() -> T) {
    let began = Instant::now();
    let mut times: Vec<f64> = Vec::new();
    while times.len() < 5 || (times.len() < 101 && began.elapsed() < Duration::from_secs(2)) {
        let one = Instant::now();
        std::hint::black_box(run());
        times.push(one.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    println!("{name},{n},{:e},{}", times[times.len() / 2], times.len());
}

fn write_numpy(path: &Path, values: &Array2<f64>) -> io::Result<()> {
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {:?}, }}", values.dim());
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = io::BufWriter::new(fs::File::create(path)?);
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&(header.len() as u16).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    for value in values {
        file.write_all(&value.to_le_bytes())?;
    }
    file.flush()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes = vec![95, 366, 2000];
    let mut folder = PathBuf::from("target/clustering");
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--models" => {
                sizes = words.next().unwrap_or_default().split(',').map(str::parse).collect::<Result<_, _>>()?
            }
            "--folder" => folder = words.next().ok_or("--folder names none")?.into(),
            // cargo bench adds it.
            "--bench" => {}
            other => return Err(format!("unknown argument `{other}`").into()),
        }
    }
    fs::create_dir_all(&folder)?;
    for n in sizes {
        bench(n, &folder)?;
    }
    Ok(())
}

fn bench(n: usize, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let geometry = geometry(n);
    let members: Vec<ModelId> = geometry.groups().next().ok_or("no group")?.to_vec();
    let expected = neural_phylogeny::detect::Families::Count(FAMILIES).expected(&geometry)?.remove(0);
    let norms = SmallestNormScores::of(&geometry, &members)?;
    let scores = |positions: &[usize]| Ok(positions.iter().map(|&p| norms.0[p]).collect());
    let coordinates = geometry.compare(&members)?.coordinates()?.values;
    let on_coordinates = Points::new(coordinates.view(), &expected);
    let rng = || ChaCha8Rng::seed_from_u64(1);

    let estimated = MeanShift::new().cluster_along(&on_coordinates, Alpha::default(), &scores, &mut rng())?;
    let bandwidth = estimated.remarks.iter().find_map(|r| match r {
        Remark::RadiusEstimated { value, .. } => Some(*value),
        _ => None,
    });
    let bandwidth = bandwidth.ok_or("no bandwidth was estimated")?;
    let k_means = |restarts| KMeans::new().with_families(FAMILIES).with_restarts(restarts);
    let mean_shift = MeanShift::new().with_bandwidth(bandwidth);

    write_numpy(&folder.join(format!("coordinates-{n}.npy")), &coordinates)?;
    let norms_column = Array2::from_shape_fn((n, 1), |(i, _)| norms.0[i]);
    write_numpy(&folder.join(format!("norms-{n}.npy")), &norms_column)?;
    let found = k_means(RESTARTS).cluster_along(&on_coordinates, Alpha::default(), &scores, &mut rng())?;
    let labels = Array2::from_shape_fn((n, 1), |(i, _)| found.labels[i].map_or(-1.0, |l| l as f64));
    write_numpy(&folder.join(format!("labels-{n}.npy")), &labels)?;
    fs::write(
        folder.join(format!("settings-{n}.txt")),
        format!("{FAMILIES} {bandwidth:e} {ALPHA} {RESTARTS} {} {}\n", coordinates.nrows(), coordinates.ncols()),
    )?;

    for (name, alpha) in [("along", ALPHA), ("after", 1.0)] {
        let clusterers: [(String, Box<dyn CentroidClusterer>); 3] = [
            (format!("k-means-{name}-10-restarts"), Box::new(k_means(RESTARTS))),
            (format!("k-means-{name}-1-restart"), Box::new(k_means(1))),
            (format!("mean-shift-{name}"), Box::new(mean_shift.clone())),
        ];
        for (name, clusterer) in &clusterers {
            // Looking the distances up in the geometry is part of the time.
            time(name, n, || {
                let points = Points::from_models(geometry.compare(&members).expect("comparable models"), &expected);
                clusterer.cluster_along(&points, Alpha::Fixed(alpha), &scores, &mut rng()).expect("a clustering")
            });
            time(&format!("{name} from-coordinates"), n, || {
                clusterer
                    .cluster_along(&on_coordinates, Alpha::Fixed(alpha), &scores, &mut rng())
                    .expect("a clustering")
            });
        }
    }
    // What the loop would spend on one step if it ran on coordinates.
    let first: Vec<usize> = (0..FAMILIES).collect();
    time("k-means-step-by-linfa", n, || {
        let params = linfa_clustering::KMeans::params_with(FAMILIES, rng(), L2Dist)
            .init_method(KMeansInit::Precomputed(coordinates.select(Axis(0), &first)))
            .check()
            .expect("valid settings");
        params.fit_with(None, &DatasetBase::from(coordinates.view())).is_ok()
    });
    // Everything from the geometry on: independence test, clustering with the selector, edges.
    time("k-means-along-10-restarts detect", n, || {
        let detector = CentroidDetector::new(k_means(RESTARTS)).with_alpha(ALPHA);
        detector.detect(&geometry, &SmallestNorm, &mut rng()).expect("a phylogeny")
    });
    time("mean-shift-along detect", n, || {
        let detector = CentroidDetector::new(mean_shift.clone()).with_alpha(ALPHA);
        detector.detect(&geometry, &SmallestNorm, &mut rng()).expect("a phylogeny")
    });
    Ok(())
}

/// Norms of all models, as the reference has them too.
struct SmallestNormScores(Vec<f64>);

impl SmallestNormScores {
    fn of(geometry: &Geometry, members: &[ModelId]) -> Result<Self, neural_phylogeny::Error> {
        Ok(Self(Choice::new(&SmallestNorm, geometry, members)?.scores))
    }
}
