//! A bucket of a real S3 server: `moto_server` of the Python package moto, where it is installed (`.ci/run` installs it).
#![cfg(feature = "cli")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

struct Moto(Child, String);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the server. `None` where it is not installed.
fn moto() -> Option<Moto> {
    let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let started = Command::new("moto_server")
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = match started {
        Ok(child) => child,
        // The gate installs it and sets this, so that the test is not passed over there.
        Err(error) if std::env::var_os("REQUIRE_MOTO").is_some() => panic!("moto_server: {error}"),
        Err(_) => return None,
    };
    let moto = Moto(child, format!("127.0.0.1:{port}"));
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(&moto.1).is_err() {
        assert!(Instant::now() < deadline, "moto_server does not answer");
        thread::sleep(Duration::from_millis(100));
    }
    Some(moto)
}

/// Puts an object without a signature, which this server does not check.
fn put(host: &str, path: &str, body: &[u8]) {
    let mut stream = TcpStream::connect(host).unwrap();
    let credential =
        "AWS4-HMAC-SHA256 Credential=key/20261126/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {credential}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

#[test]
fn a_bucket_is_a_folder() {
    let Some(moto) = moto() else {
        eprintln!("not checked: moto_server is not installed (pip install 'moto[server]')");
        return;
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/zoo/mlp");
    put(&moto.1, "/pile", b"");
    put(&moto.1, "/kept", b"");
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".safetensors"));
    names.sort();
    for name in &names[..4] {
        put(&moto.1, &format!("/pile/models/{name}"), &std::fs::read(format!("{folder}/{name}")).unwrap());
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neural-phylogeny"));
        command.env("AWS_ENDPOINT", format!("http://{}", moto.1)).env("AWS_ALLOW_HTTP", "true");
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret").env("AWS_REGION", "us-east-1");
        command.args(arguments).output().unwrap()
    };
    let output = run(&["inspect", "s3://pile/models"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("4 models"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    // Each model has the name that it has in a folder of this machine.
    assert_eq!(
        names[..4].iter().filter(|n| text.contains(&format!("\n  {}: ", &n[..n.len() - 12]))).count(),
        4,
        "{text}"
    );
    for (path, name) in [("a/runs/m/model.safetensors", &names[0]), ("b/runs/m/model.safetensors", &names[1])] {
        put(&moto.1, &format!("/kept/{path}"), &std::fs::read(format!("{folder}/{name}")).unwrap());
        put(&moto.1, &format!("/kept/{}", path.replace("model.safetensors", "config.json")), b"{}");
    }
    let output = run(&["inspect", "s3://kept/a/runs/m"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("\n  m: "), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let output = run(&["inspect", "s3://kept/a/runs/m", "s3://kept/b/runs/m"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("\n  a/runs/m: ") && text.contains("\n  b/runs/m: "), "{text}");
    let output = run(&["detect", "s3://pile", "--format", "json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let missing = run(&["detect", "s3://pile/none"]);
    assert_eq!(missing.status.code(), Some(2));
}
