//! What the repository promises as a whole: public types, contracts, written forms, documents and layers.

mod api;
mod conformance;
mod documents;
mod export;
mod layers;
