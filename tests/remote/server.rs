//! A web server on this machine, with ranges and versions, that fails in the ways that real servers fail.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Every so many answers, the connection breaks in the middle of the body.
    Drops { every: usize },
    /// Every so many answers are an error of the server.
    Refuses { every: usize },
    /// Each answer waits.
    Slow { milliseconds: u64 },
    /// After so many answers, every file is another version.
    Changes { after: usize },
    /// Ranges are ignored, as simple servers do.
    NoRanges,
    /// The announced range has other bytes than were asked for.
    WrongRange,
}

/// One request that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Bytes of the body that were sent.
    pub(crate) sent: u64,
    /// The first of them.
    pub(crate) begin: u64,
    pub(crate) authorization: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Arc<Vec<u8>>>,
    fault: Option<Fault>,
    requests: Vec<Request>,
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) root: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// Serves files under `http://127.0.0.1:PORT` until the test ends.
    pub(crate) fn start(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let files = files.into_iter().map(|(path, bytes)| (path, Arc::new(bytes))).collect();
        let state = Arc::new(Mutex::new(State { files, ..State::default() }));
        let served = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                // A connection that breaks is one of the faults.
                thread::spawn(move || serve(stream, &state).ok());
            }
        });
        Self { root, state }
    }

    pub(crate) fn set(&self, fault: Option<Fault>) {
        self.state.lock().unwrap().fault = fault;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Bytes that were sent of files whose path ends in `end`.
    pub(crate) fn sent(&self, end: &str) -> u64 {
        self.requests().iter().filter(|r| r.path.ends_with(end)).map(|r| r.sent).sum()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    // Head and body are two writes. The second one would wait 40 ms for the other side to acknowledge the first.
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
                None => break,
            };
        }
        let mut words = first.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
        let (file, fault, number) = {
            let state = state.lock().unwrap();
            (state.files.get(&path).cloned(), state.fault, state.requests.len())
        };
        let note_range = |begin, sent| {
            let authorization = headers.get("authorization").cloned();
            state.lock().unwrap().requests.push(Request { path: path.clone(), sent, begin, authorization });
        };
        let note = |sent| note_range(0, sent);
        if let Some(Fault::Slow { milliseconds }) = fault {
            thread::sleep(Duration::from_millis(milliseconds));
        }
        let Some(body) = file else {
            note(0);
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        if matches!(fault, Some(Fault::Refuses { every }) if number % every == every - 1) {
            note(0);
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        let changed = matches!(fault, Some(Fault::Changes { after }) if number >= after);
        let version = if changed { "\"second\"" } else { "\"first\"" };
        if headers.get("if-match").is_some_and(|wanted| wanted != version) {
            note(0);
            stream.write_all(b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        }
        let common =
            format!("ETag: {version}\r\nLast-Modified: Thu, 26 Nov 2026 00:00:00 GMT\r\nAccept-Ranges: bytes\r\n");
        let range = headers.get("range").and_then(|r| r.strip_prefix("bytes=")).and_then(|r| r.split_once('-'));
        let range = range.filter(|_| fault != Some(Fault::NoRanges));
        let (status, begin, end) = match range {
            Some((begin, end)) => {
                let begin: usize = begin.parse().unwrap();
                let end = end.parse().map_or(body.len(), |end: usize| (end + 1).min(body.len()));
                if begin >= end {
                    note(0);
                    let head = "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n";
                    stream.write_all(head.as_bytes())?;
                    continue;
                }
                ("206 Partial Content", begin, end)
            }
            None => ("200 OK", 0, body.len()),
        };
        let shown = if fault == Some(Fault::WrongRange) && begin > 0 { begin - 1 } else { begin };
        let mut head = format!("HTTP/1.1 {status}\r\n{common}Content-Length: {}\r\n", end - begin);
        if range.is_some() {
            head += &format!("Content-Range: bytes {shown}-{}/{}\r\n", end - 1, body.len());
        }
        stream.write_all((head + "\r\n").as_bytes())?;
        if method == "HEAD" {
            note(0);
            continue;
        }
        let body = &body[begin..end];
        if matches!(fault, Some(Fault::Drops { every }) if number % every == every - 1) {
            note(body.len() as u64 / 2);
            stream.write_all(&body[..body.len() / 2])?;
            // Without this, the other side would wait for the rest.
            stream.shutdown(std::net::Shutdown::Both)?;
            return Ok(());
        }
        note_range(begin as u64, body.len() as u64);
        stream.write_all(body)?;
    }
}
