use super::*;

#[test]
fn an_error_carries_its_reason() {
    let source = || io::Error::other("disk on fire");
    let failed = SourceError::Io { path: "a/b".into(), source: source() };
    assert_eq!(failed.to_string(), "cannot read a/b: disk on fire");
    assert_eq!(chain(&failed), failed.to_string());
    let other = SourceError::Other { message: "no answer".into(), source: Some(source().into()) };
    assert_eq!(other.to_string(), "no answer: disk on fire");
    assert_eq!(SourceError::Other { message: "no answer".into(), source: None }.to_string(), "no answer");
}

#[test]
fn an_error_is_small_enough_for_a_result() {
    assert!(size_of::<SourceError>() <= 128, "{} bytes", size_of::<SourceError>());
}
