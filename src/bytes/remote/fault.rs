//! Errors of servers as errors of a model's files, without secrets.

use crate::error::SourceError;
use object_store::Error;
use std::error::Error as _;
use std::path::Path;

/// Makes the error of an address.
pub(super) fn of(address: &Path, error: &Error) -> SourceError {
    let path = address.to_owned();
    match error {
        Error::NotFound { .. } => SourceError::NotFound { path },
        Error::Precondition { .. } => SourceError::Changed { path },
        Error::NotSupported { .. } => said(address, "the server does not give ranges of bytes: download the file"),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            said(address, "the server refuses it: set a token or a key in the environment (docs/formats.md lists them)")
        }
        other => said(address, &reasons(other)),
    }
}

/// Makes an error of a sentence.
pub(super) fn said(address: &Path, reason: &str) -> SourceError {
    SourceError::Remote { path: address.to_owned(), reason: without_queries(reason) }
}

/// The message of an error and of each cause that it does not repeat.
fn reasons(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = e.source();
    }
    text
}

/// Removes the queries of all addresses in a text, because a signature or a token may stand there.
fn without_queries(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(at) = rest.find('?') {
        let (before, query) = rest.split_at(at);
        out.push_str(before);
        let end = query.find(|c: char| c.is_whitespace() || "\"')>".contains(c)).unwrap_or(query.len());
        // A question mark that begins no query stays.
        out.push_str(if end > 1 { "?…" } else { "?" });
        rest = &query[end.max(1)..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_queries_are_not_repeated() {
        let text = "GET https://host/a?sig=secret&b=2 (failed), why?";
        assert_eq!(without_queries(text), "GET https://host/a?… (failed), why?");
    }

    #[test]
    fn kinds_of_failure_are_told_apart() {
        let at = Path::new("s3://bucket/a");
        let precondition = Error::Precondition { path: "a".to_owned(), source: "x".into() };
        assert!(matches!(of(at, &precondition), SourceError::Changed { .. }));
        let gone = Error::NotFound { path: "a".to_owned(), source: "x".into() };
        assert!(matches!(of(at, &gone), SourceError::NotFound { .. }));
        let other = of(at, &Error::Generic { store: "S3", source: "no route".into() });
        assert!(other.to_string().contains("s3://bucket/a") && other.to_string().contains("no route"));
    }
}
