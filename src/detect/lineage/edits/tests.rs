//! Edits of small networks, and what is no edit.

use super::*;
use crate::detect::lineage::LineageDetector;
use crate::detect::lineage::tests::fixture::{ids, m, noticed};
use crate::detect::lineage::witness::{Lineage, Witness, norm, removal};
use crate::detect::{Families, PhylogenyDetector};
use crate::error::SourceError;
use crate::geometry::GeometrySettings;
use crate::model_set::ModelSet;
use crate::parent::SmallestNorm;
use crate::phylogeny::{Phylogeny, Relation};
use crate::source::{Dtype, ParameterInfo, ParameterSource};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The length of what all matrices write.
const WIDTH: usize = 48;

/// Name, rows and columns. The first is read by rows, the query writes nothing.
const TENSORS: [(&str, usize, usize); 5] =
    [("embed", 80, WIDTH), ("0.query", 40, WIDTH), ("0.out", WIDTH, 40), ("1.query", 40, WIDTH), ("1.out", WIDTH, 40)];

#[derive(Clone, Debug)]
struct Network {
    dtype: Dtype,
    tensors: Vec<Vec<f64>>,
}

fn draws(seed: u64, n: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.gen_range(-1.0..1.0)).collect()
}

/// A direction of length 1.
fn direction(seed: u64) -> Vec<f64> {
    let drawn = draws(seed, WIDTH);
    unit(&drawn)
}

fn unit(drawn: &[f64]) -> Vec<f64> {
    let norm = drawn.iter().map(|x| x * x).sum::<f64>().sqrt();
    drawn.iter().map(|x| x / norm).collect()
}

impl Network {
    fn new(seed: u64) -> Self {
        let tensors =
            TENSORS.iter().enumerate().map(|(t, (_, rows, columns))| draws(seed + 100 * t as u64, rows * columns));
        Self { dtype: Dtype::F32, tensors: tensors.collect() }
    }

    fn trained(&self, seed: u64, step: f64) -> Self {
        let noise = Self::new(seed + 10_000);
        let mut child = self.clone();
        child.tensors.iter_mut().flatten().zip(noise.tensors.iter().flatten()).for_each(|(x, n)| *x += step * n);
        child
    }

    /// Takes the share `s` of a direction out of the embedding, and of others out of what two layers write.
    fn edited(&self, directions: [&[f64]; 3], s: f64) -> Self {
        let mut child = self.clone();
        for (t, u) in [0, 2, 4].into_iter().zip(directions) {
            child = child.edited_in(t, u, s);
        }
        child
    }

    fn edited_in(mut self, t: usize, u: &[f64], s: f64) -> Self {
        let (rows, columns) = (TENSORS[t].1, TENSORS[t].2);
        let tensor = &mut self.tensors[t];
        if rows == WIDTH {
            for j in 0..columns {
                let along: f64 = (0..rows).map(|i| u[i] * tensor[i * columns + j]).sum();
                (0..rows).for_each(|i| tensor[i * columns + j] -= s * along * u[i]);
            }
        } else {
            for row in tensor.chunks_exact_mut(columns) {
                let along: f64 = row.iter().zip(u).map(|(x, u)| x * u).sum();
                row.iter_mut().zip(u).for_each(|(x, u)| *x -= s * along * u);
            }
        }
        self
    }

    /// Adds `step` times an outer product in the matrices that write.
    fn adapted(&self, u: &[f64], seed: u64, step: f64) -> Self {
        let mut child = self.clone();
        for t in [2, 4] {
            let columns = TENSORS[t].2;
            let v = draws(seed + t as u64, columns);
            child.tensors[t].iter_mut().enumerate().for_each(|(at, x)| *x += step * u[at / columns] * v[at % columns]);
        }
        child
    }

    fn stored(mut self, dtype: Dtype) -> Self {
        self.dtype = dtype;
        self
    }
}

