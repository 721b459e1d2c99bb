//! What must be true of every plan, whatever was asked of whatever host.

use super::super::facts::{HostFacts, Support};
use super::super::order::Actor;
use super::super::step::{NewRoot, Step};
use super::super::{LayerState, Plan, Status};
use super::wishes::degrade;
use super::{build, layers_of, tree};
use crate::plan::identity::{CAP_SETGID, CAP_SETPCAP, CAP_SETUID, CAP_SYS_ADMIN};
use crate::policy::Policy;
use crate::profile::vocabulary::{Enforcement, Layer, Level, Namespace, NetworkMode};

/// What is wrong with what a policy comes to on a host.
pub(crate) fn judge(policy: &Policy, host: &HostFacts) -> Result<(), String> {
    let refusal = match build(policy, host) {
        Ok(plan) => return check(policy, host, &plan),
        Err(refusal) => refusal,
    };
    if refusal.problems.is_empty() {
        return Err("refused for no reason".into());
    }
    for problem in &refusal.problems {
        let told = !problem.cause.found.is_empty() && !problem.cause.remedy.is_empty();
        if !told || policy.enforcement.get(problem.layer) != Enforcement::Required {
            return Err(format!("refused for {problem:?}"));
        }
    }
    let mut weaker = policy.clone();
    degrade(&mut weaker, &layers_of(&refusal));
    match build(&weaker, host) {
        Ok(plan) => check(&weaker, host, &plan),
        Err(again) => Err(format!("not all was told at once: {:?}", again.problems)),
    }
}

