use super::*;
use crate::detect::lineage::tests::fixture::{Model, alike, ids, noticed, point};
use crate::error::SourceError;
use crate::geometry::GeometrySettings;
use crate::model_set::ModelSet;
use crate::source::{Dtype, InMemory, ParameterInfo, ParameterSource};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Relations of copies to their sources, by number.
fn found(weights: &Weights, geometry: &Geometry) -> Vec<(usize, usize, Relation, f64)> {
    let separated = separated(geometry, &ids(geometry), weights).unwrap();
    separated.copies.iter().map(|c| (c.source.index(), c.copy.index(), c.relation, c.direction)).collect()
}

#[test]
fn pruned_scaled_and_equal_models_are_copies() {
    let weights = Weights::default();
    let root = point(&[(0, 3.0), (1, 4.0)]);
    let twice = root.iter().map(|x| 2.0 * x).collect::<Vec<f64>>();
    let far = point(&[(0, 3.5), (1, 4.0), (5, 1.0)]);
    let of = |points: &[Vec<f64>]| found(&weights, &alike(2, points));
    assert_eq!(of(&[root.clone(), point(&[(0, 3.0)])]), [(0, 1, Relation::Pruned, 0.98)]);
    assert_eq!(of(&[root.clone(), twice.clone()]), [(0, 1, Relation::Scaled, 0.5)]);
    assert_eq!(of(&[root.clone(), twice.clone(), far.clone()]), [(0, 1, Relation::Scaled, 0.9)]);
    assert_eq!(of(&[root.clone(), root.clone(), far.clone()]), [(0, 1, Relation::Duplicate, 0.5)]);
    assert_eq!(of(&[root.clone(), far.clone()]), []);
    noticed("copies", &["certain", "likely", "even"], |w| {
        let pruned = found(w, &alike(2, &[point(&[(0, 3.0), (1, 4.0)]), point(&[(0, 3.0)])]));
        let two = found(w, &alike(2, &[point(&[(0, 3.0), (1, 4.0)]), twice.clone()]));
        let three = found(w, &alike(2, &[root.clone(), twice.clone(), far.clone()]));
        format!("{pruned:?} {two:?} {three:?}")
    });
}

/// Three matrices of 48 × 48 values and a vector.
#[derive(Clone)]
struct Network {
    matrices: Vec<Vec<f32>>,
    bias: Vec<f32>,
}

const SIDE: usize = 48;

impl Network {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal =
            |n: usize| -> Vec<f32> { (0..n).map(|_| 0.2 * rng.sample::<f32, _>(StandardNormal)).collect() };
        Self { matrices: (0..3).map(|_| normal(SIDE * SIDE)).collect(), bias: normal(SIDE) }
    }

    /// Trained on: rows move along few directions, by about this share of their norm.
    fn trained(&self, seed: u64, by: f32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut child = self.clone();
        for matrix in &mut child.matrices {
            let mut normal = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.sample(StandardNormal)).collect() };
            let (left, right, noise) = (normal(SIDE * 4), normal(4 * SIDE), normal(SIDE * SIDE));
            for (i, value) in matrix.iter_mut().enumerate() {
                let along = |k: usize| left[i / SIDE * 4 + k] * right[k * SIDE + i % SIDE];
                *value += 0.2 * by * (0.45 * (0..4).map(along).sum::<f32>() + 0.4 * noise[i]);
            }
        }
        child.bias.iter_mut().for_each(|x| *x += 0.01);
        child
    }

    fn mapped(&self, f: impl Fn(f32) -> f32) -> Self {
        let mut copy = self.clone();
        copy.matrices.iter_mut().flatten().for_each(|x| *x = f(*x));
        copy
    }

    /// With noise of this share of the values' size.
    fn noisy(&self, seed: u64, by: f32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut copy = self.clone();
        copy.matrices.iter_mut().flatten().for_each(|x| *x += 0.2 * by * rng.sample::<f32, _>(StandardNormal));
        copy
    }

    fn source(&self) -> InMemory {
        let all = self.matrices.iter().enumerate();
        let source = InMemory::new().with_parameter("bias", [SIDE], self.bias.clone()).unwrap();
        all.fold(source, |s, (t, m)| s.with_parameter(format!("w{t}"), [SIDE, SIDE], m.clone()).unwrap())
    }
}

