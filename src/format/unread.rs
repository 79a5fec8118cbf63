//! Formats of weights that are known but not supported. Everything about them is in this file.

use super::has_extension;
use list::LIST;

mod list;

/// A format that is known by its file names but not supported.
///
/// ```
/// use neural_phylogeny::format::UnreadFormat;
///
/// let pieces = UnreadFormat::all().find(|f| f.extensions() == ["distcp"]);
/// assert!(pieces.and_then(UnreadFormat::command).is_some_and(|command| command.contains("dcp_to_torch")));
/// ```
#[derive(Debug)]
pub struct UnreadFormat {
    name: &'static str,
    extensions: &'static [&'static str],
    /// Patterns of its file names, where the extension does not tell. A star stands for any characters.
    patterns: &'static [&'static str],
    /// Which of its files are the weights of their folder.
    weights: Weights,
    reason: &'static str,
    /// Whether several of its files are one model.
    in_pieces: bool,
    /// The command that makes a file of it that is read.
    command: Option<&'static str>,
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

/// Whether a file of that name is a trainer's own state.
pub(super) fn is_trainer_state(name: &str) -> bool {
    TRAINER_STATE.iter().any(|state| name.starts_with(state))
}

impl UnreadFormat {
    const fn new(name: &'static str, weights: Weights, reason: &'static str) -> Self {
        Self { name, extensions: &[], patterns: &[], weights, reason, in_pieces: false, command: None }
    }

    const fn extensions_are(self, extensions: &'static [&'static str]) -> Self {
        Self { extensions, ..self }
    }

    const fn patterns_are(self, patterns: &'static [&'static str]) -> Self {
        Self { patterns, ..self }
    }

    const fn in_pieces(self) -> Self {
        Self { in_pieces: true, ..self }
    }

    const fn with_command(self, command: &'static str) -> Self {
        Self { command: Some(command), ..self }
    }

    /// Returns every such format.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        LIST.iter()
    }

    /// Returns what a file of this format is, with an article, such as `a GGUF file`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the endings of its file names, without the dot. There are none when only whole names tell the format.
    pub fn extensions(&self) -> &'static [&'static str] {
        self.extensions
    }

    /// Returns why the format is not supported.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Returns the command that makes a file of it that is read, if there is one.
    pub fn command(&self) -> Option<&'static str> {
        self.command
    }

    /// Returns the name, and the command if there is one.
    pub(crate) fn described(&self) -> String {
        match self.command {
            Some(command) => format!("{} (`{command}` converts it)", self.name),
            None => self.name.to_owned(),
        }
    }

    /// Whether several files of the format in one folder are one model.
    pub(crate) fn is_in_pieces(&self) -> bool {
        self.in_pieces
    }

    /// Returns the format of a file of that name. `None` when the file holds no weights, or a trainer's state.
    pub(super) fn of_file(name: &str) -> Option<&'static Self> {
        // These files have the extensions of weights but would give a wrong hint in an error.
        if is_trainer_state(name) {
            return None;
        }
        Self::of_pattern(name).or_else(|| LIST.iter().find(|format| has_extension(name, format.extensions)))
    }

    /// Returns the format that has a whole name like this, whatever the extension.
    pub(super) fn of_pattern(name: &str) -> Option<&'static Self> {
        LIST.iter().find(|format| format.patterns.iter().any(|pattern| fits(pattern, name)))
    }

    /// Whether a file of that name holds the state of a trainer, and no weights.
    pub(super) fn is_state(name: &str) -> bool {
        // DeepSpeed has one such file for each rank: `zero_pp_rank_0_mp_rank_00_optim_states.pt`.
        TRAINER_STATE.iter().any(|state| name.starts_with(state)) || name.contains("optim_states")
    }

    /// Whether a file of that name is the weights of its folder. The folder has a `config.json`, so some weights are expected.
    pub(crate) fn is_weights(&self, name: &str) -> bool {
        match self.weights {
            Weights::Any => true,
            Weights::Named => STEMS.iter().any(|stem| name.starts_with(stem)),
        }
    }
}

/// Whether a name fits a pattern with stars.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, rest)) => {
            let after = name.strip_prefix(begin);
            after.is_some_and(|after| (0..=after.len()).any(|at| after.get(at..).is_some_and(|tail| fits(rest, tail))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_extension_is_of_one_format_with_a_reason() {
        let mut all: Vec<&str> = LIST.iter().flat_map(|f| f.extensions).copied().collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "{all:?}");
        assert!(LIST.iter().all(|f| !(f.reason.is_empty() || f.extensions.is_empty() && f.patterns.is_empty())));
    }

    #[test]
    fn the_state_of_a_trainer_is_no_weights() {
        let name = |file| UnreadFormat::of_file(file).map(|f| f.name);
        assert_eq!(name("model.TFLITE"), Some("a TensorFlow Lite model"));
        assert_eq!([name("optimizer.pt"), name("readme.md"), name("tflite"), name("scaler.tflite")], [None; 4]);
        let format = UnreadFormat::of_file("vae.tflite").unwrap();
        assert!(format.is_weights("model.tflite") && !format.is_weights("vae.tflite"));
    }

    #[test]
    fn whole_names_tell_what_extensions_do_not() {
        let cases = [
            ("zero_pp_rank_0_mp_rank_00_optim_states.pt", "a piece of a DeepSpeed ZeRO checkpoint"),
            ("bf16_zero_pp_rank_3_mp_rank_00_optim_states.pt", "a piece of a DeepSpeed ZeRO checkpoint"),
            ("zero_pp_rank_0_mp_rank_00_model_states.pt", "a piece of a DeepSpeed ZeRO checkpoint"),
            ("layer_03-model_00-model_states.pt", "a layer of a DeepSpeed pipeline checkpoint"),
            ("model_optim_rng.pt", "a Megatron checkpoint"),
            ("model.ckpt-1000.index", "a TensorFlow checkpoint"),
            ("ckpt-1.data-00000-of-00001", "a TensorFlow checkpoint"),
            ("variables.index", "a TensorFlow checkpoint"),
            ("openvino_model.bin", "an OpenVINO model"),
            ("ggml-base.en.bin", "a GGML file"),
            ("manifest.ocdbt", "an Orbax checkpoint"),
            ("__0_0.distcp", "a piece of a torch.distributed checkpoint"),
        ];
        for (file, name) in cases {
            assert_eq!(UnreadFormat::of_file(file).map(|f| f.name), Some(name), "{file}");
        }
        for file in ["mp_rank_00_model_states.pt", "pytorch_model.bin", "pytorch_model.bin.index.json"] {
            assert!(UnreadFormat::of_pattern(file).is_none(), "{file}");
        }
        let described = UnreadFormat::of_file("a.nemo").unwrap().described();
        assert_eq!(described, "a NeMo archive (`tar -xf PATH` converts it)");
        assert!(fits("a*b*", "a--b") && fits("*", "") && !fits("a*b", "a--bc") && !fits("ab", "abc"));
    }
}
