//! The command as a user runs it: what it prints, where, and with which exit code.
#![cfg(feature = "cli")]

mod detect;
mod evaluate;
mod explain;
mod failures;
mod inspect;
mod query;
mod sketch;
mod support;
