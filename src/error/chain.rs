use std::error::Error;

/// Joins the texts of an error and of all its causes on one line. A cause is left out when the text before it already ends
/// with it.
///
/// ```
/// use neural_phylogeny::error::chain;
/// let missing = std::fs::File::open("no such file").unwrap_err();
/// assert_eq!(chain(&missing), missing.to_string());
/// ```
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let said = e.to_string();
        // Many `Display` implementations already include their cause.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn each_cause_is_said_once() {
        let inner = || Some(Box::new(Layer { text: "disk full", source: None }));
        assert_eq!(chain(&Layer { text: "cannot save", source: inner() }), "cannot save: disk full");
        assert_eq!(chain(&Layer { text: "cannot save: disk full", source: inner() }), "cannot save: disk full");
    }
}