impl ParameterSource for Network {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        let mut all: Vec<ParameterInfo> = TENSORS
            .iter()
            .map(|(name, rows, columns)| ParameterInfo::new(*name, vec![*rows, *columns], self.dtype))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        let t = TENSORS.iter().position(|(other, ..)| *other == name).unwrap_or_default();
        for (out, &x) in out.iter_mut().zip(&self.tensors[t][offset..]) {
            *out = if self.dtype == Dtype::BF16 { half::bf16::from_f64(x).to_f32() } else { x as f32 };
        }
        Ok(())
    }
}

fn geometry(models: &[Network]) -> Geometry {
    geometry_by(models, &GeometrySettings::default())
}

fn geometry_by(models: &[Network], settings: &GeometrySettings) -> Geometry {
    let named = models.iter().enumerate();
    let set = named.fold(ModelSet::builder(), |set, (i, model)| set.with_model(format!("m{i}"), model.clone()));
    Geometry::compute(&set.build().unwrap(), settings).unwrap()
}
/// The edit between the first two models, whose values are read.
fn read(geometry: &Geometry, weights: &Weights) -> Option<Edit> {
    let models = [0, 1].map(ModelId::new);
    let increments = geometry.read_increment(models[0], models[1]).unwrap()?;
    edit(geometry, models, &increments, weights).unwrap()
}

fn found_by(weights: &Weights, from: &Network, to: &Network) -> Option<Edit> {
    read(&geometry(&[from.clone(), to.clone()]), weights)
}

/// What is found of two models, the same from either side.
#[track_caller]
fn found(from: &Network, to: &Network) -> Option<Edit> {
    let (forward, reverse) = (found_by(&Weights::default(), from, to), found_by(&Weights::default(), to, from));
    let turned = reverse.clone().map(|edit| Edit { earlier: ModelId::new(1 - edit.earlier.index()), ..edit });
    let sizes = |edit: &Option<Edit>| edit.as_ref().map(|e| (e.earlier, e.left, e.method(), e.removed.len()));
    assert_eq!(sizes(&forward), sizes(&turned));
    forward
}

#[test]
fn one_direction_is_found_in_every_tensor_it_was_taken_out_of() {
    let u = direction(1);
    for dtype in [Dtype::F32, Dtype::BF16] {
        let base = Network::new(1).stored(dtype);
        let edit = found(&base, &base.edited([&u; 3], 1.0)).unwrap();
        assert_eq!(
            (edit.earlier, edit.left, edit.method().as_str()),
            (ModelId::new(0), Left::Nothing, "one direction")
        );
        assert_eq!(edit.removed.keys().collect::<Vec<_>>(), ["0.out", "1.out", "embed"]);
        assert!(edit.removed.values().all(|s| (s - 1.0).abs() < 1e-3), "{edit:?}");
    }
}

#[test]
fn directions_by_layer_and_several_directions_are_told_apart() {
    let [u, v, w] = [1, 2, 3].map(direction);
    let across = |from: &[f64]| {
        let along: f64 = v.iter().zip(from).map(|(x, y)| x * y).sum();
        unit(&v.iter().zip(from).map(|(x, y)| x - along * y).collect::<Vec<_>>())
    };
    for dtype in [Dtype::F32, Dtype::BF16] {
        let base = Network::new(1).stored(dtype);
        let said = |child: &Network| found(&base, child).map(|edit| (edit.left, edit.method()));
        let by_layer = base.edited([&u, &v, &w], 1.0);
        assert_eq!(said(&by_layer), Some((Left::Nothing, "3 directions, 1 a tensor".to_owned())));
        let both = base.edited([&u; 3], 1.0).edited([&across(&u); 3], 1.0);
        assert_eq!(said(&both), Some((Left::Nothing, "2 directions".to_owned())));
        let unlike = base.edited([&u; 3], 1.0).edited_in(2, &across(&u), 1.0);
        assert_eq!(said(&unlike), Some((Left::Nothing, "2 directions, 1 to 2 a tensor".to_owned())));
    }
}

