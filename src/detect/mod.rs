//! Geometry and parent selector → phylogeny.

pub(crate) mod cluster;
