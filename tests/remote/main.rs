//! Models behind addresses: the same answers as from files, each byte once, and every fault of a server survived or named.
#![cfg(feature = "remote")]

mod hub;
mod memory;
#[cfg(all(feature = "cli", target_os = "linux"))]
#[path = "../support/peak.rs"]
mod peak;
mod s3;
mod server;
mod stars;
mod traffic;

use neural_phylogeny::bytes::{Folder, Locations, ReadAt};
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::{ParameterSource, SourceError};
use server::{Fault, Server};
use std::path::Path;
use std::sync::Arc;

/// Bytes that can be told apart.
fn content(length: usize) -> Vec<u8> {
    (0..length as u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).take(length).collect()
}

/// A safetensors file of one F16 matrix and one F32 matrix.
fn checkpoint(rows: usize) -> Vec<u8> {
    let (half, full) = (content(rows * 256 * 2), content(rows * 64 * 4));
    let header = format!(
        r#"{{"a":{{"dtype":"F16","shape":[{rows},256],"data_offsets":[0,{}]}},"b":{{"dtype":"F32","shape":[{rows},64],"data_offsets":[{},{}]}}}}"#,
        half.len(),
        half.len(),
        half.len() + full.len()
    );
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &half, &full].concat()
}

fn read_whole(object: &dyn ReadAt, step: usize) -> Result<Vec<u8>, SourceError> {
    let mut bytes = vec![0; object.length() as usize];
    for (number, piece) in bytes.chunks_mut(step).enumerate() {
        object.read_at(piece, (number * step) as u64)?;
    }
    Ok(bytes)
}

fn open(server: &Server, locations: &Locations) -> Result<Arc<dyn ReadAt>, SourceError> {
    locations.open(Path::new(&format!("{}/a.bin", server.root)))
}

#[test]
fn bytes_come_once_and_as_they_are() -> Result<(), Box<dyn std::error::Error>> {
    for length in [0, 1, 65_535, 65_536, 65_537, 5_000_000, 20_000_000] {
        let server = Server::start([("/a.bin".to_owned(), content(length))]);
        let object = open(&server, &Locations::new())?;
        assert_eq!(object.length(), length as u64);
        assert!(read_whole(&*object, 60_000)? == content(length), "{length}");
        assert_eq!(server.sent("a.bin"), length as u64);
        assert!(server.requests().len() <= 3 + length / 100_000, "{} requests", server.requests().len());
    }
    Ok(())
}

#[test]
fn without_memory_reads_are_smaller_and_the_same() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start([("/a.bin".to_owned(), content(300_000))]);
    for memory in [0, 70_000, 1 << 21] {
        let object = open(&server, &Locations::new().with_memory(memory))?;
        assert!(read_whole(&*object, 50_000)? == content(300_000), "{memory}");
    }
    Ok(())
}

#[test]
fn ranges_out_of_order_and_from_many_threads_are_right() -> Result<(), Box<dyn std::error::Error>> {
    let whole = content(9_000_000);
    let server = Server::start([("/a.bin".to_owned(), whole.clone())]);
    let object = open(&server, &Locations::new().with_memory(4 << 20))?;
    std::thread::scope(|scope| {
        for thread in 0..6usize {
            let (object, whole) = (&object, &whole);
            scope.spawn(move || {
                for step in 0..40usize {
                    let at = (thread * 7_919 + step * 1_299_709) % 8_900_000;
                    let length = 1 + (step * 3_571) % 90_000;
                    object.prefetch(at as u64, 3 * length as u64);
                    let mut bytes = vec![0; length];
                    object.read_at(&mut bytes, at as u64).unwrap();
                    assert!(bytes == whole[at..at + length], "{at} {length}");
                }
            });
        }
    });
    let error = object.read_at(&mut [0; 2], 8_999_999).unwrap_err();
    assert!(matches!(error, SourceError::Truncated { .. }), "{error}");
    Ok(())
}