#[test]
fn a_part_of_a_direction_and_more_than_all_of_it_are_edits() {
    let u = direction(1);
    for dtype in [Dtype::F32, Dtype::BF16] {
        let base = Network::new(1).stored(dtype);
        for s in [0.7, 1.5] {
            let edit = found(&base, &base.edited([&u; 3], s)).unwrap();
            assert_eq!((edit.earlier, edit.left), (ModelId::new(0), Left::Part));
            assert!(edit.removed.values().all(|share| (share - s).abs() < 0.01), "{edit:?}");
        }
        // Shares may differ by tensor.
        let uneven = base.clone().edited_in(2, &u, 0.4).edited_in(4, &u, 1.0);
        let edit = found(&base, &uneven).unwrap();
        assert!((edit.removed["0.out"] - 0.4).abs() < 0.01 && (edit.removed["1.out"] - 1.0).abs() < 0.01, "{edit:?}");
    }
}

#[test]
fn matrices_that_are_stored_turned_are_projected_on_their_other_side() {
    let (base, u) = (Network::new(1), direction(1));
    let turned = base.clone().edited_in(1, &u, 1.0).edited_in(2, &u, 1.0);
    let edit = found(&base, &turned).unwrap();
    assert_eq!((edit.method().as_str(), edit.left), ("one direction", Left::Nothing));
    assert_eq!(edit.removed.keys().collect::<Vec<_>>(), ["0.out", "0.query"]);
}

#[test]
fn what_is_found_has_the_same_bits_for_any_number_of_threads() {
    let (base, u) = (Network::new(1), direction(1));
    let models = [base.clone(), base.edited([&u; 3], 0.7)];
    let of = |threads| {
        let geometry = geometry_by(&models, &GeometrySettings::default().with_threads(threads));
        read(&geometry, &Weights::default())
    };
    assert!(of(1).is_some() && of(1) == of(2) && of(1) == of(5));
}

#[test]
fn an_edit_that_was_stored_again_in_fewer_digits_is_one() {
    let (base, u) = (Network::new(1), direction(1));
    let edit = found(&base, &base.edited([&u; 3], 1.0).stored(Dtype::BF16)).unwrap();
    assert_eq!((edit.earlier, edit.left, edit.removed.len()), (ModelId::new(0), Left::Nothing, 3));
}

#[test]
fn adapters_training_zeros_scales_and_reflections_are_no_edits() {
    let u = direction(1);
    for dtype in [Dtype::F32, Dtype::BF16] {
        let base = Network::new(1).stored(dtype);
        let refused = |child: &Network| assert_eq!(found(&base, child), None);
        refused(&base.adapted(&u, 5, 0.3));
        refused(&base.trained(2, 0.05));
        refused(&base.edited([&u; 3], 1.0).trained(2, 0.05));
        refused(&base.edited([&u; 3], 1.0).adapted(&direction(2), 5, 0.3));
        refused(&base.edited([&u; 3], 2.0));
        refused(&base);
        // One tensor has more of the direction, another has less.
        refused(&base.clone().edited_in(2, &u, 1.0).edited_in(4, &u, -1.0));
        let mut axis = vec![0.0; WIDTH];
        axis[7] = 1.0;
        refused(&base.edited([&axis; 3], 1.0));
        refused(&base.edited([&axis; 3], 0.5));
    }
}

#[test]
fn numbers_of_edits_are_noticed() {
    let (base, u) = (Network::new(1), direction(1));
    let rounded = base.clone().stored(Dtype::BF16);
    let says = |w: &Weights, from: &Network, to: &Network| {
        found_by(w, from, to).map_or_else(|| "none".to_owned(), |edit| format!("{:?} {}", edit.left, edit.method()))
    };
    let mut few = vec![0.0; WIDTH];
    few[3..9].copy_from_slice(&draws(9, 6));
    let (few, beside) = (unit(&few), base.edited([&u; 3], 1.0).adapted(&u, 5, 0.15));
    let tilted = unit(&u.iter().zip(&direction(2)).map(|(x, y)| x + 0.15 * y).collect::<Vec<_>>());
    let children = [
        beside,
        base.edited([&few; 3], 1.0),
        base.edited([&u; 3], 0.3),
        base.edited([&u; 3], 0.9985),
        base.edited([&u, &tilted, &u], 1.0),
    ];
    noticed("edits", &[], |w| {
        let mut said: Vec<String> = children.iter().map(|child| says(w, &base, child)).collect();
        said.push(says(w, &rounded, &rounded.edited([&u; 3], 0.98)));
        said.join(", ")
    });
}

