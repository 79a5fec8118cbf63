//! What a GGUF file is: a model, or one of the other things that are stored in this format.

use super::NAME;
use super::header::Header;
use super::names::ARCHITECTURE;
use super::split::Split;
use crate::bytes::ReadAt;
use crate::error::SourceError;

/// Refuses a file that holds no model, and says what it is.
pub(super) fn check(bytes: &dyn ReadAt, header: &Header, split: Option<&Split>) -> Result<(), SourceError> {
    let metadata = &header.metadata;
    let reason = match (metadata.text("general.type"), metadata.text(ARCHITECTURE)) {
        (Some("adapter"), _) => "it is a LoRA adapter; merge it with llama-export-lora, or give the adapter of PEFT",
        (Some("imatrix"), _) => {
            "it is an importance matrix, which tells a quantizer which weights matter, and no model"
        }
        (_, Some("controlvector")) => "it is a control vector, which steers a model, and no model",
        // The first file of several may hold the metadata alone.
        _ if !header.tensors.is_empty() || split.is_some() => return Ok(()),
        _ if metadata.contains("tokenizer.ggml.tokens") => "it holds a vocabulary and no weights",
        _ => "it holds no tensors",
    };
    Err(SourceError::UnsupportedContent {
        path: bytes.path().to_owned(),
        format: NAME.to_owned(),
        reason: reason.to_owned(),
    })
}
