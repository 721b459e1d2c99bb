//! THE order of irreversible steps, in one place.

use super::step::Step;

/// Where a step comes in the order; steps of one rank keep the order they were planned in.
///
/// Every line here is forced by the kernel, or by what a later step still needs.
const fn rank(step: &Step) -> u8 {
    match step {
        // In the parent.
        Step::CreateCgroup(_) => 0,
        Step::Clone(_) => 1,
        Step::MapIds(_) => 2,
        // In init, still with the new user namespace's full capabilities.
        // First, as it goes on beside what comes next.
        Step::BeginNetwork => 10,
        Step::NewSession => 11,
        Step::JoinCgroup => 12,
        // The cgroup namespace's root is the cgroup its maker is in: it comes after joining.
        Step::NewCgroupNamespace => 13,
        Step::AdoptIds(_) => 14,
        Step::PrivateMounts => 20,
        Step::NewRoot(_) => 22,
        Step::Directory { .. }
        | Step::EmptyFile(_)
        | Step::Symlink { .. }
        | Step::Bind(_)
        | Step::Remount(_)
        | Step::Tmpfs(_)
        | Step::Proc(_)
        | Step::DevPts(_) => 23,
        // Masks cover what the mounts before have made visible.
        Step::ReadOnly { .. } | Step::Mask { .. } => 24,
        // What is made inside comes before.
        Step::Seal(_) => 25,
        Step::EnterRoot => 26,
        Step::SetHostname(_) => 30,
        // As late as can be, but still with CAP_SYS_ADMIN.
        Step::JoinNetwork => 31,
        Step::LoopbackUp => 32,
        // Raising a limit or lowering niceness needs a capability: before those go.
        Step::SetNice(_) => 33,
        Step::SetAffinity(_) => 34,
        // Needs CAP_SETPCAP.
        Step::DropBoundingSet(_) => 40,
        Step::LockSecurebits(_) => 41,
        // Groups need CAP_SETGID, which may go with the user id; the same holds for the group id.
        Step::SetGroups(_) => 42,
        Step::SetIds(_) => 43,
        // The last use of a capability is behind.
        Step::SetCapabilities(_) => 44,
        // Landlock and seccomp want it.
        Step::NoNewPrivs => 45,
        // As the sandboxed user, to whom it belongs then.
        Step::OpenTerminal(_) => 46,
        Step::StartTarget => 50,
        // In the process that becomes the command.
        Step::TargetGroup => 60,
        // Its group has to be there.
        Step::TakeTerminal => 61,
        Step::Stdio(_) => 62,
        Step::SetUmask(_) => 63,
        // As the sandboxed user, so that its permissions decide.
        Step::ChangeDirectory(_) => 64,
        Step::FindProgram => 65,
        // After every mount: a domain may not mount.
        Step::Landlock(_) => 66,
        Step::CloseDescriptors(_) => 67,
        // After the fork of the target: a limit of processes counts at fork.
        Step::SetRlimit { .. } => 68,
        Step::ResetSignals => 69,
        Step::Verify => 70,
        // Whatever comes after this must be let through by the filter.
        Step::Seccomp { .. } => 71,
        Step::Exec => 72,
    }
}

/// Puts steps into the order.
pub(super) fn arrange(steps: &mut [Step]) {
    // Steps are large: what is sorted is their ranks, and each step is moved once or twice.
    steps.sort_by_cached_key(rank);
}

/// Which process takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The launcher.
    Parent,
    /// The sandbox's first process.
    Init,
    /// The process that becomes the command.
    Target,
}

impl Step {
    /// Which process takes this step.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        match rank(self) {
            0..10 => Actor::Parent,
            10..60 => Actor::Init,
            _ => Actor::Target,
        }
    }
}

#[cfg(test)]
mod tests;