fn geometry(models: impl IntoIterator<Item = InMemory>) -> Geometry {
    let named = models.into_iter().enumerate().map(|(i, source)| (format!("m{i}"), source));
    Geometry::compute(&ModelSet::from_models(named).unwrap(), &GeometrySettings::default()).unwrap()
}

fn of_networks(networks: &[&Network]) -> Geometry {
    geometry(networks.iter().map(|n| n.source()))
}

fn half(x: f32) -> f32 {
    half::f16::from_f32(x).to_f32()
}

fn brain(x: f32) -> f32 {
    half::bf16::from_f32(x).to_f32()
}

#[test]
fn casts_are_told_by_values_and_two_casts_of_an_absent_model_are_siblings() {
    let weights = Weights::default();
    let (root, child) = (Network::new(1), Network::new(1).trained(2, 0.2));
    let (f16, bf16) = (root.mapped(half), root.mapped(brain));
    assert_eq!(found(&weights, &of_networks(&[&bf16, &root, &child])), [(1, 0, Relation::Cast, 0.98)]);
    for order in [[&f16, &bf16, &child], [&bf16, &child, &f16]] {
        let geometry = of_networks(&order);
        let separated = separated(&geometry, &ids(&geometry), &weights).unwrap();
        let at = |n: &Network| order.iter().position(|o| o.matrices == n.matrices).map(ModelId::new).unwrap();
        assert_eq!(separated.copies, []);
        assert_eq!(separated.siblings, [Sibling { standing: at(&f16), sibling: at(&bf16) }]);
    }
    // A cast that makes a few values zero is no pruning.
    let mut tiny = bf16.clone();
    tiny.matrices[0][..4].copy_from_slice(&[brain(1e-9), brain(-2e-9), brain(3e-10), 0.5]);
    assert_eq!(found(&weights, &of_networks(&[&tiny.mapped(half), &tiny])), [(1, 0, Relation::Cast, 0.98)]);
    // The same values in another dtype are equal, and nothing tells which was first.
    let stored = |dtype| Model::new(3).with_dtype(dtype);
    let both = crate::detect::lineage::tests::fixture::of_models(&[stored(Dtype::F32), stored(Dtype::F64)]);
    assert_eq!(found(&weights, &both).len(), 1);
    assert_eq!(found(&weights, &both)[0].3, 0.5);
}

#[test]
fn noise_hangs_on_its_source_and_training_does_not() {
    let weights = Weights::default();
    let root = Network::new(1);
    let (near, far) = (root.trained(2, 0.03), root.trained(3, 0.2));
    let (noisy, more) = (root.noisy(5, 0.01), root.noisy(6, 0.02));
    // The rest of a family of three or four tells the source in part.
    let of = |networks: &[&Network]| -> Vec<(usize, usize, Relation)> {
        let found = found(&weights, &of_networks(networks));
        found
            .into_iter()
            .map(|(s, c, r, direction)| (s, c, if direction > 0.6 { r } else { Relation::Unspecified }))
            .collect()
    };
    assert_eq!(of(&[&root, &noisy, &far]), [(0, 1, Relation::Perturbed)]);
    assert_eq!(of(&[&root, &near, &far]), []);
    let mut two = of(&[&root, &noisy, &more, &far]);
    two.sort_by_key(|c| c.1);
    assert_eq!(two, [(0, 1, Relation::Perturbed), (0, 2, Relation::Perturbed)]);
    // Two copies by noise of an absent model are siblings.
    let other = root.noisy(7, 0.01);
    let close = root.trained(12, 0.05);
    let without = of_networks(&[&noisy, &other, &close]);
    assert_eq!(separated(&without, &ids(&without), &weights).unwrap().siblings.len(), 1);
    // One unit in the last place.
    let next = root.mapped(|x| f32::from_bits(x.to_bits() + 1));
    let resaved = found(&weights, &of_networks(&[&next, &root, &far]));
    assert_eq!(resaved.iter().map(|c| c.2).collect::<Vec<_>>(), [Relation::Perturbed]);
    noticed("copies", &["perturbed", "far_nearer", "structure", "between"], |w| {
        let (third, steady) = (root.noisy(8, 0.03), root.noisy(13, 0.05));
        let at_edge = [root.trained(9, 0.08), root.trained(10, 0.05), root.trained(11, 0.025)];
        let sets = [
            vec![&root, &third],
            vec![&root, &third, &at_edge[0]],
            vec![&root, &third, &at_edge[1]],
            vec![&root, &third, &steady],
            vec![&root, &at_edge[2]],
            vec![&noisy, &other, &close],
            vec![&noisy, &third, &far],
        ];
        let all = sets.map(|set| {
            let geometry = of_networks(&set);
            format!("{:?}", separated(&geometry, &ids(&geometry), w).unwrap())
        });
        all.join("\n")
    });
}

