use super::*;
use crate::format::Dtype;
use crate::source::InMemory;

/// Numbers in [−1, 1) that look random.
fn noise(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| draw()).collect()
}

const ROWS: usize = 40;
const COLUMNS: usize = 48;

fn base() -> Vec<f32> {
    noise(1, ROWS * COLUMNS)
}

/// The base with an increment of a rank.
fn child(seed: u64, rank: usize) -> Vec<f32> {
    let (left, right) = (noise(seed, ROWS * rank), noise(seed + 1000, rank * COLUMNS));
    let add = |i: usize, j: usize| (0..rank).map(|r| left[i * rank + r] * right[r * COLUMNS + j]).sum::<f32>() * 0.1;
    base().iter().enumerate().map(|(at, w)| w + add(at / COLUMNS, at % COLUMNS)).collect()
}

fn set(children: Vec<Vec<f32>>) -> ModelSet {
    let model = |values: Vec<f32>| {
        let model = InMemory::new().with_parameter("fc.weight", [ROWS, COLUMNS], values).unwrap();
        model.with_parameter("norm.weight", [8], vec![1.0; 8]).unwrap()
    };
    let named = children.into_iter().enumerate().map(|(i, values)| (format!("child{i}"), model(values)));
    ModelSet::from_models(named).unwrap()
}

fn rebuilt(models: &ModelSet) -> (Result<Rebuilt, RebuildError>, Option<Vec<f32>>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(file_name());
    let children: Vec<ModelId> = models.ids().collect();
    let outcome = rebuild(models, &children, &file);
    let values = std::fs::read(&file).ok().map(|bytes| {
        let parsed = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let data = parsed.tensor("fc.weight").unwrap().data().to_vec();
        data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    });
    (outcome, values)
}

fn relative(found: &[f32], expected: &[f32]) -> f64 {
    let squared = |of: &dyn Fn(usize) -> f64| (0..expected.len()).map(of).map(|x| x * x).sum::<f64>();
    (squared(&|i| f64::from(found[i] - expected[i])) / squared(&|i| f64::from(expected[i]))).sqrt()
}

#[test]
fn three_siblings_of_unlike_ranks_give_their_base_back() {
    for ranks in [[1, 1, 1], [4, 2, 7], [8, 4, 4]] {
        let children = ranks.iter().zip(2..).map(|(&rank, seed)| child(seed, rank)).collect();
        let (outcome, values) = rebuilt(&set(children));
        let outcome = outcome.unwrap();
        assert!(relative(&values.unwrap(), &base()) < 1e-6, "{ranks:?}");
        assert_eq!(outcome.tensors[0].ranks, ranks);
        assert_eq!(outcome.tensors[0].origin, TensorOrigin::ClosedForm);
        assert_eq!(outcome.tensors[1].origin, TensorOrigin::Shared { children: 3 });
        assert!(outcome.residuals.iter().all(|&residual| residual < 1e-6), "{:?}", outcome.residuals);
    }
}

#[test]
fn five_siblings_agree_and_a_child_that_kept_the_tensor_is_seen() {
    let children = vec![child(2, 3), child(3, 2), child(4, 4), child(5, 1), base()];
    let (outcome, values) = rebuilt(&set(children));
    assert_eq!(outcome.unwrap().tensors[0].ranks[4], 0);
    assert!(relative(&values.unwrap(), &base()) < 1e-6);
}

#[test]
fn what_cannot_be_rebuilt_is_refused_by_name_and_leaves_no_file() {
    let refused = |children: Vec<Vec<f32>>, expected: &str| {
        let (outcome, values) = rebuilt(&set(children));
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(values.is_none());
    };
    refused(vec![child(2, 3), child(3, 2)], "2 children with unlike values of `fc.weight`, expected at least 3");
    let full = |seed| base().iter().zip(noise(seed, ROWS * COLUMNS)).map(|(w, e)| w + 0.1 * e).collect();
    refused(
        vec![full(2), full(3), full(4)],
        "`fc.weight` cannot be rebuilt: the children's differences are of full rank",
    );
    // The third child descends from the second, so that two increments have directions in common.
    let second = child(3, 2);
    let third = second.iter().zip(child(5, 2)).zip(base()).map(|((s, c), b)| s + c - b).collect();
    let (outcome, _) = rebuilt(&set(vec![child(2, 3), second.clone(), third]));
    // Then the parent of all three is not told from the second one: the ranks are those of a star around it.
    assert!(outcome.is_ok_and(|r| r.tensors[0].ranks[1] == 0));
}

#[test]
fn two_children_that_share_every_tensor_are_enough() {
    let (outcome, values) = rebuilt(&set(vec![base(), base()]));
    assert_eq!(outcome.unwrap().tensors[0].origin, TensorOrigin::Shared { children: 2 });
    assert_eq!(values.unwrap(), base());
}

#[test]
fn values_of_sixteen_bits_are_rebuilt_up_to_their_rounding() {
    let rounded = |values: Vec<f32>| -> Vec<u8> {
        values.into_iter().flat_map(|v| half::bf16::from_f32(v).to_le_bytes()).collect()
    };
    let folder = tempfile::tempdir().unwrap();
    for seed in 2..6 {
        let bytes = rounded(child(seed, 2));
        let view = safetensors::tensor::TensorView::new(safetensors::tensor::Dtype::BF16, vec![ROWS, COLUMNS], &bytes)
            .unwrap();
        let path = folder.path().join(format!("c{seed}-{}", file_name()));
        std::fs::write(&path, safetensors::serialize([("fc.weight", view)], None).unwrap()).unwrap();
    }
    let set = ModelSet::discover(folder.path()).unwrap();
    let children: Vec<ModelId> = set.ids().collect();
    let file = folder.path().join("out.bin");
    let rebuilt = rebuild(&set, &children, &file).unwrap();
    assert!(matches!(rebuilt.tensors[0].origin, TensorOrigin::Iterated { .. }));
    assert_eq!(set.source(children[0]).parameters().unwrap()[0].dtype, Dtype::BF16);
    let bytes = std::fs::read(&file).unwrap();
    let data = safetensors::SafeTensors::deserialize(&bytes).unwrap().tensor("fc.weight").unwrap().data().to_vec();
    let found: Vec<f32> = data.chunks_exact(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
    // Rounding alone is 1.6e-3 of the values; the increments are 0.1.
    assert!(relative(&found, &base()) < 6e-3, "{}", relative(&found, &base()));
    assert!(rebuilt.tensors[0].error < 6e-3);
}
