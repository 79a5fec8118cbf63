//! PyTorch files against PyTorch: `tests/data/formats/make_pytorch.py` wrote both the files and what must be found in them.

use neural_phylogeny::bytes::{LocalFile, MemoryFile, ReadAt};
use neural_phylogeny::format::{Dtype, Format, Pytorch, SafetensorsFile, Tensors};
use neural_phylogeny::{ParameterSource, SourceError};
use std::path::PathBuf;
use std::sync::Arc;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/formats/pytorch").join(name)
}

fn open(name: &str) -> Result<Tensors, SourceError> {
    Pytorch.open(Arc::new(LocalFile::open(data(name))?))
}

/// Every file that is read. The tensors expected are in the safetensors file of the same name.
const READ: [&str; 29] = [
    "state_2.pt",
    "state_4.pt",
    "state_5.pt",
    "legacy.pth",
    "legacy_4.pth",
    "parameters.bin",
    "views.pt",
    "views_legacy.pt",
    "dtypes.pt",
    "dtypes_legacy.pt",
    "fp8.pt",
    "complex.pt",
    "lightning.ckpt",
    "wrapped_trainer.pth",
    "wrapped_ema.pth",
    "wrapped_whisper.pth",
    "wrapped_esrgan.pth",
    "wrapped_deepspeed.pth",
    "wrapped_vocoder.pth",
    "wrapped_only.pth",
    "gan.pt",
    "nested.pt",
    "tensor.pt",
    "list.pt",
    "module.pt",
    "module_legacy.pt",
    "module_dict.pt",
    "big_endian.pt",
    "evil_beside.pt",
];

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn expected(name: &str) -> Result<SafetensorsFile, SourceError> {
    let stem = name.split('.').next().unwrap_or(name);
    SafetensorsFile::open(data(&format!("{stem}.safetensors")))
}

#[test]
fn every_tensor_is_the_one_that_pytorch_wrote() -> Result {
    for name in READ {
        let (found, expected) = (open(name).map_err(|e| format!("{name}: {e}"))?, expected(name)?);
        let parameters = expected.parameters()?;
        assert_eq!(found.parameters()?, parameters, "{name}");
        for info in parameters {
            let size = info.shape.iter().product();
            let (mut values, mut wanted) = (vec![0.0; size], vec![0.0; size]);
            found.read(&info.name, 0, &mut values)?;
            expected.read(&info.name, 0, &mut wanted)?;
            assert_eq!(bits(&values), bits(&wanted), "{name}: {}", info.name);
        }
    }
    Ok(())
}

#[test]
fn a_range_is_a_part_of_the_whole() -> Result {
    for name in ["views.pt", "views_legacy.pt", "big_endian.pt", "complex.pt", "fp8.pt"] {
        let found = open(name)?;
        for info in found.parameters()? {
            let size: usize = info.shape.iter().product();
            let mut whole = vec![0.0; size];
            found.read(&info.name, 0, &mut whole)?;
            for begin in 0..size {
                for end in begin..=size {
                    let mut part = vec![0.0; end - begin];
                    found.read(&info.name, begin, &mut part)?;
                    assert_eq!(bits(&part), bits(&whole[begin..end]), "{name}: {} {begin}..{end}", info.name);
                }
            }
            assert!(matches!(found.read(&info.name, size, &mut [0.0]), Err(SourceError::OutOfRange { .. })));
        }
    }
    Ok(())
}

#[test]
fn stored_bytes_are_those_of_contiguous_tensors() -> Result {
    let (found, expected) = (open("dtypes.pt")?, expected("dtypes.pt")?);
    for info in expected.parameters()? {
        let length = info.shape.iter().product::<usize>() * info.dtype.size();
        let (mut bytes, mut wanted) = (vec![0; length], vec![0; length]);
        found.read_bytes(&info.name, 0, &mut bytes)?;
        expected.read_bytes(&info.name, 0, &mut wanted)?;
        assert_eq!(bytes, wanted, "{}", info.name);
    }
    assert!(matches!(open("views.pt")?.read_bytes("transposed", 0, &mut [0]), Err(SourceError::NoBytes { .. })));
    Ok(())
}

