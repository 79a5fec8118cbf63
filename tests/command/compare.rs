use crate::support::Zoo;
use std::fs;

#[test]
fn two_files_are_compared_by_themselves() {
    let zoo = Zoo::two_stars();
    let text = zoo.output("compare zoo/a.safetensors zoo/a1.safetensors");
    for part in ["kin: p ", "\nfirst: ", "\nchanged: ", "is a fine-tune of", "3 parameters compared, 0 untouched"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(zoo.output("compare zoo/a.safetensors zoo/b.safetensors --format json --output it.json"), "");
    let value: serde_json::Value = serde_json::from_str(&fs::read_to_string(zoo.path("it.json")).unwrap()).unwrap();
    assert_eq!((&value["a"], &value["b"]), (&"zoo/a.safetensors".into(), &"zoo/b.safetensors".into()));
    assert!(value["direction"]["p_value"].as_f64().unwrap() > 1e-3, "{value}");
}

#[test]
fn what_is_not_one_model_is_refused() {
    let zoo = Zoo::two_stars();
    for (words, said) in [
        ("compare zoo/a.safetensors zoo/a.safetensors", "zoo/a.safetensors is given twice, expected two models"),
        ("compare zoo zoo/a.safetensors", "expected one model at each path"),
        ("compare zoo/a.safetensors nowhere", "nowhere does not exist"),
    ] {
        let refusal = zoo.refusal(words);
        assert!(refusal.contains("error: ") && refusal.contains(said), "{words}: {refusal}");
    }
}
