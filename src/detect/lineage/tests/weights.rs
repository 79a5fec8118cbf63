use crate::detect::PhylogenyDetector;
use crate::detect::lineage::LineageDetector;
use crate::detect::lineage::weights::Weights;
use crate::parent::SmallestNorm;

#[test]
fn every_number_has_a_unit_a_reason_and_a_default_in_range() {
    let weights = Weights::default();
    assert!(weights.check().is_ok());
    let mut count = 0;
    for (group, numbers) in weights.groups() {
        for n in numbers {
            assert!(n.meaning.ends_with('.') && !n.unit.is_empty() && n.reason.ends_with('.'), "{group}.{}", n.name);
            assert!(!n.meaning.contains("  "), "{}", n.meaning);
            count += 1;
        }
    }
    assert!(count > 76, "{count}");
}

#[test]
fn each_number_is_refused_out_of_its_range_before_anything_is_measured() {
    let geometry = super::fixture::alike(1, &[vec![1.0], vec![2.0]]);
    for (group, numbers) in Weights::default().groups() {
        for n in numbers.iter().filter(|n| n.value.fract() != 0.0 || *n.range.start() > 0.0) {
            let mut weights = Weights::default();
            // A count cannot be NaN: as an integer it is 0.
            weights.set(&group, n.name, f64::NAN);
            let detector = LineageDetector::new().with_weights(weights);
            let mut rng = rand_chacha::ChaCha8Rng::from_seed([0; 32]);
            let refused = detector.detect(&geometry, &SmallestNorm, &mut rng).unwrap_err().to_string();
            // Settings are said in words.
            assert!(refused.contains(&n.name.replace('_', " ")), "{refused}");
        }
    }
}

use rand::SeedableRng;

#[cfg(feature = "serde")]
#[test]
fn weights_are_read_back_and_what_is_missing_is_as_by_default() {
    let mut weights = Weights::default();
    weights.presence.telling = 0.7;
    weights.witnesses.counters.root = 5.0;
    let text = serde_json::to_string(&weights).unwrap();
    assert_eq!(serde_json::from_str::<Weights>(&text).unwrap(), weights);
    let some: Weights =
        serde_json::from_str(r#"{"presence": {"telling": 0.7}, "witnesses": {"counters": {"root": 5}}}"#).unwrap();
    assert_eq!(some, weights);
    assert!(serde_json::from_str::<Weights>(r#"{"presense": {}}"#).is_err());
}