fn detected(weights: &Weights, models: &[Network]) -> Phylogeny {
    let detector = LineageDetector::new().with_families(Families::Count(1)).with_weights(*weights);
    let mut rng = ChaCha8Rng::from_seed([0; 32]);
    detector.detect(&geometry(models), &SmallestNorm, &mut rng).unwrap()
}

#[test]
fn the_model_that_lacks_a_direction_is_the_child_whatever_norms_say() {
    let (base, u) = (Network::new(1), direction(1));
    for s in [1.0, 0.7] {
        for (models, base) in
            [([base.clone(), base.edited([&u; 3], s)], 0), ([base.edited([&u; 3], s), base.clone()], 1)]
        {
            let geometry = geometry(&models);
            let (members, weights) = (ids(&geometry), Weights::default());
            let lineage = Lineage::of(&geometry, &members, &weights).unwrap();
            let says = |witness: &dyn Witness| witness.precedes(&lineage, m(base), m(1 - base));
            assert_eq!(says(&removal::Removal), if s == 1.0 { 8.0 } else { 3.0 });
            assert!(says(&norm::Norm) < 0.0);
            let phylogeny = detected(&weights, &models);
            let [edge] = phylogeny.parents(ModelId::new(1 - base)) else { unreachable!() };
            assert_eq!((edge.parent.index(), edge.relation), (base, Relation::Edited));
            assert!(edge.direction.unwrap() > 0.85, "{edge:?}");
            assert_eq!(phylogeny.method(edge.child), Some("one direction"));
            let moved = phylogeny.movements(edge.parent, edge.child);
            assert!(moved.iter().all(|m| m.removed.is_some() == (m.relative > 0.0)), "{moved:?}");
        }
    }
}

#[test]
fn a_chain_through_a_fine_tune_has_its_parents_in_any_order() {
    let (base, u) = (Network::new(1), direction(1));
    let [tuned, other, third] = [2, 3, 4].map(|seed| base.trained(seed, 0.2));
    let edited = tuned.edited([&u; 3], 1.0);
    let family = [base.clone(), tuned.clone(), edited, other, third, tuned.trained(7, 0.1)];
    let parents = [None, Some(0), Some(1), Some(0), Some(0), Some(1)];
    for order in [[0, 1, 2, 3, 4, 5], [2, 5, 0, 4, 1, 3], [5, 4, 3, 2, 1, 0]] {
        let phylogeny = detected(&Weights::default(), &order.map(|at| family[at].clone()));
        for (place, &model) in order.iter().enumerate() {
            let edge = phylogeny.parents(ModelId::new(place)).first();
            assert_eq!(edge.map(|e| order[e.parent.index()]), parents[model], "{model} of {order:?}");
            let is_edit = edge.is_some_and(|e| e.relation == Relation::Edited);
            assert_eq!(is_edit, model == 2, "{model}");
        }
    }
}

#[test]
fn numbers_of_the_witness_are_noticed() {
    let (base, u) = (Network::new(1), direction(1));
    let [tuned, other] = [2, 3].map(|seed| base.trained(seed, 0.2));
    let family = [base.clone(), tuned.clone(), tuned.edited([&u; 3], 1.0), other];
    noticed("witnesses.removal", &[], |w| {
        let part = detected(w, &[base.clone(), base.edited([&u; 3], 0.7)]);
        format!("{:?} {:?}", detected(w, &family), part)
    });
}
