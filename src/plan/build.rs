//! Decides, layer by layer, what is enforced, replaced, left out or refused.

use std::path::PathBuf;

use super::facts::{Cause, HostFacts};
use super::step::{IdMap, Ids, Step};
use super::{Expected, LayerState, Plan, Problem, Refusal, Status, Supervision};
use super::{filesystem, identity, landlock, limits, namespaces, order};
use crate::policy::Policy;
use crate::policy::seccomp::{DEFAULT_GROUP, SeccompPolicy, Verdict};
use crate::profile::vocabulary::{Enforcement, Layer, Namespace, NetworkMode};

/// Plans a run: what this host can enforce of the policy, in which steps.
///
/// # Errors
/// A [`Refusal`] that lists every required layer the host can't give.
pub fn build(policy: &Policy, facts: &HostFacts) -> Result<Plan, Refusal> {
    let mut builder = Builder::new(policy, facts);
    builder.process_boundary();
    namespaces::plan(&mut builder);
    identity::plan(&mut builder);
    filesystem::plan(&mut builder);
    limits::plan(&mut builder);
    landlock::plan(&mut builder);
    builder.seccomp();
    builder.session();
    builder.guard_mapped_owners();
    builder.tell_of_mounts_that_can_be_undone();
    builder.process_tree();
    builder.finish()
}

/// A plan in the making.
pub(super) struct Builder<'a> {
    pub(super) policy: &'a Policy,
    pub(super) facts: &'a HostFacts,
    pub(super) steps: Vec<Step>,
    pub(super) expected: Expected,
    pub(super) notes: Vec<String>,
    /// Targets that a private directory stands in for.
    pub(super) private: Vec<PathBuf>,
    /// Namespaces that will be made.
    pub(super) namespaces: Vec<Namespace>,
    /// The mapping of the user namespace, if one is made.
    pub(super) id_map: Option<IdMap>,
    /// The ids that the command will see itself under.
    pub(super) ids: Ids,
    /// Paths of the host that must not come to exist during the run.
    pub(super) guarded: Vec<std::path::PathBuf>,
    /// The limit of the tree's processor time that the supervisor holds.
    pub(super) cpu_time: Option<std::time::Duration>,
    layers: Vec<LayerState>,
    problems: Vec<Problem>,
    is_mistake: bool,
}

impl<'a> Builder<'a> {
    fn new(policy: &'a Policy, facts: &'a HostFacts) -> Self {
        Self {
            policy,
            facts,
            // About as many as a view of files takes.
            steps: Vec::with_capacity(128),
            expected: Expected::default(),
            notes: policy.notes.clone(),
            private: Vec::new(),
            namespaces: Vec::new(),
            id_map: None,
            ids: Ids { uid: facts.caller.uid, gid: facts.caller.gid },
            guarded: Vec::new(),
            cpu_time: None,
            layers: Vec::new(),
            problems: Vec::new(),
            is_mistake: false,
        }
    }

    /// Whether the policy wants a layer.
    pub(super) fn wants(&self, layer: Layer) -> bool {
        self.policy.enforcement.wants(layer)
    }

    /// Whether a layer was decided to be enforced.
    pub(super) fn is_enforced(&self, layer: Layer) -> bool {
        self.layers.iter().any(|s| s.layer == layer && s.status == Status::Enforced)
    }

    /// Adds a reason for not running that no enforcement setting can waive: the profile asks for
    /// something that makes no sense on this host.
    pub(super) fn refuse(&mut self, layer: Layer, cause: Cause) {
        self.is_mistake = true;
        self.problems.push(Problem { layer, cause });
    }

    /// The user that the command is for the host.
    pub(super) fn outside_uid(&self) -> u32 {
        self.id_map.map_or(self.ids.uid, |map| map.outside.uid)
    }

    /// What was decided last.
    pub(super) fn last_status(&self) -> Option<Status> {
        self.layers.last().map(|state| state.status)
    }

    fn decide(&mut self, layer: Layer, status: Status) -> &mut LayerState {
        self.layers.push(LayerState {
            layer,
            status,
            enforcement: self.policy.enforcement.get(layer),
            mechanism: None,
            cause: None,
            details: Vec::new(),
            counts: true,
        });
        self.layers.last_mut().expect("one was just pushed")
    }

    /// The kernel will enforce the layer, by this mechanism.
    pub(super) fn enforced(&mut self, layer: Layer, mechanism: impl Into<String>) {
        self.decide(layer, Status::Enforced).mechanism = Some(mechanism.into());
    }

