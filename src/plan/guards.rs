//! Small filters of system calls for what has to be forbidden where the layer seccomp is off.

use super::build::Builder;
use super::identity::CAP_SYS_ADMIN;
use super::step::Step;
use crate::policy::seccomp::{SeccompPolicy, Verdict};
use crate::profile::vocabulary::Layer;

impl Builder<'_> {
    /// A command that stays in the caller's session may read and write the caller's terminal, but
    /// what it typed there the caller's shell would run once the sandbox is gone.
    pub(super) fn guard_shared_terminal(&mut self) {
        let layer = Layer::Session;
        if self.is_enforced(Layer::Seccomp) {
            return; // The group is refused there, unless it is allowed by name.
        }
        if !self.facts.seccomp.is_usable() || self.facts.arch.is_none() {
            let text = "the command may type into the caller's terminal (TIOCSTI): no filter of \
                        system calls can be had here to forbid that";
            return self.notes.push(text.to_owned());
        }
        self.steps.push(Step::Seccomp { policy: SeccompPolicy::guard(), layer });
        self.expected.seccomp = true;
        self.detail(layer, "the caller's session; a filter refuses TIOCSTI and TIOCLINUX");
    }

    /// Where files of the caller's appear as the command's, a setuid one that the command makes
    /// would be the caller's outside: root's. Without the layer seccomp, a small filter keeps it
    /// from making one.
    pub(super) fn guard_mapped_owners(&mut self) {
        let mapped = |step: &Step| matches!(step, Step::Bind(bind) if bind.map_owner.is_some());
        if !self.steps.iter().any(mapped) || self.is_enforced(Layer::Seccomp) {
            return;
        }
        if !self.facts.seccomp.is_usable() || self.facts.arch.is_none() {
            for step in &mut self.steps {
                if let Step::Bind(bind) = step {
                    bind.map_owner = None;
                }
            }
            let text = "owners of files aren't mapped: without a filter of system calls, the \
                        command could leave setuid files of the caller's behind";
            return self.notes.push(text.to_owned());
        }
        let policy = SeccompPolicy::setid_guard();
        self.steps.push(Step::Seccomp { policy, layer: Layer::Filesystem });
        self.expected.seccomp = true;
        self.detail(Layer::Filesystem, "a filter refuses to make setuid and setgid files");
    }

    /// Init is a process of the command's user, which may change its limits by the kernel's rules:
    /// with one of processor time, the command would end init, and the run as a failure that never
    /// was. Without a pid namespace, there are simpler ways to end it.
    pub(super) fn guard_init(&mut self) {
        let layer = Layer::ProcessTree;
        if !self.is_enforced(layer) || self.is_enforced(Layer::Seccomp) {
            return; // The group is refused there, unless it is allowed by name.
        }
        if !self.facts.seccomp.is_usable() || self.facts.arch.is_none() {
            let text = "the command may change init's limits, and end the run by that: no filter of \
                        system calls can be had here to forbid it";
            return self.notes.push(text.to_owned());
        }
        self.steps.push(Step::Seccomp { policy: SeccompPolicy::init_guard(), layer });
        self.expected.seccomp = true;
        self.detail(layer, "a filter refuses to change init's limits");
    }

    /// Who has `CAP_SYS_ADMIN` over the namespace that mounts were made in can take them away.
    pub(super) fn tell_of_mounts_that_can_be_undone(&mut self) {
        let layer = Layer::Filesystem;
        let has = match self.expected.capabilities {
            Some(sets) => sets.kept >> CAP_SYS_ADMIN & 1 == 1,
            None => self.facts.caller.has(CAP_SYS_ADMIN) && self.outside_uid() == 0,
        };
        if !has || !self.is_enforced(layer) {
            return;
        }
        // Asked last: the answer takes working out the policy for every call.
        let calls = ["mount", "umount2", "mount_setattr", "move_mount"];
        let filtered = self.is_enforced(Layer::Seccomp)
            && calls.iter().all(|call| self.policy.seccomp.permits(call) == Verdict::Never);
        if !filtered {
            let text = "the command has CAP_SYS_ADMIN, by which it can take mounts away: it can see \
                        what is hidden, and change what is read-only";
            self.detail(layer, text);
            self.notes.push(text.to_owned());
        }
    }
}
