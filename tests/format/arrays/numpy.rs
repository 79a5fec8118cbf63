use super::damage::{read, survives};
use super::{TestResult, data, found, in_memory, open, reference, same_as_reference};
use neural_phylogeny::SourceError;
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::format::{Format, Npy, Npz};
use neural_phylogeny::testing::check_format;
use std::fs;
use std::io::Write;

#[test]
fn archives_have_the_values_that_numpy_reads() -> TestResult {
    for name in ["stored", "compressed"] {
        let tensors = open(&Npz, &data(&format!("npz/{name}.npz")))?;
        same_as_reference(&tensors, &reference(&format!("npz/{name}.npz")))?;
        let left_out: Vec<_> = tensors.left_out().iter().map(|(n, r)| (n.as_str(), r.as_str())).collect();
        assert_eq!(left_out, [("text", "it holds text"), ("time", "it holds times")]);
    }
    Ok(())
}

#[test]
fn headers_of_every_version_are_read() -> TestResult {
    for name in ["version2", "version3"] {
        same_as_reference(&open(&Npy, &data(&format!("npz/{name}.npy")))?, &reference(&format!("npz/{name}.npy")))?;
    }
    Ok(())
}

#[test]
fn arrays_that_may_be_weights_are_refused_by_name() -> TestResult {
    let cases = [
        ("pickle", "array `config` is a pickle of Python objects: save"),
        ("bfloat16", "array `w` has dtype <V2, which does not say what the bytes are"),
        ("float8", "array `w` has dtype "),
        ("complex", "array `w` has dtype <c8, complex numbers: save"),
        ("records", "array `w` has records of dtype [('x', '<f4'), ('y', '<f4')]: save"),
    ];
    for (name, reason) in cases {
        let error = open(&Npz, &data(&format!("npz/{name}.npz"))).unwrap_err();
        assert!(matches!(error, SourceError::UnsupportedContent { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    Ok(())
}

#[test]
fn a_folder_of_arrays_is_one_model_unless_other_weights_are_there() -> TestResult {
    let models = found(&data("npz/arrays"))?;
    let [model] = &models[..] else { panic!("{} models", models.len()) };
    assert_eq!(model.name, "arrays");
    same_as_reference(&*model.source, &reference("npz/arrays"))?;
    let opened = Discovery::new().open(data("npz/arrays"))?;
    assert_eq!(opened.layout.to_string(), "npy shards");

    let scratch = tempfile::tempdir()?;
    for name in ["layer.bias.npy", "layer.weight.npy"] {
        fs::copy(data("npz/arrays").join(name), scratch.path().join(name))?;
    }
    fs::copy(data("npz/stored.npz"), scratch.path().join("stored.npz"))?;
    let found = Discovery::new().search([scratch.path()])?;
    assert_eq!(found.models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["stored"]);
    assert_eq!(found.ignored.len(), 2);
    assert!(found.ignored.iter().all(|i| i.reason.starts_with("beside other weights")), "{:?}", found.ignored);

    // One array alone is a model of one tensor.
    fs::remove_file(scratch.path().join("stored.npz"))?;
    fs::remove_file(scratch.path().join("layer.bias.npy"))?;
    let found = Discovery::new().search([scratch.path()])?;
    assert_eq!(found.models[0].name, "layer.weight");
    Ok(())
}

#[test]
fn the_contract_of_formats_is_kept() -> TestResult {
    check_format(&Npz, "a.npz", &fs::read(data("npz/compressed.npz"))?)?;
    check_format(&Npy, "version2.npy", &fs::read(data("npz/version2.npy"))?)?;
    Ok(())
}

#[test]
fn no_damage_breaks_the_reader() -> TestResult {
    for (format, name, count) in
        [(&Npz as &dyn Format, "stored.npz", 6_000), (&Npz, "compressed.npz", 6_000), (&Npy, "version3.npy", 6_000)]
    {
        let (opened, refused) = survives(format, name, &fs::read(data(&format!("npz/{name}")))?, count);
        assert!(opened > 0 && refused > 0, "{name}: {opened} opened, {refused} refused");
    }
    Ok(())
}

/// An archive of one array that is deflated.
fn deflated(array: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    archive.start_file("w.npy", options)?;
    archive.write_all(array)?;
    Ok(archive.finish()?.into_inner())
}

fn zeros(count: usize) -> Vec<u8> {
    let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},), }}\n");
    let length = (text.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), &vec![0; 4 * count]].concat()
}

