//! The formats that are known but not supported, one entry each.

use super::{UnreadFormat, Weights};

/// Every known format that is not supported. No extension stands in two of them.
///
/// A format that a feature reads stands here when the feature is off.
pub(super) const LIST: &[UnreadFormat] = &[
    #[cfg(not(feature = "pytorch"))]
    UnreadFormat::new(
        "a PyTorch pickle",
        Weights::Named,
        "a program that builds objects; the feature `pytorch` reads the weights in it and runs none of it",
    )
    .extensions_are(&["bin", "pt", "pth", "ckpt", "pth.tar"]),
    #[cfg(not(feature = "gguf"))]
    UnreadFormat::new("a GGUF file", Weights::Any, "read with the feature `gguf` of this crate, which is off")
        .extensions_are(&["gguf"]),
    #[cfg(not(feature = "onnx"))]
    UnreadFormat::new("an ONNX model", Weights::Named, "read with the feature `onnx` of this crate, which is off")
        .extensions_are(&["onnx"]),
    #[cfg(not(feature = "keras"))]
    UnreadFormat::new("a Keras file", Weights::Named, "read with the feature `keras` of this crate, which is off")
        .extensions_are(&["h5", "hdf5", "keras"]),
    #[cfg(not(feature = "flax"))]
    UnreadFormat::new("a Flax msgpack file", Weights::Named, "read with the feature `flax` of this crate, which is off")
        .extensions_are(&["msgpack"]),
    #[cfg(not(feature = "npz"))]
    UnreadFormat::new("a NumPy file", Weights::Named, "read with the feature `npz` of this crate, which is off")
        .extensions_are(&["npz", "npy"]),
    UnreadFormat::new(
        "a piece of a torch.distributed checkpoint",
        Weights::Any,
        "tensors cut into pieces, whose places stand in a pickled index",
    )
    .extensions_are(&["distcp"])
    .in_pieces()
    .with_command("python -m torch.distributed.checkpoint.format_utils dcp_to_torch DIR model.pt"),
    UnreadFormat::new(
        "a program of torch.export",
        Weights::Named,
        "a program; its weights are those of the module that it was made of",
    )
    .extensions_are(&["pt2"])
    .with_command(
        "python -c \"import torch; torch.save(torch.export.load('PATH').state_dict, 'model.pt')\"",
    ),
    UnreadFormat::new(
        "a piece of a DeepSpeed ZeRO checkpoint",
        Weights::Any,
        "the weights and the state of the optimizer, cut into pieces by rank",
    )
    .patterns_are(&["*_optim_states.pt", "zero_pp_rank_*", "bf16_zero_pp_rank_*", "fp16_zero_pp_rank_*"])
    .in_pieces()
    .with_command("python zero_to_fp32.py DIR OUT"),
    UnreadFormat::new(
        "a layer of a DeepSpeed pipeline checkpoint",
        Weights::Any,
        "one layer, named by its number in the pipeline and not by its place in the model",
    )
    .patterns_are(&["layer_*-model_*-model_states.pt"])
    .in_pieces(),
    UnreadFormat::new(
        "a Megatron checkpoint",
        Weights::Any,
        "parts of each tensor by rank; how they were split depends on settings of the run, and Megatron's own tools join them",
    )
    .patterns_are(&["model_optim_rng.pt", "distrib_optim.pt"]),
    UnreadFormat::new("a NeMo archive", Weights::Named, "a tar archive; the weights in it are `model_weights.ckpt`")
        .extensions_are(&["nemo"])
        .with_command("tar -xf PATH"),
    UnreadFormat::new("a TorchServe archive", Weights::Named, "a zip archive; the weights are a file in it")
        .extensions_are(&["mar"])
        .with_command("unzip PATH"),
    UnreadFormat::new("a file of Lua Torch", Weights::Named, "objects of a language of its own")
        .extensions_are(&["t7"]),
    UnreadFormat::new("Paddle parameters", Weights::Named, "a pickle of NumPy arrays")
        .extensions_are(&["pdparams"])
        .with_command(
            "python -c \"import paddle, safetensors.numpy as s; \
             s.save_file({k: v.numpy() for k, v in paddle.load('PATH').items()}, 'model.safetensors')\"",
        ),
    UnreadFormat::new("a TensorFlow checkpoint", Weights::Any, "a table of blocks with names of objects and not of weights")
        .patterns_are(&["*ckpt*.index", "*ckpt*.data-*-of-*", "variables.index", "variables.data-*-of-*"])
        .in_pieces()
        .with_command(
            "python -c \"import numpy, tensorflow as tf; r = tf.train.load_checkpoint('PATH'); \
             numpy.savez('model.npz', **{n: r.get_tensor(n) for n in r.get_variable_to_shape_map()})\"",
        ),
    UnreadFormat::new("a TensorFlow graph", Weights::Named, "a graph; its constants are those of a frozen program")
        .extensions_are(&["pb"]),
    UnreadFormat::new("a TensorFlow Lite model", Weights::Named, "a program for devices, often quantized")
        .extensions_are(&["tflite"]),
    UnreadFormat::new("an Orbax checkpoint", Weights::Any, "arrays in a database of chunks")
        .patterns_are(&["manifest.ocdbt", "_CHECKPOINT_METADATA", "_METADATA"])
        .in_pieces()
        .with_command(
            "python -c \"import flax.serialization as s, orbax.checkpoint as o; \
             open('model.msgpack', 'wb').write(s.to_bytes(o.PyTreeCheckpointer().restore('DIR')))\"",
        ),
    UnreadFormat::new("a Core ML model", Weights::Named, "a program for devices, often quantized")
        .extensions_are(&["mlmodel"]),
    UnreadFormat::new("a TensorRT engine", Weights::Named, "a program compiled for one kind of processor")
        .extensions_are(&["engine", "plan", "trt"]),
    UnreadFormat::new("an OpenVINO model", Weights::Named, "a graph whose constants may have been folded and compressed")
        .patterns_are(&["openvino_*.bin", "openvino_*.xml"])
        .in_pieces(),
    UnreadFormat::new("a GGML file", Weights::Any, "the format before GGUF, without a version for each change")
        .patterns_are(&["ggml-*.bin", "ggml_*.bin", "*.ggml.*.bin", "*.ggmlv3.*.bin"]),
    UnreadFormat::new("a Caffe model", Weights::Named, "a graph of layers in a message of its own")
        .extensions_are(&["caffemodel"]),
];