#[test]
fn few_values_changed_are_no_noise() {
    let root = Network::new(1);
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut masked = root.noisy(5, 0.02);
    for (new, old) in masked.matrices.iter_mut().flatten().zip(root.matrices.iter().flatten()) {
        if rng.gen_bool(0.7) {
            *new = *old;
        }
    }
    let of = |w: &Weights| found(w, &of_networks(&[&root, &masked]));
    assert_eq!(of(&Weights::default()), []);
    noticed("copies", &["altered"], |w| format!("{:?}", of(w)));
}

#[test]
fn models_that_lack_tensors_are_copies_of_those_that_others_are_like() {
    let weights = Weights::default();
    let (root, child, other) = (Network::new(1), Network::new(1).trained(2, 0.1), Network::new(1).trained(3, 0.2));
    let head = |n: &Network, rows: usize, seed: u64| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let values = (0..rows * SIDE).map(|_| rng.gen_range(-0.2..0.2)).collect();
        n.source().with_parameter("head", [rows, SIDE], values).unwrap()
    };
    // All have a head but one.
    let dropped = geometry([head(&child, 9, 1), root.source(), head(&root, 9, 1), head(&other, 9, 1)]);
    assert_eq!(found(&weights, &dropped), [(2, 1, Relation::Duplicate, 0.9)]);
    // One has a head, two have heads of other classes.
    let added = geometry([head(&root, 9, 1), child.source(), root.source(), head(&root, 5, 2)]);
    assert_eq!(found(&weights, &added), [(2, 0, Relation::Duplicate, 0.9), (2, 3, Relation::Duplicate, 0.9)]);
    // Two alone.
    let alone = geometry([root.source(), head(&root, 9, 1)]);
    assert_eq!(found(&weights, &alone), [(1, 0, Relation::Duplicate, 0.7)]);
    // More rows.
    let padded = geometry([head(&root, 12, 1), head(&root, 9, 1)]);
    assert_eq!(found(&weights, &padded), [(1, 0, Relation::VocabularyResized, 0.7)]);
    noticed("copies", &["lacking"], |w| format!("{:?}", found(w, &alone)));
}

#[test]
fn vectors_alone_are_a_fine_tune() {
    let weights = Weights::default();
    let (root, child) = (Network::new(1), Network::new(1).trained(2, 0.2));
    let mut tuned = root.clone();
    tuned.bias.iter_mut().for_each(|x| *x += 0.3);
    assert_eq!(found(&weights, &of_networks(&[&tuned, &child, &root])), [(2, 0, Relation::FineTune, 0.9)]);
    assert_eq!(found(&weights, &of_networks(&[&tuned, &root])).len(), 1);
}

