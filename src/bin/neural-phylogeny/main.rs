//! The command `neural-phylogeny`: the library over a folder of checkpoints.

mod addresses;
mod args;
mod compare;
mod detect;
mod detector;
mod evaluate;
mod explain;
mod form;
mod geometry;
mod inspect;
mod models;
mod names;
mod notes;
mod output;
mod printed;
mod progress;
mod query;
mod rebuild;
mod resume;
mod sketch;
mod store;

use args::{Arguments, Command};
use clap::Parser;
use neural_phylogeny::error::chain;
use printed::{Form, Printed};
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// Exit code of every run that ends without a result.
const FAILED: u8 = 2;

/// Exit code of a query for a model that could not be compared. Its answer does not say that there is no kin.
const NOT_COMPARED: u8 = 3;

fn main() -> ExitCode {
    let whole = |()| ExitCode::SUCCESS;
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => return refused(&usage),
    };
    let outcome = match arguments.command {
        Command::Detect(arguments) => detect::run(&arguments).map(whole),
        Command::Explain(arguments) => explain::run(&arguments).map(whole),
        Command::Compare(arguments) => compare::run(&arguments).map(whole),
        Command::Rebuild(arguments) => rebuild::run(&arguments).map(whole),
        Command::Inspect(arguments) => inspect::run(&arguments).map(whole),
        Command::Evaluate(arguments) => evaluate::run(&arguments).map(whole),
        Command::Sketch(arguments) => sketch::run(&arguments).map(whole),
        Command::Query(arguments) => query::run(&arguments),
        Command::Store(arguments) => store::run(&arguments.action).map(whole),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if reader_left(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            printed::say("error", &said(error.as_ref()));
            ExitCode::from(FAILED)
        }
    }
}

/// Prints the help that was asked for, or what is wrong with the arguments. A shell may have put names of files among them.
fn refused(usage: &clap::Error) -> ExitCode {
    let text = usage.render().to_string();
    if !usage.use_stderr() {
        let _ = output::print(text.as_bytes());
        return ExitCode::SUCCESS;
    }
    let _ = Printed::new(Form::Text, io::stderr().lock()).write_all(text.as_bytes());
    ExitCode::from(FAILED)
}

/// Whether the reader of a pipe closed it, as in `neural-phylogeny … | head`. That is no failure.
fn reader_left(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = e.source();
    }
    false
}

/// The words of this command for an error. Settings have the names of options here.
fn said(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref() {
        Some(neural_phylogeny::Error::InvalidSetting { setting, found, expected }) => {
            format!("{} is {found}, expected {expected}", option(setting))
        }
        _ => chain(error),
    }
}

/// The option that sets a setting of the library. Arguments without dashes have the names that usage shows.
fn option(setting: &str) -> String {
    match setting {
        "seeding share" => "the share of `--seeding`".to_owned(),
        "bandwidth quantile" => "the quantile of `--bandwidth`".to_owned(),
        argument if argument.starts_with('<') => format!("`{argument}`"),
        setting => format!("`--{}`", setting.replace('_', "-")),
    }
}
