//! `ringfence run`.

use super::args::{RunArguments, Tty};
use super::events::Events;
use super::report_file::Destination;
use super::{output, render, request};
use crate::error::Error;
use crate::launch::{self, Chosen, Happened, Observer, OwnTerminal, Policies};
use crate::plan::Status;
use crate::policy::ProfileIdentity;
use crate::profile::vocabulary::Level;
use crate::report::{Ending, Outcome};

/// Runs a command; what the launcher is to exit with.
pub(super) fn run(arguments: &RunArguments) -> u8 {
    // The report's place is made sure of first: a run whose account would be lost isn't begun.
    let destination = match Destination::open(arguments) {
        Ok(destination) => destination,
        Err(error) => {
            render::error(&error);
            return error.exit_code();
        }
    };
    let mut events = match Events::open(arguments.events.as_deref()) {
        Ok(events) => events,
        Err(error) => {
            render::error(&error);
            return error.exit_code();
        }
    };
    let report = match attempt(arguments, &mut events) {
        Ok(report) => {
            tell(arguments, &report);
            report
        }
        Err(failure) => {
            let (error, identity, level) = *failure;
            render::error(&error);
            let command = request::command_text(&arguments.command);
            Outcome::of_error(identity, level, command, &error)
        }
    };
    events.ended(&report);
    if let Err(problem) = destination.write(&report) {
        // The result isn't lost with its account.
        render::line(&format!("the report could not be written: {problem}"));
        if !matches!(report.ending, Ending::LauncherError { .. }) {
            render::line(&format!("the run itself: {}", report.ending));
        }
    }
    if let Some(signal) = report.ending.signal() {
        // As `timeout(1)` does it: a shell that runs a loop ends it when Ctrl-C has ended its
        // command, but not when the command has exited with 130.
        crate::os::die_of(signal);
    }
    report.exit_code
}

type Failure = Box<(Error, ProfileIdentity, Level)>;

fn attempt(arguments: &RunArguments, events: &mut Events) -> Result<Outcome, Failure> {
    let color = output::error_has_color();
    let unknown =
        || ProfileIdentity { name: arguments.sandbox.profile.clone(), ..Default::default() };
    let first = request::resolve_first(&arguments.sandbox, color)
        .and_then(|request| request.policies.into_iter().next().ok_or_else(no_profile))
        .map_err(|error| Box::new((error, unknown(), Level::Basic)))?;
    let (identity, level) = (first.profile.clone(), first.level);
    let reported = arguments.report.is_some() || arguments.report_fd.is_some() || arguments.json;
    let (quiet, verbose) = (arguments.quiet, arguments.verbose);
    let terminal = match arguments.tty {
        _ if arguments.no_tty => OwnTerminal::Never,
        Tty::Auto => OwnTerminal::Auto,
        Tty::Always => OwnTerminal::Always,
        Tty::Never => OwnTerminal::Never,
    };
    let mut teller = Teller { quiet, verbose, reported, events, terminal };
    // What may take the profile's place is read only when this host can't enforce it.
    let mut policies = Policies::new(first, || {
        let all = request::resolve(&arguments.sandbox, color)?.policies;
        Ok(all.into_iter().skip(1).collect())
    });
    request::passed_files(&arguments.sandbox)
        .and_then(|files| launch::run(&mut policies, &arguments.command, &files, &mut teller))
        .map_err(|error| Box::new((error, identity, level)))
}

fn no_profile() -> Error {
    Error::Usage("there is no profile to enforce".to_owned())
}

/// Says on standard error what the user should know before the command speaks.
struct Teller<'a> {
    quiet: bool,
    verbose: bool,
    /// Whether a report is written, with what the run used.
    reported: bool,
    events: &'a mut Events,
    terminal: OwnTerminal,
}

impl Observer for Teller<'_> {
    fn wants_usage(&self) -> bool {
        self.reported
    }

    fn terminal(&self) -> OwnTerminal {
        self.terminal
    }

    fn happened(&mut self, happened: Happened) {
        self.events.happened(happened);
    }

    fn planned(&mut self, chosen: &Chosen, pid: u32) {
        self.events.started(chosen, pid);
        crate::os::release_streams();
        if self.quiet {
            return;
        }
        for note in &chosen.plan.notes {
            render::line(note);
        }
        for state in &chosen.plan.layers {
            // What was asked for and isn't there is said unasked.
            let lacking = matches!(state.status, Status::Fallback | Status::Unavailable);
            if self.verbose || lacking {
                render::line(&state.to_string());
            }
        }
    }
}

/// Says how the run ended, where the exit status alone doesn't.
fn tell(arguments: &RunArguments, report: &Outcome) {
    match &report.ending {
        Ending::LauncherError { message } => render::line(message),
        Ending::TimedOut | Ending::OutOfMemory | Ending::Limit { .. } | Ending::Denied { .. }
            if !arguments.quiet =>
        {
            render::line(&report.ending.to_string());
        }
        _ => {}
    }
}
