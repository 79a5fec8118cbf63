//! A pass that is stopped and continued gives the same bits as one that is not.

use neural_phylogeny::format::ParameterInfo;
use neural_phylogeny::geometry::{Geometry, GeometrySettings, Initialization};
use neural_phylogeny::model_set::Position;
use neural_phylogeny::source::EntryDistribution;
use neural_phylogeny::{Error, InMemory, ModelId, ModelSet, ParameterSource, SourceError};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Two layouts, the second with a tensor of several jobs; the order as given, or reversed.
fn models(seed: u64, reversed: bool) -> ModelSet {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut named = Vec::new();
    for m in 0..6 {
        let source = (0..40).fold(InMemory::new(), |s, l| {
            let values = (0..64).map(|_| rng.gen_range(-1.0..1.0)).collect();
            s.with_parameter(format!("layers.{l:02}.weight"), [8, 8], values).unwrap()
        });
        named.push((format!("a{m}"), source));
    }
    let root: Vec<f32> = (0..1_200_000).map(|_| rng.gen_range(-1.0..1.0)).collect();
    for m in 0..3 {
        let moved = root.iter().map(|w| w + m as f32 * rng.gen_range(-1e-3..1e-3)).collect();
        let source = InMemory::new().with_parameter("w", [1200, 1000], moved).unwrap();
        named.push((format!("b{m}"), source.with_parameter("bias", [2], vec![1.0, m as f32]).unwrap()));
    }
    if reversed {
        named.reverse();
    }
    named.into_iter().fold(ModelSet::builder(), |b, (name, source)| b.with_model(name, source)).build().unwrap()
}

fn settings(threads: usize) -> GeometrySettings {
    let initialization = Initialization::Random { entries: EntryDistribution::Normal, seed: 3 };
    GeometrySettings::new().with_memory(1 << 20).with_threads(threads).with_initialization(initialization)
}

/// Every bit that can be asked for, models by name.
fn bits(models: &ModelSet, geometry: &Geometry) -> Vec<String> {
    let mut names: Vec<&str> = models.names().collect();
    names.sort_unstable();
    let ids: Vec<ModelId> = names.iter().map(|n| models.id(n).unwrap()).collect();
    let mut bits = vec![format!("{:?}", geometry.models().iter().map(|&m| models.name(m)).collect::<Vec<_>>())];
    for &a in &ids {
        bits.push(format!("{:x}", geometry.norm(a).to_bits()));
        for &b in &ids {
            let distance = geometry.squared_distance(a, b).map(f64::to_bits);
            bits.push(format!("{distance:x?} {}", geometry.identical(a, b)));
        }
    }
    for group in geometry.groups() {
        let comparison = geometry.compare(group).unwrap();
        for i in 0..group.len() {
            bits.push(format!("{:x}", comparison.squared_distance_to_initialization(Position::new(i)).to_bits()));
        }
    }
    bits
}