/// What is wrong with a plan, in words.
pub(super) fn check(policy: &Policy, host: &HostFacts, plan: &Plan) -> Result<(), String> {
    layers(policy, plan)?;
    for state in &plan.layers {
        let layer = state.layer;
        let done = evidence(layer, policy, plan);
        match state.status {
            Status::Enforced if !done => return Err(format!("{layer}: enforced by no step")),
            Status::Unavailable if done => return Err(format!("{layer}: unavailable, but done")),
            _ => {}
        }
    }
    owners(plan)?;
    expected(plan)?;
    sequence(plan)?;
    privileges(host, plan)?;
    offers(host, plan)?;
    level(plan)?;
    tree::check(host, plan)
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Every layer has one state that fits what was asked, and says why where it doesn't hold.
fn layers(policy: &Policy, plan: &Plan) -> Result<(), String> {
    let listed: Vec<_> = plan.layers.iter().map(|state| state.layer).collect();
    ensure(listed == Layer::ALL, || format!("not every layer once: {listed:?}"))?;
    for state in &plan.layers {
        let wanted = policy.enforcement.get(state.layer);
        let fits = match (wanted, state.status) {
            (Enforcement::Required, Status::Enforced) | (Enforcement::BestEffort, _) => true,
            // What the profile itself takes the sense from.
            (Enforcement::Required, Status::Off) => !state.details.is_empty(),
            (Enforcement::Required, Status::Fallback | Status::Unavailable) => false,
            // Another layer may need it.
            (Enforcement::Off, Status::Enforced) => state.layer == Layer::UserNamespace,
            (Enforcement::Off, status) => status == Status::Off,
        };
        ensure(fits && state.enforcement == wanted, || format!("{wanted}, but {state:?}"))?;
        let (mechanism, cause) = match state.status {
            Status::Enforced => (true, false),
            Status::Fallback => (true, true),
            Status::Unavailable => (false, true),
            Status::Off => (false, false),
        };
        let told = (state.mechanism.is_some(), state.cause.is_some());
        ensure(told == (mechanism, cause), || format!("what holds or why not: {state:?}"))?;
        let uncounted = !state.counts && state.status != Status::Off;
        ensure(!uncounted, || format!("holds, but doesn't count: {state:?}"))?;
    }
    Ok(())
}

fn has(plan: &Plan, pick: impl Fn(&Step) -> bool) -> bool {
    plan.steps.iter().any(pick)
}

/// The namespaces that are made by the clone.
fn cloned(plan: &Plan) -> &[Namespace] {
    let clone = plan.steps.iter().find_map(|step| match step {
        Step::Clone(namespaces) => Some(namespaces.as_slice()),
        _ => None,
    });
    clone.unwrap_or(&[])
}

/// Whether the steps that enforce a layer are planned.
fn evidence(layer: Layer, policy: &Policy, plan: &Plan) -> bool {
    let made = |namespace| cloned(plan).contains(&namespace);
    let rlimit = |step: &Step| matches!(step, Step::SetRlimit { layer: Layer::Rlimits, .. });
    match layer {
        Layer::Session => has(plan, |step| *step == Step::TargetGroup),
        Layer::Descriptors => has(plan, |step| matches!(step, Step::CloseDescriptors(_))),
        Layer::Environment => has(plan, |step| *step == Step::Exec),
        Layer::NoNewPrivs => has(plan, |step| *step == Step::NoNewPrivs),
        Layer::Rlimits => has(plan, |step| rlimit(step) || matches!(step, Step::SetNice(_))),
        Layer::WallTime => plan.supervision.wall_time.is_some(),
        Layer::ProcessTree => has(plan, |step| *step == Step::StartTarget),
        Layer::User => has(plan, |step| matches!(step, Step::SetIds(_))),
        Layer::Capabilities => has(plan, |step| matches!(step, Step::DropBoundingSet(_))),
        Layer::UserNamespace => {
            made(Namespace::User) && has(plan, |step| matches!(step, Step::MapIds(_)))
        }
        Layer::MountNamespace => {
            made(Namespace::Mount) && has(plan, |step| *step == Step::PrivateMounts)
        }
        Layer::PidNamespace => made(Namespace::Pid) && plan.supervision.pid_namespace,
        Layer::IpcNamespace => made(Namespace::Ipc),
        Layer::UtsNamespace => {
            made(Namespace::Uts) && has(plan, |step| matches!(step, Step::SetHostname(_)))
        }
        Layer::NetworkNamespace => {
            let loopback = policy.network == NetworkMode::Loopback;
            let up = has(plan, |step| *step == Step::LoopbackUp);
            let begun = has(plan, |step| *step == Step::BeginNetwork);
            made(Namespace::Network)
                && up == loopback
                && policy.network != NetworkMode::Host
                && begun == made(Namespace::Pid)
                && begun == has(plan, |step| *step == Step::JoinNetwork)
        }
        Layer::CgroupNamespace => has(plan, |step| *step == Step::NewCgroupNamespace),
        Layer::TimeNamespace => made(Namespace::Time),
        Layer::Filesystem => {
            has(plan, |step| matches!(step, Step::NewRoot(_)))
                && has(plan, |step| *step == Step::EnterRoot)
        }
        Layer::Root => has(plan, |step| match step {
            Step::NewRoot(NewRoot::Tree(path)) => path != std::path::Path::new("/"),
            Step::NewRoot(NewRoot::Empty) => true,
            _ => false,
        }),
        Layer::Masks => has(plan, |step| {
            matches!(
                step,
                Step::Mask { layer: Layer::Masks, .. } | Step::ReadOnly { layer: Layer::Masks, .. }
            )
        }),
        Layer::Cgroup => {
            has(plan, |step| matches!(step, Step::CreateCgroup(_)))
                && has(plan, |step| *step == Step::JoinCgroup)
        }
        Layer::Landlock => has(plan, |step| matches!(step, Step::Landlock(_))),
        Layer::Seccomp => {
            has(plan, |step| matches!(step, Step::Seccomp { layer: Layer::Seccomp, .. }))
        }
    }
}

/// No step belongs to a layer that isn't there, those aside that every run has.
fn owners(plan: &Plan) -> Result<(), String> {
    for step in &plan.steps {
        let of_every_run = matches!(
            step,
            Step::Clone(_)
                | Step::Stdio(_)
                | Step::SetUmask(_)
                | Step::ChangeDirectory(_)
                | Step::StartTarget
                | Step::FindProgram
                | Step::NoNewPrivs
                | Step::CloseDescriptors(_)
                | Step::ResetSignals
                | Step::Verify
                | Step::Exec
        );
        let layer = step.layer();
        let state = plan.layers.iter().find(|state| state.layer == layer);
        let status = state.map_or(Status::Off, |state| state.status);
        let holds = match status {
            Status::Enforced | Status::Fallback => true,
            Status::Unavailable => false,
            // Asking for the caller's own user still settles its groups; and who stays in the
            // caller's session doesn't type into its terminal.
            Status::Off => {
                let told = state.is_some_and(|state| !state.details.is_empty());
                let guard = layer == Layer::Session && matches!(step, Step::Seccomp { .. });
                (layer == Layer::User || guard) && told
            }
        };
        ensure(of_every_run || holds, || format!("{layer} is {status:?}, but: {step:?}"))?;
    }
    Ok(())
}

/// What the kernel must confirm is what the steps do.
fn expected(plan: &Plan) -> Result<(), String> {
    let expected = &plan.expected;
    let rlimits: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::SetRlimit { resource, limit, .. } => Some((*resource, *limit)),
            _ => None,
        })
        .collect();
    ensure(rlimits == expected.rlimits, || format!("limits: {rlimits:?} {expected:?}"))?;
    let groups = plan.steps.iter().find_map(|step| match step {
        Step::SetGroups(groups) => Some(groups.clone()),
        _ => None,
    });
    ensure(groups == expected.groups, || format!("groups: {groups:?} {expected:?}"))?;
    let ids = plan.steps.iter().find_map(|step| match step {
        Step::SetIds(ids) => Some(*ids),
        Step::MapIds(map) => Some(map.inside),
        _ => None,
    });
    ensure(ids == expected.ids, || format!("ids: {ids:?} {expected:?}"))?;
    let kept = plan.steps.iter().find_map(|step| match step {
        Step::SetCapabilities(kept) => Some(*kept),
        _ => None,
    });
    let bounding = has(plan, |step| matches!(step, Step::DropBoundingSet(_)));
    let locked = has(plan, |step| matches!(step, Step::LockSecurebits(_)));
    let sets = expected.capabilities.map(|sets| (sets.kept, sets.bounding));
    ensure(sets == kept.map(|kept| (kept, bounding)) && bounding == locked, || {
        format!("capabilities: {kept:?} {bounding} {locked} {expected:?}")
    })?;
    let seccomp = has(plan, |step| matches!(step, Step::Seccomp { .. }));
    let cgroup = has(plan, |step| matches!(step, Step::CreateCgroup(_)));
    ensure(
        (expected.seccomp, expected.cgroup, expected.no_new_privs) == (seccomp, cgroup, true),
        || format!("seccomp {seccomp}, cgroup {cgroup}: {expected:?}"),
    )?;
    ensure(expected.namespaces == cloned(plan), || format!("namespaces: {expected:?}"))?;
    let in_pid_namespace = cloned(plan).contains(&Namespace::Pid);
    ensure(plan.supervision.pid_namespace == in_pid_namespace, || "pid namespace".into())
}

