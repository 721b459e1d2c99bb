//! The truth about what is enforced: before a run, after it, and where it is refused.
//!
//! ```text
//! cargo run --example explain_layers -- untrusted cgroup=required landlock=best-effort
//! ```
//!
//! The first argument is a profile, the others say what happens where this host can't give a layer.
//! The exit status is 0 if the level of the profile is reached in full, 1 if it isn't, and 125 if
//! nothing was run.

use std::process::ExitCode;

use ringfence::{Enforcement, Error, Layer, Outcome, Profile, Sandbox, Status};

fn main() -> ExitCode {
    match explain() {
        Ok(outcome) => {
            tell(&outcome);
            let reached = outcome.effective_level >= Some(outcome.requested_level);
            if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            tell_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn explain() -> Result<Outcome, Error> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "default".to_owned());
    let mut profile = Profile::load(&name)?;
    for argument in arguments {
        let wrong =
            || Error::Usage(format!("{argument}: write LAYER=required, best-effort or off"));
        let (layer, setting) = argument.split_once('=').ok_or_else(wrong)?;
        let layer = Layer::from_name(layer).ok_or_else(wrong)?;
        profile = profile.enforce(layer, Enforcement::from_name(setting).ok_or_else(wrong)?);
    }
    let sandbox = Sandbox::new(&profile)?;
    let level = sandbox.effective_level().map_or("none", |level| level.as_str());
    println!("planned: {}, effective level {level}", sandbox.profile_name());
    // What only could be assumed of this host is proved by a run.
    sandbox.command("true").status()
}

fn tell(outcome: &Outcome) {
    if let Some(replaced) = &outcome.instead_of {
        println!("{} takes the place of {}", outcome.profile.name, replaced.profile.name);
    }
    for state in &outcome.layers {
        println!("{:<18} {}", state.layer, state.status);
        if state.status != Status::Off {
            println!("{:18} by: {}", "", state.mechanism.as_deref().unwrap_or("nothing"));
        }
        if let Some(cause) = &state.cause {
            println!("{:18} why: {}", "", cause.found);
            println!("{:18} remedy: {}", "", cause.remedy);
        }
        for detail in &state.details {
            println!("{:18} {detail}", "");
        }
    }
    for note in &outcome.notes {
        println!("note: {note}");
    }
}

fn tell_error(error: &Error) {
    match error {
        Error::Refused(refusal) => {
            println!("refused: nothing was run");
            for problem in &refusal.problems {
                println!("{}: {}", problem.layer, problem.cause.found);
                println!("  remedy: {}", problem.cause.remedy);
            }
        }
        Error::Launch(failure) => println!("failed at the layer {}: {failure}", failure.layer),
        // A wrong profile is shown with the place of each problem in it.
        other => println!("{other}"),
    }
}