    /// The profile switches the layer off, or its level doesn't include it.
    pub(super) fn off(&mut self, layer: Layer) {
        self.decide(layer, Status::Off);
    }

    /// There is nothing to enforce, and why; the layer doesn't count for the effective level.
    pub(super) fn nothing_to_enforce(&mut self, layer: Layer, why: &str) {
        let state = self.decide(layer, Status::Off);
        state.counts = false;
        state.details.push(why.to_owned());
    }

    /// The host can't give the layer: a refusal if it is required, else it is left out.
    pub(super) fn missing(&mut self, layer: Layer, cause: Cause) {
        self.missing_for(layer, vec![cause]);
    }

    /// The same for several reasons, each of which makes a refusal; at least one.
    pub(super) fn missing_for(&mut self, layer: Layer, causes: Vec<Cause>) {
        if self.policy.enforcement.get(layer) == Enforcement::Required {
            self.problems
                .extend(causes.iter().map(|cause| Problem { layer, cause: cause.clone() }));
        }
        let state = self.decide(layer, Status::Unavailable);
        let mut causes = causes.into_iter();
        state.cause = causes.next();
        state.details.extend(causes.map(|cause| cause.found));
    }

    /// The host can't give the layer, but something weaker: a refusal if the layer is required.
    pub(super) fn fallback(&mut self, layer: Layer, mechanism: impl Into<String>, cause: Cause) {
        self.fallbacks(layer, mechanism, vec![cause]);
    }

    /// The same for several reasons, each of which makes a refusal; at least one.
    pub(super) fn fallbacks(
        &mut self,
        layer: Layer,
        mechanism: impl Into<String>,
        causes: Vec<Cause>,
    ) {
        if self.policy.enforcement.get(layer) == Enforcement::Required {
            return self.missing_for(layer, causes);
        }
        let state = self.decide(layer, Status::Fallback);
        state.mechanism = Some(mechanism.into());
        let mut causes = causes.into_iter();
        state.cause = causes.next();
        state.details.extend(causes.map(|cause| cause.found));
    }

    /// Adds what a decided layer does or doesn't cover.
    pub(super) fn detail(&mut self, layer: Layer, text: impl Into<String>) {
        if let Some(state) = self.layers.iter_mut().find(|state| state.layer == layer) {
            state.details.push(text.into());
        }
    }

    fn process_boundary(&mut self) {
        let process = &self.policy.process;
        self.steps.extend([
            Step::Stdio(process.stdin),
            Step::ChangeDirectory(process.cwd.clone()),
            Step::StartTarget,
            Step::FindProgram,
            Step::ResetSignals,
            Step::Verify,
            Step::Exec,
        ]);
        self.steps.extend(process.umask.map(Step::SetUmask));
        // Descriptors that weren't declared are closed even where the layer is off: what is
        // switched off then is nothing but the claim.
        self.steps.push(Step::CloseDescriptors(process.descriptors.clone()));
        self.always(Layer::Descriptors, "close_range(2) on all but the declared descriptors");
        self.always(Layer::Environment, "only the variables that the profile passes or sets");
        self.steps.push(Step::NoNewPrivs);
        self.expected.no_new_privs = true;
        self.always(Layer::NoNewPrivs, "prctl(PR_SET_NO_NEW_PRIVS)");
        match self.policy.wall_time {
            _ if !self.wants(Layer::WallTime) => self.off(Layer::WallTime),
            None => self.nothing_to_enforce(Layer::WallTime, "no wall-clock limit is asked for"),
            Some(limit) => self.enforced(
                Layer::WallTime,
                format!(
                    "timer of the supervisor, {}",
                    crate::profile::units::format_duration(limit)
                ),
            ),
        }
    }

    fn always(&mut self, layer: Layer, mechanism: &str) {
        if self.wants(layer) {
            self.enforced(layer, mechanism);
        } else {
            self.off(layer);
        }
    }