#[test]
fn a_bomb_is_read_in_pieces_and_a_liar_is_refused() -> TestResult {
    let count = 1 << 22;
    let bomb = deflated(&zeros(count))?;
    assert!(bomb.len() < count / 200, "{} bytes", bomb.len());
    let tensors = in_memory(&Npz, "bomb.npz", bomb.clone())?;
    let mut last = [1.0; 5];
    tensors.read("w", count - 5, &mut last)?;
    assert_eq!(last, [0.0; 5]);

    // The length in the directory, which is that of the whole array, made one longer and a thousand times longer.
    let length = (zeros(count).len() as u32).to_le_bytes();
    let at = bomb.windows(4).rposition(|w| w == length).ok_or("a directory has lengths")?;
    for claimed in [zeros(count).len() as u32 + 1, u32::MAX - 1] {
        let mut lying = bomb.clone();
        lying[at..at + 4].copy_from_slice(&claimed.to_le_bytes());
        let error = in_memory(&Npz, "lying.npz", lying).unwrap_err();
        let refused = matches!(error, SourceError::SizeMismatch { .. } | SourceError::Malformed { .. });
        assert!(refused, "{error}");
    }
    Ok(())
}

#[test]
fn a_checksum_that_does_not_fit_is_an_error_at_the_end() -> TestResult {
    let mut file = deflated(&zeros(1000))?;
    let crc = file.windows(4).rposition(|w| w == b"PK\x01\x02").ok_or("a directory")? + 16;
    file[crc] ^= 1;
    let tensors = in_memory(&Npz, "a.npz", file)?;
    tensors.read("w", 0, &mut [0.0; 500])?;
    let error = tensors.read("w", 500, &mut [0.0; 500]).unwrap_err();
    assert!(error.to_string().contains("checksum"), "{error}");
    Ok(())
}

#[test]
fn members_that_share_bytes_or_names_are_refused() -> TestResult {
    let stored = fs::read(data("npz/stored.npz"))?;
    // The second entry of the directory is made to point at the first member.
    let entries: Vec<usize> =
        stored.windows(4).enumerate().filter(|(_, w)| *w == b"PK\x01\x02").map(|(at, _)| at).collect();
    let mut shared = stored.clone();
    let first: [u8; 4] = stored[entries[0] + 42..entries[0] + 46].try_into()?;
    shared[entries[1] + 42..entries[1] + 46].copy_from_slice(&first);
    assert!(matches!(in_memory(&Npz, "a.npz", shared), Err(SourceError::Malformed { .. })));
    assert!(
        !read(&Npz, "a.npz", b"PK\x05\x06".to_vec()) && read(&Npz, "a.npz", [&b"PK\x05\x06"[..], &[0; 18]].concat())
    );
    Ok(())
}

#[test]
fn threads_that_share_an_array_read_the_same() -> TestResult {
    let random: Vec<u8> =
        (0..400_000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()[..2].to_vec()).collect();
    let text = "{'descr': '<u2', 'fortran_order': False, 'shape': (400000,), }\n";
    let array = [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), &random].concat();
    let tensors = in_memory(&Npz, "a.npz", deflated(&array)?)?;
    let value = |i: usize| f32::from(u16::from_le_bytes([random[2 * i], random[2 * i + 1]]));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let tensors = &tensors;
            scope.spawn(move || {
                for piece in (0..100).filter(|piece| piece % 4 == thread) {
                    let mut values = vec![0.0; 4000];
                    tensors.read("w", piece * 4000, &mut values).expect("an array in memory");
                    assert!(values.iter().enumerate().all(|(i, &v)| v == value(piece * 4000 + i)), "piece {piece}");
                }
            });
        }
    });
    Ok(())
}
