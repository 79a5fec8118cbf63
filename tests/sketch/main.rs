//! Sketches of models, stores of sketches, and queries to a store.

mod pairs;
mod query;
mod sketches;
mod store;
