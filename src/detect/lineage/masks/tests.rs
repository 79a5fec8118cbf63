use super::*;
use crate::detect::lineage::tests::fixture::{noise, noticed};
use crate::detect::lineage::weights::Weights;

const SHAPE: [usize; 2] = [64, 64];

fn values(seed: u64) -> Vec<f32> {
    noise(seed).take(SHAPE[0] * SHAPE[1]).collect()
}

/// A model trained on from another in steps of this size.
fn tuned(from: &[f32], seed: u64, by: f32) -> Vec<f32> {
    from.iter().zip(noise(seed)).map(|(w, step)| w + by * step).collect()
}

/// The base with increments of both parents, each with a factor and kept where a draw is below the density.
fn merged(base: &[f32], parents: [&[f32]; 2], factors: [f32; 2], density: f32) -> Vec<f32> {
    let mut draws = noise(77).map(|x| (x + 1.0) / 2.0);
    let mut merge = base.to_vec();
    for (i, value) in merge.iter_mut().enumerate() {
        for (parent, factor) in parents.iter().zip(factors) {
            if draws.next().is_some_and(|draw| draw < density) {
                *value += factor * (parent[i] - base[i]);
            }
        }
    }
    merge
}

fn bf16(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&v| rounded(v, Dtype::BF16) as f32).collect()
}

fn sample(values: Vec<Vec<f32>>, dtypes: &[Dtype]) -> Vec<MatrixSample> {
    vec![MatrixSample { shape: SHAPE, values, dtypes: dtypes.to_vec() }]
}

fn found(values: Vec<Vec<f32>>, dtype: Dtype) -> Traces {
    let dtypes = vec![dtype; values.len()];
    traces(&sample(values, &dtypes), &Weights::default().masked).unwrap()
}

#[test]
fn a_masked_merge_has_one_factor_for_each_parent_in_any_dtype() {
    let base = values(1);
    let [a, b, c] = [2, 3, 4].map(|seed| tuned(&base, seed, 0.2));
    let merge = merged(&base, [&a, &b], [1.5, 0.75], 0.5);
    let whole = found(vec![base.clone(), merge.clone(), a.clone(), b.clone(), c.clone()], Dtype::F32);
    let small: Vec<Vec<f32>> = [&base, &merge, &a, &b, &c].map(|m| bf16(m)).to_vec();
    for (traces, tolerance) in [(whole, 1e-3), (found(small, Dtype::BF16), 0.02)] {
        assert!((0.22..0.28).contains(&traces.untouched) && traces.least == traces.untouched, "{traces:?}");
        for (donor, factor) in traces.donors.iter().zip([1.5, 0.75]) {
            assert!((donor.factor - factor).abs() < tolerance && (0.25..0.4).contains(&donor.share), "{traces:?}");
            assert!(!donor.followed);
        }
        assert!(traces.donors[2].share < 0.04, "{traces:?}");
    }
}

#[test]
fn a_merge_in_another_dtype_leaves_the_rounded_base() {
    let base = values(1);
    let [a, b] = [2, 3].map(|seed| tuned(&base, seed, 0.2));
    let merge = bf16(&merged(&base, [&a, &b], [1.0, 1.0], 0.5));
    let dtypes = [Dtype::F32, Dtype::BF16, Dtype::F32, Dtype::F32];
    let traces = traces(&sample(vec![base, merge, a, b], &dtypes), &Weights::default().masked).unwrap();
    assert!((0.22..0.28).contains(&traces.untouched) && traces.donors.iter().all(|d| d.share > 0.25), "{traces:?}");
    assert!(traces.donors.iter().all(|d| d.factor == 1.0));
}

#[test]
fn an_ordinary_child_leaves_no_trace() {
    let base = values(1);
    let [a, b] = [2, 3].map(|seed| tuned(&base, seed, 0.2));
    let siblings = found(vec![base.clone(), tuned(&base, 5, 0.2), a.clone(), b], Dtype::F32);
    assert!(siblings.untouched == 0.0 && siblings.donors.iter().all(|d| d.share < 0.01), "{siblings:?}");
    // The child of a donor goes along with it by a factor of 1, and yet meets no value of it.
    let child = found(vec![base, tuned(&a, 6, 0.05), a.clone(), tuned(&a, 7, 0.05)], Dtype::F32);
    assert!(child.donors.iter().all(|d| d.share < 0.01), "{child:?}");
}

