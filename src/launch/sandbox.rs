//! A profile planned for this host, for any number of commands.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::child::Child;
use super::command::Command;
use super::profile::Profile;
use super::{Chosen, Effort, Knowledge, Policies, choose_knowing};
use crate::error::{Contradiction, Error};
use crate::os;
use crate::plan::LayerState;
use crate::plan::facts::HostFacts;
use crate::policy::Policy;
use crate::profile::vocabulary::Level;

/// A [`Profile`] planned for this host: what every [`Command`] of it is put into.
///
/// Each command gets a sandbox of its own; what they share is the plan. Clones share it too, and
/// it can be used by many threads at once.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringfence::{Profile, Sandbox};
/// let sandbox = Sandbox::new(&Profile::load("default")?)?;
/// for state in sandbox.layers() {
///     println!("{}: {:?}", state.layer, state.status);
/// }
/// assert!(sandbox.command("true").status()?.success());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sandbox(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// In order of preference.
    policies: Vec<Arc<Policy>>,
    /// What launches have taught.
    knowledge: Knowledge,
    /// What is planned, as far as is known.
    chosen: Arc<Chosen>,
}

impl Sandbox {
    /// Plans a profile for this host and this user.
    ///
    /// # Errors
    /// [`Error::Profile`] with everything that is wrong with the profile; [`Error::Refused`] with
    /// everything this host can't give of what it requires, unless a profile that it names in
    /// `otherwise` can be enforced in full.
    pub fn new(profile: &Profile) -> Result<Self, Error> {
        let policies: Vec<_> = profile.policies()?.into_iter().map(Arc::new).collect();
        let knowledge = Knowledge::default();
        let chosen =
            choose_knowing(&mut Policies::from(policies.clone()), Effort::Look, &knowledge)?;
        // Once, and not at every launch.
        os::sweep(&chosen.facts, &chosen.plan);
        let chosen = Arc::new(chosen);
        Ok(Self(Arc::new(Mutex::new(State { policies, knowledge, chosen }))))
    }

    /// A command to be run in the sandbox. A name without a slash is searched in the `PATH` of the
    /// sandbox's environment, inside.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::new(self.clone(), program.as_ref().to_owned())
    }

    /// How far each layer holds. Before the first command has run, that may rest on what could
    /// only be assumed of the host; each launch proves it, or plans anew.
    #[must_use]
    pub fn layers(&self) -> Vec<LayerState> {
        self.chosen().plan.layers.clone()
    }

    /// The highest level all of whose layers are enforced; `None`: not even the first.
    #[must_use]
    pub fn effective_level(&self) -> Option<Level> {
        self.chosen().plan.effective()
    }

    /// The name of the profile that is enforced: the one given, or the one that takes its place.
    #[must_use]
    pub fn profile_name(&self) -> String {
        self.chosen().policy.profile.name.clone()
    }

    /// What a user should know before anything is run, one line each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.chosen().plan.notes.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chosen(&self) -> Arc<Chosen> {
        Arc::clone(&self.state().chosen)
    }

    /// What this host offers for a policy.
    pub(super) fn facts(&self, policy: &Policy) -> HostFacts {
        let mut facts = os::facts(policy, Effort::Look);
        self.state().knowledge.correct(&mut facts);
        facts
    }

    pub(super) fn spawn(
        &self,
        command: &Command,
        files: Vec<(OwnedFd, u32)>,
        ours: [Option<OwnedFd>; 3],
    ) -> Result<Child, Error> {
        loop {
            let planned = self.chosen();
            let chosen = command.plan(&planned)?;
            let prepared = os::prepare(&chosen.plan, command.line(&chosen, &files)?)?;
            let manner = os::Manner { accounting: true, exclusive: false };
            let mut running = match os::spawn(prepared, &chosen.facts, manner) {
                Ok(running) => running,
                Err(mut error) => match error.contradiction.take() {
                    Some(contradiction) if self.learn(&contradiction, &planned)? => continue,
                    _ => return Err(error.into()),
                },
            };
            running.await_exec()?;
            // The command has its own copies; here they would keep pipes open.
            drop(files);
            return Ok(Child::new(running, chosen, command.words().to_vec(), ours));
        }
    }

    /// Plans anew with what a launch has taught; `false`: it was known, and so is no way out.
    fn learn(&self, contradiction: &Contradiction, planned: &Arc<Chosen>) -> Result<bool, Error> {
        let mut state = self.state();
        if state.knowledge.0.contains(contradiction) {
            // Another thread may have learned it since.
            return Ok(!Arc::ptr_eq(&state.chosen, planned));
        }
        state.knowledge.0.push(contradiction.clone());
        let mut policies = Policies::from(state.policies.clone());
        let chosen = choose_knowing(&mut policies, Effort::Look, &state.knowledge)?;
        state.chosen = Arc::new(chosen);
        Ok(true)
    }
}
