//! What a bound of memory costs: requests, but no bytes.

use super::server::{Fault, Server};
use super::stars::stars;
use super::{content, open};
use neural_phylogeny::bytes::{Folder, Locations, ReadAt};
use neural_phylogeny::discover::Discovery;
use neural_phylogeny::write::write_json;
use neural_phylogeny::{Config, ModelSet, detect_phylogeny};
use std::path::Path;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[test]
fn less_memory_takes_no_more_bytes_for_the_same_result() -> Result<(), Box<dyn std::error::Error>> {
    let (server, stored) = stars(150);
    let names = ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"];
    let addresses = names.map(|name| format!("{}/acme/stars/resolve/aa/{name}.safetensors", server.root));
    let mut ample = None;
    for memory in [256 * MIB, MIB, 100 * KIB, 0] {
        let before = (server.requests().len(), server.sent(".safetensors"));
        let discovery = Discovery::new().with_tree(Locations::new().with_memory(memory));
        let models = ModelSet::builder().with_discovered(discovery.search(&addresses)?).build()?;
        let phylogeny = detect_phylogeny(&models, Config::new().with_threads(2))?;
        let mut result = Vec::new();
        write_json(&phylogeny, &mut result)?;
        let (requests, sent) = (server.requests().len() - before.0, server.sent(".safetensors") - before.1);
        println!("{memory} bytes of memory: {requests} requests, {sent} bytes of {stored}");
        let (expected, least) = ample.get_or_insert((result.clone(), sent));
        assert!(*expected == result, "{memory}: another result");
        assert!(4 * sent <= 5 * *least, "{memory}: {sent} bytes, and {least} with ample memory");
    }
    Ok(())
}

#[test]
fn no_byte_is_requested_twice_while_reads_go_forward() -> Result<(), Box<dyn std::error::Error>> {
    let length = 3_000_000;
    let whole = content(length);
    for memory in [0, 100 * KIB, MIB, 4 * MIB, 64 * MIB] {
        let server = Server::start([("/a.bin".to_owned(), whole.clone()), ("/b.bin".to_owned(), whole.clone())]);
        // Answers that take a while leave pieces on their way when the next read comes.
        server.set(Some(Fault::Slow { milliseconds: 1 }));
        let locations = Locations::new().with_memory(memory);
        // What nobody reads of another object holds memory all the while.
        let other = locations.open(Path::new(&format!("{}/b.bin", server.root)))?;
        other.prefetch(1_000_000, 700_000);
        let object = open(&server, &locations)?;
        forward(&*object, &whole)?;
        let mut ranges: Vec<_> = server.requests().into_iter().filter(|r| r.path == "/a.bin").collect();
        ranges.sort_by_key(|r| r.begin);
        let overlap = ranges.windows(2).find(|r| r[0].begin + r[0].sent > r[1].begin);
        assert!(overlap.is_none(), "{memory}: {overlap:?}");
        assert_eq!(ranges.iter().map(|r| r.sent).sum::<u64>(), length as u64, "{memory}");
    }
    Ok(())
}

/// Reads an object as a pass does: the header, then blocks of jobs, each of which announces the next one.
fn forward(object: &dyn ReadAt, whole: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    const JOB: usize = 300_000;
    let mut at = 0;
    for step in [8, 120].into_iter().chain(std::iter::repeat(33_000)) {
        let mut block = vec![0; step.min(whole.len() - at)];
        if at / JOB != (at + step) / JOB || at == 128 {
            let next = (at + step) / JOB * JOB + JOB;
            object.prefetch(next as u64, JOB.min(whole.len().saturating_sub(next)) as u64);
        }
        object.read_at(&mut block, at as u64)?;
        assert!(block == whole[at..at + block.len()], "{at}");
        at += block.len();
        if at == whole.len() {
            break;
        }
    }
    Ok(())
}

#[test]
fn memory_that_nobody_reads_is_given_back() -> Result<(), Box<dyn std::error::Error>> {
    let whole = content(20_000_000);
    let server = Server::start([("/a.bin".to_owned(), whole.clone()), ("/b.bin".to_owned(), whole.clone())]);
    let locations = Locations::new().with_memory(2 * MIB);
    let other = locations.open(Path::new(&format!("{}/b.bin", server.root)))?;
    // As much as fits waits in vain.
    for _ in 0..20 {
        other.prefetch(5_000_000, 2 * MIB);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let object = open(&server, &locations)?;
    let requests = |begin: usize, end: usize| -> Result<usize, Box<dyn std::error::Error>> {
        let before = server.requests().len();
        let mut block = [0; 4_000];
        for at in (begin..end).step_by(block.len()) {
            object.read_at(&mut block, at as u64)?;
            assert!(block == whole[at..at + block.len()], "{at}");
        }
        Ok(server.requests().len() - before)
    };
    let early = requests(0, 1_000_000)?;
    assert!(early > 200, "{early} requests: there was memory left");
    requests(1_000_000, 19_000_000)?;
    let late = requests(19_000_000, 20_000_000)?;
    assert!(late < 30, "{late} requests: the memory never came back");
    Ok(())
}
