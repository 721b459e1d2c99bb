//! A command line that can't be understood: what to say about it.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::render;
use crate::error::exit_code;
use crate::profile::diagnostic::quoted;
use crate::profile::suggest;

/// The names of the subcommands.
const SUBCOMMANDS: [&str; 6] = ["run", "check", "explain", "doctor", "profiles", "help"];

/// Says what is wrong, or gives the help that was asked for; what the program is to exit with.
pub(super) fn tell(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        // Help and version. A reader that has seen enough is no error.
        let _ = error.print();
        return 0;
    }
    match (error.kind(), context(error, ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(word)) => render::line(&unknown_subcommand(&word)),
        (ErrorKind::MissingRequiredArgument, _) if is_about(error, "<COMMAND>") => render::line(
            "no command to run\n  write: ringfence run [OPTIONS] [--] COMMAND [ARGS]; \
             ringfence help run tells the options",
        ),
        _ => {
            let _ = error.print();
        }
    }
    // 2, clap's own code, could be the command's.
    exit_code::LAUNCHER
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn is_about(error: &clap::Error, argument: &str) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.iter().any(|name| name.contains(argument)),
        Some(ContextValue::String(name)) => name.contains(argument),
        _ => false,
    }
}

fn unknown_subcommand(word: &str) -> String {
    let help = match suggest::nearest(word, SUBCOMMANDS) {
        Some(near) => format!("did you mean {}?", quoted(near)),
        None => format!(
            "to run a command: ringfence run -- {}; there are: {}",
            crate::profile::diagnostic::escaped(word),
            SUBCOMMANDS.join(", ")
        ),
    };
    format!("there is no subcommand {}\n  {help}", quoted(word))
}
