//! Formats of weights that are known but not supported. Everything about them is in this file.

use super::has_extension;

/// A format that is known by its file names but not supported.
///
/// ```
/// use neural_phylogeny::format::UnreadFormat;
///
/// let gguf = UnreadFormat::all().find(|f| f.extensions() == ["gguf"]);
/// assert!(gguf.is_some_and(|f| f.reason().contains("quantized")));
/// ```
#[derive(Debug)]
pub struct UnreadFormat {
    name: &'static str,
    extensions: &'static [&'static str],
    /// Which of its files are the weights of their folder.
    weights: Weights,
    reason: &'static str,
}

/// Which files are the weights of a folder.
#[derive(Clone, Copy, Debug)]
enum Weights {
    Any,
    /// The files whose name begins with one of [`STEMS`].
    Named,
}

/// How the names of weights files begin, in the libraries that write a `config.json` beside them.
const STEMS: [&str; 5] = ["pytorch_model", "model", "diffusion_pytorch_model", "flax_model", "tf_model"];

/// How the names of a trainer's own state files begin. They have the same extensions as weights but hold no model.
const TRAINER_STATE: [&str; 7] =
    ["optimizer", "scheduler", "rng_state", "training_args", "scaler", "sampler", "random_states"];

/// Every known format that is not supported. No extension stands in two of them.
const UNREAD: &[UnreadFormat] = &[
    UnreadFormat {
        name: "a PyTorch pickle",
        extensions: &["bin", "pt", "pth", "ckpt"],
        weights: Weights::Named,
        reason: "a program that builds objects; reading it safely takes an interpreter of the few opcodes of weights",
    },
    UnreadFormat {
        name: "a GGUF file",
        extensions: &["gguf"],
        weights: Weights::Any,
        reason: "values in quantized blocks, tensor names of its own",
    },
    #[cfg(not(feature = "onnx"))]
    UnreadFormat {
        name: "an ONNX model",
        extensions: &["onnx"],
        weights: Weights::Named,
        reason: "read with the feature `onnx` of this crate, which is off",
    },
    #[cfg(not(feature = "keras"))]
    UnreadFormat {
        name: "a Keras file",
        extensions: &["h5", "hdf5", "keras"],
        weights: Weights::Named,
        reason: "read with the feature `keras` of this crate, which is off",
    },
    #[cfg(not(feature = "flax"))]
    UnreadFormat {
        name: "a Flax msgpack file",
        extensions: &["msgpack"],
        weights: Weights::Named,
        reason: "read with the feature `flax` of this crate, which is off",
    },
    #[cfg(not(feature = "npz"))]
    UnreadFormat {
        name: "a NumPy file",
        extensions: &["npz", "npy"],
        weights: Weights::Named,
        reason: "read with the feature `npz` of this crate, which is off",
    },
];

impl UnreadFormat {
    /// Returns every such format.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        UNREAD.iter()
    }

    /// Returns what a file of this format is, with an article, such as `a GGUF file`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the endings of its file names, without the dot.
    pub fn extensions(&self) -> &'static [&'static str] {
        self.extensions
    }

    /// Returns why the format is not supported.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Returns the format of a file of that name. `None` when the file holds no weights, or a trainer's state.
    pub(super) fn of_file(name: &str) -> Option<&'static Self> {
        // These files have the extensions of weights but would give a wrong hint in an error.
        if TRAINER_STATE.iter().any(|state| name.starts_with(state)) {
            return None;
        }
        UNREAD.iter().find(|format| has_extension(name, format.extensions))
    }

    /// Whether a file of that name is the weights of its folder. The folder has a `config.json`, so some weights are expected.
    pub(crate) fn is_weights(&self, name: &str) -> bool {
        match self.weights {
            Weights::Any => true,
            Weights::Named => STEMS.iter().any(|stem| name.starts_with(stem)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_extension_is_of_one_format_with_a_reason() {
        let mut all: Vec<&str> = UNREAD.iter().flat_map(|f| f.extensions).copied().collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
        assert!(UNREAD.iter().all(|f| !f.reason.is_empty()));
    }

    #[test]
    fn the_state_of_a_trainer_is_no_weights() {
        let name = |file| UnreadFormat::of_file(file).map(|f| f.name);
        assert_eq!(name("pytorch_model.BIN"), Some("a PyTorch pickle"));
        assert_eq!([name("optimizer.pt"), name("readme.md"), name("bin")], [None; 3]);
        let pickle = UnreadFormat::of_file("vae.pt").unwrap();
        assert!(pickle.is_weights("model.pt") && !pickle.is_weights("vae.pt"));
    }
}
