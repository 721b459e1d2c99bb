//! Room 4, the facade: from policies to a finished run and its report.

#[cfg(feature = "tokio")]
pub mod asynchronous;
pub mod check;
mod child;
mod command;
pub mod doctor;
pub mod explain;
pub mod library;
pub mod load;
mod memory;
mod outcome;
mod profile;
mod sandbox;
mod signal;
mod stdio;

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::error::{Contradiction, Error};
use crate::os;
use crate::plan::facts::HostFacts;
use crate::plan::{Plan, Refusal};
use crate::policy::Policy;
use crate::profile::vocabulary::{Layer, Stdin};
use crate::report::{Ending, FORMAT_VERSION, HeldLimit, Outcome, Replaced};

pub use child::{Child, Output, State};
pub use command::Command;
#[cfg(any(test, fuzzing))]
pub(crate) use command::fuzzing;
pub use memory::Memory;
pub use os::{Effort, Happened};
pub use profile::Profile;
pub use sandbox::Sandbox;
pub use signal::Signal;
pub use stdio::{ChildStderr, ChildStdin, ChildStdout, Stdio};

/// A plan that this host can enforce, and how it was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The policy that it is a plan of.
    pub policy: Arc<Policy>,
    /// The plan.
    pub plan: Arc<Plan>,
    /// What it is based on.
    pub facts: HostFacts,
    /// The profile that was asked for, where another takes its place.
    pub instead_of: Option<Replaced>,
}

/// Policies in order of preference. The first is at hand; the rest may be worked out only when the
/// first can't be enforced.
pub struct Policies<'a> {
    made: Vec<Arc<Policy>>,
    rest: Option<Box<Rest<'a>>>,
}

/// Works out the policies after the first.
type Rest<'a> = dyn FnOnce() -> Result<Vec<Policy>, Error> + 'a;

impl<'a> Policies<'a> {
    /// A first choice, and how to get the rest.
    pub fn new(first: Policy, rest: impl FnOnce() -> Result<Vec<Policy>, Error> + 'a) -> Self {
        Self { made: vec![Arc::new(first)], rest: Some(Box::new(rest)) }
    }

    fn get(&mut self, index: usize) -> Result<Option<Arc<Policy>>, Error> {
        if index == self.made.len()
            && let Some(rest) = self.rest.take()
        {
            self.made.extend(rest()?.into_iter().map(Arc::new));
        }
        Ok(self.made.get(index).cloned())
    }
}

impl From<Vec<Arc<Policy>>> for Policies<'_> {
    fn from(policies: Vec<Arc<Policy>>) -> Self {
        Self { made: policies, rest: None }
    }
}

impl From<Vec<Policy>> for Policies<'_> {
    fn from(policies: Vec<Policy>) -> Self {
        Self { made: policies.into_iter().map(Arc::new).collect(), rest: None }
    }
}

/// What was learned of the host by launches that failed.
#[derive(Clone, Debug, Default)]
struct Knowledge(Vec<Contradiction>);

impl Knowledge {
    fn correct(&self, facts: &mut HostFacts) {
        for contradiction in &self.0 {
            contradiction.correct(facts);
        }
    }
}

/// Takes the first of `policies` that this host can enforce in full.
///
/// # Errors
/// [`Error::Refused`] with what is missing for the first, when none can be enforced, or with what
/// is wrong in one that was to be tried.
pub fn choose(policies: &mut Policies<'_>, effort: Effort) -> Result<Chosen, Error> {
    choose_knowing(policies, effort, &Knowledge::default())
}

fn choose_knowing(
    policies: &mut Policies<'_>,
    effort: Effort,
    knowledge: &Knowledge,
) -> Result<Chosen, Error> {
    let mut first: Option<Refusal> = None;
    let mut index = 0;
    while let Some(policy) = policies.get(index)? {
        index += 1;
        let mut facts = os::facts(&policy, effort);
        knowledge.correct(&mut facts);
        match crate::plan::build(&policy, &facts) {
            Ok(mut plan) => {
                let instead_of = first.map(|refusal| {
                    plan.notes.insert(0, replacement_note(&refusal, &policy));
                    Replaced { profile: refusal.profile, problems: refusal.problems }
                });
                return Ok(Chosen { policy, plan: Arc::new(plan), facts, instead_of });
            }
            Err(refusal) if refusal.is_mistake => return Err(Error::Refused(refusal)),
            Err(refusal) => first = first.or(Some(refusal)),
        }
    }
    Err(match first {
        Some(refusal) => Error::Refused(refusal),
        None => Error::Usage("there is no profile to enforce".to_owned()),
    })
}

