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

use crate::error::exit_code;
use args::{Action, Arguments};

/// Runs the program, as the first thing in its process; what it is to exit with.
///
/// The arguments come from the environment. Standard streams that are closed are opened, so that no
/// file gets their numbers; a reader of the output that goes away doesn't end the program.
#[must_use]
pub fn start() -> u8 {
    if let Err(problem) = crate::os::begin() {
        render::line(&format!("the standard streams can't be made sure of: {problem}"));
        return exit_code::LAUNCHER;
    }
    let code = main();
    // Where Rust's own start isn't used, nor is its end. What can't be written was told to nobody.
    let _ = std::io::Write::flush(&mut std::io::stdout());
    code
}

fn main() -> u8 {
    if crate::os::is_setuid() {
        render::line("refuses to run setuid, setgid or with file capabilities: chmod a-s it");
        return exit_code::LAUNCHER;
    }
    let arguments = match Arguments::of_process() {
        Ok(arguments) => arguments,
        Err(error) => return usage::tell(&error),
    };
    match arguments.action {
        Action::Run(arguments) => run::run(&arguments),
        Action::Check(arguments) => check::check(&arguments),
        Action::Explain(arguments) => explain::explain(&arguments),
        Action::Doctor(arguments) => doctor::doctor(&arguments),
        Action::Profiles(arguments) => profiles::profiles(&arguments),
    }
}