    fn session(&mut self) {
        let layer = Layer::Session;
        if !self.wants(layer) {
            self.off(layer);
            return self.guard_shared_terminal();
        }
        self.steps.extend([Step::NewSession, Step::TargetGroup]);
        // CAP_SYS_ADMIN over the terminal's namespace passes the kernel's check that a process
        // only types into its own controlling terminal, so a filter has to forbid the request.
        if !self.facts.caller.has(identity::CAP_SYS_ADMIN) || self.is_enforced(Layer::Seccomp) {
            self.enforced(layer, "setsid(2)");
        } else if self.facts.seccomp.is_usable() && self.facts.arch.is_some() {
            let policy = SeccompPolicy::guard();
            self.steps.push(Step::Seccomp { policy, layer });
            self.expected.seccomp = true;
            self.enforced(layer, "setsid(2), and a filter of TIOCSTI and TIOCLINUX");
        } else if self.loses(identity::CAP_SYS_ADMIN) {
            self.enforced(layer, "setsid(2)");
        } else {
            let cause = Cause::new(
                "a command with CAP_SYS_ADMIN could type into the caller's terminal, and no filter \
                 of system calls can be had here to forbid that",
                "run it as another user or without capabilities: --level user-based",
            );
            self.fallback(layer, "setsid(2) alone", cause);
        }
    }

    /// Whether the command is without a capability that the caller has.
    fn loses(&self, capability: u8) -> bool {
        let emptied = self.expected.capabilities;
        self.namespaces.contains(&Namespace::User)
            || emptied.is_some_and(|sets| sets.kept >> capability & 1 == 0)
    }

    fn seccomp(&mut self) {
        if !self.wants(Layer::Seccomp) {
            return self.off(Layer::Seccomp);
        }
        if let Some(cause) = self.facts.seccomp.cause() {
            return self.missing(Layer::Seccomp, cause.clone());
        }
        let Some(arch) = self.facts.arch else {
            let cause = Cause::new(
                "there is no table of system calls for this processor architecture",
                "run on x86_64 or aarch64, or switch the layer off: --enforcement seccomp=off",
            );
            return self.missing(Layer::Seccomp, cause);
        };
        let policy = &self.policy.seccomp;
        // The usual group is known to let them through; asking costs more than all the planning.
        let usual = policy.says_only(DEFAULT_GROUP);
        for call in ["execve", "exit_group", "write"] {
            if !usual && policy.permits(call) == Verdict::Never {
                let cause = Cause::new(
                    format!("the filter denies {call}, which starting any command needs"),
                    format!("add \"{call}\" to seccomp.allow in the profile"),
                );
                self.refuse(Layer::Seccomp, cause);
            }
        }
        let stands_in = self.policy.network == NetworkMode::None
            && !self.namespaces.contains(&Namespace::Network);
        let policy = if stands_in { policy.clone().without_network() } else { policy.clone() };
        self.steps.push(Step::Seccomp { policy, layer: Layer::Seccomp });
        self.expected.seccomp = true;
        self.enforced(
            Layer::Seccomp,
            format!("seccomp(2) filter for {}, installed last", arch.name()),
        );
        if stands_in {
            let text = "no network: it refuses sockets other than UNIX and netlink ones";
            self.detail(Layer::Seccomp, text);
            self.detail(Layer::NetworkNamespace, "seccomp stands in: no IPv4 and IPv6 sockets");
        }
    }

    fn process_tree(&mut self) {
        if self.namespaces.contains(&Namespace::Pid) {
            self.always(Layer::ProcessTree, "pid namespace: the kernel ends it with its init");
            self.guard_init();
        } else {
            self.always(Layer::ProcessTree, "init that adopts orphans and kills them at the end");
            self.detail(
                Layer::ProcessTree,
                "without a pid namespace, processes of the same user can signal init",
            );
        }
    }

    fn finish(mut self) -> Result<Plan, Refusal> {
        if !self.problems.is_empty() {
            let profile = self.policy.profile.clone();
            let Self { problems, is_mistake, .. } = self;
            return Err(Refusal { profile, problems, is_mistake });
        }
        self.steps.push(Step::Clone(self.namespaces.clone()));
        order::arrange(&mut self.steps);
        self.layers.sort_by_key(|state| state.layer);
        self.expected.namespaces.clone_from(&self.namespaces);
        Ok(Plan {
            profile: self.policy.profile.clone(),
            requested: self.policy.level,
            layers: self.layers,
            notes: self.notes,
            steps: self.steps,
            private: self.private,
            expected: self.expected,
            mount_attributes: self.facts.mount_attributes.is_usable(),
            supervision: Supervision {
                wall_time: self
                    .policy
                    .wall_time
                    .filter(|_| self.policy.enforcement.wants(Layer::WallTime)),
                cpu_time: self.cpu_time,
                grace: self.policy.process.grace,
                pid_namespace: self.namespaces.contains(&Namespace::Pid),
                guarded: self.guarded,
            },
        })
    }
}
