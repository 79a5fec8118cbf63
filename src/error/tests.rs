use super::*;

#[test]
fn an_error_is_small_enough_for_default_lints() {
    assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
    assert!(size_of::<SourceError>() <= 128, "{}", size_of::<SourceError>());
}

#[test]
fn an_error_carries_its_reason() {
    let refused = || io::Error::new(io::ErrorKind::PermissionDenied, "permission denied");
    let unread = SourceError::Io { path: "a.weights".into(), source: refused() };
    assert_eq!(Error::of_model("a", unread).to_string(), "model `a`: cannot read a.weights: permission denied");
    assert_eq!(unwritten(refused()).to_string(), "cannot write the result: permission denied");
    assert_eq!(Error::caused("no vote", refused()).to_string(), "no vote: permission denied");
    assert_eq!(Error::other("no vote").to_string(), "no vote");
    let setting = Error::InvalidSetting { setting: "minimum_confidence", found: "2".into(), expected: "less" };
    assert_eq!(setting.to_string(), "minimum confidence is 2, expected less");
}

#[test]
fn a_sketch_without_a_name_is_told_of_without_one() {
    let seed =
        |name: Option<&str>| Error::SketchSeed { name: name.map(str::to_owned), found: 1, expected: 2 }.to_string();
    assert!(seed(None).starts_with("the sketch has seed 1"));
    assert!(seed(Some("a")).starts_with("the sketch of `a` has seed 1"));
}