/// Steps that there is one of come once, actors follow each other, and exec is the end.
fn sequence(plan: &Plan) -> Result<(), String> {
    let count = |pick: fn(&Step) -> bool| plan.steps.iter().filter(|step| pick(step)).count();
    for (name, wanted, found) in [
        ("clone", 1..=1, count(|step| matches!(step, Step::Clone(_)))),
        ("exec", 1..=1, count(|step| *step == Step::Exec)),
        ("verify", 1..=1, count(|step| *step == Step::Verify)),
        ("start", 1..=1, count(|step| *step == Step::StartTarget)),
        ("ids", 0..=1, count(|step| matches!(step, Step::SetIds(_)))),
        ("map", 0..=1, count(|step| matches!(step, Step::MapIds(_)))),
        ("seccomp", 0..=3, count(|step| matches!(step, Step::Seccomp { .. }))),
        ("landlock", 0..=1, count(|step| matches!(step, Step::Landlock(_)))),
        ("root", 0..=1, count(|step| matches!(step, Step::NewRoot(_)))),
    ] {
        ensure(wanted.contains(&found), || format!("{name}: {found} times"))?;
    }
    let actors: Vec<Actor> = plan.steps.iter().map(Step::actor).collect();
    ensure(actors.is_sorted(), || format!("actors: {actors:?}"))?;
    ensure(plan.steps.last() == Some(&Step::Exec), || "exec isn't last".into())
}

