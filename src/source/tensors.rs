//! The tensors of one file as a [`ParameterSource`].

use super::ParameterSource;
use crate::error::SourceError;
use crate::format::{ParameterInfo, SafetensorsFile, Tensors};

impl ParameterSource for Tensors {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        Ok(self.infos().collect())
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        Self::read(self, name, offset, out)
    }

    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        Self::read_bytes(self, name, offset, out)
    }

    fn rounding(&self, name: &str) -> Result<Option<f64>, SourceError> {
        Self::rounding(self, name)
    }

    fn left_out(&self) -> Vec<(String, String)> {
        Self::left_out(self).iter().map(|(name, reason)| (name.clone(), reason.clone())).collect()
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        Self::prefetch(self, name, offset, length);
    }
}

impl ParameterSource for SafetensorsFile {
    fn parameters(&self) -> Result<Vec<ParameterInfo>, SourceError> {
        self.tensors().parameters()
    }

    fn read(&self, name: &str, offset: usize, out: &mut [f32]) -> Result<(), SourceError> {
        self.tensors().read(name, offset, out)
    }

    fn read_bytes(&self, name: &str, offset: usize, out: &mut [u8]) -> Result<(), SourceError> {
        self.tensors().read_bytes(name, offset, out)
    }

    fn left_out(&self) -> Vec<(String, String)> {
        ParameterSource::left_out(self.tensors())
    }

    fn prefetch(&self, name: &str, offset: usize, length: usize) {
        self.tensors().prefetch(name, offset, length);
    }
}
