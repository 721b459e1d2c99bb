//! The command line: a thin user of the library.

mod args;
mod check;
mod output;
mod render;
mod report_file;
mod request;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::error::exit_code;
use args::{Action, Arguments};

/// Runs the program; its arguments come from the environment.
#[must_use]
pub fn main() -> ExitCode {
    if crate::os::is_setuid() {
        render::line("refuses to run setuid, setgid or with file capabilities: chmod a-s it");
        return ExitCode::from(exit_code::LAUNCHER);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // Help and version aren't errors; 2, clap's own code, could be the command's.
            let code = if error.use_stderr() { exit_code::LAUNCHER } else { 0 };
            return ExitCode::from(code);
        }
    };
    ExitCode::from(match arguments.action {
        Action::Run(arguments) => run::run(&arguments),
        Action::Check(arguments) => check::check(&arguments),
        _ => 125,
    })
}
