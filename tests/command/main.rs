//! The command as a user runs it: what it prints, where, and with which exit code.
#![cfg(feature = "cli")]

mod compare;
mod detect;
mod evaluate;
mod explain;
mod failures;
mod folders;
#[cfg(target_os = "linux")]
mod hostile_files;
#[cfg(unix)]
mod hostile_names;
mod inspect;
#[cfg(unix)]
mod kills;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(unix)]
mod outside;
#[cfg(target_os = "linux")]
#[path = "../support/peak.rs"]
mod peak;
mod query;
#[cfg(unix)]
mod resume;
mod settings;
mod sketch;
mod slips;
mod support;
