use crate::detect::lineage::tests::fixture::{noise, noticed};
use crate::detect::lineage::weights::Weights;
use crate::detect::{LineageDetector, PhylogenyDetector, direction};
use crate::error::SourceError;
use crate::geometry::{Geometry, GeometrySettings};
use crate::model_set::{ModelId, ModelSet};
use crate::parent::SmallestNorm;
use crate::phylogeny::Phylogeny;
use crate::source::{Dtype, InMemory, ParameterInfo, ParameterSource};
use rand::SeedableRng;

const WIDTH: usize = 16;

/// The values of one matrix: drawn by a seed, and moved by another one, by a step.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    seed: u64,
    moved: (u64, f32),
}

/// Names with the matrices of a model.
type Tensors = Vec<(String, Matrix)>;

/// Some matrices of a module that look random.
fn module(name: &str, seed: u64, matrices: usize) -> Tensors {
    let matrix = |i: usize| Matrix { seed: 100 * seed + i as u64, moved: (1, 0.0) };
    (0..matrices).map(|i| (format!("{name}.{i}.weight"), matrix(i))).collect()
}

/// The matrices trained on.
fn trained(tensors: &Tensors, seed: u64) -> Tensors {
    let moved = |i: usize, matrix: &Matrix| Matrix { moved: (1000 * seed + i as u64, 0.1), ..*matrix };
    tensors.iter().enumerate().map(|(i, (name, matrix))| (name.clone(), moved(i, matrix))).collect()
}

fn model(modules: &[Tensors]) -> InMemory {
    modules.iter().flatten().fold(InMemory::new(), |model, (name, matrix)| {
        let values = noise(matrix.seed).zip(noise(matrix.moved.0)).map(|(x, step)| x + matrix.moved.1 * step);
        let values: Vec<f32> = values.take(WIDTH * WIDTH).collect();
        model.with_parameter(name.as_str(), [WIDTH, WIDTH], values).unwrap()
    })
}

fn geometry(models: &[Vec<Tensors>]) -> Geometry {
    let named = models.iter().enumerate().map(|(i, m)| (format!("m{i}"), model(m)));
    let set = named.fold(ModelSet::builder().with_minimum_shared(0.1), |set, (name, m)| set.with_model(name, m));
    Geometry::compute(&set.build().unwrap(), &GeometrySettings::default()).unwrap()
}

fn detected(models: &[Vec<Tensors>], weights: &Weights) -> Phylogeny {
    let detector = LineageDetector::new().with_weights(*weights);
    let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
    detector.detect(&geometry(models), &SmallestNorm, &mut rng).unwrap()
}

fn found(models: &[Vec<Tensors>]) -> Phylogeny {
    detected(models, &Weights::default())
}

/// The members of all families of two models or more, the number of edges, and who shares how many tensors.
type Summary = (Vec<Vec<usize>>, usize, Vec<(Vec<usize>, usize)>);

fn summary(phylogeny: &Phylogeny) -> Summary {
    let ids = |models: &[ModelId]| models.iter().map(|m| m.index()).collect::<Vec<_>>();
    let families = phylogeny.families().iter().map(|f| ids(&f.members)).filter(|f| f.len() > 1);
    let part = |p: &crate::phylogeny::SharedPart| (p.models.iter().map(|(m, _)| m.index()).collect(), p.tensors.len());
    (families.collect(), phylogeny.edges().len(), phylogeny.shared_parts().iter().map(part).collect())
}

fn tower() -> Tensors {
    module("vision", 1, 8)
}

fn language(seed: u64) -> Tensors {
    module("language", seed, 6)
}

#[test]
fn a_frozen_tower_is_no_family() {
    // The tower has more than half of all matrices, so that the median over matrices is that of the tower.
    let models = [vec![tower(), language(2)], vec![tower(), language(3)]];
    let phylogeny = found(&models);
    assert_eq!(summary(&phylogeny), (vec![], 0, vec![(vec![0, 1], 8)]));
    let part = &phylogeny.shared_parts()[0];
    assert!(part.tensors.iter().all(|name| name.starts_with("vision.")));
    assert_eq!((part.values, part.models[1].1), (8 * 256, 8.0 / 14.0));
    // One with fewer is a part too.
    let models = [vec![module("vision", 1, 5), language(2)], vec![module("vision", 1, 5), language(3)]];
    assert_eq!(summary(&found(&models)), (vec![], 0, vec![(vec![0, 1], 5)]));
}