#[test]
fn children_of_a_model_are_not_its_donors() {
    // Each child kept half of the model's values: small steps in 16 bits do that.
    let base = values(1);
    let model = tuned(&base, 2, 0.2);
    let kept = |seed: u64| -> Vec<f32> {
        let draws = noise(seed + 50);
        tuned(&model, seed, 0.05)
            .iter()
            .zip(&model)
            .zip(draws)
            .map(|((new, old), d)| if d > 0.0 { *new } else { *old })
            .collect()
    };
    let traces = found(vec![base, model.clone(), kept(3), kept(4)], Dtype::F32);
    assert!(traces.donors.iter().all(|d| d.share > 0.2 && d.followed), "{traces:?}");
}

#[test]
fn a_donor_that_goes_along_by_chance_is_none_that_follows() {
    // The second donor moved five times as far, a little in the direction of the first.
    let base = values(1);
    let a = tuned(&base, 2, 0.04);
    let own = tuned(&base, 3, 0.2);
    let b: Vec<f32> = own.iter().zip(&a).zip(&base).map(|((own, a), base)| own + (a - base)).collect();
    let merge = merged(&base, [&a, &b], [1.0, 1.0], 0.5);
    let sample = sample(vec![base, merge, a, b], &[Dtype::F32; 4]);
    assert!(traces(&sample, &Weights::default().masked).unwrap().donors.iter().all(|d| d.share > 0.2 && !d.followed));
    noticed("masked", &["along"], |w| format!("{:?}", traces(&sample, &w.masked)));
}

#[test]
fn a_donor_that_goes_most_of_the_way_is_at_the_edge_of_following() {
    let base = values(1);
    let a = tuned(&base, 2, 0.2);
    let own = tuned(&base, 3, 0.01);
    let b: Vec<f32> = own.iter().zip(&a).zip(&base).map(|((own, a), base)| own + 0.7 * (a - base)).collect();
    let merge = merged(&base, [&a, &b], [1.0, 1.0], 0.5);
    let sample = sample(vec![base, merge, a, b], &[Dtype::F32; 4]);
    noticed("masked", &["follows"], |w| format!("{:?}", traces(&sample, &w.masked)));
}

#[test]
fn whole_lines_and_whole_matrices_are_no_masks() {
    let base = values(1);
    let mut child = tuned(&base, 2, 0.2);
    // A third of the columns are dead inputs, and ten rows dead neurons.
    for (i, value) in child.iter_mut().enumerate() {
        if i % SHAPE[1] < 20 || i / SHAPE[1] < 10 {
            *value = base[i];
        }
    }
    let donor = tuned(&base, 3, 0.2);
    let traces = found(vec![base.clone(), child, donor.clone(), donor.clone()], Dtype::F32);
    assert_eq!(traces.untouched, 0.0);
    // A matrix that is a donor's is not compared with increments.
    assert_eq!(
        super::traces(&sample(vec![base.clone(), donor.clone(), donor], &[Dtype::F32; 3]), &Weights::default().masked),
        None
    );
    assert_eq!(super::traces(&sample(vec![base.clone(), base], &[Dtype::F32; 2]), &Weights::default().masked), None);
}

#[test]
fn rounding_is_that_of_the_formats() {
    assert_eq!(rounded(1.003, Dtype::BF16), 1.0);
    assert_eq!(rounded(-1.006, Dtype::BF16), -1.0078125);
    assert_eq!(rounded(3e-8, Dtype::F16), 2f64.powi(-24) / 1.0 * (3e-8 / 2f64.powi(-24)).round());
    assert_eq!((spacing(1.5, Dtype::F32), spacing(0.0, Dtype::F16)), (2f64.powi(-23), 2f64.powi(-24)));
}

#[test]
fn values_within_rounding_do_not_count() {
    let base = values(1);
    let [a, b] = [2, 3].map(|seed| tuned(&base, seed, 0.05));
    let merge = merged(&base, [&a, &b], [1.5, 0.75], 0.5);
    let small: Vec<Vec<f32>> = [&base, &merge, &a, &b].map(|m| bf16(m)).to_vec();
    let sample = sample(small, &[Dtype::BF16; 4]);
    noticed("masked", &["resolved"], |w| format!("{:?}", traces(&sample, &w.masked)));
}
