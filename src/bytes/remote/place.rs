//! Connections: what stands behind the root of an address.

use super::address::{Address, Scheme};
use super::{credentials, fault, hub};
use crate::error::SourceError;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::limit::LimitStore;
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Most requests at once to one root.
const REQUESTS: usize = 16;

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) listing: Listed,
}

/// How the objects of a place are listed.
#[derive(Clone, Debug)]
pub(super) enum Listed {
    /// The store lists its folders.
    Asked,
    /// All paths are known: a repository at one revision.
    Known(Arc<hub::Repository>),
    /// A web server has no list.
    Nothing,
}

impl Place {
    /// Connects to the root of an address. Buckets and web servers are not asked for anything yet.
    pub(super) fn connect(at: &Path, address: &Address) -> Result<Self, SourceError> {
        let fail = |error: object_store::Error| fault::of(at, &error);
        let limited = |store: Arc<dyn ObjectStore>| Arc::new(LimitStore::new(store, REQUESTS)) as Arc<dyn ObjectStore>;
        let Address { scheme, authority, .. } = address;
        let (store, listing): (Arc<dyn ObjectStore>, Listed) = match scheme {
            Scheme::Hub => {
                let (store, repository) = hub::connect(at, authority)?;
                (store, Listed::Known(Arc::new(repository)))
            }
            Scheme::S3 => (Arc::new(s3(authority).build().map_err(fail)?), Listed::Asked),
            Scheme::Gcs => {
                let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(authority).with_retry(retries());
                (Arc::new(builder.build().map_err(fail)?), Listed::Asked)
            }
            Scheme::Azure => {
                let builder = MicrosoftAzureBuilder::from_env().with_container_name(authority).with_retry(retries());
                (Arc::new(builder.build().map_err(fail)?), Listed::Asked)
            }
            Scheme::Http | Scheme::Https => (web(&address.root(), options()).map_err(fail)?, Listed::Nothing),
        };
        Ok(Self { store: limited(store), listing })
    }
}

/// Settings of an S3 store. A setting of the environment comes before the same one of a profile.
fn s3(bucket: &str) -> AmazonS3Builder {
    use object_store::aws::AmazonS3ConfigKey;
    let mut builder = AmazonS3Builder::from_env();
    for (name, value) in credentials::aws_profile() {
        let Ok(key) = name.parse::<AmazonS3ConfigKey>() else { continue };
        if builder.get_config_value(&key).is_none() {
            builder = builder.with_config(key, value);
        }
    }
    builder.with_bucket_name(bucket).with_retry(retries())
}

/// Connects to a web server.
pub(super) fn web(root: &str, options: ClientOptions) -> object_store::Result<Arc<dyn ObjectStore>> {
    let options = options.with_allow_http(root.starts_with("http:"));
    Ok(Arc::new(HttpBuilder::new().with_url(root).with_client_options(options).with_retry(retries()).build()?))
}

/// Limits of time. A whole answer may take long, but a silent server is given up.
pub(super) fn options() -> ClientOptions {
    let agent = concat!("neural-phylogeny/", env!("CARGO_PKG_VERSION"));
    let options = ClientOptions::new()
        .with_connect_timeout(Duration::from_secs(10))
        .with_read_timeout(Duration::from_secs(30))
        .with_timeout(Duration::from_secs(600));
    agent.parse().map_or(options.clone(), |agent| options.with_user_agent(agent))
}

/// How often a request that fails is made again, and for how long.
pub(super) fn retries() -> RetryConfig {
    RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() }
}

/// Makes the key of a path in a store.
///
/// # Errors
///
/// When the store cannot have such a path.
pub(super) fn key(at: &Path, path: &str) -> Result<Key, SourceError> {
    Key::parse(path).map_err(|error| fault::said(at, &error.to_string()))
}