#[test]
fn what_is_passed_over_is_said() -> Result {
    let left_out = |name| -> Result<Vec<String>> {
        Ok(open(name)?.left_out().iter().map(|(name, reason)| format!("{name}: {reason}")).collect())
    };
    assert_eq!(
        left_out("lightning.ckpt")?,
        ["callbacks: the state of a trainer and no weights", "optimizer_states: the state of a trainer and no weights"]
    );
    assert_eq!(
        left_out("wrapped_trainer.pth")?,
        ["best_val_loss: a single tensor beside the weights", "optimizer: the state of a trainer and no weights"]
    );
    assert_eq!(
        left_out("wrapped_esrgan.pth")?,
        ["params_ema: an average of the weights beside `params`, which is taken"]
    );
    assert_eq!(left_out("wrapped_ema.pth")?, ["net_ema: an average of the weights beside `net`, which is taken"]);
    assert_eq!(
        left_out("wrapped_deepspeed.pth")?,
        ["optimizer: the state of a trainer and no weights", "rng: the state of a trainer and no weights"]
    );
    assert_eq!(
        left_out("gan.pt")?,
        ["g_ema: an average of the weights beside it", "g_optim: the state of a trainer and no weights"]
    );
    assert_eq!(left_out("fp8.pt")?, ["scale: scales of blocks in F8_E8M0"]);
    assert!(left_out("state_2.pt")?.is_empty());
    Ok(())
}

#[test]
fn what_is_not_read_is_refused_by_name() -> Result {
    let cases = [
        (
            "torchscript.pt",
            "a TorchScript program; save its weights with `torch.save(torch.jit.load(PATH).state_dict()",
        ),
        ("exported.pt2", "a program of torch.export; load it with `torch.export.load`"),
        ("quantized.pt", "tensor `q` is a quantized tensor of PyTorch, which is not read"),
        ("sparse.pt", "tensor `s` is a sparse tensor, which is not read"),
        ("meta.pt", "it holds no weights; `m` is a tensor of the meta device, without values"),
        ("fnuz.pt", "tensor `fnuz` of FILE has dtype float8_e4m3fnuz"),
        ("zero3.pt", "python zero_to_fp32.py DIR pytorch_model.bin"),
        ("empty.pt", "objects of `argparse.Namespace`, which are not known"),
        ("only_optimizer.pt", "it holds the state of an optimizer and no weights"),
        ("unknown_class.pt", "`layer.weight` is an object of `torchao.dtypes.AffineQuantizedTensor`"),
        ("evil.pt", "objects of `posix.system`, which are not known"),
        ("plain_pickle.bin", "a pickle that torch.save did not write"),
        ("compressed.pt", "is compressed, as torch.save never does"),
        ("other_zip.pt", "a zip archive without the `data.pkl` of torch.save"),
    ];
    for (name, reason) in cases {
        let file = format!("refused/{name}");
        let error = open(&file).err().ok_or(format!("{name} is read"))?.to_string();
        assert!(error.contains(&reason.replace("FILE", &data(&file).display().to_string())), "{name}: {error}");
    }
    assert!(!PathBuf::from("neural-phylogeny-was-here").exists());
    let pointer = MemoryFile::new("a.bin", *b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
    assert!(matches!(Pytorch.open(Arc::new(pointer)), Err(SourceError::LfsPointer { .. })));
    Ok(())
}

#[test]
fn a_file_is_recognized_by_its_name_and_its_first_bytes() -> Result {
    for name in READ {
        let bytes = std::fs::read(data(name))?;
        assert!(Pytorch.recognizes(name, &bytes[..64]) && Pytorch.recognizes(name, &[]), "{name}");
    }
    for name in ["optimizer.pt", "training_args.bin", "rng_state_0.pth", "a.safetensors", "pt"] {
        assert!(!Pytorch.recognizes(name, &[]), "{name}");
    }
    assert!(!Pytorch.recognizes("a.bin", &[7; 64]) && Pytorch.recognizes("a.PT", b""));
    assert!(Pytorch.recognizes("model_best.pth.tar", b"PK\x03\x04 and more bytes"));
    Ok(())
}

/// Opens damaged bytes and reads every tensor in pieces. Whatever happens, it must end soon and without a panic.
fn survive(bytes: Vec<u8>) -> bool {
    let Ok(found) = Pytorch.open(Arc::new(MemoryFile::new("hostile", bytes))) else { return false };
    let mut piece = vec![0.0; 100];
    for info in found.parameters().unwrap_or_default() {
        let size: usize = info.shape.iter().product();
        for begin in (0..size.min(1000)).step_by(100) {
            let length = piece.len().min(size - begin);
            let _ = found.read(&info.name, begin, &mut piece[..length]);
        }
    }
    true
}

/// Opcodes that do most.
const OPCODES: &[u8] = b"(.0128hqrjtu}])cbaesQR\x81\x85\x86\x87\x88\x8a\x8b\x8e\x92\x93\x94\x95\xff";

/// A small generator of numbers, so that each run tries the same bytes. Source: <https://prng.di.unimi.it/splitmix64.c>.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }
}