#[test]
fn a_server_that_stumbles_is_read_all_the_same() -> Result<(), Box<dyn std::error::Error>> {
    for fault in [Fault::Drops { every: 3 }, Fault::Refuses { every: 3 }, Fault::Slow { milliseconds: 20 }] {
        let server = Server::start([("/a.bin".to_owned(), content(6_000_000))]);
        server.set(Some(fault));
        let object = open(&server, &Locations::new())?;
        assert!(read_whole(&*object, 500_000)? == content(6_000_000), "{fault:?}");
    }
    Ok(())
}

#[test]
fn a_server_that_deceives_is_an_error() -> Result<(), Box<dyn std::error::Error>> {
    type Expected = fn(&SourceError) -> bool;
    let faults: [(Fault, Expected); 3] = [
        (Fault::Changes { after: 2 }, |e| matches!(e, SourceError::Changed { .. })),
        (Fault::NoRanges, |e| matches!(e, SourceError::Remote { reason, .. } if reason.contains("ranges"))),
        (Fault::WrongRange, |e| matches!(e, SourceError::Remote { .. })),
    ];
    for (fault, expected) in faults {
        let server = Server::start([("/a.bin".to_owned(), content(12_000_000))]);
        server.set(Some(fault));
        let outcome = open(&server, &Locations::new()).and_then(|object| read_whole(&*object, 100_000));
        let error = outcome.expect_err("the server deceives");
        assert!(expected(&error) && error.to_string().contains("a.bin"), "{fault:?}: {error}");
    }
    Ok(())
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = Server::start([]);
    let locations = Locations::new();
    let missing = open(&server, &locations).unwrap_err();
    assert!(matches!(missing, SourceError::NotFound { .. }), "{missing}");
    let list = locations.list(Path::new(&server.root)).unwrap_err();
    assert!(list.to_string().contains("does not list"), "{list}");
    // Nobody listens at the port of a server that is gone.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = locations.open(Path::new(&format!("http://{closed}/a.bin"))).unwrap_err();
    assert!(matches!(refused, SourceError::Remote { .. }), "{refused}");
}

#[test]
fn a_model_behind_an_address_is_the_model() -> Result<(), Box<dyn std::error::Error>> {
    let file = checkpoint(3_000);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.safetensors");
    std::fs::write(&path, &file)?;
    let server = Server::start([("/models/a.safetensors".to_owned(), file.clone())]);
    let address = format!("{}/models/a.safetensors", server.root);
    let there = Discovery::new().with_tree(Locations::new()).open(&address)?;
    let here = Discovery::new().open(&path)?;
    assert_eq!((there.name.as_str(), there.source.parameters()?), ("a", here.source.parameters()?));
    for info in here.source.parameters()? {
        let (mut expected, mut found) = (vec![0.0; 100_000], vec![0.0; 100_000]);
        for at in (0..info.size() - 100_000).step_by(100_000) {
            here.source.read(&info.name, at, &mut expected)?;
            there.source.read(&info.name, at, &mut found)?;
            // Some of the random bits are no numbers, so bits are compared.
            let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&expected), bits(&found));
        }
    }
    assert!(server.sent("a.safetensors") <= file.len() as u64);
    Ok(())
}

#[test]
fn as_many_components_are_in_a_name_as_tell_models_apart() -> Result<(), Box<dyn std::error::Error>> {
    let paths = ["/x/runs/m.safetensors", "/y/runs/m.safetensors", "/y/n.safetensors"];
    let files = paths.into_iter().zip(1..).map(|(path, rows)| (path.to_owned(), checkpoint(rows)));
    let server = Server::start(files);
    let addresses = paths.map(|path| format!("{}{path}", server.root));
    let names = |addresses: &[String]| -> Result<Vec<String>, SourceError> {
        let found = Discovery::new().with_tree(Locations::new()).search(addresses)?;
        Ok(found.models.into_iter().map(|model| model.name).collect())
    };
    assert_eq!(names(&addresses[1..])?, ["m", "n"]);
    assert_eq!(names(&addresses)?, ["n", "x/runs/m.safetensors", "y/runs/m.safetensors"]);
    Ok(())
}