/// Refuses descriptors that are directories: what is below them could be reached past every mount.
/// `given` are those that the run alone gets, all others are the caller's own.
fn refuse_directories(chosen: &Chosen, given: &[(BorrowedFd<'_>, u32)]) -> Result<(), Error> {
    let layers = [Layer::Filesystem, Layer::Landlock];
    if !layers.iter().any(|layer| chosen.policy.enforcement.wants(*layer)) {
        return Ok(());
    }
    let process = &chosen.policy.process;
    let first = if process.stdin == Stdin::Null { 1 } else { 0 };
    let inherited: Vec<u32> = (first..3)
        .chain(process.descriptors.iter().copied())
        .filter(|number| given.iter().all(|(_, placed)| placed != number))
        .collect();
    let placed = given.iter().find(|(file, _)| os::is_reference(*file)).map(|(_, number)| *number);
    match os::reaches_files(&inherited).or(placed) {
        None => Ok(()),
        Some(number) => Err(Error::Usage(format!(
            "descriptors: descriptor {number} is a directory or a reference to a file, by which \
             the command could reach what the profile doesn't show; give it a file, a pipe or \
             /dev/null"
        ))),
    }
}

fn replacement_note(refusal: &Refusal, policy: &Policy) -> String {
    let (wanted, taken) = (&refusal.profile.name, &policy.profile.name);
    let why = refusal.problems.first().map_or_else(String::new, |problem| {
        format!(" ({}: {})", problem.layer, problem.cause.found)
    });
    format!("the profile {wanted} can't be enforced on this host{why}; {taken} takes its place")
}

/// Whether a command gets a terminal of its own, where its caller has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnTerminal {
    /// Where somebody sits at it: standard input and output both are terminals.
    #[default]
    Auto,
    /// Wherever one of the standard streams is a terminal; it is an error if none is.
    Always,
    /// Never.
    Never,
}

/// The terminal in whose place the command gets one of its own.
fn callers_terminal(
    wanted: OwnTerminal,
    chosen: &Chosen,
) -> Result<Option<os::CallersTerminal>, Error> {
    let usage = |text: &str| Err(Error::Usage(format!("--tty: {text}")));
    let allowed = chosen.plan.allows_terminal();
    match (wanted, os::CallersTerminal::find()) {
        (OwnTerminal::Never, _) => Ok(None),
        (OwnTerminal::Auto, Ok(found)) => {
            let reads = chosen.policy.process.stdin == Stdin::Inherit;
            Ok(found.filter(|terminal| allowed && reads && terminal.is_interactive()))
        }
        (OwnTerminal::Auto, Err(_)) => Ok(None),
        (OwnTerminal::Always, _) if !allowed => usage(
            "a terminal of its own needs a session of its own, which the profile switches off \
             (\"process\": {\"session\": false})",
        ),
        (OwnTerminal::Always, Ok(Some(found))) => Ok(Some(found)),
        (OwnTerminal::Always, Ok(None)) => {
            usage("none of the standard streams is a terminal; leave it out, or run it at one")
        }
        (OwnTerminal::Always, Err(problem)) => {
            usage(&format!("the terminal can't be opened anew: {problem}"))
        }
    }
}

/// How a run is watched and told of.
pub trait Observer {
    /// Called once, when the plan is final and the command, of this process id, was let go.
    fn planned(&mut self, chosen: &Chosen, pid: u32);

    /// Something has happened to the run.
    fn happened(&mut self, happened: Happened) {
        let _ = happened;
    }

    /// Whether the command gets a terminal of its own.
    fn terminal(&self) -> OwnTerminal {
        OwnTerminal::Never
    }

    /// Whether it matters what the run uses, beyond what its limits need: counting that takes
    /// more cgroups, and so more time.
    fn wants_usage(&self) -> bool {
        true
    }
}

/// Runs a command by the first of `policies` that this host can enforce, and waits for its end, in a
/// process that is there for this alone: what it was planned with isn't given back.
/// `files` are put at descriptors of the command's, all of which its policies name.
///
/// What a plan only assumes of the host is proved by the launch. Where the launch proves the
/// opposite before anything was run, the plan is made anew with what was learned.
///
/// # Errors
/// Nothing was run: refused, or a step failed.
pub fn run(
    policies: &mut Policies<'_>,
    words: &[OsString],
    files: &[(OwnedFd, u32)],
    observer: &mut dyn Observer,
) -> Result<Outcome, Error> {
    let mut knowledge = Knowledge::default();
    loop {
        let chosen = choose_knowing(policies, Effort::Look, &knowledge)?;
        let terminal = callers_terminal(observer.terminal(), &chosen)?;
        let command = os::CommandLine {
            words: words.to_vec(),
            environment: chosen.policy.environment.clone(),
            terminal: terminal.as_ref(),
            directory: None,
            files: files.iter().map(|(file, number)| (file.as_fd(), *number)).collect(),
        };
        refuse_directories(&chosen, &command.files)?;
        let prepared = os::prepare(&chosen.plan, command)?;
        let signals = os::Signals::take();
        let manner = os::Manner { accounting: observer.wants_usage(), exclusive: true };
        let mut running = match os::spawn(prepared, &chosen.facts, manner) {
            Ok(running) => running,
            Err(error) => match error.contradiction.as_deref() {
                Some(contradiction) if !knowledge.0.contains(contradiction) => {
                    knowledge.0.push(contradiction.clone());
                    continue;
                }
                _ => return Err(error.into()),
            },
        };
        observer.planned(&chosen, running.target());
        let limits = os::limits_in_force(&running);
        os::sweep(&chosen.facts, &chosen.plan);
        let ended = os::wait(&mut running, signals.as_ref().ok(), terminal, &mut |what| {
            observer.happened(what)
        })?;
        drop(running);
        let ending = outcome::classify(&ended, &chosen.plan);
        let outcome = report(&chosen, words, limits, &ended, ending);
        // This process is there for the run alone, and is about to end. To take the plan apart would
        // write to pages that init had copies of, and have the kernel copy each.
        std::mem::forget(chosen);
        return Ok(outcome);
    }
}

fn report(
    chosen: &Chosen,
    words: &[OsString],
    limits: Vec<HeldLimit>,
    ended: &os::Ended,
    ending: Ending,
) -> Outcome {
    let exit_code =
        ended.failure.as_ref().map_or_else(|| ending.exit_code(), |error| error.exit_code());
    Outcome {
        version: FORMAT_VERSION,
        profile: chosen.plan.profile.clone(),
        instead_of: chosen.instead_of.clone(),
        command: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        requested_level: chosen.plan.requested,
        effective_level: chosen.plan.effective(),
        layers: chosen.plan.layers.clone(),
        limits,
        exit_code,
        usage: Some(outcome::usage(ended)),
        ending,
        notes: chosen.plan.notes.clone(),
    }
}
