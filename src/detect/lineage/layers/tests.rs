use super::*;
use crate::detect::lineage::tests::fixture::noticed;
use crate::geometry::GeometrySettings;
use crate::model_set::ModelSet;
use crate::source::InMemory;

const WIDTH: usize = 16;

/// A tensor: its name, its seed, and its number of rows.
type Tensor = (String, u64, usize);

fn tensor(name: &str, seed: u64) -> Tensor {
    (name.to_owned(), seed, WIDTH)
}

/// A model of tensors that look random.
fn model(tensors: &[Tensor]) -> InMemory {
    let values = |seed: u64, rows: usize| -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..rows * WIDTH).map(|_| if seed == 0 { 0.0 } else { draw() }).collect()
    };
    tensors.iter().fold(InMemory::new(), |m, (name, seed, rows)| {
        m.with_parameter(name.as_str(), [*rows, WIDTH], values(*seed, *rows)).unwrap()
    })
}

/// An embedding and layers with these seeds.
fn dense(embedding: u64, layers: &[u64]) -> Vec<Tensor> {
    let layers = layers.iter().enumerate().map(|(i, &seed)| tensor(&format!("layers.{i}.w"), seed));
    std::iter::once(tensor("embed", embedding)).chain(layers).collect()
}

fn found(models: &[Vec<Tensor>], weights: &Weights) -> Vec<Stack> {
    let named = models.iter().enumerate().map(|(i, m)| (format!("m{i}"), model(m)));
    let set = ModelSet::from_models(named).unwrap();
    let geometry = Geometry::compute(&set, &GeometrySettings::default()).unwrap();
    stacks(&geometry, weights).unwrap()
}

/// The children, each with its parents and their weights in percent.
fn found_parents(models: &[Vec<Tensor>]) -> Vec<(usize, Vec<(usize, i64)>)> {
    let given = |s: &Stack| s.parents.iter().map(|g| (g.parent.index(), (100.0 * g.weight).round() as i64)).collect();
    found(models, &Weights::default()).iter().map(|s| (s.child.index(), given(s))).collect()
}

#[test]
fn layers_of_two_models_are_found_under_other_names() {
    let (a, b) = (dense(1, &[2, 3, 4, 5]), dense(11, &[12, 13, 14, 15]));
    let models = [a, b, dense(1, &[2, 3, 4, 13, 14, 15])];
    assert_eq!(found_parents(&models), [(2, vec![(0, 57), (1, 43)])]);
    let stack = &found(&models, &Weights::default())[0];
    assert_eq!(stack.residual, 0.0);
    assert!(stack.parents[1].tensors.contains(&("layers.3.w".to_owned(), 256, "layers.1.w".to_owned())));
}

#[test]
fn repeated_layers_and_layers_left_out_have_one_parent() {
    let a = dense(1, &[2, 3, 4, 5]);
    assert_eq!(found_parents(&[a.clone(), dense(1, &[2, 3, 4, 3, 4, 5])]), [(1, vec![(0, 100)])]);
    let left_out = [a.clone(), dense(1, &[2, 4, 5])];
    assert_eq!(found_parents(&left_out), [(1, vec![(0, 100)])]);
    assert_eq!(found(&left_out, &Weights::default())[0].direction, 1.0);
    // Without its last layer it is a copy in part, under the same names.
    assert_eq!(found_parents(&[a, dense(1, &[2, 3, 4])]), []);
}

#[test]
fn added_layers_of_zeros_have_no_print() {
    // Block expansion: zeros are in all such models, and say nothing.
    let a = dense(1, &[2, 3, 4]);
    assert_eq!(found_parents(&[a, dense(1, &[2, 0, 3, 0, 4])]), [(1, vec![(0, 100)])]);
}

#[test]
fn experts_come_from_dense_models() {
    let dense =
        |shared: u64, mlp: u64| vec![tensor("embed", shared), tensor("0.attn", shared + 1), tensor("0.mlp", mlp)];
    let experts = |gate| {
        vec![
            tensor("embed", 1),
            tensor("0.attn", 2),
            tensor("0.experts.0.w", 31),
            tensor("0.experts.1.w", 32),
            ("0.gate".to_owned(), 99, gate),
        ]
    };
    let models = [dense(1, 31), dense(11, 32), experts(1)];
    assert_eq!(found_parents(&models), [(2, vec![(0, 75), (1, 25)])]);
    // What is new must be little. Else the dense model, of which nothing is new, may be an expert that was taken out, or the
    // mixture may be made of it and of others that are not here.
    let half = [dense(1, 31), dense(11, 32), experts(8)];
    assert_eq!(found_parents(&half), [(0, vec![(2, 100)])]);
    assert_eq!(found(&half, &Weights::default())[0].direction, 0.5);
    assert_eq!(found(&models, &Weights::default())[0].direction, 1.0);
    noticed("layers", &["left_over"], |w| {
        [1, 3].map(|gate| format!("{:?}", found(&[dense(1, 31), dense(11, 32), experts(gate)], w))).join(" ")
    });
}

#[test]
fn a_file_of_several_models_is_not_made_of_them() {
    let (a, b) = (vec![tensor("a.x", 1), tensor("a.y", 2)], vec![tensor("b.z", 3)]);
    let both = vec![tensor("p.x", 1), tensor("p.y", 2), tensor("q.z", 3)];
    assert_eq!(found_parents(&[a, b, both]), []);
}

#[test]
fn strangers_and_models_of_one_depth_have_nothing_of_one_another() {
    assert_eq!(found_parents(&[dense(1, &[2, 3, 4]), dense(5, &[6, 7, 8, 9])]), []);
    assert_eq!(found_parents(&[dense(1, &[2, 3, 4]), dense(1, &[4, 3, 2])]), []);
}

#[test]
fn numbers_of_layers_are_noticed() {
    // A model of one layer of each of many, and one that has a small tensor of another.
    let many = |parents: u64| -> Vec<Vec<Tensor>> {
        let mut all: Vec<Vec<Tensor>> = (0..parents).map(|p| dense(1, &[100 + 2 * p, 101 + 2 * p])).collect();
        all.push(dense(1, &(0..parents).map(|p| 101 + 2 * p).collect::<Vec<u64>>()));
        all
    };
    noticed("layers", &["most"], |w| [8, 9].map(|n| found(&many(n), w).len().to_string()).join(" "));
    let slight = |rows: usize| {
        let tail = ("t".to_owned(), 50, rows);
        let big = |seed| ("layers.1.w".to_owned(), seed, 64);
        let first = vec![
            tensor("embed", 1),
            ("layers.0.w".to_owned(), 2, 64),
            tensor("layers.2.w", 9),
            tensor("layers.4.w", 8),
        ];
        let second = vec![tail.clone(), big(7)];
        let child = vec![tensor("embed", 1), big(2), ("layers.3.w".to_owned(), 50, rows)];
        [first, second, child]
    };
    noticed("layers", &["least"], |w| [1, 2, 3].map(|rows| format!("{:?}", found(&slight(rows), w))).join(" "));
}