/// A model as BF16 stores it.
#[derive(Debug)]
struct Rounded(InMemory);

impl ParameterSource for Rounded {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let rounded = |info: ParameterInfo| ParameterInfo::new(info.name, info.shape, Dtype::BF16);
        Ok(self.0.parameters()?.into_iter().map(rounded).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        self.0.read(name, offset, out)?;
        let round = |x: f32| f32::from_bits((x.to_bits() + 0x8000) & 0xffff_0000);
        out.iter_mut().for_each(|x| *x = round(*x));
        Ok(())
    }
}

#[test]
fn a_tower_in_fewer_digits_is_the_same_tower() {
    let parts = |other: Vec<Tensors>| {
        let set = ModelSet::builder().with_model("a", model(&[tower(), language(2)]));
        let set = set.with_model("b", Rounded(model(&other))).build().unwrap();
        let geometry = Geometry::compute(&set, &GeometrySettings::default()).unwrap();
        let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
        summary(&LineageDetector::new().detect(&geometry, &SmallestNorm, &mut rng).unwrap())
    };
    assert_eq!(parts(vec![tower(), language(3)]), (vec![], 0, vec![(vec![0, 1], 8)]));
    // A cast is a copy, and a tower that was trained on is no part.
    assert_eq!(parts(vec![tower(), language(2)]).0, [[0, 1]]);
    assert_eq!(parts(vec![trained(&tower(), 4), language(3)]).2, []);
}

#[test]
fn fine_tunes_of_one_of_them_are_its_family_alone() {
    let (a, b) = (language(2), language(3));
    let models = [vec![tower(), a.clone()], vec![tower(), b], vec![tower(), trained(&a, 7)]];
    assert_eq!(summary(&found(&models)), (vec![vec![0, 2]], 1, vec![(vec![0, 1, 2], 8)]));
    // A fine-tune whose tower was trained as well is no kin of the other model either.
    let both = vec![trained(&tower(), 8), trained(&a, 9)];
    let models = [models[0].clone(), models[1].clone(), both];
    assert_eq!(summary(&found(&models)), (vec![vec![0, 2]], 1, vec![(vec![0, 1], 8)]));
}

#[test]
fn the_tower_by_itself_is_kin_in_part_of_both() {
    let models = [vec![tower(), language(2)], vec![tower(), language(3)], vec![tower()]];
    assert_eq!(summary(&found(&models)), (vec![], 0, vec![(vec![0, 1, 2], 8)]));
    // With one of the two nothing tells that the tower was not taken out of it: a copy in part, as before.
    assert_eq!(summary(&found(&[models[0].clone(), vec![tower()]])).0, [[0, 1]]);
    // Copies of the tower are a family of their own.
    let models = [models[0].clone(), models[1].clone(), vec![tower()], vec![tower()]];
    assert_eq!(summary(&found(&models)), (vec![vec![2, 3]], 1, vec![(vec![0, 1, 2, 3], 8)]));
}

#[test]
fn a_new_head_leaves_a_family() {
    let head = |seed, matrices| module("head", seed, matrices);
    // Four matrices are a head, and a small share is one.
    for (body, matrices) in [(8, 1), (8, 4), (40, 6)] {
        let body = module("body", 1, body);
        let models = [vec![body.clone(), head(2, matrices)], vec![body, head(3, matrices)]];
        let (families, _, parts) = summary(&found(&models));
        assert_eq!((families, parts), (vec![vec![0, 1]], vec![]));
    }
    // A body that was trained on is kin, whatever the head.
    let body = module("body", 1, 8);
    let models = [vec![body.clone(), head(2, 6)], vec![trained(&body, 4), head(3, 6)]];
    assert_eq!(summary(&found(&models)), (vec![vec![0, 1]], 1, vec![]));
}

