//! Room 4, the facade: from policies to a finished run and its report.

pub mod library;
pub mod load;
mod outcome;

use std::ffi::OsString;

use crate::error::{Contradiction, Error};
use crate::os;
use crate::plan::facts::HostFacts;
use crate::plan::{Plan, Refusal};
use crate::policy::Policy;
use crate::report::{FORMAT_VERSION, HeldLimit, Replaced, Report};

pub use os::Effort;

/// A plan that this host can enforce, and how it was chosen.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The policy that it is a plan of.
    pub policy: &'a Policy,
    /// The plan.
    pub plan: Plan,
    /// What it is based on.
    pub facts: HostFacts,
    /// The profile that was asked for, where another takes its place.
    pub instead_of: Option<Replaced>,
}

/// What was learned of the host by launches that failed.
#[derive(Clone, Debug, Default)]
struct Knowledge(Vec<Contradiction>);

/// Takes the first of `policies` that this host can enforce in full.
///
/// # Errors
/// [`Error::Refused`] with what is missing for the first, when none can be enforced.
pub fn choose(policies: &[Policy], effort: Effort) -> Result<Chosen<'_>, Error> {
    choose_knowing(policies, effort, &Knowledge::default())
}

fn choose_knowing<'a>(
    policies: &'a [Policy],
    effort: Effort,
    knowledge: &Knowledge,
) -> Result<Chosen<'a>, Error> {
    let mut first: Option<Refusal> = None;
    for policy in policies {
        let mut facts = os::facts(policy, effort);
        for contradiction in &knowledge.0 {
            contradiction.correct(&mut facts);
        }
        match crate::plan::build(policy, &facts) {
            Ok(mut plan) => {
                let instead_of = first.map(|refusal| {
                    plan.notes.insert(0, replacement_note(&refusal, policy));
                    Replaced { profile: refusal.profile, problems: refusal.problems }
                });
                return Ok(Chosen { policy, plan, facts, instead_of });
            }
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    Err(match first {
        Some(refusal) => Error::Refused(refusal),
        None => Error::Usage("there is no profile to enforce".to_owned()),
    })
}

fn replacement_note(refusal: &Refusal, policy: &Policy) -> String {
    let (wanted, taken) = (&refusal.profile.name, &policy.profile.name);
    let why = refusal.problems.first().map_or_else(String::new, |problem| {
        format!(" ({}: {})", problem.layer, problem.cause.found)
    });
    format!("the profile {wanted} can't be enforced on this host{why}; {taken} takes its place")
}

/// How a run is watched and told of.
pub trait Observer {
    /// Called once, when the plan is final and before anything is started.
    fn planned(&mut self, chosen: &Chosen<'_>);
}

/// Runs a command by the first of `policies` that this host can enforce, and waits for its end.
///
/// What a plan only assumes of the host is proved by the launch. Where the launch proves the
/// opposite before anything was run, the plan is made anew with what was learned.
///
/// # Errors
/// Nothing was run: refused, or a step failed.
pub fn run(
    policies: &[Policy],
    words: &[OsString],
    observer: &mut dyn Observer,
) -> Result<Report, Error> {
    let mut knowledge = Knowledge::default();
    loop {
        let chosen = choose_knowing(policies, Effort::Look, &knowledge)?;
        let command = os::CommandLine {
            words: words.to_vec(),
            environment: chosen.policy.environment.clone(),
        };
        let mut prepared = os::prepare(&chosen.plan, &command)?;
        let signals = os::Signals::take();
        let mut running = match os::spawn(&mut prepared, &chosen.facts) {
            Ok(running) => running,
            Err(error) => match &error.contradiction {
                Some(contradiction) if !knowledge.0.contains(contradiction) => {
                    knowledge.0.push(contradiction.clone());
                    continue;
                }
                _ => return Err(error.into()),
            },
        };
        observer.planned(&chosen);
        let limits = os::limits_in_force(&running);
        os::sweep(&chosen.facts);
        let ended = os::wait(&prepared, &mut running, signals.as_ref().ok())?;
        drop(running);
        return Ok(report(&chosen, words, limits, ended));
    }
}

fn report(
    chosen: &Chosen<'_>,
    words: &[OsString],
    limits: Vec<HeldLimit>,
    ended: os::Ended,
) -> Report {
    let outcome = outcome::classify(&ended, &chosen.plan);
    let exit_code =
        ended.failure.as_ref().map_or_else(|| outcome.exit_code(), |error| error.exit_code());
    Report {
        version: FORMAT_VERSION,
        profile: chosen.plan.profile.clone(),
        instead_of: chosen.instead_of.clone(),
        command: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        requested_level: chosen.plan.requested,
        effective_level: chosen.plan.effective(),
        layers: chosen.plan.layers.clone(),
        limits,
        exit_code,
        usage: Some(outcome::usage(&ended)),
        outcome,
        notes: chosen.plan.notes.clone(),
    }
}
