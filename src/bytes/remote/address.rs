//! Addresses: a scheme, an authority, and the path of an object.

use std::path::Path;

/// An address that is no path of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    /// Host and port, or the name of a bucket or container. For a hub, the repository with its revision: `org/name@rev`.
    pub(super) authority: String,
    /// The path of the object or folder, without a slash at its ends.
    pub(super) path: String,
}

/// What kind of server an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    Hub,
    S3,
    Gcs,
    Azure,
    Http,
    Https,
}

/// The schemes with their spellings.
const SCHEMES: [(&str, Scheme); 9] = [
    ("hf", Scheme::Hub),
    ("s3", Scheme::S3),
    ("s3a", Scheme::S3),
    ("gs", Scheme::Gcs),
    ("az", Scheme::Azure),
    ("azure", Scheme::Azure),
    ("abfs", Scheme::Azure),
    ("http", Scheme::Http),
    ("https", Scheme::Https),
];

impl Scheme {
    pub(super) fn word(self) -> &'static str {
        SCHEMES.iter().find(|(_, scheme)| *scheme == self).map_or("", |(word, _)| word)
    }
}

impl Address {
    /// Parses an address. `None` for a path of this machine.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub(super) fn parse(path: &Path) -> Option<Result<Self, String>> {
        // A joined path has this system's separators.
        let text = path.to_str()?.replace('\\', "/");
        let (word, rest) = text.split_once("://")?;
        Some(Self::after_scheme(word, rest))
    }

    fn after_scheme(word: &str, rest: &str) -> Result<Self, String> {
        let Some(&(_, scheme)) = SCHEMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)) else {
            let known: Vec<&str> = SCHEMES.iter().map(|(word, _)| *word).collect();
            return Err(format!("the scheme `{word}` is unknown, expected one of {}", known.join(", ")));
        };
        // A query may hold a signature, which must not be repeated in names and messages.
        if rest.contains(['?', '#']) {
            return Err("an address with `?` or `#` is not supported: give it without, or download the file".to_owned());
        }
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) && scheme != Scheme::Hub {
            return Err("an address with a user or password is not supported: set them in the environment".to_owned());
        }
        let rest = rest.trim_end_matches('/');
        if rest.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err("an address with an empty part, `.` or `..` is not supported".to_owned());
        }
        let (authority, path) = match scheme {
            Scheme::Hub => {
                let mut parts = rest.splitn(3, '/');
                let (Some(org), Some(name)) = (parts.next(), parts.next()) else {
                    return Err("expected hf://organization/name, with @revision where it matters".to_owned());
                };
                (format!("{org}/{name}"), parts.next().unwrap_or(""))
            }
            _ => rest.split_once('/').map_or((rest.to_owned(), ""), |(a, p)| (a.to_owned(), p)),
        };
        Ok(Self { scheme, authority, path: path.to_owned() })
    }

    /// The address without the path: what one connection serves.
    pub(super) fn root(&self) -> String {
        format!("{}://{}", self.scheme.word(), self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let cases = [
            ("hf://org/name", Scheme::Hub, "org/name", ""),
            ("hf://org/name@v1/unet/config.json", Scheme::Hub, "org/name@v1", "unet/config.json"),
            ("S3://bucket/a/b/", Scheme::S3, "bucket", "a/b"),
            ("gs://bucket", Scheme::Gcs, "bucket", ""),
            ("az://container/a", Scheme::Azure, "container", "a"),
            ("https://host:8443/a.safetensors", Scheme::Https, "host:8443", "a.safetensors"),
        ];
        for (text, scheme, authority, path) in cases {
            let address = Address::parse(Path::new(text)).unwrap().unwrap();
            assert_eq!((address.scheme, address.authority.as_str(), address.path.as_str()), (scheme, authority, path));
        }
        for local in ["a/b", "/a", "C:\\a", "."] {
            assert_eq!(Address::parse(Path::new(local)), None, "{local}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refused = [
            "hf://gpt2",
            "ftp://host/a",
            "https://host/a?sig=secret",
            "https://user:secret@host/a",
            "s3://bucket/../other",
            "s3:///a",
            "https://",
        ];
        for text in refused {
            let reason = Address::parse(Path::new(text)).unwrap().unwrap_err();
            assert!(!reason.contains("secret") && !reason.is_empty(), "{text}: {reason}");
        }
    }
}
