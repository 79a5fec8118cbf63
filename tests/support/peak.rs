//! The memory of a process, seen from outside.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// The most bytes that the command had resident. Files are read and not mapped, so that no page of theirs counts.
pub(crate) fn peak(words: &str, mut command: Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    // The line goes away when the process has ended, and its status when it has been waited for.
    while let Some(line) = fs::read_to_string(&status).unwrap().lines().find_map(|l| l.strip_prefix("VmHWM:")) {
        // Never falls: what is read last is the most, but for what the last millisecond added.
        peak = Some(1024 * line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap());
        thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success(), "{words}");
    peak.unwrap()
}
