//! The command line: a thin user of the library.

mod args;
mod check;
mod doctor;
mod events;
mod explain;
mod failure;
mod output;
mod profiles;
mod quick;
mod render;
mod report_file;
mod request;
mod run;
mod usage;

#[cfg(any(test, fuzzing))]
pub(crate) use request::fuzzing;

use std::process::ExitCode;

use crate::error::exit_code;
use args::{Action, Arguments};

/// Runs the program; its arguments come from the environment.
#[must_use]
pub fn main() -> ExitCode {
    if crate::os::is_setuid() {
        render::line("refuses to run setuid, setgid or with file capabilities: chmod a-s it");
        return ExitCode::from(exit_code::LAUNCHER);
    }
    let arguments = match Arguments::of_process() {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(usage::tell(&error)),
    };
    ExitCode::from(match arguments.action {
        Action::Run(arguments) => run::run(&arguments),
        Action::Check(arguments) => check::check(&arguments),
        Action::Explain(arguments) => explain::explain(&arguments),
        Action::Doctor(arguments) => doctor::doctor(&arguments),
        Action::Profiles(arguments) => profiles::profiles(&arguments),
    })
}