/// No step needs a capability that its process doesn't have: the caller's own, or all of them in a
/// new user namespace.
fn privileges(host: &HostFacts, plan: &Plan) -> Result<(), String> {
    let caller = &host.caller;
    let Some(map) = plan.steps.iter().find_map(|step| match step {
        Step::MapIds(map) => Some(map),
        _ => None,
    }) else {
        for step in &plan.steps {
            let needed: &[u8] = match step {
                Step::SetGroups(_) => &[CAP_SETGID],
                Step::SetIds(_) => &[CAP_SETUID, CAP_SETGID],
                Step::DropBoundingSet(_) | Step::LockSecurebits(_) => &[CAP_SETPCAP],
                Step::Clone(namespaces) if namespaces.is_empty() => &[],
                Step::Clone(_)
                | Step::BeginNetwork
                | Step::JoinNetwork
                | Step::SetHostname(_)
                | Step::LoopbackUp
                | Step::NewCgroupNamespace
                | Step::PrivateMounts
                | Step::NewRoot(_)
                | Step::Bind(_)
                | Step::EnterRoot => &[CAP_SYS_ADMIN],
                _ => &[],
            };
            let lacking = needed.iter().find(|capability| !caller.has(**capability));
            ensure(lacking.is_none(), || format!("capability {lacking:?} for {step:?}"))?;
        }
        return ensure(!cloned(plan).contains(&Namespace::User), || "no id map".into());
    };
    ensure(cloned(plan).contains(&Namespace::User), || "a map without a namespace".into())?;
    let own = map.outside.uid == caller.uid && map.outside.gid == caller.gid;
    let switches = caller.has(CAP_SETUID) && caller.has(CAP_SETGID) && !caller.confined;
    ensure(own || switches, || format!("another's ids mapped: {map:?}"))?;
    ensure(switches || !map.keep_setgroups, || "setgroups kept without CAP_SETGID".into())?;
    for step in &plan.steps {
        match step {
            Step::SetGroups(groups) => ensure(
                map.keep_setgroups && groups.iter().all(|group| *group == map.inside.gid),
                || format!("groups that aren't mapped: {groups:?}"),
            )?,
            Step::SetIds(ids) | Step::AdoptIds(ids) => {
                ensure(*ids == map.inside, || format!("ids that aren't mapped: {ids:?}"))?;
            }
            Step::Bind(bind) => ensure(bind.map_owner.is_none(), || {
                "owners of a mount can't be mapped from inside a user namespace".into()
            })?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether what a mount allows is set by a step of its own.
fn is_remounted(plan: &Plan, target: &std::path::Path) -> bool {
    plan.steps.iter().any(|step| matches!(step, Step::Remount(remount) if remount.path == target))
}

/// Nothing is planned that the host doesn't offer.
fn offers(host: &HostFacts, plan: &Plan) -> Result<(), String> {
    for namespace in cloned(plan) {
        let support = host.namespaces.get(namespace);
        ensure(support.is_some_and(Support::is_usable), || format!("{namespace}: {support:?}"))?;
    }
    for step in &plan.steps {
        let offered = match step {
            Step::Proc(_) => host.fresh_proc.is_usable() && host.mount_descriptors.is_usable(),
            Step::Bind(bind) => {
                host.mount_descriptors.is_usable()
                    && (host.mount_attributes.is_usable() || is_remounted(plan, &bind.target))
                    && cloned(plan).contains(&Namespace::Mount)
            }
            Step::Remount(_) => !host.mount_attributes.is_usable(),
            Step::NewRoot(_)
            | Step::ReadOnly { .. }
            | Step::Seal(_)
            | Step::Tmpfs(_)
            | Step::DevPts(_)
            | Step::Mask { .. }
            | Step::EnterRoot => {
                host.mount_descriptors.is_usable() && cloned(plan).contains(&Namespace::Mount)
            }
            Step::Seccomp { .. } => host.seccomp.is_usable() && host.arch.is_some(),
            Step::CreateCgroup(limits) => {
                host.cgroup.missing_for(limits).is_empty() && host.cgroup.parents().next().is_some()
            }
            Step::Landlock(rules) => {
                let facts = &host.landlock;
                let known = rules.handled_fs & !facts.access_fs == 0
                    && rules.handled_net & !facts.access_net == 0
                    && rules.scoped & !facts.scopes == 0;
                // The kernel refuses rules for rights that aren't handled, and empty domains.
                let handled = rules.paths.iter().all(|rule| rule.access & !rules.handled_fs == 0)
                    && rules.ports.iter().all(|(_, right)| right & !rules.handled_net == 0)
                    && rules.handled_fs | rules.handled_net | rules.scoped != 0;
                facts.missing.is_none() && known && handled
            }
            _ => true,
        };
        ensure(offered, || format!("this host can't do {step:?}"))?;
    }
    Ok(())
}

/// The effective level is the highest below which nothing that counts is lacking.
fn level(plan: &Plan) -> Result<(), String> {
    let lacking = |state: &&LayerState| state.counts && !matches!(state.status, Status::Enforced);
    let lowest = plan.layers.iter().filter(lacking).map(|state| state.layer.level()).min();
    let wanted = match lowest {
        None => Level::ALL.last().copied(),
        Some(lowest) => Level::ALL.iter().copied().filter(|level| *level < lowest).max(),
    };
    ensure(plan.effective() == wanted, || format!("{:?} instead of {wanted:?}", plan.effective()))
}
