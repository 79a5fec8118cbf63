//! The default detector: generated models whose every parent is known, and what must not change its result.

mod copies;
mod edits;
mod explanations;
mod merges;
mod models;
mod properties;
mod real;
mod stories;