#[test]
fn rounding_far_apart_and_unlike_is_not_looked_at() {
    let root = Network::new(1);
    let largest = |values: &[f32]| values.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    // Grids of 4 bits over a whole matrix move these values by a seventh.
    let mut coarse = root.clone();
    for matrix in &mut coarse.matrices {
        let step = largest(matrix) / 7.0;
        matrix.iter_mut().for_each(|x| *x = (*x / step).round() * step);
    }
    // One matrix moves eighteen times as far as the others.
    let mut unlike = root.noisy(3, 0.002);
    unlike.matrices[0] = root.noisy(4, 0.036).matrices.swap_remove(0);
    let of = |w: &Weights| {
        let sets = [vec![&root, &coarse], vec![&root, &unlike]];
        sets.map(|set| format!("{:?}", found(w, &of_networks(&set)))).join(" ")
    };
    assert_eq!(of(&Weights::default()), "[] []");
    noticed("copies", &["rounded", "alike"], of);
    // What is left of pruned models is rounded, and pruned all the same.
    let pruned = |seed| {
        let network = Network::new(seed);
        let copy = network.mapped(|x| if x.abs() < 0.06 { 0.0 } else { float8::F8E4M3::from_f32(x).to_f32() });
        [network, copy]
    };
    let of =
        |w: &Weights| (20..26).map(pruned).map(|[a, b]| format!("{:?}", found(w, &of_networks(&[&a, &b])))).collect();
    let all: String = of(&Weights::default());
    assert!(all.contains("Pruned"), "{all}");
    noticed("tolerances", &["pruned_and_rounded"], of);
}

/// A model in steps, which says how far rounding to them moved its values.
#[derive(Debug)]
struct InSteps {
    model: Model,
    step: f32,
    rounding: f64,
}

impl ParameterSource for InSteps {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let method = crate::format::Quantization::new("steps");
        Ok(self.model.parameters()?.into_iter().map(|info| info.with_quantization(method.clone())).collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        self.model.read(name, offset, out)?;
        out.iter_mut().for_each(|value| *value = (*value / self.step).round() * self.step);
        Ok(())
    }

    fn rounding(&self, _: &str) -> Result<Option<f64>, SourceError> {
        Ok(Some(self.rounding))
    }
}

#[test]
fn a_copy_in_known_steps_is_as_far_as_rounding_explains() {
    let root = Model::new(1);
    let child = root.trained(2, 0..0, 1.0);
    // Steps of a tenth of the largest value lie on none of the grids that are searched for.
    let mut values = [0.0; 64];
    child.read("w0", 0, &mut values).unwrap();
    let step = values.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 40.0;
    let geometry = |share: f64| {
        let rounding = share * f64::from(step) / 12f64.sqrt();
        let copy = InSteps { model: child.clone(), step, rounding };
        let set = ModelSet::builder().with_model("root", root.clone()).with_model("child", child.clone());
        let set = set.with_model("copy", copy).build().unwrap();
        crate::geometry::Geometry::compute(&set, &GeometrySettings::default()).unwrap()
    };
    let weights = Weights::default();
    assert_eq!(found(&weights, &geometry(1.0)), [(1, 2, Relation::Quantized, 0.98)]);
    assert_eq!(found(&weights, &geometry(0.6)), [(1, 2, Relation::Quantized, 0.98)]);
    let copies = separated(&geometry(1.0), &ids(&geometry(1.0)), &weights).unwrap().copies;
    assert_eq!(copies[0].method.as_deref(), Some("steps"));
    // What rounding to these steps would move lies far below or above what moved.
    assert_eq!(found(&weights, &geometry(0.1)), []);
    assert_eq!(found(&weights, &geometry(10.0)), []);
    let near = geometry(0.6);
    noticed("copies", &["explained"], |w| format!("{:?}", found(w, &near)));
}

#[test]
fn tolerances_of_copies_are_noticed() {
    noticed("tolerances", &["collinear", "projected"], |w| {
        // A sine of 1.2e-5 between multiples, and a product that is 1.5e-9 off.
        let turned = found(w, &alike(1, &[point(&[(0, 1.0)]), point(&[(0, 2.0), (1, 2.4e-5)])]));
        let pruned = found(w, &alike(1, &[point(&[(0, 1.0), (1, 1.0)]), point(&[(0, 1.0 + 1.5e-9), (2, 1e-9)])]));
        format!("{turned:?} {pruned:?}")
    });
}
