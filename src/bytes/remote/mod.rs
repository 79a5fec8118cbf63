//! Models on hubs, object stores and web servers, read by ranges of bytes.
//!
//! The requests, their retries and the credentials are those of the crate `object_store`. Here are the addresses, the pieces that
//! wait in memory, and the checks that an object stays the same while it is read.

mod address;
mod budget;
mod credentials;
mod fault;
mod hub;
mod object;
mod place;
mod pool;
mod runtime;
mod segment;

pub use locations::Locations;

mod locations;