#[test]
fn damaged_files_are_errors() -> Result {
    // A whole hour of it was run once; this is a short part.
    let rounds: usize = std::env::var("HOSTILE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let mut numbers = Numbers(13);
    let mut opened = 0;
    for name in READ {
        let whole = std::fs::read(data(name))?;
        for length in (0..whole.len()).step_by(whole.len() / 40) {
            assert!(!survive(whole[..length].to_vec()), "{name} is read when cut at byte {length}");
        }
        for _ in 0..rounds {
            let mut bytes = whole.clone();
            for _ in 0..1 + numbers.below(8) {
                let at = numbers.below(bytes.len());
                match numbers.below(5) {
                    0 => bytes[at] ^= 1 << numbers.below(8),
                    1 => bytes[at] = numbers.below(256) as u8,
                    2 => {
                        bytes[at] = OPCODES[numbers.below(OPCODES.len())];
                    }
                    3 => {
                        let end = bytes.len().min(at + 8);
                        bytes[at..end].fill(0xff);
                    }
                    _ => {
                        let (from, length) = (numbers.below(whole.len()), numbers.below(64));
                        let part = whole[from..whole.len().min(from + length)].to_vec();
                        let end = bytes.len().min(at + part.len());
                        bytes.splice(at..end, part);
                    }
                }
            }
            opened += usize::from(survive(bytes));
        }
    }
    // Most damage is in values or padding, so some files must still open: else nothing was tried.
    assert!(opened > rounds, "{opened}");
    Ok(())
}

/// A legacy file whose main pickle is `content`.
fn legacy(content: &[u8]) -> Vec<u8> {
    let whole = std::fs::read(data("legacy.pth")).unwrap_or_default();
    // The two pickles before the description of the machine: the magic number and the version.
    let begin = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    assert!(whole.starts_with(&begin));
    [&begin[..], b"\x80\x02}.", content, b"\x80\x02]."].concat()
}

#[test]
fn hostile_pickles_are_refused_within_bounds() -> Result {
    let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0";
    let repeat = |part: &[u8], times: usize| part.repeat(times);
    let with = |shape: &[u8]| [&b"\x80\x02"[..], tensor, shape, b"\x89}tR."].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a global that runs a program", b"cposix\nsystem\nX\x02\0\0\0ls\x85R.".to_vec(), "posix.system"),
        ("reduce of reduce", b"cbuiltins\neval\n)R)R)R.".to_vec(), "no tensors"),
        ("lists in lists", [repeat(b"]", 1_000_000), repeat(b"a", 999_999), b".".to_vec()].concat(), "no tensors"),
        ("a list in itself", b"]q\0h\0a.".to_vec(), "no tensors"),
        ("a dictionary in itself", b"}q\0X\x01\0\0\0ah\0s.".to_vec(), "no tensors"),
        (
            "tuples of two of the one before",
            [b"]".to_vec(), repeat(b"2\x86", 500_000), b".".to_vec()].concat(),
            "no tensors",
        ),
        (
            "the same with a tensor below",
            [with(b"K\x02\x85K\x01\x85")[..].strip_suffix(b".").unwrap_or_default(), &repeat(b"2\x86", 60), b"."]
                .concat(),
            "more or longer names",
        ),
        ("very many steps", [b"N".to_vec(), repeat(b"2", 9_000_000), b".".to_vec()].concat(), "8 million steps"),
        ("a memo with a far entry", b"Nr\xff\xff\xff\xff.".to_vec(), "no tensors"),
        ("a memo without the entry", b"h\x07.".to_vec(), "the memo has no entry 7"),
        ("bytes longer than the file", b"B\xff\xff\xff\xff.".to_vec(), "in the middle of an object"),
        ("longer than can be counted", b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.".to_vec(), "in the middle of an object"),
        ("a text longer than the file", b"X\xff\xff\xff\x7f.".to_vec(), "in the middle of an object"),
        ("a number longer than the file", b"\x8b\xff\xff\xff\x7f.".to_vec(), "in the middle of an object"),
        ("a number of negative length", b"\x8b\xff\xff\xff\xff.".to_vec(), "a number of -1 bytes"),
        ("a line without an end", [b"c".to_vec(), repeat(b"a", 5000)].concat(), "a line of more than 1024 bytes"),
        ("an empty stack", b"0.".to_vec(), "a stack that has 0"),
        ("no mark", b"t.".to_vec(), "there is no mark"),
        ("values from below a mark", b"N(\x85.".to_vec(), "a stack that has 0"),
        ("a key alone", b"}(Nu.".to_vec(), "a key without a value"),
        ("an extension", b"\x82\x01.".to_vec(), "not an opcode of weights"),
        ("a later protocol", b"\x80\x06N.".to_vec(), "protocol 6"),
        ("no end", b"N".to_vec(), "in the middle of an object"),
        (
            "a storage of another class",
            b"(X\x07\0\0\0storagecos\nsystem\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ.".to_vec(),
            "storages of `os.system`",
        ),
        ("another persistent id", b"K\x01Q.".to_vec(), "no tuple"),
        ("a negative size", with(b"J\xff\xff\xff\xff\x85K\x01\x85"), "no count"),
        ("a negative stride", with(b"K\x02\x85J\xff\xff\xff\xff\x85"), "no count"),
        ("more strides than sizes", with(b"K\x02\x85K\x01K\x01\x86"), "1 dimensions and 2 strides"),
        (
            "too many dimensions",
            with(&[b"(".to_vec(), repeat(b"K\x01", 65), b"tq\x01h\x01".to_vec()].concat()),
            "more than 64 dimensions",
        ),
    ];
    for (what, content, reason) in cases {
        let error = Pytorch.open(Arc::new(MemoryFile::new("hostile", legacy(&content)))).err();
        let error = error.ok_or_else(|| format!("{what} is read"))?.to_string();
        assert!(error.contains(reason), "{what}: {error}");
    }
    // The same tensors with a storage of four values, whose key and length follow the pickles.
    let stored = |shape: &[u8]| {
        let mut bytes = legacy(&with(shape));
        bytes.truncate(bytes.len() - 4);
        bytes.extend(b"\x80\x02]X\x01\0\0\x000a.\x04\0\0\0\0\0\0\0");
        bytes.extend([1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()));
        Pytorch.open(Arc::new(MemoryFile::new("hostile", bytes)))
    };
    assert_eq!(stored(b"K\x02K\x02\x86K\x01K\x02\x86")?.parameters()?[0].dtype, Dtype::F32);
    let cases: [(&[u8], &str); 4] = [
        (b"K\x05\x85K\x01\x85", "ends at element 4 of its storage, which has 4"),
        (b"K\x02\x85K\x04\x85", "ends at element 4"),
        (b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86K\0K\0\x86", "values in a file of"),
        (b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7ftK\0K\0K\0\x87", "more elements than can be counted"),
    ];
    for (shape, reason) in cases {
        let error = stored(shape).err().ok_or(reason)?.to_string();
        assert!(error.contains(reason), "{error}");
    }
    Ok(())
}

/// Counts the bytes that are read.
#[derive(Debug)]
struct Counted(MemoryFile, std::sync::atomic::AtomicUsize);

impl ReadAt for Counted {
    fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> Result<(), SourceError> {
        self.1.fetch_add(bytes.len(), std::sync::atomic::Ordering::Relaxed);
        self.0.read_at(bytes, position)
    }
}

#[test]
fn a_range_reads_no_more_than_it_needs() -> Result {
    use std::sync::atomic::Ordering::Relaxed;
    let bytes = std::fs::read(data("views.pt"))?;
    let file = Arc::new(Counted(MemoryFile::new("views.pt", bytes), Default::default()));
    let found = Pytorch.open(Arc::clone(&file) as Arc<dyn ReadAt>)?;
    for (name, offset, length, most) in [("whole", 5, 3, 12), ("transposed", 0, 6, 4 * 48), ("offset", 2, 4, 16)] {
        file.1.store(0, Relaxed);
        found.read(name, offset, &mut vec![0.0; length])?;
        assert!(file.1.load(Relaxed) <= most, "{name}: {} bytes", file.1.load(Relaxed));
    }
    Ok(())
}