#[test]
fn a_model_put_together_from_two_others_is_their_merge() {
    let models = |first, last| {
        let model = |a, b| vec![module("first", a, first), module("last", b, last)];
        [model(1, 2), model(3, 4), model(1, 4)]
    };
    let phylogeny = found(&models(8, 8));
    assert_eq!(phylogeny.parents(ModelId::new(2)).len(), 2, "{:?}", phylogeny.edges());
    assert_eq!(phylogeny.shared_parts(), []);
    // Where one of them gave less than half, the median sees the other alone. The merge stays in its family.
    assert_eq!(summary(&found(&models(8, 6))), (vec![vec![0, 2]], 1, vec![(vec![1, 2], 6)]));
}

#[test]
fn tables_that_strangers_share_are_no_part() {
    // Every layer has the same mask.
    let mask = |_: usize| Matrix { seed: 5, moved: (1, 0.0) };
    let masks: Tensors = (0..8).map(|i| (format!("mask.{i}"), mask(i))).collect();
    let models = [vec![masks.clone(), language(2)], vec![masks, language(3)]];
    assert_eq!(summary(&found(&models)).2, []);
}

#[test]
fn embeddings_that_correlate_do_not_hide_a_part() {
    let like = |seed| Matrix { seed: 77, moved: (seed, 1.5) };
    let with = |seed| vec![tower(), language(seed), vec![("embed".to_owned(), like(seed))]];
    let models = [with(2), with(3)];
    assert_eq!(summary(&found(&models)).2, [(vec![0, 1], 8)]);
}

#[test]
fn order_and_strangers_change_nothing() {
    let (a, b) = (language(2), language(3));
    let models = [vec![tower(), a.clone()], vec![tower(), b], vec![tower(), trained(&a, 7)]];
    let turned: Vec<_> = models.iter().rev().cloned().collect();
    assert_eq!(summary(&found(&turned)), (vec![vec![0, 2]], 1, vec![(vec![0, 1, 2], 8)]));
    let stranger = vec![module("vision", 41, 8), language(42)];
    let more: Vec<_> = models.iter().cloned().chain([stranger]).collect();
    assert_eq!(summary(&found(&more)), summary(&found(&models)));
}

#[test]
fn two_models_alone_are_kin_in_part() {
    let models = [vec![tower(), language(2)], vec![tower(), language(3)]];
    let [a, b] = [0, 1].map(ModelId::new);
    let found = direction(&geometry(&models), a, b, &Weights::default()).unwrap();
    let part = found.in_part.unwrap();
    assert_eq!((part.tensors.len(), part.shares), (8, [8.0 / 14.0; 2]));
    assert!(found.p_value.unwrap() > 1e-3 && found.first == 0.5 && found.evidence.is_empty());
    let kin = [vec![tower(), language(2)], vec![tower(), trained(&language(2), 4)]];
    assert_eq!(direction(&geometry(&kin), a, b, &Weights::default()).unwrap().in_part, None);
}

#[test]
fn the_numbers_of_parts_are_noticed() {
    let pair = |tower: usize, rest: usize| {
        let of = |seed| vec![module("tower", 1, tower), module("rest", seed, rest)];
        [of(2), of(3)]
    };
    let parts = |w: &Weights, models: &[Vec<Tensors>]| format!("{:?}", summary(&detected(models, w)));
    noticed("in_part", &["least"], |w| [2, 4, 7].map(|n| parts(w, &pair(n, 8))).join(" "));
    noticed("in_part", &["head"], |w| [2, 4, 5, 8].map(|n| parts(w, &pair(8, n))).join(" "));
    noticed("in_part", &["rest"], |w| [(20, 6), (45, 6)].map(|(n, rest)| parts(w, &pair(n, rest))).join(" "));
    // Of twelve matrices of the rest some correlate.
    let correlated = |n: usize| {
        let of = |seed: u64| {
            let like = |i: usize| Matrix { seed: 70 + i as u64, moved: (10 * seed + i as u64, 1.5) };
            let embeddings = (0..n).map(|i| (format!("embed.{i}"), like(i))).collect();
            vec![module("tower", 1, 16), module("rest", seed, 12 - n), embeddings]
        };
        [of(2), of(3)]
    };
    noticed("in_part", &["related"], |w| [2, 5].map(|n| parts(w, &correlated(n))).join(" "));
}