/// Computes until so many calls of the observer; what was read at the first of them comes back too.
fn until(models: &ModelSet, settings: GeometrySettings, file: &Path, calls: u64) -> (Result<Geometry, Error>, u64) {
    let (seen, first) = (AtomicU64::new(0), Arc::new(AtomicU64::new(u64::MAX)));
    let least = first.clone();
    let settings = settings.with_resume_file(file).with_resume_every(Duration::ZERO).with_observer(move |p| {
        least.fetch_min(p.read, Ordering::Relaxed);
        if seen.fetch_add(1, Ordering::Relaxed) + 1 >= calls {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let outcome = Geometry::compute(models, &settings);
    (outcome, first.load(Ordering::Relaxed))
}

/// The bits of a pass that nobody stops, and how often it calls its observer.
fn counted(models: &ModelSet) -> (Vec<String>, u64) {
    let calls = Arc::new(AtomicU64::new(0));
    let seen = calls.clone();
    let settings = settings(1).with_observer(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    let geometry = Geometry::compute(models, &settings).unwrap();
    (bits(models, &geometry), calls.load(Ordering::Relaxed))
}

#[test]
fn a_pass_stopped_again_and_again_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sums");
    let set = models(1, false);
    let expected = bits(&set, &Geometry::compute(&set, &settings(2)).unwrap());
    let shuffled = models(1, true);
    let (whole, calls) = counted(&set);
    assert_eq!(whole, expected);
    for stop in (1..calls).step_by(calls as usize / 20) {
        let mut runs = 0;
        let (geometry, first) = loop {
            // Threads and the order of models change from run to run.
            let models = if runs % 2 == 0 { &set } else { &shuffled };
            // The longest job, done whole or not at all, makes seven tenths of a pass.
            let stop = if runs == 0 { stop } else { calls * 9 / 10 };
            let (outcome, first) = until(models, settings(1 + runs % 3), &file, stop);
            runs += 1;
            match outcome {
                Ok(geometry) => break (bits(models, &geometry), first),
                Err(Error::Interrupted) => assert!(file.is_file() && runs < 20),
                Err(error) => panic!("{error}"),
            }
        };
        // The last run did not begin anew: the first block it told of came after all that others had done.
        assert!(runs > 1 && first > 10_000, "{stop}: {runs} {first}");
        assert_eq!(geometry, expected, "{stop}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn another_set_and_other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sums");
    let set = models(1, false);
    assert!(matches!(until(&set, settings(1), &file, 60).0, Err(Error::Interrupted)));
    let kept = std::fs::read(&file).unwrap();
    let cases = [
        (models(2, false), settings(1), "models"),
        (models(1, false), settings(1).with_memory(2 << 20), "memory"),
        (models(1, false), settings(1).with_initialization(Initialization::Zero), "initialization"),
    ];
    for (set, settings, what) in cases {
        match until(&set, settings, &file, 1000).0 {
            Err(Error::ResumeFileOfAnother { found, expected, .. }) => {
                assert!(found.starts_with(what) && expected.starts_with(what), "{found} {expected}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!(std::fs::read(&file).unwrap(), kept);
}

#[test]
fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sums");
    let set = models(1, false);
    assert!(matches!(until(&set, settings(1), &file, 60).0, Err(Error::Interrupted)));
    let kept = std::fs::read(&file).unwrap();
    let expected = bits(&set, &Geometry::compute(&set, &settings(1)).unwrap());
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let check = |bytes: &[u8], what: String| {
        std::fs::write(&file, bytes).unwrap();
        match until(&set, settings(1), &file, u64::MAX).0 {
            // A flip in what pads the header is none.
            Ok(geometry) => assert_eq!(bits(&set, &geometry), expected, "{what}"),
            Err(Error::ResumeFileDamaged { .. } | Error::ResumeFileOfAnother { .. }) => {}
            Err(error) => panic!("{what}: {error}"),
        }
        assert!(bytes.len() == kept.len() || file.is_file(), "{what}");
    };
    for _ in 0..60 {
        let at = rng.gen_range(0..kept.len());
        check(&kept[..at], format!("cut at {at}"));
        // Half of the flips in the header, which is shorter than the values.
        let at = if rng.gen_bool(0.5) { rng.gen_range(0..kept.len().min(4096)) } else { at };
        let mut flipped = kept.clone();
        flipped[at] ^= 1 << rng.gen_range(0..8);
        check(&flipped, format!("flip at {at}"));
    }
    // The length that a file begins with leaves out its own 8 bytes.
    let length = u64::from_le_bytes(kept[..8].try_into().unwrap()) as usize;
    for at in length..=length + 8 {
        check(&kept[..at], format!("cut at {at}, where the header ends"));
    }
    check(b"", "empty".to_owned());
    check(&[255; 64], "a long header".to_owned());
    check(&[kept.as_slice(), b"more"].concat(), "longer".to_owned());
}

#[test]
fn a_file_of_another_kind_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let set = models(1, false);
    let data = [1.0f32.to_le_bytes(), 2.0f32.to_le_bytes()].concat();
    let w = || ("w", safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &data).unwrap());
    for about in [None, Some([("format".to_owned(), "pt".to_owned())].into())] {
        let model = safetensors::serialize([w()], about).unwrap();
        std::fs::write(&file, &model).unwrap();
        match until(&set, settings(1), &file, u64::MAX).0 {
            Err(Error::ResumeFileDamaged { path, reason }) => {
                assert_eq!(path.file_name(), file.file_name());
                assert_eq!(reason, "a safetensors file of another kind");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(std::fs::read(&file).unwrap(), model);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_be_kept_ends_the_run_before_the_pass() {
    let folder = tempfile::tempdir().unwrap();
    let set = models(1, false);
    let inside = |name: &str| folder.path().join(name);
    std::fs::create_dir(inside("folder")).unwrap();
    std::fs::write(inside("file"), "no folder").unwrap();
    for name in ["gone/sums", "folder", "file/sums"] {
        let (outcome, first) = until(&set, settings(1), &inside(name), u64::MAX);
        match outcome {
            Err(error @ Error::ResumeFileIo { .. }) => {
                assert!(error.to_string().starts_with("cannot keep partial sums in "), "{error}");
                assert!(error.to_string().contains(&format!("{name}: ")), "{error}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(first, u64::MAX, "{name}: values were read");
    }
    assert!(inside("folder").is_dir() && inside("file").is_file());
}

/// A model on a disk that fails from some value on, until it is repaired.
#[derive(Debug)]
struct Failing {
    model: InMemory,
    from: usize,
    broken: Arc<AtomicBool>,
    read: Arc<AtomicU64>,
}

impl ParameterSource for Failing {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        self.model.parameters()
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        if offset >= self.from && self.broken.load(Ordering::Relaxed) {
            let source = std::io::Error::other("the disk failed");
            return Err(SourceError::Io { path: "disk".into(), source });
        }
        self.read.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.model.read(name, offset, out)
    }
}

#[test]
fn a_model_that_fails_midway_costs_nothing_that_was_read_before() {
    const JOB: usize = 1 << 18;
    const SIZE: usize = 5 << 17;
    /// The first look at each model.
    const LOOKED_AT: u64 = 4096;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sums");
    let (broken, read) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    // The tensor is three jobs, the last of which fails; the first look is at values in the middle.
    let set = (0..3).fold(ModelSet::builder(), |set, m| {
        let values = (0..SIZE).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let model = InMemory::new().with_parameter("w", [SIZE / 1024, 1024], values).unwrap();
        set.with_model(format!("m{m}"), Failing { model, from: 2 * JOB, broken: broken.clone(), read: read.clone() })
    });
    let set = set.build().unwrap();
    let run = || {
        let settings = settings(1).with_initialization(Initialization::Zero).with_resume_file(&file);
        let outcome = Geometry::compute(&set, &settings);
        (outcome, read.swap(0, Ordering::Relaxed))
    };

    let (outcome, _) = run();
    match outcome {
        Err(Error::Source { source, .. }) => {
            assert!(matches!(&*source, SourceError::Io { source, .. } if source.to_string() == "the disk failed"));
        }
        other => panic!("{other:?}"),
    }
    // Kept long before half a minute was over; as long as it fails, nothing of that is read again and nothing lost.
    let (again, values) = run();
    assert!(matches!(again, Err(Error::Source { .. })));
    assert!(values <= 3 * LOOKED_AT, "{values} values were read");
    assert!(file.is_file());

    broken.store(false, Ordering::Relaxed);
    let (continued, values) = run();
    assert!(values <= 3 * ((SIZE - 2 * JOB) as u64 + LOOKED_AT), "{values} values were read");
    assert!(!file.exists());
    let (whole, values) = run();
    assert!(values >= 3 * SIZE as u64);
    assert_eq!(bits(&set, &continued.unwrap()), bits(&set, &whole.unwrap()));
}
