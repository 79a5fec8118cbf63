//! Numerics on slices, without any knowledge of models, files or settings.
//!
//! Constants that decide stored bytes are in [`format`]. Constants that only decide speed are elsewhere.

mod container;
mod eigen;
mod element;
mod fingerprint;
pub(crate) mod format;
mod jacobi;
mod median;
mod moments;
mod packed;
mod rank_update;
mod square;
mod thread_buffer;
mod words;

pub(crate) use container::{TensorBytes, encode, header};
pub(crate) use eigen::{symmetric_eigen, symmetric_eigenvalues};
pub(crate) use fingerprint::{Fingerprint, chain};
pub(crate) use median::{median, upper_median};
pub use moments::Moments;
pub(crate) use packed::Packed;
pub(crate) use rank_update::{APART, Rows, STRIP, Sums, add_squared_distances, rank_update};
pub(crate) use square::Square;
pub(crate) use thread_buffer::with_buffer;
pub(crate) use words::{Word, from_hex, halves, hex, joined, little_endian, update, words};
