//! Repositories of the hub of Hugging Face, or of a mirror that has the same addresses.
//!
//! One request tells the commit of a revision and the paths of its files
//! (<https://huggingface.co/docs/hub/api>). All files are then read at that commit, so that they belong together.

use super::{credentials, fault, object, place};
use crate::bytes::json;
use crate::error::SourceError;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, HeaderMap, HeaderValue, ObjectStore, ObjectStoreExt};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Most bytes of a list of files.
const LIMIT: u64 = json::INDEX.bytes;

/// A repository at one commit.
#[derive(Debug)]
pub(super) struct Repository {
    /// Paths of all files.
    pub(super) files: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Finds the commit of `org/name` or `org/name@revision` and its files.
pub(super) fn connect(at: &Path, repository: &str) -> Result<(Arc<dyn ObjectStore>, Repository), SourceError> {
    let (id, revision) = repository.split_once('@').unwrap_or((repository, "main"));
    let endpoint = credentials::hub_endpoint();
    let mut options = place::options();
    if let Some(token) = credentials::hub_token() {
        options =
            with_token(options, &token).ok_or_else(|| fault::said(at, "the token of the hub is no plain text"))?;
    }
    let store = place::web(&endpoint, options).map_err(|e| fault::of(at, &e))?;
    // A slash in a revision is written `%2F`, in our addresses and in those of the hub.
    let key = place::key(at, &format!("api/models/{id}/revision/{revision}"))?;
    let asked = Arc::clone(&store);
    let answer = object::wait(at, async move {
        let answer = asked.get(&key).await?;
        if answer.meta.size > LIMIT {
            let source = format!("the list of files has {} bytes, at most {LIMIT} are read", answer.meta.size).into();
            return Err(object_store::Error::Generic { store: "hub", source });
        }
        answer.bytes().await
    })?;
    let answer = answer.map_err(|error| match fault::of(at, &error) {
        // The hub does not tell a repository without access from one that does not exist.
        SourceError::NotFound { .. } => fault::said(
            at,
            &format!("{endpoint} has no such repository or revision, or HF_TOKEN gives no access to it"),
        ),
        other => other,
    })?;
    let found: Revision = json::parse(at, &answer, json::INDEX.values)?;
    if found.sha.is_empty() || !found.sha.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(fault::said(at, "the hub names no commit for the revision"));
    }
    let files = found.siblings.into_iter().map(|s| s.rfilename).filter(|path| is_inside(path)).collect();
    let prefix = place::key(at, &format!("{id}/resolve/{}", found.sha))?;
    Ok((Arc::new(PrefixStore::new(store, prefix)), Repository { files }))
}

/// Whether a path stays within its repository.
fn is_inside(path: &str) -> bool {
    !path.split('/').any(|part| part.is_empty() || part == "." || part == "..")
}

fn with_token(options: ClientOptions, token: &str) -> Option<ClientOptions> {
    let mut value: HeaderValue = format!("Bearer {token}").parse().ok()?;
    // It is left out when headers are printed, and when the hub redirects to another host.
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", value);
    Some(options.with_default_headers(headers))
}
